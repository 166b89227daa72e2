/**
 * Worker thread. Building blocks of tables: growing dictionary columns while data comes in, frozen ones when it is
 * read.
 */
import { crc32 } from 'node:zlib'
import { type AttributeValue, TYPE } from '../otlp/values.ts'
import type { Column, ValueType } from '../query/traceql/span-table.ts'
import { Ints } from './growing.ts'

export type Codes = Uint8Array | Uint16Array | Uint32Array

/** A Column that still knows OTLP's own types (`TYPE`), which are more than queries tell apart. */
export interface StoredColumn extends Column {
  readonly codes: Codes
  readonly otlpTypes: Uint8Array
}

/** How queries see OTLP's types. */
const QUERY_TYPES: Readonly<Record<number, ValueType>> = {
  [TYPE.none]: 'string',
  [TYPE.string]: 'string',
  [TYPE.int]: 'int',
  [TYPE.float]: 'float',
  [TYPE.bool]: 'bool',
  [TYPE.array]: 'array',
  [TYPE.kvlist]: 'string',
  [TYPE.bytes]: 'string',
  [TYPE.floats]: 'floats',
}

/**
 * `otlpTypes[code]` is the `TYPE` of `values[code]`; code 0 is "absent". Codes may be made when they are first asked for: often the
 * values alone tell that no row matches.
 */
export function storedColumn(
  codes: Codes | (() => Codes),
  values: readonly (AttributeValue | undefined)[],
  otlpTypes: Uint8Array,
): StoredColumn {
  const types = Array.from(otlpTypes, (type) => QUERY_TYPES[type]!)
  if (typeof codes !== 'function') return { codes, values, otlpTypes, types }
  return {
    get codes() {
      return codes()
    },
    values,
    otlpTypes,
    types,
  }
}

/** Runs `make` when first asked and remembers what it gave. */
export function once<T>(make: () => T): () => T {
  let making: (() => T) | undefined = make
  let made: T
  return () => {
    if (making !== undefined) {
      made = making()
      making = undefined
    }
    return made
  }
}

/** The narrowest array that can hold codes of `count` distinct values. */
export function codeArray(rows: number, count: number): Codes {
  return count <= 0x100 ? new Uint8Array(rows) : count <= 0x1_0000 ? new Uint16Array(rows) : new Uint32Array(rows)
}

/** Arrays that are read when they are first asked for; `onBytes` hears what they take. */
export function readOnce(onBytes: (bytes: number) => void): <T extends NodeJS.TypedArray>(read: () => T) => () => T {
  return (read) =>
    once(() => {
      const made = read()
      onBytes(made.byteLength)
      return made
    })
}

/** No rows. */
export const EMPTY_COLUMN: StoredColumn = storedColumn(new Uint8Array(0), [undefined], new Uint8Array(1))

/**
 * Frozen columns of a table whose codes are equal get one array for them all: what an instrumentation sets on each of its
 * spans, or an SDK on its resource, comes together. That saves memory, and who counts codes counts each array once.
 */
export class EqualCodes {
  private readonly known = new Map<string, Codes>()

  /** The column itself, where it is the first with such codes. */
  share(column: StoredColumn): StoredColumn {
    const { codes, values } = column
    // As many values, too: whatever has a place per value serves all the columns.
    const key = `${crc32(codes)}/${codes.length}/${codes.BYTES_PER_ELEMENT}/${values.length}`
    const known = this.known.get(key)
    if (known === undefined) this.known.set(key, codes)
    else if (bytesOf(known).equals(bytesOf(codes))) return { ...column, codes: known }
    return column
  }
}

/** The codes' memory, not a copy. */
export const bytesOf = (codes: Codes) => Buffer.from(codes.buffer, codes.byteOffset, codes.byteLength)

/** Distinct values with their types. Code 0 is "absent". */
export class Dictionary {
  readonly values: (AttributeValue | undefined)[] = [undefined]
  readonly types: number[] = [TYPE.none]
  private readonly strings = new Map<AttributeValue, number>()
  private readonly ints = new Map<AttributeValue, number>()
  private readonly others = new Map<string, number>()
  /** Neighbours tend to have the same value. */
  private last = 0

  code(type: number, value: AttributeValue): number {
    const { last } = this
    if (value === this.values[last] && type === this.types[last] && typeof value !== 'object') return last
    this.last = this.find(type, value)
    return this.last
  }

  private find(type: number, value: AttributeValue): number {
    if (type === TYPE.string) return this.strings.get(value) ?? this.add(this.strings, value, type, value)
    if (type === TYPE.int) return this.ints.get(value) ?? this.add(this.ints, value, type, value)
    const key = `${type}:${typeof value === 'object' ? arrayKey(value) : value}`
    return this.others.get(key) ?? this.add(this.others, key, type, value)
  }

  private add<K>(map: Map<K, number>, key: K, type: number, value: AttributeValue): number {
    const code = this.values.length
    map.set(key, code)
    this.values.push(value)
    this.types.push(type)
    return code
  }
}

