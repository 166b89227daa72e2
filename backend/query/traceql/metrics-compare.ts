/**
 * `compare()`: how often each value of each attribute occurs among the selected spans, and among the rest. A side per row is
 * worked out once, then each column is gone through by its codes; how often a code occurs in the whole table is known from
 * the query before, so that only rows of the two smaller parts are read (selection, rest, and what isn't compared). Over one
 * interval that is all; over several, a second pass counts the most frequent values of the first per interval.
 */
import { memo } from '../language/memo.ts'
import { tick } from '../language/turn.ts'
import type { Field, IntrinsicName, MetricsCompare } from './ast.ts'
import { readField, spanFrame } from './fields.ts'
import { filterSpans } from './filter.ts'
import { valueIdentity } from './groups.ts'
import { and, type Mask } from './mask.ts'
import {
  type Context,
  createSlots,
  type ExemplarSlots,
  type Grid,
  type Line,
  pointOfRows,
  startMs,
  traceLabel,
  wantedOf,
} from './metrics-collect.ts'
import { runStages } from './pipeline.ts'
import { print, printField } from './print.ts'
import { typedValue } from './read-value.ts'
import type { Exemplar, NamedValue, TypedValue } from './result.ts'
import type { AttributeValue, Column, SpanTable } from './span-table.ts'
import type { DictionaryVector, Vector, VectorType } from './vector.ts'

/** What is compared beside attributes: what has few values and says something of a span. */
const INTRINSICS: readonly IntrinsicName[] = [
  'instrumentation:name',
  'instrumentation:version',
  'kind',
  'name',
  'rootName',
  'rootServiceName',
  'status',
  'statusMessage',
]
const SCOPES = ['instrumentation', 'resource', 'span'] as const

/**
 * Beyond so many values of an attribute on one side, a new one is kept only if it occurs twice as often in a table as its
 * values do on average: ids, of which every trace has its own, are many and tell nothing.
 */
const MANY_VALUES = 1_000
/** Beyond so many, the rarest are forgotten while counting. */
const MAX_VALUES = 100_000

/** Per row 0: not compared, 1: baseline, 2: selection. */
type Sides = Uint8Array
const SIDES = [
  { side: 1, type: 'baseline' },
  { side: 2, type: 'selection' },
] as const
type Side = (typeof SIDES)[number]['side']

interface Tally {
  readonly type: VectorType
  readonly value: AttributeValue | undefined
  count: number
}

interface Counted {
  /** By side; the first is unused. */
  readonly totals: [number, number, number]
  readonly values: [undefined, Map<unknown, Tally>, Map<unknown, Tally>]
}

/** A span kept as an exemplar of its side. */
interface Found {
  readonly side: Side
  readonly point: number
  readonly exemplar: Omit<Exemplar, 'value'>
}

/**
 * A line per attribute, side and value, the most frequent values of each side, and one per attribute and side for all spans
 * that have it. They come by side, attribute and value, as Tempo sends them. Throws a `TraceQLError` of kind `limit`.
 */
export function compareLines(expression: MetricsCompare, context: Context): Line[] {
  const { counted, found } = countValues(expression, context)
  const chosen = new Map([...counted].map(([key, own]) => [key, chooseValues(own, expression.limit)]))
  const { points } = context.grid
  const cellsOf = points > 1 ? countPerInterval(expression, chosen, context) : undefined
  const keys = [...counted.keys()].sort(compareText)
  return SIDES.flatMap(({ side, type }) => {
    const present = keys.filter((key) => counted.get(key)!.totals[side] > 0)
    const values = present.flatMap((key) =>
      chosen.get(key)![side].map((tally): Line => {
        if (cellsOf === undefined) context.hold()
        const cells = cellsOf === undefined ? Float64Array.of(tally.count) : cellsOf.get(key)!.cellsOf(side, tally)
        return { labels: labels(type, key, typedValue(tally.type, tally.value)), values: cells, exemplars: [] }
      }),
    )
    const totals = present.map((key): Line => {
      const cells =
        cellsOf === undefined ? Float64Array.of(counted.get(key)!.totals[side]) : cellsOf.get(key)!.totals(side)
      // Every span has a name: the exemplars of a side stand there, as Tempo puts each on one of the totals.
      const exemplars = key === 'name' ? found.filter((own) => own.side === side) : []
      return {
        labels: labels(`${type}_total`, key, { type: 'nil', value: null }),
        values: cells,
        exemplars: exemplars.map(({ exemplar, point }) => ({ ...exemplar, value: cells[point]! })),
      }
    })
    return [...values, ...totals]
  })
}

