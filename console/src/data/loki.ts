/** LogQL targets: lines with their labels and structured metadata, or series when the query counts. */

import { type Frame, type LogLine, labelsText } from './frame.ts'
import type { Target } from './grafana-json.ts'
import { type Client, getJson } from './http.ts'
import { interpolate } from './interpolate.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { type Labels, legendText, onGrid, parseSample, type Sample } from './series.ts'
import type { TimeRange } from './time-range.ts'

const ROOT = '/api/loki/loki/api/v1'

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
  const answer = instant
    ? await getJson<Answer>(context.client, `${ROOT}/query`, { query, time: nanos(context.range.to), limit })
    : await getJson<Answer>(context.client, `${ROOT}/query_range`, {
        query,
        start: nanos(context.range.from),
        end: nanos(context.range.to),
        step: String(context.stepMs / 1000),
        limit,
        direction: 'backward',
      })
  return toResult(answer, target, query, context)
}

const nanos = (ms: number): string => `${Math.round(ms)}000000`

function toResult({ data }: Answer, target: Target, query: string, context: QueryContext): QueryResult {
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
  return { frames: [], exemplars: [], logs: streamLines(data.result) }
}

/** Loki widens the range to multiples of the step, at both ends. */
const onSteps = (samples: readonly Sample[], { range: { from, to }, stepMs }: QueryContext) =>
  onGrid(samples, Math.floor(from / stepMs) * stepMs, Math.ceil(to / stepMs) * stepMs, stepMs)

function streamLines(streams: Answer['data']['result']): LogLine[] {
  const lines = streams.flatMap(({ stream = {}, values = [] }) =>
    values.map(([timeNs, line, extra]): LogLine => {
      const metadata = { ...extra?.structuredMetadata, ...extra?.parsed }
      return { timeNs: String(timeNs), line, labels: stream, metadata }
    }),
  )
  return lines.sort((a, b) => (a.timeNs < b.timeNs ? 1 : a.timeNs > b.timeNs ? -1 : 0))
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
