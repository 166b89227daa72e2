/** Worker thread. How columns and numbers are laid out inside a block's sections. */
import type { OwnerRecord } from '../otlp/traces.ts'
import { type AttributeValue, TYPE } from '../otlp/values.ts'
import { bytesOf, type Codes, codeArray, once, type StoredColumn, storedColumn } from './columns.ts'

/** Non-negative whole numbers up to 2^53 in 7-bit groups. */
export function packNumbers(values: ArrayLike<number>): Buffer {
  let target = Buffer.allocUnsafe(values.length * 4 + 16)
  let at = 0
  for (let i = 0; i < values.length; i++) {
    if (at + 10 > target.length) target = Buffer.concat([target, Buffer.allocUnsafe(target.length)])
    let value = values[i]!
    while (value >= 0x80) {
      target[at++] = (value % 0x80) | 0x80
      value = Math.floor(value / 0x80)
    }
    target[at++] = value
  }
  return target.subarray(0, at)
}

/** `count` of them, from the beginning of `bytes`. */
export function unpackNumbers(bytes: Buffer, count: number): Float64Array {
  const values = new Float64Array(count)
  let at = 0
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++]!
    let value = byte
    if (byte >= 0x80) {
      // The first four groups in whole numbers of the machine, of which nearly all consist: several times as fast.
      byte = bytes[at++]!
      value = (value & 0x7f) | ((byte & 0x7f) << 7)
      if (byte >= 0x80) {
        byte = bytes[at++]!
        value |= (byte & 0x7f) << 14
        if (byte >= 0x80) {
          byte = bytes[at++]!
          value |= (byte & 0x7f) << 21
        }
      }
      for (let scale = 2 ** 28; byte >= 0x80; scale *= 0x80) {
        byte = bytes[at++]!
        value += (byte & 0x7f) * scale
      }
    }
    values[i] = value
  }
  return values
}

const DENSE = 0
const SPARSE = 1
const CONSTANT = 2
/** width, layout, two spare bytes, length of the dictionary, rows that have a value */
const COLUMN_HEAD = 12
/** Below this share of rows with a value, only those rows are written. */
const SPARSE_SHARE = 1 / 32

export interface Packable {
  readonly codes: Codes
  readonly values: readonly unknown[]
  readonly otlpTypes?: Uint8Array
}

/** Values that no row has (the table may be a part of a larger one) are left out. */
export function packColumn(column: Packable): Buffer {
  const { codes, values, types, present, constant } = usedOnly(column)
  const dictionary = Buffer.from(JSON.stringify([packTypes(types), values.map(packValue)]))
  const layout = constant ? CONSTANT : present < codes.length * SPARSE_SHARE ? SPARSE : DENSE
  const head = Buffer.alloc(COLUMN_HEAD)
  head[0] = codes.BYTES_PER_ELEMENT
  head[1] = layout
  head.writeUInt32LE(dictionary.length, 4)
  head.writeUInt32LE(present, 8)
  const body =
    layout === DENSE ? bytesOf(codes) : packNumbers(layout === CONSTANT ? [codes[0]!] : sparse(codes, present))
  return Buffer.concat([head, dictionary, body])
}

function usedOnly({ codes, values, otlpTypes }: Packable) {
  const newCode = new Uint32Array(values.length)
  let present = 0
  let constant = codes.length > 0
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!
    if (code !== 0) {
      present++
      newCode[code] = 1
    }
    if (code !== codes[0]) constant = false
  }
  const used: unknown[] = []
  const types: number[] = []
  for (let code = 1; code < values.length; code++) {
    if (newCode[code] === 0) continue
    newCode[code] = used.push(values[code])
    types.push(otlpTypes?.[code] ?? TYPE.string)
  }
  const narrow = codeArray(codes.length, used.length + 1)
  for (let i = 0; i < codes.length; i++) narrow[i] = newCode[codes[i]!]!
  return { codes: narrow, values: used, types, present, constant }
}

function sparse(codes: Codes, present: number): Float64Array {
  const pairs = new Float64Array(present * 2)
  let at = 0
  let last = 0
  for (let row = 0; row < codes.length; row++) {
    if (codes[row] === 0) continue
    pairs[at++] = row - last
    pairs[at++] = codes[row]!
    last = row
  }
  return pairs
}

