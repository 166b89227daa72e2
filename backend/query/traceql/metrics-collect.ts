/** The hot loop of metrics queries: every span that matched goes into a cell, by its labels and its interval. */
import { tick } from '../language/turn.ts'
import type { Field, FieldExpression, MetricsAggregate, MetricsFunction, Stage } from './ast.ts'
import { TraceQLError } from './errors.ts'
import { evaluate } from './evaluate.ts'
import { spanFrame, traceOfRow } from './fields.ts'
import { type Numbered, numberValues } from './groups.ts'
import { bucketOf, bytesOfPart, countPart, type Part, type PartKind } from './metrics-part.ts'
import { numbersOf, runStages, type Sets } from './pipeline.ts'
import { print, printField } from './print.ts'
import { trimId, typedValue } from './read-value.ts'
import type { Exemplar, NamedValue } from './result.ts'
import type { SpanSource, SpanTable, Wanted } from './span-table.ts'
import { traceIdsOf } from './trace-ids.ts'

/** Interval `i` is `(originNs + i * stepNs, originNs + (i + 1) * stepNs]`. */
export interface Grid {
  readonly originNs: bigint
  readonly stepNs: bigint
  readonly points: number
}

/** A span kept as an exemplar. */
export interface Found {
  readonly point: number
  readonly labels: readonly NamedValue[]
  readonly timestampMs: number
  /** What was measured, unscaled; undefined where spans are only counted. */
  readonly measured: number | undefined
  readonly exponent: number | undefined
}

export interface CollectedSeries {
  readonly labels: readonly NamedValue[]
  readonly counts: Float64Array
  /** Sum, minimum or maximum per interval. */
  readonly sums: Float64Array | undefined
  /** For quantiles and histograms: counts per interval, by exponent; a bucket holds `(2^(exponent-1), 2^exponent]`. */
  readonly buckets: Map<number, Float64Array> | undefined
  readonly found: Found[]
}

export interface Collected {
  readonly series: readonly CollectedSeries[]
  /** What measured values are divided by in answers: durations are measured in nanoseconds and answered in seconds. */
  readonly scale: number
}

const MAX_CELLS = 4_000_000

/** A `hold` for one query over so many points. */
export function createHold(text: string, points: number): () => void {
  let cells = 0
  return () => {
    tick()
    cells += points
    if (cells <= MAX_CELLS) return
    const hint = 'group by fewer values, ask for fewer quantiles, or choose a longer step'
    throw new TraceQLError('limit', text, 0, 'the query makes too many series', hint)
  }
}

/** The spans that may lie in a grid, and of those what may be left at the end of the stages. */
export function wantedOf({ originNs, stepNs, points }: Grid, stages: readonly Stage[]): Wanted {
  return { startNs: originNs, endNs: originNs + stepNs * BigInt(points) + 1n, traceIds: traceIdsOf(stages) }
}

/** A series in the making: one value per interval, NaN where there is no sample. */
export interface Line {
  readonly labels: readonly NamedValue[]
  readonly values: Float64Array
  readonly exemplars: readonly Exemplar[]
}

/** What a query is run with. */
export interface Context {
  readonly source: SpanSource
  readonly grid: Grid
  readonly exemplars: number
  /** Beyond so many series no more spans are looked at. */
  readonly maxSeries: number
  readonly text: string
  /** Counts a line of values, in all parts of the query. Throws a `TraceQLError` of kind `limit` when there are too many. */
  hold(): void
}

interface Job {
  readonly expression: MetricsAggregate
  readonly grid: Grid
  readonly maxSeries: number
  readonly series: Map<string, CollectedSeries>
  readonly slots: ExemplarSlots
  hold(): void
  isDuration: boolean
}

/** Counts all spans that match into cells. Throws a `TraceQLError` of kind `limit` when these become too many. */
export function collect(expression: MetricsAggregate, context: Context): Collected {
  let held = 0
  const counting = () => {
    context.hold()
    held++
  }
  const byParts = collectIn(expression, { ...context, hold: counting }, true)
  if (byParts !== undefined) return byParts
  // What the first try held is free again, and counts for the second.
  const again = () => {
    if (held > 0) held--
    else context.hold()
  }
  return collectIn(expression, { ...context, hold: again }, false)!
}

