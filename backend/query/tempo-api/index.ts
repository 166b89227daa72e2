/**
 * Tempo's HTTP query API over a `SpanSource`. Written after https://grafana.com/docs/tempo/latest/api_docs/.
 *
 * A pure function from request to response, to be run where the spans are read.
 */
import { type ApiHandler, json, text } from '../../http.ts'
import { createRouter, type Routes } from '../routes.ts'
import type { TempoContext } from './context.ts'
import { queryInstant, queryRange } from './metrics.ts'
import { REFUSED } from './refused.ts'
import { searchTraces } from './search.ts'
import { tagsV1, tagsV2, tagValuesV1, tagValuesV2 } from './tags.ts'
import { traceV1, traceV2 } from './traces.ts'

/** Clients choose features by this version: the one whose answers these are compared with. */
const BUILD_INFO = {
  version: '3.0.3',
  revision: 'sightline-embedded',
  branch: '',
  buildUser: '',
  buildDate: '',
  goVersion: '',
}

const ROUTES: Routes<TempoContext> = {
  '/api/traces/{id}': traceV1,
  '/api/v2/traces/{id}': traceV2,
  '/api/search': searchTraces,
  '/api/search/tags': tagsV1,
  '/api/search/tag/{name}/values': tagValuesV1,
  '/api/v2/search/tags': tagsV2,
  '/api/v2/search/tag/{name}/values': tagValuesV2,
  '/api/metrics/query_range': queryRange,
  '/api/metrics/query': queryInstant,
  '/api/echo': () => text(200, 'echo\n'),
  '/api/status/buildinfo': () => json(200, BUILD_INFO),
}

export interface TempoApiOptions extends Omit<TempoContext, 'nowNs'> {
  /** The current time in nanoseconds since the epoch; the clock's unless told. */
  readonly nowNs?: () => bigint
}

/** Answers all paths of the API, by GET only; wrong requests and queries as `createRouter` says. */
export function createTempoApi({ nowNs, ...sources }: TempoApiOptions): ApiHandler {
  const context = { ...sources, nowNs: nowNs ?? (() => BigInt(Date.now()) * 1_000_000n) }
  const route = createRouter(ROUTES, context, { methods: ['GET', 'HEAD'], refused: REFUSED })
  return (request) => {
    const repeated = [...request.query.keys()].find((name) => request.query.getAll(name).length > 1)
    return repeated === undefined ? route(request) : text(400, `invalid ${repeated}: it is given more than once\n`)
  }
}
