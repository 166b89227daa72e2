/**
 * What one table adds to `compare()`, by attribute, value, side and interval. It depends on the table and on how intervals lie, not
 * on the window that is asked for, so that of a table which never changes it is kept.
 *
 * Values that many tables have are named by their place in a list. Of an attribute with more, such as ids, the few that stand out
 * are kept; the others matter only to a query that has met one of them elsewhere, or has met few values so far: the column is then
 * read again.
 */
import type { KeptAnswers } from '../language/kept-answers.ts'
import { tick } from '../language/turn.ts'
import {
  type ComparedColumn,
  columnOf,
  columnsOf,
  countedColumns,
  type Parts,
  SIDES,
  type Side,
  type Sides,
  splitRows,
} from './compare-columns.ts'
import { addToList, bytesOfValue, emptyList, listsOf, type ValueList } from './compare-lists.ts'
import { createMarked, type Marked, marksOf } from './compare-marks.ts'
import {
  addValue,
  addValues,
  type Counted,
  countedOf,
  enoughOf,
  forgetSome,
  MANY_VALUES,
  sumSide,
} from './compare-tally.ts'
import { valueIdentity } from './groups.ts'
import type { SpanTable } from './span-table.ts'

export interface ComparePart {
  /** One for each attribute that a compared span has. */
  readonly lists: readonly ValueList[]
  /**
   * For each of them `HEAD` numbers: what is known of the sides, two bits each; per side how many spans have the attribute, with
   * how many values; how many counts follow. Then these: place of the value, cell, count, in the order of the table's values.
   * Where not all is known of a side, the number of cells follows, and of each its number and how many spans have the attribute.
   * A cell is twice the interval, plus 1 for the selection.
   */
  readonly numbers: Int32Array
  /** By which side each row is counted, two bits a row, where a column may be read again. */
  readonly sides: Uint8Array
}

const HEAD = 6

/** What is known of a side: all of its values, those that are frequent, none. */
const KNOWN = { all: 0, frequent: 1, none: 2 } as const
type Known = (typeof KNOWN)[keyof typeof KNOWN]

const knownOf = (state: number, side: Side): Known => ((state >> ((side - 1) * 2)) & 3) as Known

/** More values of an attribute than these are not kept, unless many tables share them. */
const MANY_OF_TABLE = 256
/** Of attributes with more, so many of a side are kept. */
const FEW = 64
const MAX_INTERVALS = 64
const MAX_BYTES = 1 << 16

/** Per row the side, and the interval where there is more than one. */
interface Compared {
  readonly sides: Sides
  readonly points: Int32Array
}

/** The part of a table over so many intervals; undefined when that would be no smaller than the table. */
export function makePart(
  table: SpanTable,
  compared: Compared | undefined,
  intervals: number,
  answers: KeptAnswers,
  onBytes: (bytes: number) => void,
): ComparePart | undefined {
  if (compared === undefined) return { lists: [], numbers: new Int32Array(0), sides: new Uint8Array(0) }
  if (intervals > MAX_INTERVALS) return undefined
  const columns = [...columnsOf(table)]
  const counts = partsPerInterval(compared, intervals).map((parts) =>
    [...countedColumns(columns, parts)].map((counted) => counted.counts),
  )
  const lists: ValueList[] = []
  const numbers: number[] = []
  let [bytes, large] = [300, false]
  for (const [i, column] of columns.entries()) {
    const own = packColumn(
      column,
      counts.map((ofInterval) => ofInterval[i]!),
      answers,
      numbers,
    )
    if (own === undefined) continue
    lists.push(own.list)
    bytes += 8 + own.bytes
    if (!own.large) continue
    large = true
    marksOfColumn(table, column, answers)
  }
  const sides = large ? packSides(compared.sides) : new Uint8Array(0)
  bytes += numbers.length * 4 + sides.length
  if (bytes > MAX_BYTES) return undefined
  onBytes(bytes)
  return { lists, numbers: Int32Array.from(numbers), sides }
}

function partsPerInterval({ sides, points }: Compared, intervals: number): Parts[] {
  if (intervals === 1) return [splitRows(sides)]
  return Array.from({ length: intervals }, (_, interval) =>
    splitRows(sides.map((side, row) => (points[row] === interval ? side : 0))),
  )
}