/** `byParts`: tables may be summed up one by one; undefined when that turns out to be less exact than span by span. */
function collectIn(expression: MetricsAggregate, context: Context, byParts: boolean): Collected | undefined {
  const { source, grid, exemplars, maxSeries } = context
  const job: Job = {
    expression,
    grid,
    maxSeries,
    series: new Map(),
    slots: createSlots(grid, exemplars),
    hold: context.hold,
    isDuration: false,
  }
  const { fn, by } = expression
  if (by.length === 0 && (fn === 'rate' || fn === 'count_over_time')) seriesFor('', [], job)
  const partOf = byParts ? partsOf(job, source) : () => undefined
  const isSum = PART_KINDS[fn] === 'sum'
  let magnitude = 0
  for (const table of source.tables(wantedOf(grid, expression.stages))) {
    const part = partOf(table)
    if (part !== undefined) {
      magnitude += part.part.magnitude
      if (magnitude > Number.MAX_SAFE_INTEGER) return undefined
      addPart(part, job)
    } else {
      if (isSum && byParts && !job.slots.wantsOf(table)) return undefined
      const sets = runStages(expression.stages, table)
      const own = sets.mask === false ? 0 : collectTable(sets, job)
      if (isSum && byParts) magnitude += own
      if (magnitude > Number.MAX_SAFE_INTEGER) return undefined
    }
    if (job.series.size >= maxSeries) break
  }
  return { series: [...job.series.values()], scale: job.isDuration ? 1e9 : 1 }
}

/** Sums of whole numbers are exact in any order; those of fractions are not, and are added span by span. */
const PART_KINDS: Partial<Record<MetricsFunction, PartKind>> = {
  rate: 'counts',
  count_over_time: 'counts',
  min_over_time: 'min',
  max_over_time: 'max',
  sum_over_time: 'sum',
  avg_over_time: 'sum',
  quantile_over_time: 'buckets',
  histogram_over_time: 'buckets',
}

/** A part, with the grid's interval that is its first. */
interface PlacedPart {
  readonly part: Part
  readonly first: number
}

/**
 * Counts a table as a whole where that gives the same as span by span; undefined where it doesn't. Of a table that lies within the
 * grid the part is kept, as long as intervals lie the same way: however the window moves, it is always the same.
 */
function partsOf(job: Job, { answers }: SpanSource): (table: SpanTable) => PlacedPart | undefined {
  const { expression, grid, slots } = job
  const kind = PART_KINDS[expression.fn]
  if (kind === undefined || job.maxSeries !== Number.POSITIVE_INFINITY) return () => undefined
  const step = grid.points === 1 ? 'all' : grid.originNs % grid.stepNs === 0n ? String(grid.stepNs) : undefined
  const name = `${step}|${print({ kind: 'metrics', expression, hints: [], text: '' })}`
  const endNs = grid.originNs + grid.stepNs * BigInt(grid.points)
  return (table) => {
    if (slots.wantsOf(table)) return undefined
    const { identity, minNs, maxNs } = table
    const inside = minNs !== undefined && maxNs !== undefined && minNs > grid.originNs && maxNs <= endNs
    if (!inside) return placed(partOf(kind, table, grid, job), 0)
    const first = Number((minNs - grid.originNs - 1n) / grid.stepNs)
    const last = Number((maxNs - grid.originNs - 1n) / grid.stepNs)
    const own = { originNs: grid.originNs + BigInt(first) * grid.stepNs, stepNs: grid.stepNs, points: last - first + 1 }
    if (answers === undefined || identity === undefined || step === undefined)
      return placed(partOf(kind, table, own, job), first)
    const part = answers.get(`${identity}|${name}`, (onBytes) => {
      const made = partOf(kind, table, own, job)
      const bytes = made === undefined ? 0 : bytesOfPart(made)
      if (bytes > MAX_KEPT_BYTES) return undefined
      onBytes(bytes)
      return made
    })
    return placed(part, first)
  }
}

/** A part of many series is no smaller than what it was made of. */
const MAX_KEPT_BYTES = 1 << 16

const placed = (part: Part | undefined, first: number): PlacedPart | undefined => part && { part, first }

function partOf(kind: PartKind, table: SpanTable, grid: Grid, job: Job): Part | undefined {
  const { expression } = job
  const { mask } = runStages(expression.stages, table)
  if (mask === false) return { series: [], isDuration: false, magnitude: 0 }
  const labelled = numberLabels(table, expression)
  if (labelled === undefined) return undefined
  const measured = expression.of === null ? undefined : measure(table, expression.of)
  return countPart(kind, {
    table,
    mask,
    points: pointOfRows(table, grid),
    width: grid.points,
    values: measured?.data,
    isDuration: measured?.type === 'duration',
    ...labelled,
  })
}

function addPart({ part, first }: PlacedPart, job: Job): void {
  if (part.isDuration) job.isDuration = true
  for (const { key, labels, points, counts, extremes, exponents } of part.series) {
    const series = seriesFor(key, labels, job)
    for (let i = 0; i < points.length; i++) {
      const point = first + points[i]!
      if (exponents !== undefined) bucketFor(series, exponents[i]!, job)[point]! += counts[i]!
      else {
        if (extremes !== undefined) addValue(series, point, extremes[i]!, job.expression.fn)
        series.counts[point]! += counts[i]!
      }
    }
  }
}

