/** /api/metrics/query_range and /api/metrics/query: TraceQL metrics. */
import { QueryInstantResponseSchema, QueryRangeResponseSchema } from '@sightline/otlp-messages/tempo'
import { type ApiRequest, type ApiResponse, httpError } from '../../http.ts'
import { metricsInstant, metricsRange, type Query, type Series } from '../traceql/index.ts'
import { answer } from './answers.ts'
import { compile } from './compile.ts'
import type { TempoContext } from './context.ts'
import { readCount, readDuration, readMetricsRange } from './params.ts'
import { jsonNumber, keyValues } from './values.ts'

/** More points per series than any screen has columns; a range that begins and ends within a step has two more. */
const MAX_POINTS = 11_000
const MAX_STEPS = MAX_POINTS - 2
const MAX_EXEMPLARS = 1000

const JOBS = { completedJobs: 1, totalJobs: 1 }

/**
 * `metrics/query_range`: a sample per step and series, with exemplars when asked for. Times are milliseconds in texts.
 */
export function queryRange({ spans, nowNs }: TempoContext, request: ApiRequest): ApiResponse {
  const query = metricsQuery(request)
  const range = readMetricsRange(request.query, nowNs())
  const stepNs = readStep(request.query, range)
  const exemplars = Math.min(readCount(request.query, 'exemplars') ?? 0, MAX_EXEMPLARS)
  const series = metricsRange(query, spans, { range, exemplars, ...(stepNs !== undefined && { stepNs }) })
  return answer(request, QueryRangeResponseSchema, { series: series.map(seriesJson), metrics: JOBS })
}

/** `metrics/query`: one value per series for the whole range. */
export function queryInstant({ spans, nowNs }: TempoContext, request: ApiRequest): ApiResponse {
  const query = metricsQuery(request)
  const range = readMetricsRange(request.query, nowNs())
  const series = metricsInstant(query, spans, { range })
  const answers = series.map(({ labels, value }) => ({
    labels: keyValues(labels),
    ...(value !== 0 && { value: jsonNumber(value) }),
  }))
  return answer(request, QueryInstantResponseSchema, { series: answers, metrics: JOBS })
}

function metricsQuery(request: ApiRequest): Query {
  const text = request.query.get('q') ?? request.query.get('query') ?? ''
  if (text === '') throw httpError(400, 'parse error: q is missing: write a metrics query, e.g. {} | rate()')
  const query = compile(text)
  if (query.kind !== 'metrics') throw httpError(400, 'not a metrics query: end it with a function such as | rate()')
  return query
}

function readStep(query: URLSearchParams, { startNs, endNs }: { startNs: bigint; endNs: bigint }): bigint | undefined {
  const step = readDuration(query, 'step')
  if (step === undefined || !/[1-9]/.test(query.get('step')!)) return undefined
  if (step < 1) throw httpError(400, `invalid step: ${query.get('step')} is less than a nanosecond`)
  const least = Number(endNs - startNs) / MAX_STEPS
  if (step < least) {
    throw httpError(
      400,
      `step of ${step / 1e9}s is too small, minimum step for given range is ${Math.ceil(least / 1e9)}s`,
    )
  }
  return BigInt(Math.round(step))
}

/** protobuf's JSON leaves out zeros. */
function seriesJson({ labels, samples, exemplars }: Series): unknown {
  return {
    labels: keyValues(labels),
    samples: samples.map(sampleJson),
    ...(exemplars.length > 0 && {
      exemplars: exemplars.map((exemplar) => ({ labels: keyValues(exemplar.labels), ...sampleJson(exemplar) })),
    }),
  }
}

function sampleJson({ timestampMs, value }: { timestampMs: number; value: number }) {
  return { timestampMs: String(timestampMs), ...(value !== 0 && { value: jsonNumber(value) }) }
}