function labels(type: string, key: string, value: TypedValue): NamedValue[] {
  return [
    { key: '__meta_type', value: { type: 'string', value: type } },
    { key, value },
  ]
}

function countValues(expression: MetricsCompare, context: Context) {
  const { grid, exemplars } = context
  const counted = new Map<string, Counted>()
  const found: Found[] = []
  // Half of them for each side: in slots of both, the many spans of the rest would leave the few selected ones none.
  const slots = [undefined, createSlots(grid, exemplars >>> 1), createSlots(grid, (exemplars + 1) >>> 1)] as const
  const keptOf = exemplars > 0 ? () => undefined : keeper(expression, context)
  for (const table of tablesOf(expression, context)) {
    const kept = keptOf(table)
    if (kept !== undefined) {
      addKept(kept, table, counted)
      continue
    }
    const compared = compareTable(table, expression, grid)
    if (compared === undefined) continue
    const { sides, points } = compared
    const parts = splitRows(sides)
    for (const { column, counts } of countedColumns(columnsOf(table), parts))
      addCounts(counts, column.vector, countedOf(counted, column.key))
    if (exemplars > 0) keepExemplars(table, { sides, points, slots, found })
  }
  return { counted, found }
}

function countedOf(counted: Map<string, Counted>, key: string): Counted {
  let own = counted.get(key)
  if (own === undefined) {
    own = { totals: [0, 0, 0], values: [undefined, new Map(), new Map()] }
    counted.set(key, own)
  }
  return own
}

/** Columns with equal codes are counted once. */
function* countedColumns(
  columns: Iterable<ComparedColumn>,
  parts: Parts,
): Generator<{ readonly column: ComparedColumn; readonly counts: Int32Array }> {
  const known = new WeakMap<Column['codes'], Int32Array>()
  for (const column of columns) {
    tick()
    const { vector } = column
    yield { column, counts: memo(known, vector.codes, () => countCodes(vector, parts)) }
  }
}

/** What is counted of a table that never changes and lies within the range: the same for every range. */
interface KeptCounts {
  readonly columns: readonly {
    readonly key: string
    readonly counts: Int32Array
    readonly types: readonly VectorType[]
    readonly values: readonly (AttributeValue | undefined)[]
  }[]
  /** Columns of so many values that they are read again each time. */
  readonly large: readonly Field[]
  /** By which side each row is counted in these: two bits a row. */
  readonly sides: Uint8Array
}

/** More values of a column than these are not kept. */
const MAX_KEPT_VALUES = 256

function keeper(
  expression: MetricsCompare,
  { source: { answers }, grid }: Context,
): (table: SpanTable) => KeptCounts | undefined {
  const name = print({ kind: 'metrics', expression, hints: [], text: '' })
  const { startNs, endNs } = wantedOf(grid, expression.stages)
  return (table) => {
    const { identity, minNs, maxNs } = table
    if (answers === undefined || identity === undefined || minNs === undefined || maxNs === undefined) return undefined
    if (minNs <= startNs! || maxNs >= endNs!) return undefined
    return answers.get(`${identity}|${name}`, (onBytes) => {
      const made = keepCounts(table, compareTable(table, expression, undefined))
      onBytes(bytesOfCounts(made))
      return made
    })
  }
}

function keepCounts(table: SpanTable, compared: Compared | undefined): KeptCounts {
  if (compared === undefined) return { columns: [], large: [], sides: new Uint8Array(0) }
  const parts = splitRows(compared.sides)
  const large: Field[] = []
  const small: ComparedColumn[] = []
  for (const column of columnsOf(table)) {
    if (column.vector.values.length > MAX_KEPT_VALUES) large.push(column.field)
    else small.push(column)
  }
  const columns = [...countedColumns(small, parts)].map(({ column: { key, vector }, counts }) => {
    const used = Array.from(vector.values.keys()).filter((code) => counts[code * 3 + 1]! + counts[code * 3 + 2]! > 0)
    return {
      key,
      counts: Int32Array.from(used.flatMap((code) => [...counts.subarray(code * 3, code * 3 + 3)])),
      types: used.map((code) => vector.types[code]!),
      values: used.map((code) => vector.values[code]),
    }
  })
  return { columns, large, sides: large.length > 0 ? packSides(compared.sides) : new Uint8Array(0) }
}

