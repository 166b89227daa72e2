/** What each kind of data point becomes: one series, or those of a classic histogram or summary. */
import type {
  Exemplar,
  HistogramDataPoint,
  KeyValue,
  NumberDataPoint,
  SummaryDataPoint,
} from '@sightline/otlp-messages'
import {
  inOrderOfNames,
  type Label,
  type WrittenExemplar,
  type WrittenSeries,
} from '@sightline/service-kit/remote-write'
import { pointLabels, present } from './labels.ts'

/** What all series of one point have in common. */
export interface Common {
  /** As Prometheus has it. */
  readonly name: string
  /** Of resource, scope and point. */
  readonly labels: readonly Label[]
}

/** Of data_point_flags: this series has ended. */
const NO_RECORDED_VALUE = 1

export interface AnyPoint {
  readonly attributes: readonly KeyValue[]
  readonly timeUnixNano: bigint
  readonly flags: number
}

export const millis = (nanos: bigint): number => Number(nanos / 1_000_000n)

/** A function that makes the series of one point: the ending of its name, its value, one more label. */
function seriesOf({ name, labels }: Common, { timeUnixNano, flags }: AnyPoint) {
  const ms = millis(timeUnixNano)
  const ended = (flags & NO_RECORDED_VALUE) !== 0
  const sorted = inOrderOfNames(labels)
  // A histogram has many series of one name.
  const named = new Map<string, Label[]>()
  return (ending: string, value: number, own?: Label, exemplars: readonly WrittenExemplar[] = []): WrittenSeries => {
    const all = named.get(ending) ?? placed(sorted, ['__name__', name + ending])
    named.set(ending, all)
    return { labels: own ? placed(all, own) : all, value: ended ? 'stale' : value, ms, exemplars }
  }
}

/** With `label` at its place, instead of one of the same name. */
function placed(sorted: readonly Label[], label: Label): Label[] {
  const behind = sorted.findIndex(([name]) => name >= label[0])
  if (behind < 0) return [...sorted, label]
  return sorted.toSpliced(behind, sorted[behind]![0] === label[0] ? 1 : 0, label)
}

/** A string says why not. */
export function numberSeries(common: Common, point: NumberDataPoint, withExemplars: boolean): WrittenSeries[] | string {
  const value = numberOf(point)
  if (value === undefined && (point.flags & NO_RECORDED_VALUE) === 0) return 'a point has no value'
  const exemplars = withExemplars ? exemplarsOf(point.exemplars) : []
  return [seriesOf(common, point)('', value ?? 0, undefined, exemplars)]
}

export function histogramSeries(common: Common, point: HistogramDataPoint): WrittenSeries[] | string {
  const { bucketCounts, explicitBounds: bounds } = point
  const buckets = bucketCounts.length
  if (buckets > 0 && buckets !== bounds.length + 1)
    return `${bounds.length} bounds make ${bounds.length + 1} buckets, not ${buckets}`
  if (bounds.some((bound, i) => !Number.isFinite(bound) || bound <= (bounds[i - 1] ?? -Infinity)))
    return 'bounds of buckets must be finite and ascend'
  const one = seriesOf(common, point)
  const finite = buckets === 0 ? [] : bounds
  const exemplars = Map.groupBy(exemplarsOf(point.exemplars), ({ value }) => bucketOf(value, finite))
  let below = 0n
  return [
    ...finite.map((bound, i) => {
      below += bucketCounts[i]!
      return one('_bucket', Number(below), ['le', String(bound)], exemplars.get(i))
    }),
    one('_bucket', Number(point.count), ['le', '+Inf'], exemplars.get(finite.length)),
    one('_count', Number(point.count)),
    ...(point.sum === undefined ? [] : [one('_sum', point.sum)]),
  ]
}

/** The first whose bound is not below the value. */
function bucketOf(value: number, bounds: readonly number[]): number {
  let low = 0
  let high = bounds.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (value <= bounds[middle]!) high = middle
    else low = middle + 1
  }
  return low
}

export function summarySeries(common: Common, point: SummaryDataPoint): WrittenSeries[] {
  const one = seriesOf(common, point)
  return [
    ...point.quantileValues.map(({ quantile, value }) => one('', value, ['quantile', String(quantile)])),
    one('_count', Number(point.count)),
    one('_sum', point.sum),
  ]
}

function numberOf({ value }: NumberDataPoint | Exemplar): number | undefined {
  return value.case === undefined ? undefined : Number(value.value)
}

/** Names and values of an exemplar's labels together, in characters: Prometheus takes no more (OpenMetrics). */
const MOST_OF_AN_EXEMPLAR = 128

/** In order of time. What was filtered from the point comes along where there is room. */
function exemplarsOf(exemplars: readonly Exemplar[]): WrittenExemplar[] {
  return exemplars
    .flatMap((exemplar) => {
      const value = numberOf(exemplar)
      if (value === undefined) return []
      const ids = present([
        ['trace_id', hex(exemplar.traceId)],
        ['span_id', hex(exemplar.spanId)],
      ])
      const all = inOrderOfNames(pointLabels(exemplar.filteredAttributes, ids))
      const labels = [all, inOrderOfNames(ids), []].find((some) => characters(some) <= MOST_OF_AN_EXEMPLAR)!
      return [{ labels, value, ms: millis(exemplar.timeUnixNano) }]
    })
    .sort((a, b) => a.ms - b.ms)
}

const hex = (id: Uint8Array): string => Buffer.from(id).toString('hex')
const characters = (labels: readonly Label[]): number =>
  labels.reduce((sum, [name, value]) => sum + [...name].length + [...value].length, 0)
