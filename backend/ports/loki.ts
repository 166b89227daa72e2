/**
 * Main thread. What LOKI_PORT serves: queries in the worker; what is pushed, by Loki's own API or as OTLP, here, where the
 * write-ahead log is.
 */
import type { RequestListener } from 'node:http'
import { type ApiHandler, type BodyHandler, splitUrl } from '../http.ts'

export interface LokiPortDeps {
  readonly api: ApiHandler
  readonly push: BodyHandler
}

/** `/loki/api/v1/push` goes to `push`, everything else to `api`. */
export function lokiPort({ api, push }: LokiPortDeps): BodyHandler {
  return (request, grown) => (request.path === '/loki/api/v1/push' ? push(request, grown) : api(request))
}

/** The paths of `taken` go to `otlp`, which answers by OTLP's rules, everything else to `loki`. */
export function withOtlp(
  loki: RequestListener,
  otlp: RequestListener,
  taken: ReadonlyMap<string, unknown>,
): RequestListener {
  return (req, res) => (taken.has(splitUrl(req.url ?? '/')[0]) ? otlp(req, res) : loki(req, res))
}
