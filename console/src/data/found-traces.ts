/** A search for traces as Explore shows it: each with its status, and whether there are more than were asked for. */
import type { Client } from './http.ts'
import { type FoundSpan, type FoundTrace, longId, searchTraces } from './tempo.ts'
import type { TimeRange } from './time-range.ts'
import { withErrors, withStatus } from './traceql-text.ts'

/** `error`: a span of the trace has one; `ok`: none has, and a found span was set to it; `unset`: nobody said. */
export type TraceStatus = 'error' | 'ok' | 'unset'

export interface TraceRow {
  /** 32 hexadecimal digits. */
  readonly id: string
  /** Of the root span; the service is '' as long as it is missing. */
  readonly service: string
  readonly name: string
  /** Milliseconds since 1970, with fractions. */
  readonly start: number
  /** Whole milliseconds: the search knows no finer ones. */
  readonly duration: number
  readonly status: TraceStatus
  /** Spans with an error; 0 where the backend doesn't say. */
  readonly errors: number
  /** Spans that the search matched. */
  readonly matched: number
  /** Spans, and those with an error, by service; empty where the backend doesn't say. */
  readonly services: NonNullable<FoundTrace['serviceStats']>
  /** Attributes that the query names or selects, of the found spans; values that differ are all there. */
  readonly attributes: ReadonlyMap<string, readonly string[]>
}

export interface FoundTraces {
  /** Newest first, no more than were asked for. */
  readonly rows: readonly TraceRow[]
  /** Whether the search has more than these. */
  readonly more: boolean
}

/** Of each trace the status is told by so many of the spans that matched. */
const SPANS = 3

/** One more is asked for than is wanted: that it comes shows that there are more. Rejects as the search does. */
export async function findTraces(client: Client, query: string, range: TimeRange, limit: number): Promise<FoundTraces> {
  const found = await searchWithStatus(client, query, range, limit + 1)
  const traces = found.slice(0, limit)
  // Where the backend doesn't count the spans of each service, it is asked which traces failed.
  const uncounted = traces.some(({ serviceStats }) => serviceStats === undefined)
  const failed = uncounted ? await searchTraces(client, withErrors(query), range, limit + 1, 1) : []
  const ids = new Set(failed.map(({ traceID }) => traceID))
  return { rows: traces.map((trace) => toRow(trace, ids.has(trace.traceID))), more: found.length > limit }
}

/** What is wrong with a query is to be said of the query as it was written. */
async function searchWithStatus(client: Client, query: string, range: TimeRange, limit: number): Promise<FoundTrace[]> {
  try {
    return await searchTraces(client, withStatus(query), range, limit, SPANS)
  } catch (cause) {
    if (client.records.at(-1)?.status !== 400) throw cause
    return searchTraces(client, query, range, limit, SPANS)
  }
}

/** `failed`: a span outside of the answer is known to have an error. */
export function toRow(trace: FoundTrace, failed: boolean): TraceRow {
  const sets = trace.spanSets ?? (trace.spanSet ? [trace.spanSet] : [])
  const attributes = attributesOf(sets.flatMap(({ spans }) => spans))
  const services = trace.serviceStats ?? {}
  const statuses = attributes.get('status') ?? []
  const errors = Object.values(services).reduce((sum, { errorCount = 0 }) => sum + errorCount, 0)
  const error = failed || errors > 0 || statuses.includes('error')
  attributes.delete('status')
  return {
    id: longId(trace.traceID),
    service: trace.rootServiceName ?? '',
    name: trace.rootTraceName ?? '',
    start: Number(BigInt(trace.startTimeUnixNano) / 1000n) / 1000,
    duration: trace.durationMs ?? 0,
    status: error ? 'error' : statuses.includes('ok') ? 'ok' : 'unset',
    errors,
    matched: sets.reduce((sum, { matched }) => sum + matched, 0),
    services,
    attributes,
  }
}

function attributesOf(spans: readonly FoundSpan[]): Map<string, string[]> {
  const attributes = new Map<string, string[]>()
  const add = (key: string, value: string) => {
    const known = attributes.get(key)
    if (!known) attributes.set(key, [value])
    else if (!known.includes(value)) known.push(value)
  }
  for (const span of spans) {
    if (span.name !== undefined) add('name', span.name)
    for (const { key, value } of span.attributes ?? []) add(key, String(Object.values(value)[0] ?? ''))
  }
  return attributes
}
