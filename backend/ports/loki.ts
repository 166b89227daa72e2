/** Main thread. What LOKI_PORT serves: queries in the worker, pushes here, where the write-ahead log is. */
import type { ApiHandler } from '../http.ts'

export interface LokiPortDeps {
  readonly api: ApiHandler
  readonly push: ApiHandler
}

/** `/loki/api/v1/push` goes to `push`, everything else to `api`. */
export function lokiPort({ api, push }: LokiPortDeps): ApiHandler {
  return (request) => (request.path === '/loki/api/v1/push' ? push(request) : api(request))
}
