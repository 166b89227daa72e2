/** TraceQL targets: search, metrics, one trace by id, and the service map. */

import type { Field, Frame } from './frame.ts'
import type { Target } from './grafana-json.ts'
import { type Client, getJson } from './http.ts'
import { interpolate } from './interpolate.ts'
import { type OtlpTrace, readTrace } from './otlp.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { legendText } from './series.ts'
import { loadServiceGraph } from './service-graph.ts'
import { durationText } from './step.ts'
import type { TimeRange } from './time-range.ts'
import type { Trace } from './trace.ts'
import { isMetricsQuery } from './traceql-text.ts'

const ROOT = '/api/tempo/api'

/** A trace for an id, the service map for that query type, series for a metrics query, else a table of traces or spans. */
export async function runTempo(target: Target, context: QueryContext): Promise<QueryResult> {
  if (target.queryType === 'serviceMap') {
    return { frames: [], exemplars: [], logs: [], graph: await loadServiceGraph(context.client, context.range) }
  }
  const query = interpolate(target.query ?? '', context.variables, 'traceql').trim()
  if (!query) return { frames: [], exemplars: [], logs: [] }
  if (isTraceId(query))
    return { frames: [], exemplars: [], logs: [], trace: (await fetchTrace(context.client, query))?.trace }
  if (isMetricsQuery(query)) return { frames: await traceMetrics(target, query, context), exemplars: [], logs: [] }
  const answer = await searchTraces(context.client, query, context.range, target.limit ?? 20, target.spss ?? 3)
  const frame =
    target.tableType === 'spans' ? spansFrame(answer, target.refId ?? 'A') : tracesFrame(answer, target.refId ?? 'A')
  return { frames: [frame], exemplars: [], logs: [] }
}

/** 16 to 32 hexadecimal digits: Tempo leaves out leading zeros. */
export const isTraceId = (text: string): boolean => /^[\da-f]{16,32}$/i.test(text.trim())

/** Where one trace is asked for, at the console's own origin. */
const traceJsonHref = (traceId: string): string => `${ROOT}/v2/traces/${traceId.trim().toLowerCase()}`

/** What Tempo answers for it: OTLP/JSON, of late in an envelope. */
export type TraceAnswer = { readonly trace?: OtlpTrace } & OtlpTrace

export interface FetchedTrace {
  readonly trace: Trace
  readonly answer: TraceAnswer
}

/** Undefined when no such trace is stored. */
export async function fetchTrace(client: Client, traceId: string): Promise<FetchedTrace | undefined> {
  const answer = await getJson<TraceAnswer>(client, traceJsonHref(traceId))
  const trace = readTrace(answer.trace ?? answer)
  return trace && { trace, answer }
}

export interface FoundSpan {
  readonly spanID: string
  readonly name?: string
  readonly startTimeUnixNano: string
  readonly durationNanos: string
  readonly attributes?: {
    key: string
    value: { stringValue?: string; intValue?: string; boolValue?: boolean; doubleValue?: number }
  }[]
}

export interface FoundTrace {
  readonly traceID: string
  readonly rootServiceName?: string
  readonly rootTraceName?: string
  readonly startTimeUnixNano: string
  readonly durationMs?: number
  readonly spanSets?: { spans: FoundSpan[]; matched: number }[]
  readonly spanSet?: { spans: FoundSpan[]; matched: number }
  readonly serviceStats?: Readonly<Record<string, { readonly spanCount?: number; readonly errorCount?: number }>>
}

/** At most `limit` traces that have spans matching `q`, newest first, each with at most `spss` of those spans. */
export async function searchTraces(
  client: Client,
  q: string,
  range: TimeRange,
  limit: number,
  spss: number,
): Promise<FoundTrace[]> {
  const params = { q, limit: String(limit), spss: String(spss), ...seconds(range) }
  const answer = await getJson<{ traces?: FoundTrace[] }>(client, `${ROOT}/search`, params)
  return (answer.traces ?? []).toSorted((a, b) => Number(BigInt(b.startTimeUnixNano) - BigInt(a.startTimeUnixNano)))
}

const seconds = (range: TimeRange) => ({
  start: String(Math.floor(range.from / 1000)),
  end: String(Math.ceil(range.to / 1000)),
})

const traceLink = { title: 'Open the trace', url: '/trace/${__value.raw}' }
/** Tempo leaves out leading zeros. */
export const longId = (id: string): string => id.padStart(32, '0')

function tracesFrame(traces: readonly FoundTrace[], refId: string): Frame {
  const column = (name: string, type: Field['type'], values: unknown[], config: Field['config'] = {}): Field => ({
    name,
    type,
    values,
    config,
  })
  const fields = [
    column(
      'traceID',
      'string',
      traces.map((trace) => longId(trace.traceID)),
      { displayName: 'Trace ID', links: [traceLink] },
    ),
    column(
      'startTime',
      'time',
      traces.map((trace) => millis(trace.startTimeUnixNano)),
      { displayName: 'Start time' },
    ),
    column(
      'traceService',
      'string',
      traces.map((trace) => trace.rootServiceName ?? ''),
      { displayName: 'Service' },
    ),
    column(
      'traceName',
      'string',
      traces.map((trace) => trace.rootTraceName ?? ''),
      { displayName: 'Name' },
    ),
    column(
      'traceDuration',
      'number',
      traces.map((trace) => trace.durationMs ?? 0),
      { displayName: 'Duration', unit: 'ms' },
    ),
  ]
  const stats = traces.map((trace) => trace.serviceStats)
  const services = column(
    'services',
    'other',
    stats.map((stat) => stat ?? {}),
    { displayName: 'Services', custom: { cellOptions: { type: 'services' } } },
  )
  return { refId, fields: stats.some(Boolean) ? [...fields, services] : fields }
}

