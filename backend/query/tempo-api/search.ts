/** /api/search: TraceQL in `q`, or the older `tags`, `minDuration` and `maxDuration`. */
import { SearchResponseSchema } from '@sightline/otlp-messages/tempo'
import { type ApiRequest, type ApiResponse, httpError } from '../../http.ts'
import { type SpanSet, search, type TimeRange, type TraceResult } from '../traceql/index.ts'
import { answer } from './answers.ts'
import { compile } from './compile.ts'
import type { TempoContext } from './context.ts'
import { readCount, readDuration, readSearchRange } from './params.ts'
import { keyValues } from './values.ts'

const MAX_LIMIT = 10_000
/** Tempo's, unless it is told otherwise. */
const MAX_SPANS_PER_SPANSET = 100
const HOUR_NS = 3_600_000_000_000n

/** `search`: the newest traces that match, at most `limit` (20), each with `spss` (3) of its spans. */
export function searchTraces({ spans, nowNs }: TempoContext, request: ApiRequest): ApiResponse {
  const { query } = request
  const limit = readCount(query, 'limit') ?? 20
  if (limit === 0) throw httpError(400, 'invalid limit: must be a positive number')
  if (limit > MAX_LIMIT) throw httpError(400, `invalid limit: at most ${MAX_LIMIT} traces are returned`)
  const spansPerSpanset = readCount(query, 'spss') ?? 3
  if (spansPerSpanset > MAX_SPANS_PER_SPANSET)
    throw httpError(400, `invalid spss: at most ${MAX_SPANS_PER_SPANSET} spans are returned of each span set`)
  const bounds = { min: readDuration(query, 'minDuration'), max: readDuration(query, 'maxDuration') }
  const range = withDefault(readSearchRange(query), nowNs())
  const text = query.get('q') ?? ''
  const byTags = text === ''
  const parsed = compile(byTags ? queryFromTags(query, bounds) : text, 'invalid TraceQL query: ')
  const traces = search(parsed, spans, { range, limit, spansPerSpanset })
  return answer(request, SearchResponseSchema, {
    traces: traces.map((trace) => traceJson(trace, !byTags)),
    metrics: { ...(traces.length > 0 && { inspectedTraces: traces.length }), completedJobs: 1, totalJobs: 1 },
  })
}

function withDefault(range: TimeRange, nowNs: bigint): TimeRange {
  if (range.startNs !== undefined || range.endNs !== undefined) return range
  return { startNs: nowNs - HOUR_NS, endNs: undefined }
}

interface DurationBounds {
  /** Nanoseconds. */
  readonly min: number | undefined
  readonly max: number | undefined
}

function queryFromTags(query: URLSearchParams, { min, max }: DurationBounds): string {
  const conditions = parseTags(query.get('tags') ?? '').map(([key, value]) => tagCondition(key, value))
  if (min !== undefined) conditions.push(`traceDuration >= ${min}ns`)
  if (max !== undefined) conditions.push(`traceDuration <= ${max}ns`)
  return `{ ${conditions.join(' && ')} }`
}

function tagCondition(key: string, value: string): string {
  if (key === 'name') return `name = ${quote(value)}`
  if (key === 'status' && /^(ok|error|unset)$/.test(value)) return `status = ${value}`
  if (key === 'root.service.name') return `rootServiceName = ${quote(value)}`
  if (key === 'root.name') return `rootName = ${quote(value)}`
  const field = `.${attributeName(key)}`
  const number = isNumber(value) ? ` || ${field} = ${value}` : ''
  const bool = /^(true|false)$/.test(value) ? ` || ${field} = ${value}` : ''
  return `(${field} = ${quote(value)}${number}${bool})`
}

const MAX_INT = 2n ** 63n - 1n

/** What TraceQL takes as a number: an int of 64 bits, or a finite float. */
function isNumber(text: string): boolean {
  if (/^-?\d+$/.test(text)) return BigInt(text) <= MAX_INT && BigInt(text) >= -MAX_INT
  return /^-?\d+\.\d+$/.test(text) && Number.isFinite(Number(text))
}

/** An attribute's name as TraceQL writes it after the scope's dot. */
export const attributeName = (name: string) => (/^[A-Za-z_][\w.-]*$/.test(name) ? name : quote(name))

const quote = (value: string) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`

/** logfmt: `key=value other="quoted value"`. */
function parseTags(text: string): [string, string][] {
  const pairs: [string, string][] = []
  let rest = text.trim()
  while (rest !== '') {
    const match = /^([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)\s*/.exec(rest)
    if (match === null)
      throw httpError(400, `invalid tags: ${JSON.stringify(rest)} is not logfmt (key=value key2="a value")`)
    pairs.push([match[1]!, match[2] === undefined ? match[3]! : match[2].replace(/\\(.)/g, '$1')])
    rest = rest.slice(match[0].length)
  }
  return pairs
}

function traceJson(trace: TraceResult, withSpans: boolean): unknown {
  const spanSets = trace.spanSets.map(spanSetJson)
  return {
    traceID: trace.traceId.replace(/^0+(?=.)/, ''),
    rootServiceName: trace.rootServiceName,
    ...(trace.rootTraceName !== '' && { rootTraceName: trace.rootTraceName }),
    startTimeUnixNano: String(trace.startNs),
    ...(trace.durationMs > 0 && { durationMs: trace.durationMs }),
    // The single one is for clients from before there could be several.
    ...(withSpans && { spanSet: spanSets[0], spanSets, serviceStats: serviceStatsJson(trace.serviceStats) }),
  }
}

function serviceStatsJson(stats: TraceResult['serviceStats']): unknown {
  const entries = Object.entries(stats).map(([service, { spanCount, errorCount }]) => [
    service,
    { spanCount, ...(errorCount > 0 && { errorCount }) },
  ])
  return Object.fromEntries(entries)
}

function spanSetJson(set: SpanSet): unknown {
  return {
    spans: set.spans.map((span) => ({
      spanID: span.spanId,
      ...(span.name !== '' && { name: span.name }),
      startTimeUnixNano: String(span.startNs),
      ...(span.durationNs > 0 && { durationNanos: String(span.durationNs) }),
      ...(span.attributes.length > 0 && { attributes: keyValues(span.attributes) }),
    })),
    matched: set.matched,
    ...(set.attributes.length > 0 && { attributes: keyValues(set.attributes) }),
  }
}
