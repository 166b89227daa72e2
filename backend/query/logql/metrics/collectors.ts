/** What becomes of samples: counts by step where that is all that is asked, else every sample. */
import type { RangeAggregation } from '../ast.ts'
import type { Budget } from '../budget.ts'
import type { Labels } from '../log-table.ts'
import { emptySeries, type Grid, type Series } from './series.ts'
import { windowFunction } from './window-functions.ts'

const COUNTING = new Set(['count_over_time', 'bytes_over_time', 'bytes_rate', 'absent_over_time'])

/** What becomes of the samples of one series. */
export interface Collector {
  /** A new series; its ordinal. */
  open(labels: Labels): number
  /** `time`: nanoseconds since the first step, shifted by the offset. */
  add(series: number, time: number, value: number): void
  /**
   * So many samples of this sum, each in the windows of the steps from `first` to before `after`; some of these may lie outside of
   * the grid. Absent where each sample is needed by itself.
   */
  addMany?(series: number, first: number, after: number, count: number, sum: number): void
  /** No sample of an earlier time will come. */
  settle?(time: number): void
  finish(): Series[]
}

/** The one that the operation needs. */
export function collectorOf(query: RangeAggregation, grid: Grid, budget: Budget): Collector {
  const lines = !query.unwrap && (COUNTING.has(query.op) || query.op === 'rate')
  // Whether there is a sample is all that is asked of absent_over_time, unwrapped or not.
  return lines || query.op === 'absent_over_time' ? countCollector(query, grid) : sampleCollector(query, grid, budget)
}

/** Counts and byte sums: a sample adds to all steps whose window holds it, kept as differences between steps. */
function countCollector(query: RangeAggregation, grid: Grid): Collector {
  const step = Number(grid.stepNs)
  const perSecond = query.op === 'rate' || query.op === 'bytes_rate'
  const divisor = perSecond ? query.rangeNs / 1e9 : 1
  const held: { labels: Labels; counts: Float64Array; sums: Float64Array }[] = []
  const addMany = (series: number, from: number, to: number, count: number, sum: number): void => {
    const first = Math.max(0, from)
    const after = Math.min(grid.count, to)
    if (first >= after) return
    const { counts, sums } = held[series]!
    counts[first]! += count
    counts[after]! -= count
    sums[first]! += sum
    sums[after]! -= sum
  }
  return {
    open(labels) {
      const zeros = (): Float64Array => new Float64Array(grid.count + 1)
      return held.push({ labels, counts: zeros(), sums: zeros() }) - 1
    },
    add: (series, time, value) =>
      addMany(series, Math.ceil(time / step), Math.ceil((time + query.rangeNs) / step), 1, value),
    addMany,
    finish: () =>
      held.map(({ labels, counts, sums }) => {
        const series = emptySeries(labels, grid)
        let [count, sum] = [0, 0]
        for (let k = 0; k < grid.count; k += 1) {
          count += counts[k]!
          sum += sums[k]!
          series.present[k] = count > 0 ? 1 : 0
          series.values[k] = sum / divisor
        }
        return series
      }),
  }
}

/** Samples of one series that are needed yet: those at `start` and behind it, to before `end`; there may be room for more. */
interface Held {
  readonly series: Series
  times: Float64Array
  values: Float64Array
  start: number
  end: number
  /** As they came, their times ascend. */
  inOrder: boolean
  /** The first step that is not computed, and the first sample that comes after it, as far as was looked. */
  step: number
  after: number
}

/** Computes each window from the samples in it, as soon as no more can come, and forgets those that no later one has. */
function sampleCollector({ op, parameter, rangeNs }: RangeAggregation, grid: Grid, budget: Budget): Collector {
  const compute = windowFunction(op, parameter)
  const stepNs = Number(grid.stepNs)
  const all: Held[] = []
  const computeBefore = (held: Held, time: number): void => {
    if (held.step >= grid.count || held.step * stepNs >= time) return
    if (!held.inOrder) putInOrder(held)
    const { series, times, values, end } = held
    let { start, after, step } = held
    for (; step < grid.count && step * stepNs < time; step += 1) {
      const endNs = step * stepNs
      while (after < end && times[after]! <= endNs) after += 1
      while (start < after && times[start]! <= endNs - rangeNs) start += 1
      if (start === after) continue
      budget.tick()
      series.present[step] = 1
      series.values[step] = compute({ values }, { from: start, to: after, rangeNs })
    }
    Object.assign(held, { start, after, step })
    if (start > end / 2) moveToStart(held)
  }
  return {
    open(labels) {
      const [times, values] = [new Float64Array(8), new Float64Array(8)]
      const series = emptySeries(labels, grid)
      return all.push({ series, times, values, start: 0, end: 0, inOrder: true, step: 0, after: 0 }) - 1
    },
    add(series, time, value) {
      const held = all[series]!
      const at = held.end++
      if (at === held.times.length) grow(held)
      if (at > held.start && time < held.times[at - 1]!) held.inOrder = false
      held.times[at] = time
      held.values[at] = value
    },
    settle(time) {
      for (const held of all) computeBefore(held, time)
    },
    finish() {
      for (const held of all) computeBefore(held, Number.POSITIVE_INFINITY)
      return all.map(({ series }) => series)
    },
  }
}

function grow(held: Held): void {
  const { times, values } = held
  held.times = new Float64Array(2 * times.length)
  held.times.set(times)
  held.values = new Float64Array(2 * values.length)
  held.values.set(values)
}

function moveToStart(held: Held): void {
  const { times, values, start, end, after } = held
  times.copyWithin(0, start, end)
  values.copyWithin(0, start, end)
  Object.assign(held, { start: 0, end: end - start, after: after - start })
}

/** Tables may overlap, so samples may have come out of order. */
function putInOrder(held: Held): void {
  const { start, end } = held
  const [times, values] = [held.times.slice(start, end), held.values.slice(start, end)]
  const order = Array.from(times, (_, k) => k).sort((a, b) => times[a]! - times[b]!)
  for (const [to, from] of order.entries()) {
    held.times[start + to] = times[from]!
    held.values[start + to] = values[from]!
  }
  held.inOrder = true
  held.after = start
}
