/** Tempo's query API over a store. */
import { type ApiHandler, type ApiRequest, type ApiResponse, decodePart, json, text } from '../../http.ts'
import { TraceQLError } from '../traceql/index.ts'
import { answerQuery, answerQueryRange } from './metrics.ts'
import { answerSearch } from './search.ts'
import { type TagSource, tagsV1, tagsV2, tagValuesV1, tagValuesV2 } from './tags.ts'
import { type TraceStore, traceV1, traceV2 } from './traces.ts'

export interface TempoStore extends TagSource, TraceStore {}

export interface TempoApiDeps {
  readonly spans: TempoStore
  /** The current time; defaults reckon from it. */
  readonly nowNs?: () => bigint
}

/** Grafana streams over gRPC from 2.2 on; this backend speaks HTTP only. */
const TEMPO_VERSION = '2.1.0'

type Route = readonly [pattern: RegExp, answer: (request: ApiRequest, argument: string) => ApiResponse]

export function createTempoApi({ spans, nowNs = () => BigInt(Date.now()) * 1_000_000n }: TempoApiDeps): ApiHandler {
  const routes: Route[] = [
    [/^\/api\/traces\/([^/]+)$/, (request, id) => traceV1(spans, id, request)],
    [/^\/api\/v2\/traces\/([^/]+)$/, (request, id) => traceV2(spans, id, request)],
    [/^\/api\/search$/, (request) => answerSearch(spans, request, nowNs())],
    [/^\/api\/search\/tags$/, (request) => tagsV1(spans, request)],
    [/^\/api\/search\/tag\/([^/]+)\/values$/, (request, tag) => tagValuesV1(spans, tag, request)],
    [/^\/api\/v2\/search\/tags$/, (request) => tagsV2(spans, request)],
    [/^\/api\/v2\/search\/tag\/([^/]+)\/values$/, (request, tag) => tagValuesV2(spans, tag, request)],
    [/^\/api\/metrics\/query_range$/, (request) => answerQueryRange(spans, request, nowNs())],
    [/^\/api\/metrics\/query$/, (request) => answerQuery(spans, request, nowNs())],
    [/^\/api\/echo$/, () => text(200, 'echo\n')],
    [/^\/api\/status\/buildinfo$/, () => json(200, buildInfo())],
  ]
  return (request) => {
    for (const [pattern, answer] of routes) {
      const match = pattern.exec(request.path)
      if (match === null) continue
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return text(405, `${request.path} takes GET`, { allow: 'GET' })
      }
      return withQueryErrors(() => answer(request, decodePart(match[1] ?? '')))
    }
    return text(404, '404 page not found\n')
  }
}

/** What a query turns out to be unable to do only while it runs is the client's to know, too. */
function withQueryErrors(run: () => ApiResponse): ApiResponse {
  try {
    return run()
  } catch (error) {
    if (error instanceof TraceQLError) return text(400, error.message)
    throw error
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
