/**
 * Loki's HTTP API over a `LogSource`: what Grafana, logcli and plain HTTP clients ask.
 *
 * A pure function from request to response, to be run where the store is read. What writes (`push`) and what lasts
 * (`tail`) stand apart: see push.ts and tail.ts.
 */
import { type ApiHandler, type ApiRequest, type ApiResponse, isHttpError, json, text } from '../../http.ts'
import { LogQLError, type LogSource, parse, print } from '../logql/index.ts'
import { detectedFields } from './detected-fields.ts'
import { detectedLabels, labelNames, labelValues, series } from './labels.ts'
import { requireQuery } from './params.ts'
import { queryInstant, queryRange } from './query.ts'
import { indexStats, volume, volumeRange } from './volume.ts'

export interface LokiStore {
  readonly logs: LogSource
  /** The current time; defaults reckon from it. */
  nowNs(): bigint
  /** How long one query may run. */
  readonly timeoutMs: number
}

export interface LokiApiOptions {
  readonly logs: LogSource
  readonly nowNs?: () => bigint
  /** 60 s unless told. */
  readonly timeoutMs?: number
}

type Route = (store: LokiStore, request: ApiRequest) => ApiResponse

const routes: Record<string, Route> = {
  '/loki/api/v1/query_range': queryRange,
  '/loki/api/v1/query': queryInstant,
  '/loki/api/v1/labels': labelNames,
  '/loki/api/v1/label': labelNames,
  '/loki/api/v1/series': series,
  '/loki/api/v1/detected_labels': detectedLabels,
  '/loki/api/v1/detected_fields': detectedFields,
  '/loki/api/v1/index/stats': indexStats,
  '/loki/api/v1/index/volume': volume,
  '/loki/api/v1/index/volume_range': volumeRange,
  '/loki/api/v1/format_query': formatQuery,
  '/loki/api/v1/patterns': () => text(501, 'patterns is not supported: this backend mines no patterns\n'),
  '/loki/api/v1/status/buildinfo': () => json(200, BUILD_INFO),
  '/ready': () => text(200, 'ready\n'),
}

const patterns: [RegExp, Route][] = [
  [/^\/loki\/api\/v1\/label\/[^/]+\/values$/, labelValues],
  [/^\/loki\/api\/v1\/detected_field\/[^/]+\/values$/, detectedFields],
]

/** Clients choose features by this version: the one whose answers these are compared with. */
const BUILD_INFO = { version: '3.7.6', revision: 'embedded', branch: '', buildUser: '', buildDate: '', goVersion: '' }

function formatQuery(_store: LokiStore, { query }: ApiRequest): ApiResponse {
  return json(200, { status: 'success', data: print(parse(requireQuery(query))) })
}

/** Answers all paths of the API; 404 for others, 400 in plain text for queries that can't be answered. */
export function createLokiApi(options: LokiApiOptions): ApiHandler {
  const store: LokiStore = {
    logs: options.logs,
    nowNs: options.nowNs ?? (() => BigInt(Date.now()) * 1_000_000n),
    timeoutMs: options.timeoutMs ?? 60_000,
  }
  return (request) => {
    const path = request.path.replace(/(?<=.)\/$/, '')
    const route = Object.hasOwn(routes, path) ? routes[path] : patterns.find(([pattern]) => pattern.test(path))?.[1]
    if (!route) return text(404, '404 page not found\n')
    try {
      return route(store, withForm({ ...request, path }))
    } catch (error) {
      if (error instanceof LogQLError) return text(400, `${error.message}\n`)
      if (isHttpError(error)) return text(error.status, `${error.message}\n`, { ...error.headers })
      throw error
    }
  }
}

/** Parameters of a POST may stand in its body, form-encoded. */
function withForm(request: ApiRequest): ApiRequest {
  const type = request.headers['content-type'] ?? ''
  if (!request.body || !type.startsWith('application/x-www-form-urlencoded')) return request
  const query = new URLSearchParams(request.query)
  for (const [name, value] of new URLSearchParams(Buffer.from(request.body).toString())) query.append(name, value)
  return { ...request, query }
}
