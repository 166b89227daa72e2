/**
 * Loki's HTTP API over a `LogSource`: what Grafana, logcli and plain HTTP clients ask. Written after
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/.
 *
 * A pure function from request to response, to be run where the logs are read. What writes (`push`) and what lasts
 * (`tail`) stand apart.
 */
import { type ApiHandler, type ApiRequest, type ApiResponse, json, text } from '../../http.ts'
import { type LogSource, parse, print } from '../logql/index.ts'
import { createRouter, type Routes } from '../routes.ts'
import type { LokiContext } from './context.ts'
import { detectedFields, detectedFieldValues } from './detected-fields.ts'
import { drilldownLimits } from './drilldown.ts'
import { detectedLabels, labelNames, labelValues, series } from './labels.ts'
import { requireQuery } from './params.ts'
import { patterns } from './patterns.ts'
import { queryInstant, queryRange } from './query.ts'
import { REFUSED } from './refused.ts'
import { indexStats, volume, volumeRange } from './volume.ts'

/** Clients choose features by this version: the one whose answers these are compared with. */
const BUILD_INFO = { version: '3.7.6', revision: 'embedded', branch: '', buildUser: '', buildDate: '', goVersion: '' }

const ROUTES: Routes<LokiContext> = {
  '/loki/api/v1/query_range': queryRange,
  '/loki/api/v1/query': queryInstant,
  '/loki/api/v1/labels': labelNames,
  '/loki/api/v1/label': labelNames,
  '/loki/api/v1/label/{name}/values': labelValues,
  '/loki/api/v1/series': series,
  '/loki/api/v1/detected_labels': detectedLabels,
  '/loki/api/v1/detected_fields': detectedFields,
  '/loki/api/v1/detected_field/{name}/values': detectedFieldValues,
  '/loki/api/v1/index/stats': indexStats,
  '/loki/api/v1/index/volume': volume,
  '/loki/api/v1/index/volume_range': volumeRange,
  '/loki/api/v1/format_query': formatQuery,
  '/loki/api/v1/patterns': patterns,
  '/loki/api/v1/drilldown-limits': (context) => drilldownLimits(context, BUILD_INFO.version),
  '/loki/api/v1/status/buildinfo': () => json(200, BUILD_INFO),
  '/ready': () => text(200, 'ready\n'),
}

export interface LokiApiOptions {
  readonly logs: LogSource
  /** The current time in nanoseconds since the epoch; the clock's unless told. */
  readonly nowNs?: () => bigint
  /** How long one query may run, in milliseconds; 60 s unless told. */
  readonly timeoutMs?: number
  /** How long lines are kept, in milliseconds. */
  readonly retentionMs?: number
}

/**
 * Answers all paths of the API, with or without a slash at the end; wrong requests and queries as `createRouter` says.
 */
export function createLokiApi({ nowNs, timeoutMs = 60_000, ...given }: LokiApiOptions): ApiHandler {
  const context = { ...given, nowNs: nowNs ?? (() => BigInt(Date.now()) * 1_000_000n), timeoutMs }
  const route = createRouter(ROUTES, context, { refused: REFUSED })
  return (request) => route(withForm({ ...request, path: request.path.replace(/(?<=.)\/$/, '') }))
}

/** Parameters of a POST may stand in its body, form-encoded. */
function withForm(request: ApiRequest): ApiRequest {
  const type = request.headers['content-type'] ?? ''
  if (!request.body || !type.startsWith('application/x-www-form-urlencoded')) return request
  const query = new URLSearchParams(request.query)
  for (const [name, value] of new URLSearchParams(Buffer.from(request.body).toString())) query.append(name, value)
  return { ...request, query }
}

/** `format_query`: the query as it is printed. */
function formatQuery(_context: LokiContext, { query }: ApiRequest): ApiResponse {
  return json(200, { status: 'success', data: print(parse(requireQuery(query))) })
}
