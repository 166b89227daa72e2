/** LogQL targets: lines with their labels and structured metadata, or series when the query counts. */

import { type Frame, type LogLine, labelsText } from './frame.ts'
import type { Target } from './grafana-json.ts'
import { type Client, getJson } from './http.ts'
import { escapeRegex, interpolate } from './interpolate.ts'
import { streamSelector } from './logql-edit.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { type Labels, legendText, onGrid, parseSample, type Sample } from './series.ts'
import type { TimeRange } from './time-range.ts'
import type { Span, Trace } from './trace.ts'

const ROOT = '/api/loki/loki/api/v1'

/** Where a line of PostgreSQL’s log has the plan of a slow statement: docs/postgresql.md. */
export const PLAN_FIELD = 'postgresql_plan'

interface Answer {
  data: {
    resultType: 'streams' | 'matrix' | 'vector'
    result: {
      stream?: Labels
      metric?: Labels
      values?: [string | number, string, { structuredMetadata?: Labels; parsed?: Labels }?][]
      value?: [number, string]
    }[]
  }
}

/** Lines for a query that selects, frames for one that counts. */
export async function runLoki(target: Target, context: QueryContext): Promise<QueryResult> {
  const query = interpolate(target.expr ?? target.query ?? '', context.variables, 'logql')
  if (!query.trim()) return { frames: [], exemplars: [], logs: [] }
  const limit = String(target.maxLines ?? 500)
  const instant = target.queryType === 'instant' || target.instant === true
  const direction = target.direction === 'forward' ? 'forward' : 'backward'
  const answer = instant
    ? await getJson<Answer>(context.client, `${ROOT}/query`, { query, time: nanos(context.range.to), limit }, APART)
    : await getJson<Answer>(
        context.client,
        `${ROOT}/query_range`,
        {
          query,
          start: nanos(context.range.from),
          end: nanos(context.range.to),
          step: String(context.stepMs / 1000),
          limit,
          direction,
        },
        APART,
      )
  return toResult(answer, target, query, context, direction)
}

/** Labels of the stream, fields of the line and what a parser found come apart; else all of them are labels. */
const APART = { 'x-loki-response-encoding-flags': 'categorize-labels' }

type Direction = 'forward' | 'backward'

const nanos = (ms: number): string => `${Math.round(ms)}000000`

function toResult(
  { data }: Answer,
  target: Target,
  query: string,
  context: QueryContext,
  direction: Direction,
): QueryResult {
  if (data.resultType !== 'streams') {
    const frames = data.result.map((series): Frame => {
      const name = legendText(target.legendFormat, series.metric ?? {}, query)
      const { times, values } = series.value
        ? { times: [series.value[0] * 1000], values: [parseSample(series.value[1])] }
        : onSteps((series.values ?? []) as Sample[], context)
      return {
        refId: target.refId ?? 'A',
        name,
        fields: [
          { name: 'Time', type: 'time', values: times, config: {} },
          { name, type: 'number', values, labels: series.metric ?? {}, config: {} },
        ],
      }
    })
    return { frames, exemplars: [], logs: [] }
  }
  return { frames: [], exemplars: [], logs: streamLines(data.result, direction) }
}

/** Loki widens the range to multiples of the step, at both ends. */
const onSteps = (samples: readonly Sample[], { range: { from, to }, stepMs }: QueryContext) =>
  onGrid(samples, Math.floor(from / stepMs) * stepMs, Math.ceil(to / stepMs) * stepMs, stepMs)

/** Clocks of hosts differ, and lines are written after the fact. */
const MARGIN_MS = 60_000

/** The time of a trace, with room for both. */
export function timeOfTrace({ startNs, duration }: Trace): TimeRange {
  const startMs = Number(startNs / 1_000_000n)
  return { from: startMs - MARGIN_MS, to: Math.ceil(startMs + duration / 1e6) + MARGIN_MS }
}

/** The query for the lines of a trace, or of one of its spans alone. */
export function queryOfTrace(trace: Trace, span?: Span): string {
  const service = span ? writersOf(span) : '=~".+"'
  return `{service_name${service}} | trace_id="${trace.traceId}"${span ? ` | span_id="${span.spanId}"` : ''}`
}

/** What a database writes about a statement has the statement's span, and is a service of its own. */
function writersOf({ service, attributes }: Span): string {
  const database = attributes['db.system.name']
  if (typeof database !== 'string') return `=${JSON.stringify(service)}`
  return `=~${JSON.stringify([service, database].map(escapeRegex).join('|'))}`
}

/** The lines of a trace, at most `most`, newest first; `span` is one of it whose lines alone are meant. */
export async function linesOfTrace(
  client: Client,
  trace: Trace,
  most: number,
  span?: Span,
): Promise<readonly LogLine[]> {
  const context = { client, range: timeOfTrace(trace), stepMs: 1000, variables: new Map(), panelType: 'logs' }
  return (await runLoki({ expr: queryOfTrace(trace, span), maxLines: most }, context)).logs
}

/** Lines as Loki tells them, by stream. */
export type Streams = Answer['data']['result']

/** In the order of `direction`. */
export function streamLines(streams: Streams, direction: Direction): LogLine[] {
  const lines = streams.flatMap(({ stream = {}, values = [] }) =>
    values.map(([timeNs, line, extra]): LogLine => {
      const metadata = { ...extra?.structuredMetadata, ...extra?.parsed }
      return { timeNs: String(timeNs), line, labels: stream, metadata }
    }),
  )
  const sign = direction === 'forward' ? 1 : -1
  return lines.sort((a, b) => (a.timeNs === b.timeNs ? 0 : a.timeNs < b.timeNs ? -sign : sign))
}

