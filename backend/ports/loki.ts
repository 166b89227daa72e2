/** Main thread. What LOKI_PORT serves: queries in the worker, pushes here, where the write-ahead log is. */
import type { ApiHandler, BodyHandler } from '../http.ts'

export interface LokiPortDeps {
  readonly api: ApiHandler
  readonly push: BodyHandler
}

/** `/loki/api/v1/push` goes to `push`, everything else to `api`. */
export function lokiPort({ api, push }: LokiPortDeps): BodyHandler {
  return (request, grown) => (request.path === '/loki/api/v1/push' ? push(request, grown) : api(request))
}
