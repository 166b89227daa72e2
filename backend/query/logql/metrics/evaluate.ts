/** Metric queries over a range of time or at one moment. */
import { QueryError } from '../../language/errors.ts'
import { fullReplacer } from '../../language/regex.ts'
import { GiveWay, tick } from '../../language/turn.ts'
import type { Grouping, MetricQuery } from '../ast.ts'
import { type Budget, createBudget } from '../budget.ts'
import { limitError } from '../errors.ts'
import { fullLabels, labelsKey } from '../labels.ts'
import type { Labels, LogSource } from '../log-table.ts'
import { evaluateBinary, type Operand } from './binary.ts'
import { evaluateRange } from './range-aggregation.ts'
import { emptySeries, type Grid, type Series } from './series.ts'
import { aggregateVector, instantOrder } from './vector-aggregation.ts'

export interface MetricOptions {
  readonly budget?: Budget | undefined
  /** More series than this are refused. */
  readonly maxSeries?: number | undefined
}

export interface MetricSeries {
  readonly labels: Labels
  /** At least one, ascending. */
  readonly points: readonly { readonly timeNs: bigint; readonly value: number }[]
}

export interface MetricSample {
  readonly labels: Labels
  readonly value: number
}

/** In an answer. */
export const MAX_SERIES = 500

/** One point per step, from `startNs` to `endNs` inclusive. */
export function metricsRange(
  query: MetricQuery,
  source: LogSource,
  { startNs, endNs, stepNs, ...options }: MetricOptions & { startNs: bigint; endNs: bigint; stepNs: bigint },
): MetricSeries[] {
  const grid: Grid = { startNs, stepNs, count: Number((endNs - startNs) / stepNs) + 1 }
  const result = evaluate(query, { source, grid, budget: options.budget ?? createBudget() })
  const series = typeof result === 'number' ? [constant(result, grid)] : result
  const answer = series.flatMap(({ labels, values, present }) => {
    const points = []
    for (let k = 0; k < grid.count; k += 1) {
      if (present[k]) points.push({ timeNs: startNs + BigInt(k) * stepNs, value: values[k]! })
    }
    return points.length > 0 ? [{ labels, points }] : []
  })
  return inLabelOrder(limited(answer, options.maxSeries))
}

/** The value at one moment: a number for plain arithmetic, else one sample per series. */
export function metricsInstant(
  query: MetricQuery,
  source: LogSource,
  { timeNs, ...options }: MetricOptions & { timeNs: bigint },
): number | MetricSample[] {
  const grid: Grid = { startNs: timeNs, stepNs: 1n, count: 1 }
  const result = evaluate(query, { source, grid, budget: options.budget ?? createBudget() })
  if (typeof result === 'number') return result
  const samples = result.flatMap(({ labels, values, present }) => (present[0] ? [{ labels, value: values[0]! }] : []))
  const order = instantOrder(query)
  const answer = inLabelOrder(limited(samples, options.maxSeries))
  return order ? answer.sort((a, b) => order(a.value, b.value)) : answer
}

function limited<T>(series: T[], most = MAX_SERIES): T[] {
  if (series.length <= most) return series
  throw limitError(
    `maximum number of series (${most}) reached for a single query; consider reducing query cardinality by adding more ` +
      'specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()',
  )
}

function inLabelOrder<T extends { labels: Labels }>(series: T[]): T[] {
  const keyed = series.map((one): [string, T] => [labelsKey(one.labels), one])
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, one]) => one)
}

interface Context {
  readonly source: LogSource
  readonly grid: Grid
  readonly budget: Budget
}

function evaluate(query: MetricQuery, context: Context): Operand {
  const { source, grid, budget } = context
  budget.tick()
  switch (query.kind) {
    case 'number':
      return query.value
    case 'vector-of':
      return [constant(query.value, grid)]
    case 'range':
      return evaluateRange(query, source, grid, budget)
    case 'vector': {
      const pushed = pushedGrouping(query)
      const inner = pushed
        ? evaluateRange(query.expression as MetricQuery & { kind: 'range' }, source, grid, budget, pushed)
        : evaluate(query.expression, context)
      return aggregateVector(query, typeof inner === 'number' ? [constant(inner, grid)] : inner, grid)
    }
    case 'binary':
      return evaluateBinary(query, evaluate(query.left, context), evaluate(query.right, context), grid)
    case 'label-replace': {
      const inner = evaluate(query.expression, context)
      return replaceLabels(query, typeof inner === 'number' ? [constant(inner, grid)] : inner)
    }
  }
}

function constant(value: number, grid: Grid): Series {
  const series = emptySeries({}, grid)
  series.values.fill(value)
  series.present.fill(1)
  return series
}

const ADDITIVE = new Set(['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time'])

/** A sum of sums needs no finer series than its own groups. */
function pushedGrouping({ op, grouping, expression }: MetricQuery & { kind: 'vector' }): Grouping | undefined {
  if (op !== 'sum' || expression.kind !== 'range' || expression.grouping || grouping?.without) return undefined
  return ADDITIVE.has(expression.op) ? (grouping ?? { without: false, labels: [] }) : undefined
}

function replaceLabels(query: MetricQuery & { kind: 'label-replace' }, input: readonly Series[]): Series[] {
  const replace = fullReplacer(query.regex, MAX_LABEL)
  return input.map((series) => {
    tick()
    const value = replaced(replace, labelOf(series.labels, query.source), query.replacement)
    if (value === undefined) return series
    const others = fullLabels(series.labels, [query.target])
    return { ...series, labels: value === '' ? others : { ...others, [query.target]: value } }
  })
}

function replaced(replace: ReturnType<typeof fullReplacer>, text: string, replacement: string): string | undefined {
  try {
    return replace(text, replacement)
  } catch (error) {
    if (error instanceof QueryError || error instanceof GiveWay) throw error
    throw limitError(`label_replace: ${(error as Error).message}`)
  }
}

/** Characters that `label_replace` may write. */
const MAX_LABEL = 1 << 16

const labelOf = (labels: Labels, name: string): string => (Object.hasOwn(labels, name) ? labels[name]! : '')