/** `counts`: by code and side, per interval. Undefined for an attribute that no compared span has. */
function packColumn(
  { key, field, vector }: ComparedColumn,
  counts: readonly Int32Array[],
  answers: KeptAnswers,
  numbers: number[],
): { list: ValueList; bytes: number; large: boolean } | undefined {
  const { types, values } = vector
  const sums = counts.length === 1 ? counts[0]! : sumOf(counts)
  const used: number[] = []
  for (let code = 0; code < values.length; code++)
    if (types[code] !== 'nil' && sums[code * 3 + 1]! + sums[code * 3 + 2]! > 0) used.push(code)
  if (used.length === 0) return undefined
  const about = SIDES.map(({ side }) => sumSide(sums, side, types))
  const shared = listsOf(answers).shared(
    { key, field },
    used.map((code) => [types[code]!, values[code]]),
  )
  const large = shared === undefined && used.length > MANY_OF_TABLE
  const list = shared?.list ?? emptyList({ key, field })
  const isListed = SIDES.map(({ side }) => (large ? listed(sums, side, used, about[side - 1]!) : ALL))
  const state = isListed.reduce((all, { known }, i) => all | (known << (i * 2)), 0)
  const begins = numbers.push(state, ...about.flatMap(({ total, distinct }) => [total, distinct]), 0)
  let bytes = 0
  for (const [i, code] of used.entries()) {
    let place = shared?.places[i]
    for (const [interval, ofInterval] of counts.entries()) {
      for (const { side } of SIDES) {
        const count = ofInterval[code * 3 + side]!
        if (count === 0 || !isListed[side - 1]!.has(sums[code * 3 + side]!)) continue
        if (place === undefined) {
          place = addToList(list, types[code]!, values[code], valueIdentity(types[code]!, values[code]))
          bytes += bytesOfValue(values[code])
        }
        numbers.push(place, interval * 2 + side - 1, count)
      }
    }
  }
  numbers[begins - 1] = (numbers.length - begins) / 3
  if (state !== 0) pushTotals(counts, types, numbers)
  return { list, bytes: shared === undefined ? bytes + 300 : 0, large: state !== 0 }
}

function sumOf(counts: readonly Int32Array[]): Int32Array {
  const sums = new Int32Array(counts[0]!.length)
  for (const ofInterval of counts) for (let i = 0; i < sums.length; i++) sums[i]! += ofInterval[i]!
  return sums
}

const ALL = { known: KNOWN.all as Known, has: (_count: number): boolean => true }

/** Which values of a side are kept, by how often they occur. */
function listed(
  sums: Int32Array,
  side: Side,
  used: readonly number[],
  { total, distinct }: { total: number; distinct: number },
): typeof ALL {
  if (distinct <= FEW) return ALL
  const enough = enoughOf(total, distinct)
  const frequent = used.filter((code) => sums[code * 3 + side]! >= enough).length
  if (frequent > FEW) return { known: KNOWN.none, has: () => false }
  return { known: KNOWN.frequent, has: (count) => count >= enough }
}

function pushTotals(counts: readonly Int32Array[], types: ComparedColumn['vector']['types'], numbers: number[]): void {
  const begins = numbers.push(0)
  for (const [interval, ofInterval] of counts.entries()) {
    for (const { side } of SIDES) {
      const { total } = sumSide(ofInterval, side, types)
      if (total > 0) numbers.push(interval * 2 + side - 1, total)
    }
  }
  numbers[begins - 1] = (numbers.length - begins) / 2
}

function packSides(sides: Sides): Uint8Array {
  const packed = new Uint8Array(Math.ceil(sides.length / 4))
  for (let row = 0; row < sides.length; row++) packed[row >> 2]! |= sides[row]! << ((row & 3) * 2)
  return packed
}

/** Per row its side. */
export function sidesOf({ sides: packed }: ComparePart, rows: number): Sides {
  const sides = new Uint8Array(rows)
  for (let row = 0; row < rows; row++) sides[row] = (packed[row >> 2]! >> ((row & 3) * 2)) & 3
  return sides
}

/** Marks of all values of a column; they serve every query. */
function marksOfColumn(table: SpanTable, column: Pick<ComparedColumn, 'key' | 'field'>, answers: KeptAnswers) {
  return answers.get(`${table.identity}|values|${column.key}`, (onBytes) => {
    const { types, values } = columnOf(column.field, table).vector
    const marks = marksOf(
      values.flatMap((value, code) => (types[code] === 'nil' ? [] : [valueIdentity(types[code]!, value)])),
    )
    onBytes(marks.byteLength)
    return marks
  })
}

/** Adds a table's values to those of all tables before it. */
export function addPart(
  part: ComparePart,
  table: SpanTable,
  counted: Map<string, Counted>,
  answers: KeptAnswers,
): void {
  const { numbers } = part
  let rows: Parts | undefined
  for (const column of columnsOfPart(part)) {
    const { list, state, from, to } = column
    const own = countedOf(counted, list.key)
    const again = SIDES.filter(({ side }) =>
      mustRead(own, side, knownOf(state, side), () => marksOfColumn(table, list, answers)),
    )
    const isRead = [false, ...SIDES.map((side) => again.includes(side))]
    const enough = SIDES.map((_, i) => enoughOf(numbers[column.about + i * 2]!, numbers[column.about + i * 2 + 1]!))
    for (const { side } of SIDES) own.totals[side] += numbers[column.about + (side - 1) * 2]!
    for (let at = from; at < to; ) {
      const place = numbers[at]!
      const counts = [0, 0]
      for (; at < to && numbers[at] === place; at += 3) counts[numbers[at + 1]! & 1]! += numbers[at + 2]!
      for (const { side } of SIDES) {
        const count = counts[side - 1]!
        if (count === 0 || isRead[side]) continue
        addValue(own, side, {
          identity: list.identities[place],
          type: list.types[place]!,
          value: list.values[place],
          count,
          enough: enough[side - 1]!,
        })
      }
    }
    for (const { side } of SIDES) forgetSome(own.values[side])
    if (again.length === 0) continue
    tick()
    rows ??= splitRows(sidesOf(part, table.rows))
    for (const { column: found, counts } of countedColumns([columnOf(list.field, table)], rows))
      for (const { side } of again) addValues(counts, side, found.vector, own)
  }
}