interface LinesAsked {
  readonly query: string
  readonly startNs: bigint
  /** Not itself in it. */
  readonly endNs: bigint
  readonly limit: number
  readonly direction: Direction
}

async function askLines(client: Client, { query, startNs, endNs, limit, direction }: LinesAsked): Promise<LogLine[]> {
  const params = { query, start: String(startNs), end: String(endNs), limit: String(limit), direction }
  const { data } = await getJson<Answer>(client, `${ROOT}/query_range`, params, APART)
  return streamLines(data.result, direction)
}

/** The lines that follow `known`, in its order, up to the end of the range (milliseconds); `limit` of them at most. */
export async function nextLines(
  client: Client,
  query: string,
  known: readonly LogLine[],
  range: TimeRange,
  direction: Direction,
  limit: number,
): Promise<LogLine[]> {
  const edge = BigInt(known.at(-1)!.timeNs)
  // Of the last moment there may be more lines than came: all of it is asked for again.
  const again = known.filter(({ timeNs }) => timeNs === String(edge))
  const [startNs, endNs] =
    direction === 'forward' ? [edge, BigInt(nanos(range.to))] : [BigInt(nanos(range.from)), edge + 1n]
  const lines = await askLines(client, { query, startNs, endNs, limit: limit + again.length, direction })
  return withoutKnown(lines, again)
}

/** `lines` less those of `known`; equal ones are told apart by counting them. */
export function withoutKnown(lines: readonly LogLine[], known: readonly LogLine[]): LogLine[] {
  const left = new Map<string, number>()
  for (const line of known) left.set(logKey(line), (left.get(logKey(line)) ?? 0) + 1)
  return lines.filter((line) => {
    const key = logKey(line)
    const count = left.get(key) ?? 0
    left.set(key, count - 1)
    return count <= 0
  })
}

/** So far from a line its neighbours are looked for. */
export const NEIGHBOURS_WITHIN_HOURS = 24

export interface Neighbours {
  /** Oldest first, both. */
  readonly before: readonly LogLine[]
  readonly after: readonly LogLine[]
}

/** The stream a line is of, whatever its level: neighbours of a failure are what led to it. */
export function neighbourhood({ labels }: LogLine): string {
  const { level: _level, ...others } = labels
  return streamSelector(Object.keys(others).length > 0 ? others : labels)
}

/** Lines of its neighbourhood, as many as told on either side. Of the same moment those count as later. */
export async function linesAround(client: Client, line: LogLine, before: number, after: number): Promise<Neighbours> {
  const query = neighbourhood(line)
  const at = BigInt(line.timeNs)
  const reach = BigInt(NEIGHBOURS_WITHIN_HOURS) * 3_600_000_000_000n
  const [earlier, later] = await Promise.all([
    askLines(client, { query, startNs: at - reach, endNs: at, limit: before, direction: 'backward' }),
    askLines(client, { query, startNs: at, endNs: at + reach, limit: after + 1, direction: 'forward' }),
  ])
  return { before: earlier.reverse(), after: withoutKnown(later, [line]).slice(0, after) }
}

/** How many lines a query selects in the range (milliseconds). A line that a parser can't read is one of them. */
export async function countLines(client: Client, query: string, range: TimeRange): Promise<number> {
  const answer = await getJson<Answer>(client, `${ROOT}/query`, {
    // On a line of its own because the query may end in a comment.
    query: `sum(count_over_time(${query}\n| drop __error__, __error_details__ [${Math.round(range.to - range.from)}ms]))`,
    time: nanos(range.to),
  })
  return Number(answer.data.result[0]?.value?.[1] ?? 0)
}

/** A field of a line, whether Loki sent it as label or as metadata (without the request header it merges both). */
export const logField = (line: LogLine, name: string): string | undefined => line.metadata[name] ?? line.labels[name]

/** In lower case; `unknown` when the line says none. */
export const logLevel = (line: LogLine): string =>
  (
    logField(line, 'level') ??
    logField(line, 'detected_level') ??
    logField(line, 'severity_text') ??
    'unknown'
  ).toLowerCase()

/** Same line, same time, same stream: the key of a row. */
export const logKey = (line: LogLine): string => `${line.timeNs} ${labelsText(line.labels)} ${line.line}`

/** Names of the labels of streams that had lines in the range. */
export async function lokiLabels(client: Client, range: TimeRange): Promise<string[]> {
  const answer = await getJson<{ data?: string[] }>(client, `${ROOT}/labels`, lokiRange(range))
  return answer.data ?? []
}

/** Values of one label in the range. */
export async function lokiLabelValues(client: Client, label: string, range: TimeRange): Promise<string[]> {
  const answer = await getJson<{ data?: string[] }>(
    client,
    `${ROOT}/label/${encodeURIComponent(label)}/values`,
    lokiRange(range),
  )
  return answer.data ?? []
}

/** Names of the structured metadata and parsed fields of the lines that `selector`, e.g. `{app="x"}`, finds. */
export async function lokiFields(client: Client, selector: string, range: TimeRange): Promise<string[]> {
  const answer = await getJson<{ fields?: { label: string }[] | null }>(client, `${ROOT}/detected_fields`, {
    query: selector,
    ...lokiRange(range),
  })
  return (answer.fields ?? []).map((field) => field.label)
}

const lokiRange = (range: TimeRange) => ({ start: nanos(range.from), end: nanos(range.to) })