const arrayKey = (values: readonly unknown[]) => values.map((v) => `${typeof v}${JSON.stringify(String(v))}`).join()

/** A column under construction: only rows that have a value take memory, so a rare name is cheap. */
export class ColumnBuilder {
  readonly name: string
  /** The column of the attribute that came after this one's the last time: most often it does again. */
  next: ColumnBuilder | undefined
  readonly dictionary = new Dictionary()
  readonly rows = new Ints()
  readonly codes = new Ints()

  constructor(name: string) {
    this.name = name
  }

  /** Rows come in ascending order; a second value for the same row replaces the first (the last of a repeated key wins). */
  set(row: number, type: number, value: AttributeValue): void {
    this.setCode(row, this.dictionary.code(type, value))
  }

  setCode(row: number, code: number): void {
    const { rows, codes } = this
    const last = rows.length - 1
    if (last >= 0 && rows.data[last] === row) codes.data[last] = code
    else {
      rows.push(row)
      codes.push(code)
    }
  }

  /** Frozen, with row `r` moved to `position[r]`; rows whose position is negative are left out. */
  freeze(rowCount: number, position: Int32Array): StoredColumn {
    const { values, types } = this.dictionary
    const codes = codeArray(rowCount, values.length)
    const { data: rowOf, length } = this.rows
    const { data: codeOf } = this.codes
    for (let i = 0; i < length; i++) {
      const to = position[rowOf[i]!]!
      if (to >= 0) codes[to] = codeOf[i]!
    }
    return storedColumn(codes, values.slice(), Uint8Array.from(types))
  }

  release(): void {
    this.rows.release()
    this.codes.release()
  }
}

/** Attribute names per table that get a column. Each costs a section in a block's file; what is beyond is kept, but not in columns. */
export const MAX_COLUMNS = 4096

/** Columns by name, made when a name is first seen. */
export class ColumnSet {
  readonly columns = new Map<string, ColumnBuilder>()
  isReleased = false

  /** Gives back what the columns take: nothing may be read of them any more. */
  release(): void {
    this.isReleased = true
    for (const column of this.columns.values()) column.release()
  }

  /** The column of this name; undefined when it would be one too many. */
  attribute(name: string): ColumnBuilder | undefined {
    return this.columns.get(name) ?? (this.columns.size < MAX_COLUMNS ? this.column(name) : undefined)
  }

  /** For names of our own, of which there are few. */
  column(name: string): ColumnBuilder {
    let column = this.columns.get(name)
    if (column === undefined) {
      column = new ColumnBuilder(name)
      this.columns.set(name, column)
    }
    return column
  }

  /** Copies `source`'s cells of the rows `from` to the rows that begin at `to`, translating codes; false when there is no room for the name. */
  copy(name: string, source: StoredColumn, from: readonly number[], to: number): boolean {
    let target: ColumnBuilder | undefined
    const translated = new Int32Array(source.values.length)
    for (let i = 0; i < from.length; i++) {
      const code = source.codes[from[i]!]!
      if (code === 0) continue
      target ??= this.attribute(name)
      if (target === undefined) return false
      let mapped = translated[code]!
      if (mapped === 0) {
        mapped = target.dictionary.code(source.otlpTypes[code]!, source.values[code]!)
        translated[code] = mapped
      }
      target.setCode(to + i, mapped)
    }
    return true
  }
}

/** Growing byte vector. */
export class Bytes {
  data = Buffer.allocUnsafe(8192)
  length = 0

  push(source: Buffer, start: number, size: number): void {
    if (this.length + size > this.data.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.data.length * 2, this.length + size))
      this.data.copy(larger, 0, 0, this.length)
      this.data = larger
    }
    source.copy(this.data, this.length, start, start + size)
    this.length += size
  }
}

/** `source` at the places `order`. Plain loops: `TypedArray.from` with a function is ten times slower. */
export function gatherFloats(source: ArrayLike<number>, order: Uint32Array): Float64Array {
  const target = new Float64Array(order.length)
  for (let i = 0; i < order.length; i++) target[i] = source[order[i]!]!
  return target
}

/** The same as bytes. */
export function gatherBytes(source: ArrayLike<number>, order: Uint32Array): Uint8Array {
  const target = new Uint8Array(order.length)
  for (let i = 0; i < order.length; i++) target[i] = source[order[i]!]!
  return target
}

/** The same as whole numbers. */
export function gatherInts(source: ArrayLike<number>, order: Uint32Array): Uint32Array {
  const target = new Uint32Array(order.length)
  for (let i = 0; i < order.length; i++) target[i] = source[order[i]!]!
  return target
}

/** Ids of `size` bytes (a multiple of 4) each. */
export function gatherIds(source: Buffer, order: Uint32Array, size: number): Buffer {
  const target = Buffer.from(new ArrayBuffer(order.length * size))
  for (let i = 0; i < order.length; i++) {
    const from = order[i]! * size
    for (let k = 0; k < size; k++) target[i * size + k] = source[from + k]!
  }
  return target
}