/** `rows` is the table's; a column of strings only comes back with every type `string`. */
export function unpackColumn(bytes: Buffer, rows: number): StoredColumn {
  const width = bytes[0]!
  const layout = bytes[1]!
  const dictionaryEnd = COLUMN_HEAD + bytes.readUInt32LE(4)
  const present = bytes.readUInt32LE(8)
  const [types, packed] = JSON.parse(bytes.toString('utf8', COLUMN_HEAD, dictionaryEnd)) as [string, unknown[]]
  const values: (AttributeValue | undefined)[] = packed.map(unpackValue)
  values.unshift(undefined)
  const body = bytes.subarray(dictionaryEnd)
  const codes = once(() => unpackCodes(body, rows, width, layout, present))
  return storedColumn(codes, values, unpackTypes(types, values.length))
}

/**
 * Whether a packed column may have a row with this value, or with an array that holds it: false is certain. Looks for its
 * JSON among that of the dictionary, which costs far less than reading it.
 */
export function mayHold(bytes: Buffer, value: string | number): boolean {
  const dictionaryEnd = COLUMN_HEAD + bytes.readUInt32LE(4)
  const at = bytes.indexOf(JSON.stringify(value), COLUMN_HEAD)
  return at >= 0 && at < dictionaryEnd
}

/** Whether every row of a packed column has a value. */
export const isOnEveryRow = (bytes: Buffer, rows: number): boolean => bytes.readUInt32LE(8) === rows

function unpackCodes(body: Buffer, rows: number, width: number, layout: number, present: number): Codes {
  const codes = codeArray(rows, width === 1 ? 1 : width === 2 ? 0x1_0000 : 0x1_0001)
  if (layout === DENSE) bytesOf(codes).set(body)
  else if (layout === CONSTANT) codes.fill(unpackNumbers(body, 1)[0]!)
  else {
    const pairs = unpackNumbers(body, present * 2)
    let row = 0
    for (let i = 0; i < pairs.length; i += 2) {
      row += pairs[i]!
      codes[row] = pairs[i + 1]!
    }
  }
  return codes
}

/** One digit per value; '' when all are strings. */
function packTypes(types: readonly number[]): string {
  return types.every((type) => type === TYPE.string) ? '' : types.join('')
}

function unpackTypes(text: string, count: number): Uint8Array {
  const types = new Uint8Array(count).fill(TYPE.string, 1)
  for (let i = 0; i < text.length; i++) types[i + 1] = text.charCodeAt(i) - 48
  return types
}

/** JSON knows neither large integers nor NaN: both are written as an object, which no value is. */
export function packValue(value: unknown): unknown {
  if (typeof value === 'bigint') return { i: String(value) }
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { f: Object.is(value, -0) ? '-0' : String(value) }
  }
  return Array.isArray(value) ? value.map(packValue) : value
}

/** What `packValue` packed. */
export function unpackValue(packed: unknown): AttributeValue {
  if (Array.isArray(packed)) return packed.map(unpackValue) as AttributeValue
  if (packed !== null && typeof packed === 'object') {
    const { i, f } = packed as { i?: string; f?: string }
    return i === undefined ? Number(f) : BigInt(i)
  }
  return packed as AttributeValue
}

/** Resources and scopes with their typed attributes, as JSON. */
export function packOwners(owners: readonly OwnerRecord[]): Buffer {
  const plain = owners.map(({ attributes, ...rest }) => ({
    ...rest,
    attributes: Array.from({ length: attributes.count }, (_, i) => [
      attributes.keys[i],
      attributes.types[i],
      packValue(attributes.values[i] ?? null),
    ]),
  }))
  return Buffer.from(JSON.stringify(plain))
}

/** What `packOwners` packed. Throws what JSON.parse throws. */
export function unpackOwners(bytes: Buffer): OwnerRecord[] {
  const plain = JSON.parse(bytes.toString()) as (Omit<OwnerRecord, 'attributes'> & {
    attributes: [string, number, unknown][]
  })[]
  return plain.map(({ attributes, ...rest }) => ({
    ...rest,
    attributes: {
      count: attributes.length,
      seen: attributes.length,
      keys: attributes.map(([key]) => key),
      types: attributes.map(([, type]) => type),
      values: attributes.map(([, , value]) => (value === null ? undefined : unpackValue(value))),
    },
  }))
}
