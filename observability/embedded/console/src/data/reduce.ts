/** One number out of many: the calculations of stat panels, gauges and legends, by Grafana's ids. */

type Calculation = (values: readonly number[]) => number | null

const sum: Calculation = (values) => values.reduce((total, value) => total + value, 0)

const CALCULATIONS: Readonly<Record<string, Calculation>> = {
  last: (values) => values.at(-1) ?? null,
  lastNotNull: (values) => values.at(-1) ?? null,
  first: (values) => values[0] ?? null,
  firstNotNull: (values) => values[0] ?? null,
  min: (values) => values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
  max: (values) => values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY),
  mean: (values) => sum(values)! / values.length,
  sum,
  total: sum,
  count: (values) => values.length,
  range: (values) => CALCULATIONS.max!(values)! - CALCULATIONS.min!(values)!,
  delta: (values) => values.at(-1)! - values[0]!,
  diff: (values) => values.at(-1)! - values[0]!,
  median: (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? null,
}

export const CALCULATION_LABELS: Readonly<Record<string, string>> = {
  lastNotNull: 'Last',
  last: 'Last',
  mean: 'Mean',
  min: 'Min',
  max: 'Max',
  sum: 'Total',
  count: 'Count',
}

/** Null when there is no number to calculate with, or the calculation isn't known. */
export function reduceValues(values: readonly unknown[], calculation: string): number | null {
  const numbers = values.filter((value): value is number => typeof value === 'number' && !Number.isNaN(value))
  if (numbers.length === 0) return calculation === 'count' ? 0 : null
  return CALCULATIONS[calculation]?.(numbers) ?? null
}
