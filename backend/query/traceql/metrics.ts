/**
 * Metrics queries: spansets to series. `metrics-collect.ts` counts spans into the cells of a grid, this file turns cells
 * into lines, ranks, compares and calculates with lines, and makes series of them.
 */
import type { MetricsAggregate, MetricsExpression, MetricsFunction, Query } from './ast.ts'
import { TraceQLError } from './errors.ts'
import {
  type Collected,
  type CollectedSeries,
  type Context,
  collect,
  createHold,
  type Found,
  type Grid,
  type Line,
} from './metrics-collect.ts'
import { compareLines } from './metrics-compare.ts'
import { compareValues } from './operators.ts'
import { print } from './print.ts'
import type { Exemplar, InstantSeries, MetricsOptions, NamedValue, Series } from './result.ts'
import type { SpanSource } from './span-table.ts'

const SECOND = 1_000_000_000n
const MAX_POINTS = 11_000
/** What `with(exemplars=true)` asks for. */
const EXEMPLARS = 100

/**
 * Series over a range. Intervals are `(t - step, t]` with `t` a multiple of the step, from the one that holds the range's
 * start to the one that holds its end; each sample carries its interval's end. Durations are seconds.
 */
export function metricsRange(query: Query, source: SpanSource, options: MetricsOptions): Series[] {
  const { range, stepNs = defaultStep(range) } = options
  if (stepNs <= 0n) throw new RangeError('stepNs must be positive')
  const first = floorTo(range.startNs, stepNs)
  const last = -floorTo(-range.endNs, stepNs)
  const points = Number((last - first) / stepNs) + 1
  if (points > MAX_POINTS) {
    throw new TraceQLError(
      'limit',
      query.text,
      0,
      `the step makes ${points} points per series, at most ${MAX_POINTS} are allowed`,
      'choose a longer step or a shorter range',
    )
  }
  const grid: Grid = { originNs: first - stepNs, stepNs, points: Math.max(points, 1) }
  return run(query, source, grid, options.exemplars ?? 0).map(({ labels, values, exemplars }) => ({
    labels,
    promLabels: promLabels(labels),
    samples: [...values.entries()]
      .filter(([, value]) => !Number.isNaN(value))
      .map(([i, value]) => ({ timestampMs: stampMs(grid, i), value })),
    exemplars,
  }))
}

/** One value per series, for the whole range at once: `(start, end]`. */
export function metricsInstant(query: Query, source: SpanSource, options: MetricsOptions): InstantSeries[] {
  const { startNs, endNs } = options.range
  if (endNs <= startNs) throw new RangeError('the range is empty')
  const grid: Grid = { originNs: startNs, stepNs: endNs - startNs, points: 1 }
  return run(query, source, grid, 0, options.maxSeries).map(({ labels, values }) => ({
    labels,
    promLabels: promLabels(labels),
    value: values[0]!,
  }))
}

function defaultStep({ startNs, endNs }: MetricsOptions['range']): bigint {
  const step = (endNs - startNs) / 240n / SECOND
  return (step < 1n ? 1n : step) * SECOND
}

function floorTo(value: bigint, unit: bigint): bigint {
  const rest = ((value % unit) + unit) % unit
  return value - rest
}

function stampMs({ originNs, stepNs }: Grid, point: number): number {
  return Number((originNs + stepNs * BigInt(point + 1)) / 1_000_000n)
}

function run(
  query: Query,
  source: SpanSource,
  grid: Grid,
  exemplars: number,
  maxSeries = Number.POSITIVE_INFINITY,
): Line[] {
  if (query.kind !== 'metrics') {
    throw new TraceQLError('type', query.text, 0, 'not a metrics query', 'add a metrics function: | rate()')
  }
  const wanted = wantedExemplars(query, exemplars)
  const lines = evaluate(query.expression, {
    source,
    grid,
    exemplars: wanted,
    maxSeries,
    text: query.text,
    hold: createHold(query.text, grid.points),
  })
  // These come in an order of their own.
  if (query.expression.kind === 'compare') return lines
  return lines.sort((a, b) => compareText(promLabels(a.labels), promLabels(b.labels)))
}

