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
      return ({ values }, { from, to }) => quantile(parameter, values, from, to)
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
function quantile(q: number, values: ArrayLike<number>, from: number, to: number): number {
  if (Number.isNaN(q)) return Number.NaN
  if (q < 0) return Number.NEGATIVE_INFINITY
  if (q > 1) return Number.POSITIVE_INFINITY
  const numbers = new Float64Array(to - from)
  for (let k = 0; k < numbers.length; k += 1) numbers[k] = values[from + k]!
  const rank = q * (numbers.length - 1)
  const low = Math.floor(rank)
  const [below, above] = isPlain(numbers) ? lowestFrom(numbers, low) : pairAt(sorted(numbers), low)
  return below * (1 - (rank - low)) + above * (rank - low)
}

/** All are in one order: none is no number, nor a zero below zero. */
function isPlain(numbers: Float64Array): boolean {
  for (const number of numbers) if (Number.isNaN(number) || Object.is(number, -0)) return false
  return true
}

const sorted = (numbers: Float64Array): number[] => [...numbers].sort((a, b) => a - b)

const pairAt = (inOrder: readonly number[], low: number): [number, number] => [
  inOrder[low]!,
  inOrder[Math.min(low + 1, inOrder.length - 1)]!,
]

/** The number of a rank and that of the next, if there is one. Few numbers have to be put in order for that; they change places. */
function lowestFrom(numbers: Float64Array, rank: number): [number, number] {
  moveToRank(numbers, rank)
  let next = rank + 1 < numbers.length ? numbers[rank + 1]! : numbers[rank]!
  for (let k = rank + 2; k < numbers.length; k += 1) if (numbers[k]! < next) next = numbers[k]!
  return [numbers[rank]!, next]
}

/** Puts the number of a rank in its place, none larger before it, none smaller behind it. */
function moveToRank(numbers: Float64Array, rank: number): void {
  let [left, right] = [0, numbers.length - 1]
  // Whoever writes the numbers may have made each part nearly as large as what it is of.
  for (let rounds = 2 * Math.log2(numbers.length + 1); right - left > 32 && rounds > 0; rounds -= 1) {
    const pivot = middleOf(numbers[left]!, numbers[(left + right) >>> 1]!, numbers[right]!)
    let [up, down] = [left, right]
    while (up <= down) {
      while (numbers[up]! < pivot) up += 1
      while (numbers[down]! > pivot) down -= 1
      if (up > down) break
      const number = numbers[up]!
      numbers[up++] = numbers[down]!
      numbers[down--] = number
    }
    if (rank <= down) right = down
    else if (rank >= up) left = up
    else return
  }
  numbers.subarray(left, right + 1).sort()
}

const middleOf = (a: number, b: number, c: number): number => Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))

/** Increase of a counter per second of the range; a value below the one before is a reset. One sample is no increase. */
function counterRate({ values }: Samples, { from, to, rangeNs }: Window): number {
  let increase = 0
  for (let k = from + 1; k < to; k += 1) {
    const step = values[k]! - values[k - 1]!
    increase += step < 0 ? values[k]! : step
  }
  return increase / (rangeNs / 1e9)
}
