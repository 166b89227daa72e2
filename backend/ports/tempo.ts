/**
 * Main thread. What TEMPO_PORT serves beyond Tempo's query API: metrics and readiness, answered here even when a query
 * is long.
 */
import type { OpenMetricsContentType, Registry } from 'prom-client'
import { type ApiHandler, text } from '../http.ts'

export interface TempoPortDeps {
  readonly api: ApiHandler
  readonly registry: Registry<OpenMetricsContentType>
  ready(): boolean
}

/** `/ready` is 200 or 503, `/metrics` is OpenMetrics text, everything else goes to `api`. */
export function tempoPort({ api, registry, ready }: TempoPortDeps): ApiHandler {
  return async (request) => {
    if (request.path === '/ready')
      return ready() ? text(200, 'ready\n') : text(503, 'starting\n', { 'retry-after': '1' })
    if (request.path !== '/metrics') return api(request)
    return { status: 200, headers: { 'content-type': registry.contentType }, body: await registry.metrics() }
  }
}
