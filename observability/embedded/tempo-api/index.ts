/** Tempo's query API over a store. */
import { type ApiHandler, type ApiRequest, type ApiResponse, json, text } from '../http.ts'
import type { StoredSpans } from '../store/span-data.ts'
import type { SpanSource } from '../traceql/span-table.ts'
import { type TraceStore, traceV1, traceV2 } from './traces.ts'

export interface TempoStore extends SpanSource, TraceStore {
  tables: (range: Parameters<SpanSource['tables']>[0]) => Iterable<StoredSpans>
}

export interface TempoApiDeps {
  readonly spans: TempoStore
}

/** Grafana streams over gRPC from 2.2 on; this backend speaks HTTP only. */
const TEMPO_VERSION = '2.1.0'

type Route = readonly [pattern: RegExp, answer: (request: ApiRequest, argument: string) => ApiResponse]

export function createTempoApi({ spans }: TempoApiDeps): ApiHandler {
  const routes: Route[] = [
    [/^\/api\/traces\/([^/]+)$/, (request, id) => traceV1(spans, id, request)],
    [/^\/api\/v2\/traces\/([^/]+)$/, (request, id) => traceV2(spans, id, request)],
    [/^\/api\/echo$/, () => text(200, 'echo')],
    [/^\/api\/status\/buildinfo$/, () => json(200, buildInfo())],
  ]
  return (request) => {
    for (const [pattern, answer] of routes) {
      const match = pattern.exec(request.path)
      if (match === null) continue
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return text(405, `${request.path} takes GET`, { allow: 'GET' })
      return answer(request, decodeURIComponent(match[1] ?? ''))
    }
    return text(404, `404 page not found: ${request.path}`)
  }
}

function buildInfo() {
  return {
    version: TEMPO_VERSION,
    revision: 'sightline-embedded',
    branch: '',
    buildUser: '',
    buildDate: '',
    goVersion: '',
  }
}
