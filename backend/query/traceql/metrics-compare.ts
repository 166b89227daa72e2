/**
 * `compare()`: how often each value of each attribute occurs among the selected spans, and among the rest. A side per row is
 * worked out once, then each column is gone through by its codes; how often a code occurs in the whole table is known from
 * the query before, so that only rows of the two smaller parts are read (selection, rest, and what isn't compared). Over one
 * interval that is all; over several, a second pass counts the most frequent values of the first per interval.
 */
import { tick } from '../language/turn.ts'
import type { MetricsCompare } from './ast.ts'
import { columnsOf, countedColumns, SIDES, type Side, type Sides, splitRows } from './compare-columns.ts'
import { addPart, addPartPerInterval, type ComparePart, makePart } from './compare-part.ts'
import { addCounts, type Counted, countedOf, identityOf, type Tally } from './compare-tally.ts'
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
import { print } from './print.ts'
import { typedValue } from './read-value.ts'
import type { Exemplar, NamedValue, TypedValue } from './result.ts'
import type { Column, SpanTable } from './span-table.ts'

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
  const partOf = partsOf(expression, context)
  for (const table of tablesOf(expression, context)) {
    const kept = partOf(table)
    if (kept !== undefined) {
      tick()
      addPart(kept.part, table, counted, context.source.answers!)
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

interface PlacedPart {
  readonly part: ComparePart
  /** The grid's interval that is its first. */
  readonly first: number
}

/** Counts that are kept of a table that never changes and lies within the range: the same for every range. */
function partsOf(
  expression: MetricsCompare,
  { source: { answers }, grid, exemplars }: Context,
): (table: SpanTable) => PlacedPart | undefined {
  const { originNs, stepNs, points } = grid
  const isSteady = points === 1 || originNs % stepNs === 0n
  if (answers === undefined || exemplars > 0 || !isSteady) return () => undefined
  // How many values are told makes no difference to what is counted.
  const name = print({ kind: 'metrics', expression: { ...expression, limit: 10 }, hints: [], text: '' })
  const steps = points === 1 ? 'all' : String(stepNs)
  const { startNs, endNs } = wantedOf(grid, expression.stages)
  return (table) => {
    const { identity, minNs, maxNs } = table
    if (identity === undefined || minNs === undefined || maxNs === undefined) return undefined
    if (minNs <= startNs! || maxNs >= endNs!) return undefined
    const first = points === 1 ? 0n : (minNs - originNs - 1n) / stepNs
    const intervals = points === 1 ? 1 : Number((maxNs - originNs - 1n) / stepNs - first) + 1
    const own = points === 1 ? undefined : { originNs: originNs + first * stepNs, stepNs, points: intervals }
    const part = answers.get(`${identity}|${steps}|${name}`, (onBytes) =>
      makePart(table, compareTable(table, expression, own), intervals, answers, onBytes),
    )
    return part && { part, first: Number(first) }
  }
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
  const partOf = partsOf(expression, context)
  const add = addPartPerInterval({
    chosen: numbered,
    points: grid.points,
    answers: context.source.answers!,
    pointsOf: (table) => pointOfRows(table, grid),
  })
  for (const table of tablesOf(expression, context)) {
    const kept = partOf(table)
    if (kept !== undefined) {
      tick()
      add(kept.part, table, kept.first)
      continue
    }
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
