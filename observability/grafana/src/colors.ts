/** One colour per service and per percentile, the same on every board, in Grafana and in the console. */
export const SERVICE_COLORS: Readonly<Record<string, string>> = {
  user: '#8e9aab',
  client: '#8e9aab',
  gateway: '#b877d9',
  'user-service': '#ff9830',
  'order-service': '#5794f2',
  'audit-service': '#2fb8ac',
  postgresql: '#e0b400',
  'telemetry-backend': '#ff7383',
  prometheus: '#e6522c',
  alertmanager: '#c4733f',
  collector: '#8ab8ff',
  tempo: '#f2cc0c',
  loki: '#ca95e5',
}

export const PERCENTILE_COLORS = { p50: '#73bf69', p95: '#f2cc0c', p99: '#ff7383' } as const

export const ERROR_COLOR = '#f2495c'
/** Refused is the caller's doing (4xx), late is a 202: both are answers as promised. */
export const REFUSED_COLOR = '#f2cc0c'
export const LATE_COLOR = '#5794f2'
export const OK_COLOR = '#73bf69'
