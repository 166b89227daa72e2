/** PromQL targets: range and instant queries, exemplars, heatmap buckets. */

import type { Exemplar, Field, Frame } from './frame.ts'
import type { Target } from './grafana-json.ts'
import { type Client, getJson, postForm } from './http.ts'
import { interpolate } from './interpolate.ts'
import { parseQuantile, quantilesOf } from './quantiles.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { type Labels, legendText, onGrid, parseSample, type Sample, type Series } from './series.ts'
import { alignRange } from './step.ts'

const ROOT = '/api/prometheus/api/v1'

interface Answer<T> {
  status: string
  data: T
}

interface Matrix {
  resultType: string
  result: { metric: Labels; values?: Sample[]; value?: Sample }[] | Sample
}

/** Frames by the target's format: `table`, `heatmap`, else a frame per series; exemplars when it asks for them. */
export async function runPrometheus(target: Target, context: QueryContext): Promise<QueryResult> {
  const expr = interpolate(target.expr ?? '', context.variables, 'promql')
  if (!expr.trim()) return { frames: [], exemplars: [], logs: [] }
  const refId = target.refId ?? 'A'
  if (target.instant || (target.format === 'table' && target.range !== true)) {
    const series = await instantQuery(context.client, expr, context.range.to)
    const frames =
      target.format === 'table' ? [seriesTable(series, refId)] : series.map((s) => seriesFrame(s, target, refId))
    return { frames, exemplars: [], logs: [] }
  }
  const [series, exemplars] = await Promise.all([
    sharedQuantile(expr, context) ?? rangeQuery(context.client, expr, context.range, context.stepMs),
    target.exemplar ? queryExemplars(context.client, expr, context.range) : [],
  ])
  if (target.format === 'table') return { frames: [seriesTable(series, refId)], exemplars, logs: [] }
  if (target.format === 'heatmap') return { frames: [bucketFrame(series, refId)], exemplars, logs: [] }
  return { frames: series.map((one) => seriesFrame(one, target, refId)), exemplars, logs: [] }
}

/** Answers of bucket queries, for as long as the panel's client is there. */
const bucketAnswers = new WeakMap<Client, Map<string, Promise<Series[]>>>()

/** The answer to a quantile whose buckets another target of the panel needs too; undefined for any other query. */
function sharedQuantile(expr: string, context: QueryContext): Promise<Series[]> | undefined {
  const asked = parseQuantile(expr)
  const others = (context.targets ?? []).map((one) => interpolate(one.expr ?? '', context.variables, 'promql'))
  if (!asked || others.filter((other) => parseQuantile(other)?.inner === asked.inner).length < 2) return undefined
  const answers = bucketAnswers.get(context.client) ?? new Map<string, Promise<Series[]>>()
  bucketAnswers.set(context.client, answers)
  const key = `${context.stepMs} ${asked.inner}`
  const answer = answers.get(key) ?? rangeQuery(context.client, asked.inner, context.range, context.stepMs)
  answers.set(key, answer)
  return answer.then((series) => [...quantilesOf(asked.q, series).values()])
}

/** One value per series, at `timeMs`. */
export async function instantQuery(client: Client, query: string, timeMs: number): Promise<Series[]> {
  const answer = await postForm<Answer<Matrix>>(client, `${ROOT}/query`, { query, time: String(timeMs / 1000) })
  return toSeries(answer.data)
}

/** A value per step of the range (milliseconds), its ends rounded down to steps; null where there is none. */
export async function rangeQuery(
  client: Client,
  query: string,
  range: { from: number; to: number },
  stepMs: number,
): Promise<Series[]> {
  const { from, to } = alignRange(range.from, range.to, stepMs)
  const params = { query, start: String(from / 1000), end: String(to / 1000), step: String(stepMs / 1000) }
  const answer = await postForm<Answer<Matrix>>(client, `${ROOT}/query_range`, params)
  return toSeries(answer.data, from, to, stepMs)
}

function toSeries(data: Matrix, from?: number, to?: number, stepMs?: number): Series[] {
  if (data.resultType === 'scalar' || data.resultType === 'string') {
    const [seconds, value] = data.result as Sample
    return [{ labels: {}, times: [seconds * 1000], values: [Number(value)] }]
  }
  return (data.result as { metric: Labels; values?: Sample[]; value?: Sample }[]).map(({ metric, values, value }) => {
    const samples = values ?? (value ? [value] : [])
    if (from === undefined || to === undefined || stepMs === undefined) {
      return { labels: metric, times: samples.map(([s]) => s * 1000), values: samples.map(([, v]) => parseSample(v)) }
    }
    return { labels: metric, ...onGrid(samples, from, to, stepMs) }
  })
}

