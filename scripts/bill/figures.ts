/** What requests leave behind, by service: read from the query APIs alone, so that local mode, the stack and a cluster answer alike. */
import { getJson, type System } from '../ask/system.ts'

/** Per request at the gateway; null where nobody counts it. */
export interface Share {
  service: string
  spans: number
  /** OTLP, before compression. The gateway's are not counted: its spans are made of its access log, or by Nginx. */
  spanBytes: number | null
  logLines: number
  /** As with spans. */
  logBytes: number | null
}

export interface Bill {
  minutes: number
  /** At the gateway, in that time. */
  requests: number
  shares: Share[]
  /** Series that each program gives Prometheus at a scrape: they don't grow with requests, but with what labels say. */
  series: Record<string, number>
}

type Vector = { metric: Record<string, string>; value: [number, string] }[]

/** Rejects with an Unanswered that says who was asked in vain. */
export async function readBill(system: System, minutes: number): Promise<Bill> {
  const [requests] = await prometheus(system, `sum(${grown(GATEWAY_SPANS, minutes)})`)
  const of = async (signal: 'traces' | 'logs', name: string) =>
    byLabel(await prometheus(system, `sum by (job) (${grown(`${name}{signal="${signal}"}`, minutes)})`), 'job')
  const spans = await of('traces', 'telemetry_exported_total')
  const spanBytes = await of('traces', 'telemetry_exported_bytes_total')
  const lines = byLabel(
    await loki(system, `sum by (service_name) (count_over_time(${ALL_LINES}[${minutes}m]))`),
    'service_name',
  )
  const logBytes = await of('logs', 'telemetry_exported_bytes_total')
  const series = byLabel(await prometheus(system, 'sum by (job) (scrape_samples_scraped)'), 'job')
  const count = Number(requests?.value[1] ?? 0)
  spans.gateway = count
  const each = (value: number | undefined) => (count === 0 ? 0 : (value ?? 0) / count)
  const services = [...new Set([...Object.keys(spans), ...Object.keys(lines)])].sort()
  const shares = services.map((service) => ({
    service,
    spans: each(spans[service]),
    spanBytes: service in spanBytes ? each(spanBytes[service]) : null,
    logLines: each(lines[service]),
    logBytes: service in logBytes ? each(logBytes[service]) : null,
  }))
  return { minutes, requests: count, shares, series }
}

const GATEWAY_SPANS = 'traces_spanmetrics_calls_total{service="gateway",span_kind="SPAN_KIND_SERVER"}'
const ALL_LINES = '{service_name=~".+"}'

/** What counters have grown by. Of a series that is younger than that it is all it has: `increase` leaves out what its first sample brought. */
const grown = (series: string, minutes: number): string =>
  `((${series} unless ${series} offset ${minutes}m) or increase(${series}[${minutes}m]))`

async function prometheus(system: System, query: string): Promise<Vector> {
  const question = { path: '/api/v1/query', query: { query } }
  return (await getJson<{ data: { result: Vector } }>('Prometheus', system.prometheus, question)).data.result
}

async function loki(system: System, query: string): Promise<Vector> {
  const question = { path: '/loki/api/v1/query', query: { query } }
  return (await getJson<{ data: { result: Vector } }>('Loki', system.loki, question)).data.result
}

const byLabel = (vector: Vector, label: string): Record<string, number> =>
  Object.fromEntries(vector.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]))
