/** Bucket columns -> the grid a heatmap paints, cut to the rows that hold anything. */
import type { Durations } from '../data/traceql-text.ts'

export interface Cells {
  /** Ends of the columns, ms. */
  readonly times: readonly number[]
  readonly stepMs: number
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[]
  /** [bucket][column] */
  readonly counts: readonly (readonly (number | null)[])[]
  /** Lowest and highest row worth showing: one row of air around what was counted. */
  readonly first: number
  readonly last: number
  readonly most: number
}

/** The bounds of the rows between two heights, row numbers from below, each taken whole: `longer` is no part of it. */
export function boxIn({ bounds, first, last }: Cells, low: number, high: number): Durations {
  const row = (height: number) => Math.min(Math.max(Math.floor(height), first), last)
  const lowest = row(low)
  return { longer: lowest > 0 ? bounds[lowest - 1]! : 0, upTo: bounds[row(high)]! }
}

/** `buckets` in any order, named by their upper bound; `times` are the ends of their columns, milliseconds. */
export function toCells(
  times: readonly number[],
  buckets: readonly { name: string; values: readonly (number | null)[] }[],
): Cells {
  const sorted = buckets
    .map(({ name, values }) => ({ bound: name === '+Inf' ? Number.POSITIVE_INFINITY : Number(name), values }))
    .filter(({ bound }) => !Number.isNaN(bound))
    .sort((a, b) => a.bound - b.bound)
  const used = sorted.flatMap(({ values }, row) => (values.some((value) => (value ?? 0) > 0) ? [row] : []))
  let most = 0
  for (const { values } of sorted) for (const value of values) most = Math.max(most, value ?? 0)
  return {
    times,
    stepMs: times.length > 1 ? times[1]! - times[0]! : 15_000,
    bounds: sorted.map(({ bound }) => bound),
    counts: sorted.map(({ values }) => values),
    first: Math.max((used[0] ?? 0) - 1, 0),
    last: Math.min((used.at(-1) ?? 0) + 1, Math.max(sorted.length - 1, 0)),
    most,
  }
}