/** Span by span. No sum of what was measured is further from zero than what is given back; Infinity where fractions were. */
function collectTable(sets: Sets, job: Job): number {
  const { table, mask } = sets
  const points = pointOfRows(table, job.grid)
  const labelled = labelRows(table, job)
  const measured = job.expression.of === null ? undefined : measure(table, job.expression.of)
  if (measured?.type === 'duration') job.isDuration = true
  let magnitude = 0
  for (let row = 0; row < table.rows; row++) {
    if ((mask !== true && (mask as Uint8Array)[row] === 0) || points[row]! < 0) continue
    const value = measured === undefined ? 0 : measured.data[row]!
    if (Number.isNaN(value)) continue
    const series = labelled.seriesOf(row)
    add(series, points[row]!, value, job)
    magnitude += Number.isInteger(value) ? Math.abs(value) : Number.POSITIVE_INFINITY
    if (job.slots.wanted > 0)
      keepExemplar(series, row, points[row]!, measured === undefined ? undefined : value, table, job)
    if (job.series.size >= job.maxSeries) break
  }
  return magnitude
}

/** Per row the number of its interval, -1 outside the grid. */
export function pointOfRows({ startOffset, baseNs, rows }: SpanTable, { originNs, stepNs, points }: Grid): Int32Array {
  const shift = Number(baseNs - originNs)
  const step = Number(stepNs)
  const result = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const point = Math.ceil((startOffset[row]! + shift) / step) - 1
    result[row] = point >= 0 && point < points ? point : -1
  }
  return result
}

const measure = (table: SpanTable, of: FieldExpression) => numbersOf(evaluate(of, spanFrame(table)), table.rows)

/** Finds the series of a row by the values of its labels; each combination is looked up by name once per table. */
function labelRows(table: SpanTable, job: Job): { seriesOf(row: number): CollectedSeries } {
  const { by } = job.expression
  if (by.length === 0) {
    const only = seriesFor('', [], job)
    return { seriesOf: () => only }
  }
  const columns = labelColumns(table, by)
  const known = new Map<number | string, CollectedSeries>()
  const combinationOf = combinations(columns)
  return {
    seriesOf: (row) => {
      const combination = combinationOf(row)
      const series = known.get(combination)
      if (series !== undefined) return series
      const { key, labels } = labelsOf(row, columns, by)
      const made = seriesFor(key, labels, job)
      known.set(combination, made)
      return made
    },
  }
}

const labelColumns = (table: SpanTable, by: readonly Field[]) =>
  by.map((field) => numberValues(evaluate(field, spanFrame(table)), table.rows))

function labelsOf(row: number, columns: readonly Numbered[], by: readonly Field[]) {
  const labels = columns.map(({ ids, types, values }, i): NamedValue => {
    const id = ids[row]!
    return { key: printField(by[i]!), value: typedValue(types[id]!, values[id]) }
  })
  return { key: JSON.stringify(labels, inFull), labels }
}

/** Numbers the combinations of labels; undefined when there may be more than are worth a place each. */
function numberLabels(table: SpanTable, { by }: MetricsAggregate) {
  if (by.length === 0) return { combinationOf: undefined, combinations: 1, seriesOf: () => ({ key: '', labels: [] }) }
  const columns = labelColumns(table, by)
  const combinations = columns.reduce((product, { values }) => product * values.length, 1)
  if (combinations > MAX_COMBINATIONS) return undefined
  return { combinationOf: combined(columns), combinations, seriesOf: (row: number) => labelsOf(row, columns, by) }
}

const MAX_COMBINATIONS = 1 << 14

function combined([first, ...others]: readonly Numbered[]): Uint32Array {
  if (others.length === 0) return first!.ids
  const all = first!.ids.slice()
  for (const { ids, values } of others)
    for (let row = 0; row < all.length; row++) all[row] = all[row]! * values.length + ids[row]!
  return all
}

/** Names the values of all labels on a row: by one number as long as a double holds it. */
function combinations(columns: readonly Numbered[]): (row: number) => number | string {
  const count = columns.reduce((product, { values }) => product * values.length, 1)
  if (count > Number.MAX_SAFE_INTEGER) return (row) => columns.map(({ ids }) => ids[row]).join()
  return (row) => {
    let combination = 0
    for (const { ids, values } of columns) combination = combination * values.length + ids[row]!
    return combination
  }
}

/** What JSON has no number for, too, stays what it is. */
function inFull(_: string, part: unknown): unknown {
  if (typeof part === 'bigint') return `${part}n`
  return typeof part === 'number' && !Number.isFinite(part) ? String(part) : part
}

