/** What LOKI_PORT serves: queries in the worker, pushes in the main thread, where the write-ahead log is. */
import type { ApiHandler } from '../http.ts'

export interface LokiPortDeps {
  readonly api: ApiHandler
  readonly push: ApiHandler
}

export function lokiPort({ api, push }: LokiPortDeps): ApiHandler {
  return (request) => (request.path === '/loki/api/v1/push' ? push(request) : api(request))
}
