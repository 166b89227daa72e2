/**
 * The samples of one table, as small as they can be kept: what a query unwrapped from its lines, with its times. They depend on
 * the table and on the pipeline alone, so that those of a table which never changes serve every function, range, step and window.
 */
import { QueryError } from '../../language/errors.ts'
import type { KeptAnswers } from '../../language/kept-answers.ts'
import type { Grouping, RangeAggregation } from '../ast.ts'
import type { Budget } from '../budget.ts'
import type { Labels, LogTable, LogTimeRange } from '../log-table.ts'
import { print } from '../print.ts'
import { copiedLabels, isSteady, type PartSamples, type ReadTable } from './count-parts.ts'
import { keptPart, type Looked } from './kept-part.ts'
import { type PackedNumbers, packNumbers, unpackNumber } from './packed-numbers.ts'

export interface SamplePart extends Looked {
  readonly series: readonly { readonly key: string; readonly labels: Labels }[]
  /** Of each sample: nanoseconds since the one before, of the first since the table's base; its value; the place of its series. */
  readonly steps: PackedNumbers
  readonly values: PackedNumbers
  readonly places: PackedNumbers
}

/** More in one table are as many series as lines, or nearly: no dashboard asks such. */
const MAX_KEPT_BYTES = 1 << 19
/** Fewer than the series that a query may have: reading a table whole is never refused for lines beyond the range. */
const MAX_ROWS = 1 << 16

export interface SamplesOf {
  readonly query: RangeAggregation
  readonly grouping: Grouping | undefined
  /** Labels of series are made as for functions that Loki computes in parts. */
  readonly merged: boolean
  readonly answers: KeptAnswers | undefined
  readonly budget: Budget
  readonly read: ReadTable
}

/**
 * The samples of a whole table, kept or to be kept; undefined for a table that changes, has too little within the range to be
 * read whole for it, or too much to be kept.
 */
export function samplesOf(job: SamplesOf): (table: LogTable, range: LogTimeRange) => SamplePart | undefined {
  const { query, grouping, merged, answers, budget, read } = job
  if (answers === undefined || !isSteady(query)) return () => undefined
  const any = { parameter: undefined, rangeNs: 1, offsetNs: 0, grouping: undefined }
  const text = print({ ...query, ...any, op: 'last_over_time' })
  const name = `samples|${merged ? 'merged' : 'apart'}|${JSON.stringify(grouping ?? null)}|${text}`
  // A query of more than there is room for would put out all else, and all of its own before it is asked again.
  let room = answers.maxBytes / 2
  return (table, range) => {
    const { identity } = table
    const whole = wholeOf(table)
    if (identity === undefined || whole === undefined || table.rows > MAX_ROWS) return undefined
    const key = `${identity}|${name}`
    if (!answers.has(key) && (room <= 0 || !isMostlyWithin(whole, range))) return undefined
    const part = keptPart({
      answers,
      key,
      budget,
      make(looked): SamplePart | undefined {
        const { samples, finish } = partSamples()
        try {
          read(table, whole, 0, samples)
        } catch (error) {
          // A line that can't be read ends a query only where it is within the range.
          if (isWithin(whole, range) || !(error instanceof QueryError && error.kind === 'evaluation')) throw error
          return undefined
        }
        return { ...finish(), ...looked() }
      },
      bytesOf: bytesOfPart,
      maxBytes: MAX_KEPT_BYTES,
    })
    if (part !== undefined) room -= bytesOfPart(part)
    return part
  }
}

/** Adds those samples that lie within, in nanoseconds since the table's base; `shift` is added to their times. */
export function addSamples(
  { series, steps, values, places }: SamplePart,
  { from, to, shift }: { from: number; to: number; shift: number },
  { open, add }: PartSamples,
): void {
  const ordinals = new Int32Array(series.length).fill(-1)
  let time = 0
  for (let k = 0; k < steps.units.length; k += 1) {
    time += unpackNumber(steps, k)
    if (time < from) continue
    if (time >= to) return
    const place = unpackNumber(places, k)
    let ordinal = ordinals[place]!
    if (ordinal < 0) {
      const { labels, key } = series[place]!
      ordinal = open(labels, key)
      ordinals[place] = ordinal
    }
    add(ordinal, shift + time, unpackNumber(values, k))
  }
}

const wholeOf = ({ minNs, maxNs }: LogTable): LogTimeRange | undefined =>
  minNs === undefined || maxNs === undefined ? undefined : { startNs: minNs, endNs: maxNs + 1n }

const isWithin = (inner: LogTimeRange, { startNs, endNs }: LogTimeRange): boolean =>
  inner.startNs >= startNs && inner.endNs <= endNs

/** Half of its time: then reading all of it costs at most twice as much, once. */
function isMostlyWithin(whole: LogTimeRange, range: LogTimeRange): boolean {
  const length = Number(whole.endNs - whole.startNs)
  const from = Math.max(0, Number(range.startNs - whole.startNs))
  const to = Math.min(length, Number(range.endNs - whole.startNs))
  return 2 * (to - from) >= length
}

/** Whether all of a table lies within the range. */
export const isWhole = (table: LogTable, range: LogTimeRange): boolean => {
  const whole = wholeOf(table)
  return whole !== undefined && isWithin(whole, range)
}

function partSamples() {
  const series: { key: string; labels: Labels }[] = []
  const [steps, values, places]: number[][] = [[], [], []]
  let last = 0
  const samples: PartSamples = {
    open: (labels, key) => series.push({ key, labels }) - 1,
    add(place, time, value) {
      steps!.push(time - last)
      values!.push(value)
      places!.push(place)
      last = time
    },
  }
  const finish = () => ({
    series: series.map(({ key, labels }) => ({ key, labels: copiedLabels(labels) })),
    ...{ steps: packNumbers(steps!), values: packNumbers(values!), places: packNumbers(places!) },
  })
  return { samples, finish }
}

function bytesOfPart({ series, steps, values, places }: SamplePart): number {
  const packed = steps.units.byteLength + values.units.byteLength + places.units.byteLength
  return series.reduce((sum, { key }) => sum + 400 + key.length * 4, 500 + packed)
}
