/**
 * What one table adds to a metrics query: few numbers, whatever the table's size. It depends on the table and on how intervals lie,
 * not on the window that is asked for, so that of a table which never changes it can be kept.
 */
import type { NamedValue } from './result.ts'
import type { SpanTable } from './span-table.ts'

/** Values of one series; `cells[i]` is about interval `points[i]`. */
export interface PartSeries {
  readonly key: string
  readonly labels: readonly NamedValue[]
  readonly points: Int32Array
  readonly counts: Float64Array
  /** Least or greatest values, or sums. */
  readonly extremes: Float64Array | undefined
  /** For buckets: the exponent of each. */
  readonly exponents: Int16Array | undefined
}

export interface Part {
  /** In the order in which their first spans stand. */
  readonly series: readonly PartSeries[]
  readonly isDuration: boolean
  /** No sum of its values is further from zero; 0 where none is asked for. */
  readonly magnitude: number
}

/** Spans of a table that are to be counted, and where. */
export interface Counted {
  readonly table: SpanTable
  readonly mask: Uint8Array | true
  /** Per row the number of its interval, -1 for none; how many intervals there are. */
  readonly points: Int32Array
  readonly width: number
  /** Per row a number below `combinations`, of which each is a series. */
  readonly combinationOf: ArrayLike<number> | undefined
  readonly combinations: number
  /** What is measured; NaN for none. */
  readonly values: ArrayLike<number> | undefined
  readonly isDuration: boolean
  seriesOf(row: number): { readonly key: string; readonly labels: readonly NamedValue[] }
}

export type PartKind = 'counts' | 'min' | 'max' | 'sum' | 'buckets'

/** Beyond so many cells a table is not counted this way. */
const MAX_CELLS = 1 << 18

/** NaN, and what has no bucket. */
const NONE = -0x8000

/** Counts a table's spans; undefined where that would take too much memory, or a sum would depend on the order of its values. */
export function countPart(kind: PartKind, counted: Counted): Part | undefined {
  const { table, mask, points, width, combinationOf, combinations, values } = counted
  const exponents = kind === 'buckets' ? exponentsOf(values!) : undefined
  const { least, span } = exponents === undefined ? { least: 0, span: 1 } : rangeOf(exponents)
  const places = width * span
  if (combinations * places > MAX_CELLS) return undefined
  const counts = new Int32Array(combinations * places)
  const extremes = kind === 'counts' || kind === 'buckets' ? undefined : new Float64Array(counts.length)
  let magnitude = 0
  const firstRow = new Int32Array(combinations).fill(-1)
  const met: number[] = []
  const { rows } = table
  for (let row = 0; row < rows; row++) {
    const point = points[row]!
    if (point < 0 || (mask !== true && mask[row] === 0)) continue
    const combination = combinationOf === undefined ? 0 : combinationOf[row]!
    if (values !== undefined && Number.isNaN(values[row]!)) continue
    if (firstRow[combination]! < 0) {
      firstRow[combination] = row
      met.push(combination)
    }
    let cell = combination * places + point * span
    if (exponents !== undefined) {
      if (exponents[row] === NONE) continue
      cell += exponents[row]! - least
    }
    if (extremes !== undefined) {
      const [before, value] = [extremes[cell]!, values![row]!]
      if (kind === 'sum') {
        if (!Number.isInteger(value)) return undefined
        magnitude += Math.abs(value)
      }
      if (counts[cell] === 0) extremes[cell] = value
      else if (kind === 'sum') extremes[cell] = before + value
      else extremes[cell] = kind === 'min' ? Math.min(before, value) : Math.max(before, value)
    }
    counts[cell]!++
  }
  const series = met.map((combination): PartSeries => {
    const used: number[] = []
    const from = combination * places
    for (let cell = from; cell < from + places; cell++) if (counts[cell]! > 0) used.push(cell)
    return {
      ...counted.seriesOf(firstRow[combination]!),
      points: Int32Array.from(used, (cell) => Math.floor((cell - from) / span)),
      counts: Float64Array.from(used, (cell) => counts[cell]!),
      extremes: extremes && Float64Array.from(used, (cell) => extremes[cell]!),
      exponents: exponents && Int16Array.from(used, (cell) => ((cell - from) % span) + least),
    }
  })
  return magnitude > Number.MAX_SAFE_INTEGER ? undefined : { series, isDuration: counted.isDuration, magnitude }
}

/** What a part takes in memory. */
export function bytesOfPart({ series }: Part): number {
  return series.reduce((sum, { key, points }) => sum + 600 + key.length * 4 + points.length * 24, 200)
}

function exponentsOf(values: ArrayLike<number>): Int16Array {
  const exponents = new Int16Array(values.length)
  for (let row = 0; row < exponents.length; row++) exponents[row] = bucketOf(values[row]!) ?? NONE
  return exponents
}

function rangeOf(exponents: Int16Array): { least: number; span: number } {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const exponent of exponents) {
    if (exponent === NONE) continue
    if (exponent < least) least = exponent
    if (exponent > greatest) greatest = exponent
  }
  return greatest < least ? { least: 0, span: 1 } : { least, span: greatest - least + 1 }
}

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)

/**
 * The exponent of the smallest power of two that is not below the value, read from the bits of the double. Whole numbers
 * below 2 fall into no bucket, as in Tempo; neither do zero and negative fractions.
 */
export function bucketOf(value: number): number | undefined {
  if (value <= 0 || (value < 2 && Number.isInteger(value))) return undefined
  double[0] = value
  const high = words[1]!
  const isPower = words[0] === 0 && (high & 0xfffff) === 0
  return (high >>> 20) - 1023 + (isPower ? 0 : 1)
}