function spansFrame(traces: readonly FoundTrace[], refId: string): Frame {
  const rows = traces.flatMap((trace) =>
    (trace.spanSets ?? [trace.spanSet]).flatMap((set) => (set?.spans ?? []).map((span) => ({ trace, span }))),
  )
  const attributes = [...new Set(rows.flatMap(({ span }) => (span.attributes ?? []).map(({ key }) => key)))].sort()
  const attributeOf = (span: FoundSpan, name: string) =>
    Object.values(span.attributes?.find(({ key }) => key === name)?.value ?? {})[0] ?? ''
  const fields: Field[] = [
    {
      name: 'traceIdHidden',
      type: 'string',
      values: rows.map(({ trace }) => longId(trace.traceID)),
      config: { displayName: 'Trace ID', links: [traceLink] },
    },
    {
      name: 'traceService',
      type: 'string',
      values: rows.map(({ trace }) => trace.rootServiceName ?? ''),
      config: { displayName: 'Trace service' },
    },
    { name: 'name', type: 'string', values: rows.map(({ span }) => span.name ?? ''), config: { displayName: 'Name' } },
    ...attributes.map(
      (name): Field => ({
        name,
        type: 'string',
        values: rows.map(({ span }) => String(attributeOf(span, name))),
        config: {},
      }),
    ),
    {
      name: 'time',
      type: 'time',
      values: rows.map(({ span }) => millis(span.startTimeUnixNano)),
      config: { displayName: 'Start time' },
    },
    {
      name: 'duration',
      type: 'number',
      values: rows.map(({ span }) => Number(span.durationNanos)),
      config: { displayName: 'Duration', unit: 'ns' },
    },
    { name: 'spanID', type: 'string', values: rows.map(({ span }) => span.spanID), config: { displayName: 'Span ID' } },
  ]
  return { refId, fields }
}

const millis = (nanos: string): number => Number(BigInt(nanos) / 1_000_000n)

interface MetricsAnswer {
  series?: {
    labels?: { key: string; value?: Record<string, unknown> }[]
    samples?: { timestampMs: string | number; value?: number }[]
    value?: number
  }[]
}

async function traceMetrics(target: Target, query: string, context: QueryContext): Promise<Frame[]> {
  const params = { q: query, step: durationText(context.stepMs), ...seconds(context.range) }
  const answer = await getJson<MetricsAnswer>(context.client, `${ROOT}/metrics/query_range`, params)
  const labelsOf = (series: NonNullable<MetricsAnswer['series']>[number]) =>
    Object.fromEntries(
      (series.labels ?? []).map(({ key, value }) => [key, String(Object.values(value ?? {})[0] ?? '')]),
    )
  const percentiles = new Set((answer.series ?? []).map((series) => labelsOf(series).p)).size
  return (answer.series ?? []).map((series): Frame => {
    const labels = labelsOf(series)
    // The percentile is a label of every series; it tells them apart only when several were asked for.
    const { p, ...telling } = labels
    const name = legendText(target.legendFormat, percentiles > 1 && p ? labels : telling, query)
    const samples = series.samples ?? []
    return {
      refId: target.refId ?? 'A',
      name,
      fields: [
        { name: 'Time', type: 'time', values: samples.map((sample) => Number(sample.timestampMs)), config: {} },
        { name, type: 'number', values: samples.map((sample) => sample.value ?? 0), labels, config: {} },
      ],
    }
  })
}

/** The sum of all series of a metrics query over the whole range: with `count_over_time()` the spans it counts. */
export async function countSpans(client: Client, q: string, range: TimeRange): Promise<number> {
  const answer = await getJson<MetricsAnswer>(client, `${ROOT}/metrics/query`, { q, ...seconds(range) })
  return (answer.series ?? []).reduce((sum, { value = 0 }) => sum + value, 0)
}

export interface TagScope {
  readonly name: string
  readonly tags: readonly string[]
}

/** Attribute names by scope, and the intrinsics. */
export async function tempoTags(client: Client, range: TimeRange): Promise<TagScope[]> {
  const answer = await getJson<{ scopes?: { name: string; tags?: string[] }[] }>(
    client,
    `${ROOT}/v2/search/tags`,
    seconds(range),
  )
  return (answer.scopes ?? []).map(({ name, tags }) => ({ name, tags: tags ?? [] }))
}

export interface TagValue {
  readonly type: string
  readonly value: string
}

/** `tag` with its scope: `span.http.route`, `resource.service.name`, or an intrinsic; `q` '' for the values in all spans. */
export async function tempoTagValues(client: Client, tag: string, range: TimeRange, q = ''): Promise<TagValue[]> {
  const answer = await getJson<{ tagValues?: TagValue[] }>(
    client,
    `${ROOT}/v2/search/tag/${encodeURIComponent(tag)}/values`,
    { ...seconds(range), ...(q && { q }) },
  )
  return answer.tagValues ?? []
}
