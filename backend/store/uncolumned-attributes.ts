/**
 * Worker thread. Attributes whose names are too many for columns. They stay with their row as one JSON text in a hidden
 * column: a trace is given back whole, but queries don't find them.
 */
import { type AttributeValue, TYPE } from '../otlp/values.ts'
import type { AttributeList } from '../otlp/wire.ts'
import type { ColumnBuilder, ColumnSet, StoredColumn } from './columns.ts'
import { packValue, unpackValue } from './encoding.ts'

/** Name of that column among a table's `meta`, and in blocks. */
export const UNCOLUMNED = 'overflow'

export type Entry = readonly [name: string, type: number, value: unknown]

/** Adds a row's attributes to the columns, and what has no room there to `meta`. */
export function addAttributes(columns: ColumnSet, meta: ColumnSet, row: number, list: AttributeList): void {
  let beyond: Entry[] | undefined
  let before: ColumnBuilder | undefined
  for (let i = 0; i < list.count; i++) {
    const value = list.values[i]
    // An attribute without a value (AnyValue left empty) is as good as absent.
    if (value === undefined) continue
    const name = list.keys[i]!
    const likely = before?.next
    const column = likely !== undefined && likely.name === name ? likely : columns.attribute(name)
    if (column !== undefined) {
      if (before !== undefined && column !== likely) before.next = column
      before = column
      column.set(row, list.types[i]!, value)
    } else {
      beyond ??= []
      beyond.push([name, list.types[i]!, packValue(value)])
    }
  }
  if (beyond !== undefined) meta.column(UNCOLUMNED).set(row, TYPE.string, JSON.stringify(beyond))
}

export interface ColumnSource {
  names(): readonly string[]
  get(name: string): StoredColumn | undefined
}

/** Copies all columns of the rows `from` to the rows that begin at `to`. */
export function copyAttributes(
  columns: ColumnSet,
  meta: ColumnSet,
  source: { attributes: ColumnSource; meta: ColumnSource },
  from: readonly number[],
  to: number,
): void {
  const beyond = new Map<number, Entry[]>()
  for (const name of source.attributes.names()) {
    const column = source.attributes.get(name)!
    if (columns.copy(name, column, from, to)) continue
    for (let i = 0; i < from.length; i++) {
      const code = column.codes[from[i]!]!
      if (code === 0) continue
      const entry: Entry = [name, column.otlpTypes[code]!, packValue(column.values[code])]
      const entries = beyond.get(i)
      if (entries === undefined) beyond.set(i, [entry])
      else entries.push(entry)
    }
  }
  for (const name of source.meta.names()) if (name !== UNCOLUMNED) meta.copy(name, source.meta.get(name)!, from, to)
  const before = source.meta.get(UNCOLUMNED)
  for (let i = 0; before !== undefined && i < from.length; i++) {
    const kept = uncolumnedOf(before, from[i]!)
    if (kept.length > 0) beyond.set(i, [...kept, ...(beyond.get(i) ?? [])])
  }
  for (const i of [...beyond.keys()].sort((a, b) => a - b)) {
    meta.column(UNCOLUMNED).set(to + i, TYPE.string, JSON.stringify(beyond.get(i)))
  }
}

/** What a row has beyond its columns. */
export function uncolumnedOf(column: StoredColumn | undefined, row: number): Entry[] {
  const text = column?.values[column.codes[row]!]
  return text === undefined ? [] : (JSON.parse(text as string) as Entry[])
}

/** The attribute's value, as it was before it was packed. */
export const entryValue = (entry: Entry): AttributeValue => unpackValue(entry[2])
