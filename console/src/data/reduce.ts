/** One number out of many: the calculations of stat panels, gauges and legends, by Grafana's ids. */

type Calculation = (values: readonly number[]) => number | null

const sum: Calculation = (values) => values.reduce((total, value) => total + value, 0)

const CALCULATIONS: Readonly<Record<string, Calculation>> = {
  lastNotNull: (values) => values.at(-1) ?? null,
  firstNotNull: (values) => values[0] ?? null,
  min: (values) => values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
  max: (values) => values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY),
  mean: (values) => sum(values)! / values.length,
  sum,
  total: sum,
  count: (values) => values.length,
  range: (values) => CALCULATIONS.max!(values)! - CALCULATIONS.min!(values)!,
  delta: increase,
  diff: (values) => values.at(-1)! - values[0]!,
  median,
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}

/** Of a counter that may begin again, as Grafana adds it up: the first rise after a reset counts from zero. */
function increase(values: readonly number[]): number {
  let total = 0
  let rising = true
  for (const [index, value] of values.entries()) {
    const before = values[index - 1] ?? value
    if (value >= before) total += rising ? value - before : value
    else if (index === values.length - 1) total += value
    rising = value >= before
  }
  return total
}

/** How a legend or a reduced table calls them. */
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
  if (calculation === 'last') return numberOf(values.at(-1))
  if (calculation === 'first') return numberOf(values[0])
  const numbers = values.filter((value) => numberOf(value) !== null) as number[]
  if (numbers.length === 0) return calculation === 'count' ? 0 : null
  return CALCULATIONS[calculation]?.(numbers) ?? null
}

const numberOf = (value: unknown): number | null => (typeof value === 'number' && !Number.isNaN(value) ? value : null)