function packSides(sides: Sides): Uint8Array {
  const packed = new Uint8Array(Math.ceil(sides.length / 4))
  for (let row = 0; row < sides.length; row++) packed[row >> 2]! |= sides[row]! << ((row & 3) * 2)
  return packed
}

function unpackSides(packed: Uint8Array, rows: number): Sides {
  const sides = new Uint8Array(rows)
  for (let row = 0; row < rows; row++) sides[row] = (packed[row >> 2]! >> ((row & 3) * 2)) & 3
  return sides
}

function bytesOfCounts({ columns, large, sides }: KeptCounts): number {
  let bytes = 300 + large.length * 150 + sides.length
  for (const { values } of columns) {
    bytes += 300
    for (const value of values) bytes += 60 + (typeof value === 'string' ? value.length : 0)
  }
  return bytes
}

function addKept({ columns, large, sides }: KeptCounts, table: SpanTable, counted: Map<string, Counted>): void {
  for (const column of columns) addCounts(column.counts, column, countedOf(counted, column.key))
  if (large.length === 0) return
  const again = large.map((field) => columnOf(field, table))
  for (const { column, counts } of countedColumns(again, splitRows(unpackSides(sides, table.rows))))
    addCounts(counts, column.vector, countedOf(counted, column.key))
}

interface Compared {
  readonly sides: Sides
  /** Per row the number of its interval. */
  readonly points: Int32Array
}

function tablesOf({ stages }: MetricsCompare, { source, grid, exemplars }: Context): Iterable<SpanTable> {
  // Counts are the same in any order; which exemplars are found is not.
  return source.tables(wantedOf(grid, stages), exemplars > 0 ? 'newest first' : 'as it suits')
}

/** Undefined when no span is compared. `grid`: undefined where the whole table is known to lie within it; no points then. */
function compareTable(
  table: SpanTable,
  { stages, selection, window }: MetricsCompare,
  grid: Grid | undefined,
): Compared | undefined {
  const { mask } = runStages(stages, table)
  if (mask === false) return undefined
  const points = grid === undefined ? NO_POINTS : pointOfRows(table, grid)
  const selected = and(filterSpans(selection.where, table), withinWindow(table, window))
  const sides = new Uint8Array(table.rows)
  let any = 0
  for (let row = 0; row < sides.length; row++) {
    if ((grid !== undefined && points[row]! < 0) || (mask !== true && mask[row] === 0)) continue
    any = sides[row] = selected === true || (selected !== false && selected[row] === 1) ? 2 : 1
  }
  return any > 0 ? { sides, points } : undefined
}

const NO_POINTS = new Int32Array(0)

function withinWindow({ baseNs, startOffset }: SpanTable, window: MetricsCompare['window']): Mask {
  if (window === null) return true
  const [after, until] = [Number(window.startNs - baseNs), Number(window.endNs - baseNs)]
  return Uint8Array.from(startOffset, (start) => (start > after && start <= until ? 1 : 0))
}

interface ComparedColumn {
  readonly key: string
  readonly field: Field
  readonly vector: DictionaryVector
}

/** What is made per row, of few values, is kept as long as its table. */
const intrinsicColumns = new WeakMap<SpanTable, readonly ComparedColumn[]>()

function* columnsOf(table: SpanTable): Generator<ComparedColumn> {
  yield* memo(intrinsicColumns, table, () =>
    INTRINSICS.map((name) => narrow(columnOf({ kind: 'intrinsic', name, at: 0 }, table))),
  )
  for (const scope of SCOPES) {
    for (const name of table.columnNames(scope))
      yield columnOf({ kind: 'attribute', scope, parent: false, name, at: 0 }, table)
  }
}

const columnOf = (field: Field, table: SpanTable): ComparedColumn => ({
  key: printField(field),
  field,
  vector: coded(readField(field, spanFrame(table)), table.rows),
})

/** What belongs to the root is gathered row by row, with codes as wide as could be. */
function narrow(column: ComparedColumn): ComparedColumn {
  const { codes, values } = column.vector
  if (values.length > 0x100 || codes instanceof Uint8Array) return column
  return { ...column, vector: { ...column.vector, codes: Uint8Array.from(codes) } }
}

/** Statuses and kinds are their own codes. */
function coded(vector: Vector, rows: number): DictionaryVector {
  switch (vector.is) {
    case 'dictionary':
      return vector
    case 'constant':
      return { is: 'dictionary', codes: new Uint8Array(rows), values: [vector.value], types: [vector.type] }
    case 'numbers':
      if (vector.data instanceof Uint8Array) {
        const values = Array.from({ length: 0x100 }, (_, code) => code)
        return { is: 'dictionary', codes: vector.data, values, types: values.map(() => vector.type) }
      }
  }
  throw new Error('a column without a dictionary was to be compared')
}