function seriesFor(key: string, labels: readonly NamedValue[], job: Job): CollectedSeries {
  const known = job.series.get(key)
  if (known !== undefined) return known
  const { fn } = job.expression
  const bucketed = fn === 'quantile_over_time' || fn === 'histogram_over_time'
  const counted = bucketed || fn === 'rate' || fn === 'count_over_time'
  const made: CollectedSeries = {
    labels: presentLabels(labels, bucketed),
    counts: cells(job),
    sums: counted ? undefined : cells(job),
    buckets: bucketed ? new Map() : undefined,
    found: [],
  }
  job.series.set(key, made)
  return made
}

/** Labels without a value are left out, unless there would be none left; series of buckets have a label of their own. */
function presentLabels(labels: readonly NamedValue[], bucketed: boolean): readonly NamedValue[] {
  const present = labels.filter(({ value }) => value.type !== 'nil')
  if (present.length > 0 || bucketed) return present
  return labels.slice(0, 1).map(({ key }) => ({ key, value: { type: 'string', value: 'nil' } }))
}

function cells(job: Job): Float64Array {
  job.hold()
  return new Float64Array(job.grid.points)
}

function add(series: CollectedSeries, point: number, value: number, job: Job): void {
  const { counts, sums, buckets } = series
  if (buckets !== undefined) {
    const exponent = bucketOf(value)
    if (exponent !== undefined) bucketFor(series, exponent, job)[point]!++
    return
  }
  if (sums !== undefined) addValue(series, point, value, job.expression.fn)
  counts[point]!++
}

function bucketFor({ buckets }: CollectedSeries, exponent: number, job: Job): Float64Array {
  let bucket = buckets!.get(exponent)
  if (bucket === undefined) {
    bucket = cells(job)
    buckets!.set(exponent, bucket)
  }
  return bucket
}

/** To be counted afterwards. */
function addValue({ counts, sums }: CollectedSeries, point: number, value: number, fn: MetricsFunction): void {
  const before = sums![point]!
  if (counts[point] === 0) sums![point] = value
  else if (fn === 'min_over_time') sums![point] = Math.min(before, value)
  else if (fn === 'max_over_time') sums![point] = Math.max(before, value)
  else sums![point] = before + value
}

/** Exemplars are spread over time: the grid's length is cut into as many slots as are wanted, each takes one span. */
export interface ExemplarSlots {
  readonly wanted: number
  /** Whether the slot of this span was free; now it is taken. */
  take(table: SpanTable, row: number): boolean
  /** Whether a slot may be free that a span of the table could take. */
  wantsOf(table: SpanTable): boolean
}

/** Slots for so many exemplars, all of them free. */
export function createSlots({ originNs, stepNs, points }: Grid, wanted: number): ExemplarSlots {
  const taken = new Uint8Array(wanted)
  const length = Number(stepNs) * points
  const slotAt = (sinceOrigin: number) => Math.min(wanted - 1, Math.floor((sinceOrigin / length) * wanted))
  return {
    wanted,
    wantsOf({ minNs, maxNs }) {
      if (wanted === 0) return false
      if (minNs === undefined || maxNs === undefined) return true
      const first = Math.max(0, slotAt(Number(minNs - originNs)))
      return taken.subarray(first, slotAt(Number(maxNs - originNs)) + 1).includes(0)
    },
    take({ startOffset, baseNs }, row) {
      if (wanted === 0) return false
      const sinceOrigin = startOffset[row]! + Number(baseNs - originNs)
      const slot = slotAt(sinceOrigin)
      if (taken[slot] === 1) return false
      taken[slot] = 1
      return true
    },
  }
}

/** The label by which an exemplar names its trace. */
export function traceLabel(table: SpanTable, row: number): NamedValue {
  return { key: 'trace:id', value: { type: 'string', value: trimId(table.traceId(traceOfRow(table)[row]!)) } }
}

/** When a span began, in milliseconds since the epoch. */
export function startMs({ baseNs, startOffset }: SpanTable, row: number): number {
  return Number((baseNs + BigInt(startOffset[row]!)) / 1_000_000n)
}

function keepExemplar(
  series: CollectedSeries,
  row: number,
  point: number,
  measured: number | undefined,
  table: SpanTable,
  job: Job,
): void {
  if (!job.slots.take(table, row)) return
  const { expression } = job
  const own: NamedValue[] =
    expression.of === null || measured === undefined
      ? []
      : [
          {
            key: printField(expression.of),
            value: typedValue(job.isDuration ? 'duration' : Number.isInteger(measured) ? 'int' : 'float', measured),
          },
        ]
  series.found.push({
    point,
    labels: [traceLabel(table, row), ...series.labels, ...own],
    timestampMs: startMs(table, row),
    measured,
    exponent: measured === undefined ? undefined : bucketOf(measured),
  })
}
