/**
 * OTLP metrics as series of Prometheus, point by point
 * (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#otlp-metric-points-to-prometheus).
 */
import { AggregationTemporality, type ExportMetricsServiceRequest, type Metric } from '@sightline/otlp-messages'
import { type Label, seriesBytes, type WrittenSeries } from '@sightline/service-kit/remote-write'
import { pointLabels, scopeLabels, targetInfoLabels, targetLabels } from './labels.ts'
import { type Kind, metricName } from './names.ts'
import { type AnyPoint, type Common, histogramSeries, millis, numberSeries, summarySeries } from './points.ts'

/** What is written together or not at all. */
export interface PointSeries {
  /** As OTLP has it. */
  readonly metric: string
  /** Of OTLP: 1, or 0 for `target_info`. */
  readonly points: number
  readonly series: readonly WrittenSeries[]
  /** In a request to Prometheus. */
  readonly bytes: number
}

/** So far ahead a clock may be. Further ahead, one sample would make Prometheus refuse everybody's as too old. */
const MOST_AHEAD_MS = 600_000
/** Each bucket repeats all labels: a small point with many of both would grow without end. */
const MOST_BYTES_OF_A_POINT = 1 << 20
/** What its time, `le` and the ending of its name take of a series, about. */
const SERIES_FRAME = 64

type Refuse = (points: number, why: string) => void

/** `refuse` is told of points that are left out, with the metric's name in the reason. */
export function* translated(
  request: ExportMetricsServiceRequest,
  nowMs: number,
  refuse: Refuse,
): Generator<PointSeries, void, undefined> {
  for (const { resource, scopeMetrics } of request.resourceMetrics) {
    const target = targetLabels(resource)
    let latestMs = 0
    for (const { scope, metrics } of scopeMetrics) {
      const common = [...target, ...scopeLabels(scope)]
      for (const metric of metrics) {
        for (const point of pointsOf(metric, common, nowMs, refuse)) {
          latestMs = Math.max(latestMs, point.series[0]!.ms)
          yield point
        }
      }
    }
    const labels = targetInfoLabels(resource, target)
    if (labels === undefined || latestMs === 0) continue
    const series = { labels, value: 1, ms: latestMs }
    yield { metric: 'target_info', points: 0, series: [series], bytes: seriesBytes(series) }
  }
}

function* pointsOf(
  metric: Metric,
  common: readonly Label[],
  nowMs: number,
  refuse: Refuse,
): Generator<PointSeries, void, undefined> {
  const shown = metric.name.slice(0, 100)
  const name = metricName(metric.name, metric.unit, kindOf(metric))
  const points = readersOf(metric.data)
  const whyNone = name === '' ? 'its name has neither a letter a-z nor a digit' : refusalOf(metric)
  if (whyNone !== undefined) {
    if (points.length > 0) refuse(points.length, `${shown}: ${whyNone}`)
    return
  }
  for (const { point, count, read } of points) {
    const labels = pointLabels(point.attributes, common)
    const series = timeRefusal(point, nowMs) ?? sizeRefusal(name, labels, count) ?? read({ name, labels })
    if (typeof series === 'string') refuse(1, `${shown}: ${series}`)
    else yield { metric: shown, points: 1, series, bytes: series.reduce((sum, one) => sum + seriesBytes(one), 0) }
  }
}

function kindOf({ data }: Metric): Kind {
  if (data.case === 'gauge') return 'gauge'
  return data.case === 'sum' && data.value.isMonotonic ? 'counter' : 'other'
}

/** Why none of its points is taken. */
function refusalOf({ data }: Metric): string | undefined {
  if (data.case === 'exponentialHistogram')
    return (
      'exponential histograms are not taken. ' +
      'Set OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram at its sender'
    )
  if (data.case !== 'sum' && data.case !== 'histogram') return undefined
  const { aggregationTemporality: temporality } = data.value
  if (temporality === AggregationTemporality.CUMULATIVE) return undefined
  const named = temporality === AggregationTemporality.DELTA ? 'delta temporality' : 'no temporality'
  return `${named}, cumulative is taken. Set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative at its sender`
}

interface PointReader {
  readonly point: AnyPoint
  /** Series that it becomes, about. */
  readonly count: number
  /** A string says why not. */
  read(common: Common): WrittenSeries[] | string
}

function readersOf(data: Metric['data']): PointReader[] {
  switch (data.case) {
    case 'gauge':
    case 'sum': {
      const withExemplars = data.case === 'sum' && data.value.isMonotonic
      return data.value.dataPoints.map((point) => ({
        point,
        count: 1,
        read: (common) => numberSeries(common, point, withExemplars),
      }))
    }
    case 'histogram':
      return data.value.dataPoints.map((point) => ({
        point,
        count: point.bucketCounts.length + 2,
        read: (common) => histogramSeries(common, point),
      }))
    case 'summary':
      return data.value.dataPoints.map((point) => ({
        point,
        count: point.quantileValues.length + 2,
        read: (common) => summarySeries(common, point),
      }))
    case 'exponentialHistogram':
      return data.value.dataPoints.map(() => ({ point: NO_POINT, count: 0, read: () => [] }))
    default:
      return []
  }
}

/** Stands for a point that is refused unread. */
const NO_POINT: AnyPoint = { attributes: [], timeUnixNano: 0n, flags: 0 }

function timeRefusal({ timeUnixNano }: AnyPoint, nowMs: number): string | undefined {
  if (timeUnixNano === 0n) return 'a point has no time (time_unix_nano)'
  if (millis(timeUnixNano) <= nowMs + MOST_AHEAD_MS) return undefined
  return `a point is more than ${MOST_AHEAD_MS / 60_000} minutes ahead of this machine's clock. Set the sender's clock, or its unit: nanoseconds`
}

function sizeRefusal(name: string, labels: readonly Label[], count: number): string | undefined {
  const bytes = seriesBytes({ labels: [...labels, ['__name__', name]], value: 0, ms: 0 }) + SERIES_FRAME
  if (bytes * count <= MOST_BYTES_OF_A_POINT) return undefined
  return `the labels of a point, once for each of its ${count} series, are longer than ${MOST_BYTES_OF_A_POINT} bytes. Shorten its attributes, or take fewer buckets`
}
