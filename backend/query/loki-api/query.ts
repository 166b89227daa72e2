/** `query` and `query_range`: evaluates LogQL and writes what it found in Loki's shapes. */
import { type ApiRequest, type ApiResponse, httpError, json } from '../../http.ts'
import {
  type Budget,
  createBudget,
  type LogEntry,
  type MetricSample,
  type MetricSeries,
  metricsInstant,
  metricsRange,
  parse,
  select,
} from '../logql/index.ts'
import type { LokiContext } from './context.ts'
import {
  MAX_ENTRIES,
  readDirection,
  readDuration,
  readLimit,
  readStep,
  readStepWidth,
  readTime,
  readWindow,
  requireQuery,
  type TimeWindow,
} from './params.ts'
import { streamsOf, wantsCategories } from './streams.ts'

/** `query_range`: lines of a log query (`streams`), or a point per step and series of a metric query (`matrix`). */
export function queryRange(context: LokiContext, { query: params, headers }: ApiRequest): ApiResponse {
  const query = parse(requireQuery(params))
  const window = readWindow(params, context.nowNs())
  // What has no use for a metric query, or for lines, is read all the same when a client sends it.
  const direction = readDirection(params)
  const limit = readLimit(params, undefined, query.kind === 'log' ? MAX_ENTRIES : Number.POSITIVE_INFINITY)
  readStepWidth(params)
  const interval = params.get('interval')
  const intervalNs = interval ? readDuration(interval, 'interval') : 0
  const response = startResponse(context)
  if (query.kind !== 'log') {
    const stepNs = readStep(params, window)
    const series = metricsRange(query, context.logs, {
      ...alignToStep(window, stepNs),
      stepNs,
      budget: response.budget,
    })
    return response.finish('matrix', series.map(matrixOf), series.length)
  }
  const entries = select(query, context.logs, { range: window, limit, direction, intervalNs, budget: response.budget })
  return finishEntries(response, entries, wantsCategories(headers))
}

/** Steps lie on multiples of the step, so that repeated queries of a moving window ask for the same points. */
function alignToStep({ startNs, endNs }: TimeWindow, stepNs: bigint): TimeWindow {
  const beyond = endNs % stepNs
  return { startNs: startNs - (startNs % stepNs), endNs: beyond === 0n ? endNs : endNs - beyond + stepNs }
}

/** `query`: the value of each series at one moment (`vector`), or a number (`scalar`). Log queries are refused. */
export function queryInstant(context: LokiContext, { query: params }: ApiRequest): ApiResponse {
  const query = parse(requireQuery(params))
  if (query.kind === 'log') {
    throw httpError(
      400,
      'log queries are not supported as an instant query type, please change your query to a range query type',
    )
  }
  const timeNs = readTime(params, 'time') ?? context.nowNs()
  readDirection(params)
  readLimit(params, undefined, Number.POSITIVE_INFINITY)
  const response = startResponse(context)
  const result = metricsInstant(query, context.logs, { timeNs, budget: response.budget })
  if (typeof result === 'number') return response.finish('scalar', [seconds(timeNs), formatFloat(result)], 1)
  return response.finish(
    'vector',
    result.map((sample) => vectorOf(sample, timeNs)),
    result.length,
  )
}

/** A response that is being worked out. */
interface PendingResponse {
  readonly budget: Budget
  /** `entries`: lines or series in the result. `more`: further members beside it. */
  finish(resultType: string, result: unknown, entries: number, more?: object): ApiResponse
}

/** Starts the clock and the budget of a query; the response will say what it took. */
export function startResponse(context: LokiContext): PendingResponse {
  const budget = createBudget(context.timeoutMs)
  const started = performance.now()
  return {
    budget,
    finish: (resultType, result, entries, more = {}) =>
      json(200, {
        status: 'success',
        data: { resultType, ...more, result, stats: statsOf(budget, started, entries) },
      }),
  }
}

function finishEntries(response: PendingResponse, entries: readonly LogEntry[], categorize: boolean): ApiResponse {
  const flags = categorize ? { encodingFlags: ['categorize-labels'] } : {}
  return response.finish('streams', streamsOf(entries, categorize), entries.length, flags)
}

const matrixOf = ({ labels, points }: MetricSeries): object => ({
  metric: labels,
  values: points.map(({ timeNs, value }) => [seconds(timeNs), formatFloat(value)]),
})

const vectorOf = ({ labels, value }: MetricSample, timeNs: bigint): object => ({
  metric: labels,
  value: [seconds(timeNs), formatFloat(value)],
})

/** Seconds with at most three decimals. */
export const seconds = (timeNs: bigint): number => Number(timeNs / 1_000_000n) / 1000

/** Digits without an exponent, as Prometheus' and Loki's clients expect. */
export function formatFloat(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  const found = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value))
  if (!found) return Object.is(value, -0) ? '-0' : String(value)
  const [, sign, first, rest = '', power] = found
  const digits = `${first}${rest}`
  const point = Number(power) + 1
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return `${sign}${digits.padEnd(point, '0')}`
}

/** The members that clients show; all others of Loki's are 0. */
function statsOf({ stats }: Budget, started: number, entries: number): object {
  const execTime = (performance.now() - started) / 1000
  const perSecond = (amount: number): number => Math.round(amount / Math.max(execTime, 1e-6))
  const store = { totalChunksRef: stats.tables, totalChunksDownloaded: stats.tables, chunksDownloadTime: 0 }
  const chunk = { decompressedBytes: stats.bytes, decompressedLines: stats.lines, totalDuplicates: 0 }
  return {
    summary: {
      bytesProcessedPerSecond: perSecond(stats.bytes),
      linesProcessedPerSecond: perSecond(stats.lines),
      totalBytesProcessed: stats.bytes,
      totalLinesProcessed: stats.lines,
      execTime,
      queueTime: 0,
      subqueries: 0,
      totalEntriesReturned: entries,
      splits: 0,
      shards: 0,
    },
    querier: { store: { ...store, chunk } },
    ingester: { totalReached: 0, totalChunksMatched: 0, totalBatches: 0, totalLinesSent: 0 },
  }
}
