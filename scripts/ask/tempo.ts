/** What the tools ask of Tempo's API. */
import type { CompareAnswer } from '@sightline/console/differs'
import { type AnyValue, type OtlpTrace, readTrace } from '@sightline/console/otlp'
import type { Trace } from '@sightline/console/trace'
import { outsideStrings } from '@sightline/console/traceql-text'
import type { Value } from './answer.ts'
import { getJson, MOST_OF_A_TRACE, type System } from './system.ts'
import { inSeconds, type Window } from './window.ts'

export interface FoundSpan {
  spanID: string
  name?: string
  startTimeUnixNano: string
  durationNanos?: string
  attributes?: { key: string; value: AnyValue }[]
}

export interface FoundTrace {
  traceID: string
  rootServiceName?: string
  rootTraceName?: string
  startTimeUnixNano: string
  durationMs?: number
  spanSets?: { spans: FoundSpan[]; matched?: number }[]
  serviceStats?: Record<string, { spanCount?: number; errorCount?: number }>
}

/** The newest traces that match, newest first, each with at most `spans` of the spans that did. */
export async function searchTraces(
  { tempo }: System,
  { query, window, limit, spans = 3 }: { query: string; window: Window; limit: number; spans?: number },
): Promise<FoundTrace[]> {
  const { traces = [] } = await getJson<{ traces?: FoundTrace[] }>('Tempo', tempo, {
    path: '/api/search',
    query: { q: newestFirst(query), limit: String(limit), spss: String(spans), ...inSeconds(window) },
    narrower: 'Ask for fewer traces, or with a narrower query.',
  })
  const start = (trace: FoundTrace) => BigInt(trace.startTimeUnixNano)
  return traces
    .map((trace) => ({ ...trace, traceID: trace.traceID.padStart(32, '0') }))
    .sort((a, b) => Number(start(b) - start(a)))
}

/** An answer names only what its query asks for: a plain filter is asked for what a reader needs to know of the spans. */
export const withNames = (query: string) =>
  /\|\s*\w+\s*\(|\bwith\s*\(/.test(outsideStrings(query))
    ? query
    : `${query} | select(name, resource.service.name, status)`

/** Without the hint a search ends with the first traces that it comes upon. */
const newestFirst = (query: string) =>
  /\bwith\s*\(/.test(outsideStrings(query)) ? query : `${query} with(most_recent=true)`

export const attributesOf = ({ attributes = [] }: FoundSpan) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))

export const plain = ({ arrayValue, stringValue, intValue, doubleValue, boolValue }: AnyValue): Value =>
  arrayValue ? (arrayValue.values ?? []).map(plain) : (stringValue ?? intValue ?? doubleValue ?? boolValue ?? null)

interface TempoSeries {
  labels?: { key: string; value: AnyValue }[]
  value?: number
}

export interface Series {
  labels: Record<string, Value>
  value: number
}

/** What a TraceQL metrics query says of the whole window: a value per series. */
export async function traceMetric({ tempo }: System, query: string, window: Window): Promise<Series[]> {
  const { series = [] } = await getJson<{ series?: TempoSeries[] }>('Tempo', tempo, {
    path: '/api/metrics/query',
    query: { q: query, ...inSeconds(window) },
  })
  const labelsOf = ({ labels = [] }: TempoSeries) =>
    Object.fromEntries(labels.map(({ key, value }) => [key, plain(value) ?? 'nil']))
  return series.map((one) => ({ labels: labelsOf(one), value: one.value ?? 0 }))
}

/** What compare() counts in the whole window. A range query would leave out what came after its last whole step. */
export const compareCounts = ({ tempo }: System, query: string, window: Window): Promise<CompareAnswer> =>
  getJson<CompareAnswer>('Tempo', tempo, {
    path: '/api/metrics/query',
    query: { q: query, ...inSeconds(window) },
  })

/** null when there is none. */
export async function fetchTrace({ tempo }: System, traceId: string): Promise<Trace | null> {
  const found = await getJson<OtlpTrace>('Tempo', tempo, {
    path: `/api/traces/${traceId}`,
    most: MOST_OF_A_TRACE,
    narrower: `Ask for a part of it: traces '{ trace:id = "${traceId}" && status = error }'.`,
  }).catch((error) => {
    if (error.status === 404) return {}
    throw error
  })
  return readTrace(found) ?? null
}
