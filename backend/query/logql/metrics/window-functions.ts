/** What `..._over_time` computes from the samples of one window, `from` inclusive to `to` exclusive, oldest first. */
import type { RangeOp } from '../ast.ts'

export interface Samples {
  readonly values: ArrayLike<number>
}

export interface Window {
  readonly from: number
  readonly to: number
  readonly rangeNs: number
}

/** There is at least one sample in the window. */
export type WindowFunction = (samples: Samples, window: Window) => number

/**
 * The function of an operation on samples; `parameter` is the quantile. Rates are per second. Throws for operations
 * that count lines.
 */
export function windowFunction(op: RangeOp, parameter = 0): WindowFunction {
  switch (op) {
    case 'sum_over_time':
      return sum
    case 'rate':
      return (samples, window) => sum(samples, window) / (window.rangeNs / 1e9)
    case 'avg_over_time':
      return (samples, window) => sum(samples, window) / (window.to - window.from)
    case 'min_over_time':
      return fold((a, b) => (b < a || Number.isNaN(a) ? b : a))
    case 'max_over_time':
      return fold((a, b) => (b > a || Number.isNaN(a) ? b : a))
    case 'stdvar_over_time':
      return variance
    case 'stddev_over_time':
      return (samples, window) => Math.sqrt(variance(samples, window))
    case 'quantile_over_time':
      return ({ values }, { from, to }) => quantile(parameter, Array.prototype.slice.call(values, from, to))
    case 'first_over_time':
      return ({ values }, { from }) => values[from]!
    case 'last_over_time':
      return ({ values }, { to }) => values[to - 1]!
    case 'rate_counter':
      return counterRate
    default:
      throw new Error(`${op} counts lines and takes no samples`)
  }
}

function sum({ values }: Samples, { from, to }: Window): number {
  let total = 0
  for (let k = from; k < to; k += 1) total += values[k]!
  return total
}

const fold =
  (step: (a: number, b: number) => number): WindowFunction =>
  ({ values }, { from, to }) => {
    let result = values[from]!
    for (let k = from + 1; k < to; k += 1) result = step(result, values[k]!)
    return result
  }

/** Of the population. Welford's way, which loses no digits to large means. */
function variance({ values }: Samples, { from, to }: Window): number {
  let mean = 0
  let squares = 0
  for (let k = from; k < to; k += 1) {
    const delta = values[k]! - mean
    mean += delta / (k - from + 1)
    squares += delta * (values[k]! - mean)
  }
  return squares / (to - from)
}

/** Linear between the two nearest ranks; beyond 0..1 the infinities. */
export function quantile(q: number, values: number[]): number {
  if (values.length === 0 || Number.isNaN(q)) return Number.NaN
  if (q < 0) return Number.NEGATIVE_INFINITY
  if (q > 1) return Number.POSITIVE_INFINITY
  values.sort((a, b) => a - b)
  const rank = q * (values.length - 1)
  const low = Math.floor(rank)
  const high = Math.min(low + 1, values.length - 1)
  return values[low]! * (1 - (rank - low)) + values[high]! * (rank - low)
}

/** Increase of a counter per second of the range; a value below the one before is a reset. One sample is no increase. */
function counterRate({ values }: Samples, { from, to, rangeNs }: Window): number {
  let increase = 0
  for (let k = from + 1; k < to; k += 1) {
    const step = values[k]! - values[k - 1]!
    increase += step < 0 ? values[k]! : step
  }
  return increase / (rangeNs / 1e9)
}