/** A table's rows by side; of the largest part the rows are not needed. */
interface Parts {
  readonly largest: 0 | Side
  readonly others: readonly { readonly side: number; readonly rows: Int32Array }[]
}

function splitRows(sides: Sides): Parts {
  const sizes = [0, 0, 0]
  for (const side of sides) sizes[side]!++
  const largest = sizes.indexOf(Math.max(...sizes)) as Parts['largest']
  const rowsOf = sizes.map((size, side) => (side === largest ? undefined : new Int32Array(size)))
  const filled = new Int32Array(3)
  for (let row = 0; row < sides.length; row++) {
    const side = sides[row]!
    const rows = rowsOf[side]
    if (rows !== undefined) rows[filled[side]!++] = row
  }
  return { largest, others: rowsOf.flatMap((rows, side) => (rows === undefined ? [] : [{ side, rows }])) }
}

/** Per code three counts, by side; that of side 0 is of no use. */
function countCodes({ codes, values }: DictionaryVector, { largest, others }: Parts): Int32Array {
  const counts = new Int32Array(values.length * 3)
  for (const { side, rows } of others) {
    if (side === 0 && largest === 0) continue
    for (let i = 0; i < rows.length; i++) counts[codes[rows[i]!]! * 3 + side]!++
  }
  if (largest === 0) return counts
  const all = memo(occurrences, codes, () => countAll(codes, values.length))
  for (let code = 0; code < all.length; code++) {
    const at = code * 3
    counts[at + largest] = all[code]! - counts[at]! - counts[at + 1]! - counts[at + 2]!
  }
  return counts
}

const occurrences = new WeakMap<Column['codes'], Int32Array>()

function countAll(codes: Column['codes'], length: number): Int32Array {
  const counts = new Int32Array(length)
  for (let row = 0; row < codes.length; row++) counts[codes[row]!]!++
  return counts
}

function addCounts(
  counts: Int32Array,
  { types, values }: Pick<DictionaryVector, 'types' | 'values'>,
  { totals, values: known }: Counted,
): void {
  for (const { side } of SIDES) {
    const tallies = known[side]
    const { total, enough } = sumSide(counts, side, types)
    totals[side] += total
    for (let code = 0; code < values.length && total > 0; code++) {
      const count = counts[code * 3 + side]!
      const type = types[code]!
      if (count === 0 || type === 'nil') continue
      const value = values[code]
      const identity = valueIdentity(type, value)
      const tally = tallies.get(identity)
      if (tally !== undefined) tally.count += count
      else if (count >= enough || tallies.size < MANY_VALUES) tallies.set(identity, { type, value, count })
    }
    if (tallies.size > MAX_VALUES) forgetRarest(tallies)
  }
}

/** `enough`: twice what a value occurs on average in this table. */
function sumSide(counts: Int32Array, side: Side, types: readonly VectorType[]): { total: number; enough: number } {
  let [total, distinct] = [0, 0]
  for (let code = 0, at: number = side; at < counts.length; code++, at += 3) {
    if (counts[at] === 0 || types[code] === 'nil') continue
    total += counts[at]!
    distinct++
  }
  return { total, enough: (2 * total) / distinct }
}

function identityOf({ type, value }: Tally): unknown {
  return valueIdentity(type, value)
}

function forgetRarest(values: Map<unknown, Tally>): void {
  for (let least = 1; values.size > MAX_VALUES / 2; least *= 2) {
    for (const [identity, { count }] of values) {
      if (values.size <= MAX_VALUES / 2) return
      if (count <= least) values.delete(identity)
    }
  }
}

/** By side. */
type Slots = readonly [undefined, ExemplarSlots, ExemplarSlots]

function keepExemplars(
  table: SpanTable,
  { sides, points, slots, found }: Compared & { slots: Slots; found: Found[] },
): void {
  for (let row = 0; row < sides.length; row++) {
    if (sides[row] === 0 || !slots[sides[row] as Side].take(table, row)) continue
    const exemplar = { labels: [traceLabel(table, row)], timestampMs: startMs(table, row) }
    found.push({ side: sides[row] as Side, point: points[row]!, exemplar })
  }
}

/** By side, in the order of the answer. */
type Chosen = readonly [undefined, readonly Tally[], readonly Tally[]]