/** Of values that are not known, those matter that would be counted: any while there are few, else those that are counted already. */
function mustRead(own: Counted, side: Side, known: Known, marks: () => Uint32Array): boolean {
  if (known !== KNOWN.frequent) return known === KNOWN.none
  if (own.values[side].size < MANY_VALUES) return true
  own.marked[side] ??= createMarked(own.values[side].keys())
  return own.marked[side].meets(marks())
}

interface PartColumn {
  readonly list: ValueList
  readonly state: number
  /** Where in the part's numbers totals and distinct values, the counts, and the cells' totals stand. */
  readonly about: number
  readonly from: number
  readonly to: number
  readonly totals: { readonly from: number; readonly to: number } | undefined
}

function* columnsOfPart({ lists, numbers }: ComparePart): Generator<PartColumn> {
  let at = 0
  for (const list of lists) {
    const state = numbers[at]!
    const from = at + HEAD
    const to = from + numbers[from - 1]! * 3
    const totals = state === 0 ? undefined : { from: to + 1, to: to + 1 + numbers[to]! * 2 }
    yield { list, state, about: at + 1, from, to, totals }
    at = totals?.to ?? to
  }
}

/** What is counted per interval: the values that were chosen, each by its line; line 0 is all of them and the others. */
export interface ChosenValues {
  readonly numbers: ReadonlyMap<unknown, number>
  readonly counts: Float64Array
}

export interface PerInterval {
  readonly chosen: ReadonlyMap<string, ChosenValues>
  /** Intervals of the whole range: a line is as long, once for each side. */
  readonly points: number
  readonly answers: KeptAnswers
  /** Per row its interval, where that must be known. */
  pointsOf(table: SpanTable): Int32Array
}

/** Adds a table's counts per interval, its own first interval being number `first` of all. */
export function addPartPerInterval(job: PerInterval): (part: ComparePart, table: SpanTable, first: number) => void {
  const { chosen, points, answers } = job
  const width = points * 2
  const linesOf = new Map<ValueList, number[]>()
  const marked = new Map<string, Marked>()

  function lineOf(list: ValueList, place: number, { numbers }: ChosenValues): number {
    const lines = memoIn(linesOf, list, () => [])
    lines[place] ??= numbers.get(list.identities[place]) ?? 0
    return lines[place]
  }

  return (part, table, first) => {
    const { numbers } = part
    const cellOf = (cell: number) => (cell & 1) * points + first + (cell >> 1)
    for (const { list, state, from, to, totals } of columnsOfPart(part)) {
      const own = chosen.get(list.key)!
      const { counts } = own
      if (totals !== undefined)
        for (let at = totals.from; at < totals.to; at += 2) counts[cellOf(numbers[at]!)]! += numbers[at + 1]!
      const meets = () =>
        memoIn(marked, list.key, () => createMarked(own.numbers.keys())).meets(marksOfColumn(table, list, answers))
      const isRead = SIDES.map(({ side }) => {
        const known = knownOf(state, side)
        return known === KNOWN.none || (known === KNOWN.frequent && meets())
      })
      for (let at = from; at < to; at += 3) {
        const cell = cellOf(numbers[at + 1]!)
        if (totals === undefined) counts[cell]! += numbers[at + 2]!
        const line = lineOf(list, numbers[at]!, own)
        if (line > 0 && !isRead[numbers[at + 1]! & 1]) counts[line * width + cell]! += numbers[at + 2]!
      }
      if (!isRead.includes(true)) continue
      tick()
      const sides = sidesOf(part, table.rows).map((side) => (side > 0 && isRead[side - 1] ? side : 0))
      const { codes, types, values } = columnOf(list.field, table).vector
      const lines = values.map((value, code) =>
        types[code] === 'nil' ? 0 : (own.numbers.get(valueIdentity(types[code]!, value)) ?? 0),
      )
      const pointOf = job.pointsOf(table)
      for (let row = 0; row < sides.length; row++) {
        const line = sides[row] === 0 ? 0 : lines[codes[row]!]!
        if (line > 0) counts[line * width + (sides[row]! - 1) * points + pointOf[row]!]!++
      }
    }
  }
}

function memoIn<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  let value = known.get(key)
  if (value === undefined) {
    value = make()
    known.set(key, value)
  }
  return value
}