function seriesFrame({ labels, times, values }: Series, target: Target, refId: string): Frame {
  const name = legendText(target.legendFormat, labels, target.expr ?? '')
  return {
    refId,
    name,
    fields: [
      { name: 'Time', type: 'time', values: times, config: {} },
      { name, type: 'number', values, labels, config: {} },
    ],
  }
}

/** Table format: a row per sample, a column per label. */
function seriesTable(series: readonly Series[], refId: string): Frame {
  const labelNames = [...new Set(series.flatMap(({ labels }) => Object.keys(labels)))].sort()
  const rows = series.flatMap(({ labels, times, values }) =>
    times.map((time, i) => ({ labels, time, value: values[i] ?? null })),
  )
  const fields: Field[] = [
    { name: 'Time', type: 'time', values: rows.map((row) => row.time), config: {} },
    ...labelNames.map(
      (name): Field => ({ name, type: 'string', values: rows.map((row) => row.labels[name] ?? ''), config: {} }),
    ),
    { name: `Value #${refId}`, type: 'number', values: rows.map((row) => row.value), config: {} },
  ]
  return { refId, fields }
}

/**
 * Cumulative `le` buckets -> one field per bucket, named by its upper bound, ascending, each holding only its own share.
 */
export function bucketFrame(series: readonly Series[], refId: string): Frame {
  const buckets = series
    .map((one) => ({ ...one, bound: one.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(one.labels.le) }))
    .filter(({ bound }) => !Number.isNaN(bound))
    .sort((a, b) => a.bound - b.bound)
  const times = buckets[0]?.times ?? []
  const fields = buckets.map(({ labels, values }, index): Field => {
    const below = buckets[index - 1]?.values
    const own = values.map((value, i) => (value === null ? null : Math.max(value - (below?.[i] ?? 0), 0)))
    return { name: labels.le!, type: 'number', values: own, labels, config: {} }
  })
  return { refId, fields: [{ name: 'Time', type: 'time', values: times, config: {} }, ...fields] }
}

interface ExemplarSeries {
  seriesLabels: Labels
  exemplars: { labels: Labels; value: string; timestamp: number }[]
}

async function queryExemplars(client: Client, query: string, range: { from: number; to: number }): Promise<Exemplar[]> {
  const params = { query, start: String(range.from / 1000), end: String(range.to / 1000) }
  const answer = await postForm<Answer<ExemplarSeries[] | null>>(client, `${ROOT}/query_exemplars`, params)
  return (answer.data ?? []).flatMap(({ seriesLabels, exemplars }) =>
    exemplars.map((one) => ({
      timeMs: one.timestamp * 1000,
      value: Number(one.value),
      labels: one.labels,
      seriesLabels,
    })),
  )
}

/** Of the series that `matcher`, e.g. `up{job="x"}`, selects, or of all, in the range (milliseconds). */
export async function labelValues(
  client: Client,
  label: string,
  matcher: string | undefined,
  range: { from: number; to: number },
): Promise<string[]> {
  const params = {
    start: String(range.from / 1000),
    end: String(range.to / 1000),
    ...(matcher && { 'match[]': matcher }),
  }
  const answer = await getJson<Answer<string[]>>(client, `${ROOT}/label/${encodeURIComponent(label)}/values`, params)
  return answer.data
}

/** Of the series that `matcher` selects, or of all. */
export async function labelNames(client: Client, matcher?: string): Promise<string[]> {
  const answer = await getJson<Answer<string[]>>(client, `${ROOT}/labels`, matcher ? { 'match[]': matcher } : {})
  return answer.data
}

export interface MetricInfo {
  readonly type: string
  readonly help: string
}

/** Type and help text by metric name, as the first target that has it tells them. */
export async function metricMetadata(client: Client): Promise<Map<string, MetricInfo>> {
  const answer = await getJson<Answer<Record<string, MetricInfo[]>>>(client, `${ROOT}/metadata`)
  return new Map(Object.entries(answer.data).flatMap(([name, infos]) => (infos[0] ? [[name, infos[0]] as const] : [])))
}