/** The hint `exemplars=` says how many, or whether there shall be any; any other value says nothing, as in Tempo. */
function wantedExemplars({ hints }: Query, otherwise: number): number {
  const asked = hints.find(({ name }) => name === 'exemplars')?.value
  if (asked?.type === 'int') return Math.min(Math.max(Number(asked.value), 0), 1_000)
  if (asked?.value === false) return 0
  return asked?.value === true && otherwise === 0 ? EXEMPLARS : otherwise
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function evaluate(expression: MetricsExpression, context: Context): Line[] {
  switch (expression.kind) {
    case 'metrics':
      return linesOf(expression, collect(expression, context), context).filter(hasSamples)
    case 'compare':
      return compareLines(expression, context)
    case 'rank':
      return rank(evaluate(expression.of, context), expression.fn, expression.limit, context.grid.points)
    case 'threshold': {
      const { op, value } = expression
      return evaluate(expression.of, context)
        .map((line) => ({
          ...line,
          values: line.values.map((own) => (compareValues(op, 'float', own, 'float', value, false) ? own : Number.NaN)),
        }))
        .filter(hasSamples)
    }
    case 'metricsArithmetic':
      return calculate(
        expression.op,
        evaluate(expression.left, context),
        evaluate(expression.right, context),
        nameOf(expression),
        context,
      )
    case 'number':
      return [{ labels: [], values: new Float64Array(context.grid.points).fill(expression.value), exemplars: [] }]
  }
}

function hasSamples({ values }: Line): boolean {
  return values.some((value) => !Number.isNaN(value))
}

function linesOf(expression: MetricsAggregate, collected: Collected, { grid, hold }: Context): Line[] {
  const { fn, quantiles } = expression
  const named = expression.by.length === 0
  const name: NamedValue[] = named ? [{ key: '__name__', value: { type: 'string', value: fn } }] : []
  return collected.series.flatMap((series): Line[] => {
    if (fn === 'quantile_over_time') return quantileLines(series, quantiles, collected.scale, { grid, hold })
    if (fn === 'histogram_over_time') return histogramLines(series, collected.scale, grid)
    const values = cellValues(fn, series, collected.scale, Number(grid.stepNs) / 1e9)
    const counted = fn === 'rate' || fn === 'count_over_time'
    const exemplars = series.found.map((found) =>
      exemplar(found, counted ? values[found.point]! : found.measured! / collected.scale),
    )
    return [{ labels: named ? name : series.labels, values, exemplars }]
  })
}

function exemplar({ labels, timestampMs }: Found, value: number): Exemplar {
  return { labels, timestampMs, value }
}

function cellValues(
  fn: MetricsFunction,
  { counts, sums }: CollectedSeries,
  scale: number,
  stepSeconds: number,
): Float64Array {
  switch (fn) {
    case 'rate':
      return counts.map((count) => count / stepSeconds)
    case 'count_over_time':
      return counts
    case 'avg_over_time':
      return sums!.map((sum, i) => (counts[i] === 0 ? Number.NaN : sum / counts[i]! / scale))
    default:
      return sums!.map((value, i) => (counts[i] === 0 ? Number.NaN : value / scale))
  }
}

function quantileLines(
  { labels, buckets, found }: CollectedSeries,
  quantiles: readonly number[],
  scale: number,
  { grid, hold }: Pick<Context, 'grid' | 'hold'>,
): Line[] {
  const exponents = [...buckets!.keys()].sort((a, b) => a - b)
  // Values of at most 1 have no bucket: of them alone nothing is known.
  if (exponents.length === 0) return []
  const lines = quantiles.map((p) => {
    hold()
    return {
      labels: [...labels, { key: 'p', value: { type: 'float' as const, value: p } }],
      values: Float64Array.from(
        { length: grid.points },
        (_, point) => quantile(p, exponents, (exponent) => buckets!.get(exponent)![point]!) / scale,
      ),
      exemplars: [] as Exemplar[],
    }
  })
  // An exemplar belongs to the first quantile that is at least as large.
  const ascending = lines.toSorted(
    (a, b) => Number(a.labels.at(-1)!.value.value) - Number(b.labels.at(-1)!.value.value),
  )
  for (const own of found) {
    const value = own.measured! / scale
    const line = ascending.find(({ values }) => values[own.point]! >= value) ?? ascending.at(-1)
    line?.exemplars.push(exemplar(own, value))
  }
  return lines
}

/**
 * The value below which a share `p` of the samples lies, read from power-of-two buckets: within a bucket it moves
 * exponentially from the last bucket in use to this one. 0 without samples.
 */
function quantile(p: number, exponents: readonly number[], countIn: (exponent: number) => number): number {
  const used = exponents.filter((exponent) => countIn(exponent) > 0)
  const total = used.reduce((sum, exponent) => sum + countIn(exponent), 0)
  let missing = Math.max(1, Math.ceil(p * total))
  for (const [i, exponent] of used.entries()) {
    const count = countIn(exponent)
    if (missing > count) {
      missing -= count
      continue
    }
    const before = i === 0 ? exponent - 1 : used[i - 1]!
    return 2 ** (before + ((exponent - before) * missing) / count)
  }
  return 0
}

function histogramLines({ labels, buckets, found }: CollectedSeries, scale: number, grid: Grid): Line[] {
  return [...buckets!].map(([exponent, counts]) => ({
    labels: [...labels, { key: '__bucket', value: { type: 'float', value: 2 ** exponent / scale } }],
    values: counts.slice(0, grid.points),
    exemplars: found.filter((own) => own.exponent === exponent).map((own) => exemplar(own, counts[own.point]!)),
  }))
}

/**
 * The k best per interval. Equal values: `topk` takes the first in the order of labels, `bottomk` the last, as Tempo
 * does.
 */
function rank(lines: Line[], fn: 'topk' | 'bottomk', limit: number, points: number): Line[] {
  const sorted = lines.toSorted((a, b) => compareText(promLabels(a.labels), promLabels(b.labels)))
  if (fn === 'bottomk') sorted.reverse()
  const kept = sorted.map(() => new Float64Array(points).fill(Number.NaN))
  for (let point = 0; point < points; point++) {
    const present = [...sorted.keys()].filter((i) => !Number.isNaN(sorted[i]!.values[point]))
    const value = (i: number) => sorted[i]!.values[point]!
    present.sort((a, b) => (fn === 'topk' ? value(b) - value(a) : value(a) - value(b)))
    for (const i of present.slice(0, limit)) kept[i]![point] = value(i)
  }
  return sorted.map((line, i) => ({ ...line, values: kept[i]! })).filter(hasSamples)
}

/** Lines with equal labels meet; a side that is one line without labels of its own meets every line of the other side. */
function calculate(op: '+' | '-' | '*' | '/', left: Line[], right: Line[], name: string, { hold }: Context): Line[] {
  const combine = (a: Line, b: Line, labels: readonly NamedValue[]): Line => ({
    labels: isUnlabelled(labels) ? [{ key: '__name__', value: { type: 'string', value: name } }] : labels,
    values: a.values.map((value, i) => finite(applyTo(op, value, b.values[i]!))),
    exemplars: [...a.exemplars, ...b.exemplars],
  })
  const apply: typeof combine = (a, b, labels) => {
    hold()
    return combine(a, b, labels)
  }
  if (isScalar(left)) return right.map((line) => apply(left[0]!, line, line.labels)).filter(hasSamples)
  if (isScalar(right)) return left.map((line) => apply(line, right[0]!, line.labels)).filter(hasSamples)
  const partners = new Map(right.map((line) => [promLabels(line.labels), line]))
  return left
    .flatMap((line) => {
      const partner = partners.get(promLabels(line.labels))
      return partner === undefined ? [] : [apply(line, partner, line.labels)]
    })
    .filter(hasSamples)
}

function isScalar(lines: readonly Line[]): boolean {
  return lines.length === 1 && isUnlabelled(lines[0]!.labels)
}

function isUnlabelled(labels: readonly NamedValue[]): boolean {
  return labels.every(({ key }) => key === '__name__')
}

function applyTo(op: '+' | '-' | '*' | '/', a: number, b: number): number {
  return op === '+' ? a + b : op === '-' ? a - b : op === '*' ? a * b : a / b
}

/** What has no finite result is no sample: JSON could not carry it. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : Number.NaN
}

function nameOf(expression: MetricsExpression): string {
  return print({ kind: 'metrics', expression, hints: [], text: '' })
}

/** `{"resource.service.name"="gateway", p="0.99"}`; also the identity of a series. */
function promLabels(labels: readonly NamedValue[]): string {
  const parts = labels.map(({ key, value }) => {
    const name = /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? key : JSON.stringify(key)
    return `${name}=${JSON.stringify(value.type === 'nil' ? 'nil' : String(value.value))}`
  })
  return `{${parts.join(', ')}}`
}
