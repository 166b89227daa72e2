/** Where a command asks the running system: GATEWAY_URL, TEMPO_URL, LOKI_URL and PROMETHEUS_URL, else its own ports. */
import type { Settings } from './settings.ts'

/** Base URLs without a slash at the end. */
export interface Apis {
  gateway: string
  tempo: string
  loki: string
  prometheus: string
  /** Headers that the gateway wants to see; none where it has no key. */
  credentials: Record<string, string>
}

export function apisOf({ ports, env }: Pick<Settings, 'ports' | 'env'>): Apis {
  const at = (port: number) => `http://127.0.0.1:${port}`
  return {
    gateway: env.GATEWAY_URL ?? at(ports.GATEWAY_PORT),
    tempo: env.TEMPO_URL ?? at(ports.TEMPO_PORT),
    loki: env.LOKI_URL ?? at(ports.LOKI_PORT),
    prometheus: env.PROMETHEUS_URL ?? at(ports.PROMETHEUS_PORT),
    credentials: env.GATEWAY_API_KEY ? { 'x-api-key': env.GATEWAY_API_KEY } : {},
  }
}