function chooseValues({ values }: Counted, limit: number): Chosen {
  const best = (tallies: Map<unknown, Tally>) => mostFrequent(tallies.values(), limit).sort(byText)
  return [undefined, best(values[1]), best(values[2])]
}

/** Of equally frequent values the first by text. Sorting them all would be slow where nearly every span has its own. */
function mostFrequent(tallies: Iterable<Tally>, limit: number): Tally[] {
  const before = (a: Tally, b: Tally) => a.count > b.count || (a.count === b.count && byText(a, b) < 0)
  const best: Tally[] = []
  for (const tally of tallies) {
    if (best.length === limit && !before(tally, best[limit - 1]!)) continue
    let [low, high] = [0, best.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (before(tally, best[middle]!)) high = middle
      else low = middle + 1
    }
    best.splice(low, 0, tally)
    if (best.length > limit) best.pop()
  }
  return best
}

/** Values are sorted as Tempo's JSON spells them: by the name of their type, then by their text with its closing quote. */
function byText(a: Tally, b: Tally): number {
  if (a.type === 'string' && b.type === 'string') return compareQuoted(a.value as string, b.value as string)
  return compareText(kindOf(a), kindOf(b)) || compareQuoted(textOf(a), textOf(b))
}

/** The quote matters only where one text goes on after the other's end. */
function compareQuoted(a: string, b: string): number {
  return a.startsWith(b) || b.startsWith(a) ? compareText(`${a}"`, `${b}"`) : compareText(a, b)
}

function textOf({ type, value }: Tally): string {
  return String(typedValue(type, value).value)
}

function kindOf({ type }: Tally): string {
  switch (type) {
    case 'array':
    case 'floats':
      return 'array'
    case 'bool':
    case 'int':
      return type
    case 'float':
      return 'double'
    default:
      return 'string'
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Counts per interval of one attribute. */
interface Cells {
  totals(side: Side): Float64Array
  cellsOf(side: Side, tally: Tally): Float64Array
}

function countPerInterval(
  expression: MetricsCompare,
  chosen: ReadonlyMap<string, Chosen>,
  context: Context,
): Map<string, Cells> {
  const { grid, hold } = context
  const width = grid.points * 2
  const numbered = new Map(
    [...chosen].map(([key, [, baseline, selection]]) => {
      const numbers = new Map([...baseline, ...selection].map((tally) => [identityOf(tally), 0]))
      for (const [i, identity] of [...numbers.keys()].entries()) numbers.set(identity, i + 1)
      for (let i = 0; i < numbers.size * 2 + 2; i++) hold()
      return [key, { numbers, counts: new Float64Array((numbers.size + 1) * width) }]
    }),
  )
  for (const table of tablesOf(expression, context)) {
    const compared = compareTable(table, expression, grid)
    if (compared === undefined) continue
    const { sides, points } = compared
    const cells = points.map((point, row) => (sides[row] === 0 ? -1 : (sides[row]! - 1) * grid.points + point))
    for (const { key, vector } of columnsOf(table)) {
      tick()
      const { numbers, counts } = numbered.get(key)!
      const { codes, types, values } = vector
      // -1: absent, 0: a value that is counted in the total only.
      const lines = Int32Array.from(values, (value, code) =>
        types[code] === 'nil' ? -1 : (numbers.get(valueIdentity(types[code]!, value)) ?? 0),
      )
      countCells({ codes, lines, cells, counts, width })
    }
  }
  return new Map(
    [...numbered].map(([key, { numbers, counts }]) => {
      const slice = (line: number, side: Side) => {
        const from = line * width + (side - 1) * grid.points
        return counts.slice(from, from + grid.points)
      }
      return [
        key,
        { totals: (side) => slice(0, side), cellsOf: (side, tally) => slice(numbers.get(identityOf(tally))!, side) },
      ]
    }),
  )
}

interface CountedCells {
  readonly codes: Column['codes']
  /** Per code the number of its line. */
  readonly lines: Int32Array
  /** Per row its place within a line, -1 for none. */
  readonly cells: Int32Array
  readonly counts: Float64Array
  readonly width: number
}

function countCells({ codes, lines, cells, counts, width }: CountedCells): void {
  for (let row = 0; row < cells.length; row++) {
    const cell = cells[row]!
    if (cell < 0) continue
    const line = lines[codes[row]!]!
    if (line < 0) continue
    counts[cell]!++
    if (line > 0) counts[line * width + cell]!++
  }
}
