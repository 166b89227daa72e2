/** The tool that asks Prometheus, and how series are shown. */
import { z } from 'zod'
import { type List, page, pairs, type Row } from './answer.ts'
import { getJson, type System } from './system.ts'
import { defineTool, offset } from './tool.ts'
import { momentText, readWindow, secondsOf, windowParameters } from './window.ts'

type Metric = Record<string, string>

type Result =
  | { resultType: 'vector'; result: { metric: Metric; value: [number, string] }[] }
  | { resultType: 'matrix'; result: { metric: Metric; values: [number, string][] }[] }
  | { resultType: 'scalar' | 'string'; result: [number, string] }

/** Points of a range. */
const POINTS = 120
/** Prometheus is asked for this many series and one, to know that there are more. */
const MOST_SERIES = 1000

export const metrics = defineTool({
  name: 'metrics',
  title: 'metrics by PromQL: now, or over a range',
  about:
    'A PromQL query: its values now, or with range how each series went from since (or start) to end: first, lowest, mean, highest and when, last, and ten values along the way. sum by (job) (rate(http_server_request_duration_seconds_count[1m])). Names of metrics: query {__name__=~"db_.*"} with names.',
  example: `'sum by (job) (rate(http_server_request_duration_seconds_count[1m]))' --range --since 30m`,
  positionals: ['query'],
  parameters: {
    query: z.string().describe('PromQL'),
    range: z.boolean().default(false).describe('over the time from since or start to end'),
    names: z
      .boolean()
      .default(false)
      .describe('only the names of the metrics that match, with how many series each has'),
    ...windowParameters('30m'),
    offset,
  },
  async run({ query, range, names, offset, ...times }, system) {
    const window = readWindow(times)
    const nothing = 'No series. Names of metrics: {__name__=~".+"} with names.'
    if (names) {
      const series = await instant(system, `count by (__name__) (${query})`)
      const rows = series.map(({ labels, value }) => ({ metric: labels.__name__ ?? '', series: value }))
      return { facts: {}, lists: [page('metrics', rows, offset, 'a narrower query')], nothing }
    }
    if (range) {
      const step = Math.max(1, Math.ceil(secondsOf(window) / POINTS))
      const { data } = await getJson<{ data: Extract<Result, { resultType: 'matrix' }> }>(
        'Prometheus',
        system.prometheus,
        {
          path: '/api/v1/query_range',
          query: {
            query,
            start: seconds(window.startNs),
            end: seconds(window.endNs),
            step: String(step),
            limit: `${MOST_SERIES + 1}`,
          },
          narrower: 'Ask with sum by (...), or topk(10, ...).',
        },
      )
      return { facts: { step: `${step}s` }, lists: [seriesList(data.result, offset)], nothing }
    }
    const samples = await instant(system, query, seconds(window.endNs))
    const rows = samples.map(({ labels, value }) => ({ series: nameOf(labels), value }))
    return { facts: {}, lists: [seriesPage(rows, offset)], nothing }
  },
})

const seconds = (ns: bigint) => String(Number(ns / 1_000_000n) / 1000)

export interface Sample {
  labels: Metric
  /** null for what JSON has no number for: NaN, Inf. */
  value: number | null
}

/** An instant query's values, at a time in seconds or now; a scalar is a series without labels. */
export async function instant({ prometheus }: System, query: string, time?: string): Promise<Sample[]> {
  const { data } = await getJson<{ data: Result }>('Prometheus', prometheus, {
    path: '/api/v1/query',
    query: { query, limit: `${MOST_SERIES + 1}`, ...(time === undefined ? {} : { time }) },
    narrower: 'Ask with sum by (...), or topk(10, ...).',
  })
  if (data.resultType === 'vector')
    return data.result.map(({ metric, value }) => ({ labels: metric, value: toNumber(value[1]) }))
  if (data.resultType === 'matrix')
    return data.result.map(({ metric, values }) => ({ labels: metric, value: toNumber(values.at(-1)![1]) }))
  return [{ labels: {}, value: toNumber(data.result[1]) }]
}

const toNumber = (text: string) => (Number.isFinite(Number(text)) ? Number(text) : null)

/** How each series went; those that rose highest come first. */
export function seriesList(result: readonly { metric: Metric; values: [number, string][] }[], offset: number): List {
  const courses = result.map(({ metric, values }) => courseOf(nameOf(metric), values))
  return seriesPage(
    courses.sort((a, b) => (b.highest ?? 0) - (a.highest ?? 0)),
    offset,
  )
}

/** One series more than may be read says that there are more. */
function seriesPage(rows: readonly Row[], offset: number): List {
  const list = page('series', rows.slice(0, MOST_SERIES), offset, 'sum by (...), or topk(10, ...)')
  return rows.length > MOST_SERIES ? { ...list, total: 'more' } : list
}

function courseOf(series: string, values: readonly [number, string][]): Row & { highest: number | null } {
  const points = values
    .map(([time, text]) => ({ time, value: Number(text) }))
    .filter(({ value }) => Number.isFinite(value))
  const highest = points.reduce<(typeof points)[number] | null>(
    (most, one) => (most && most.value >= one.value ? most : one),
    null,
  )
  const lowest = points.reduce((least, { value }) => Math.min(least, value), Number.POSITIVE_INFINITY)
  const mean = points.reduce((all, { value }) => all + value, 0) / points.length
  return {
    series,
    points: points.length,
    first: short(points[0]?.value),
    lowest: short(points.length ? lowest : undefined),
    mean: short(points.length ? mean : undefined),
    highest: short(highest?.value),
    highest_at: highest ? momentText(BigInt(Math.round(highest.time)) * 1_000_000_000n) : null,
    last: short(points.at(-1)?.value),
    course: alongTheWay(points.map(({ value }) => value)),
  }
}

/** Ten of them, from the first to the last; null where the other columns say all. */
function alongTheWay(values: readonly number[]): string | null {
  if (values.length < 4 || values.every((value) => value === values[0])) return null
  const count = Math.min(10, values.length)
  const at = (n: number) => values[Math.round((n * (values.length - 1)) / (count - 1))]!
  return Array.from({ length: count }, (_, n) => Number(at(n).toPrecision(3))).join(' ')
}

/** Six digits say enough. */
const short = (value: number | undefined) => (value === undefined ? null : Number(value.toPrecision(6)))

/** `up job=gateway` */
function nameOf({ __name__: name, ...labels }: Metric): string {
  return [name, pairs(labels)].filter(Boolean).join(' ') || '(no labels)'
}
