/**
 * Protobuf's wire format, read in place.
 *
 * The generated code (gen/) turns every message into objects: 5-6 µs per span, too slow to do twice at 60,000 spans/s.
 * This reader walks the bytes, makes no objects but attribute values, and keeps one string for equal short texts.
 * gen/ stays the reference: a property test holds both against each other.
 */
import { fixed64, sized, varint, WIRE_TYPE } from './tags.ts'
import { type AttributeValue, TYPE } from './values.ts'

// The tags of OTLP's common messages.
const KEY_VALUE = { key: sized(1), value: sized(2) } as const
const ANY_VALUE = {
  string: sized(1),
  bool: varint(2),
  int: varint(3),
  double: fixed64(4),
  array: sized(5),
  kvlist: sized(6),
  bytes: sized(7),
} as const
/** ArrayValue and KeyValueList have one field each, of one number. */
const LIST = { values: sized(1) } as const

const MAX_DEPTH = 32
const INTERN_SLOTS = 8192
const INTERN_LENGTH = 128

/** The bytes are not the message they claim to be. */
export interface WireError extends Error {
  readonly wire: true
}

/**
 * An error about the sender's bytes: the receiver answers it with 400. `message` goes on after "The body is not an OTLP
 * request:".
 */
export function wireError(message: string): WireError {
  return Object.assign(new Error(message), { wire: true as const })
}

/** Errors are told apart by what they carry, not by a class. */
export function isWireError(error: unknown): error is WireError {
  return error instanceof Error && (error as { wire?: unknown }).wire === true
}

/** Attributes of one thing; `count` entries are in use, the arrays are reused by the next. */
export interface AttributeList {
  count: number
  /** How many were read, those that weren't wanted included. */
  seen: number
  readonly keys: string[]
  readonly types: number[]
  readonly values: (AttributeValue | undefined)[]
}

/** An empty list. */
export function attributeList(): AttributeList {
  return { count: 0, seen: 0, keys: [], types: [], values: [] }
}

/** A list of the same attributes with arrays of its own. */
export function copyAttributes(list: AttributeList): AttributeList {
  return {
    count: list.count,
    seen: list.seen,
    keys: list.keys.slice(0, list.count),
    types: list.types.slice(0, list.count),
    values: list.values.slice(0, list.count),
  }
}

/** Attribute names to keep, with a table of their lengths in bytes. */
export interface Wanted {
  readonly names: ReadonlySet<string>
  readonly lengths: Uint8Array
}

/** Made once, asked for every attribute. Names are ASCII: their lengths in bytes are their lengths. */
export function wantedNames(names: ReadonlySet<string>): Wanted {
  const longest = Math.max(0, ...[...names].map((name) => name.length))
  const lengths = new Uint8Array(longest + 1)
  for (const name of names) lengths[name.length] = 1
  return { names, lengths }
}

/**
 * A cursor over one message (https://protobuf.dev/programming-guides/encoding/). `hi`/`lo` hold the last 64-bit number
 * read. What reads throws a WireError for bytes that end too early or are no protobuf.
 */
export class WireReader {
  readonly bytes: Buffer
  pos: number
  hi = 0
  lo = 0
  /** Type of the value that `anyValue` returned last. */
  type = 0
  private readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.pos = 0
  }

  /** Field number << 3 | wire type. */
  tag(): number {
    const tag = this.varint32()
    if (tag >>> 3 === 0) throw wireError(`field number 0 at byte ${this.pos}`)
    return tag
  }

  varint32(): number {
    const { bytes } = this
    let byte = bytes[this.pos++]!
    if (byte < 0x80) return byte
    let result = byte & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.pos++]!
      if (byte === undefined) throw truncated(this.pos)
      result |= (byte & 0x7f) << shift
      if (byte < 0x80) return result >>> 0
    }
    // A negative int32 or an enum beyond 32 bits takes ten bytes: the rest carries nothing a 32-bit field can hold.
    for (let i = 0; i < 5; i++) {
      byte = bytes[this.pos++]!
      if (byte === undefined) throw truncated(this.pos)
      if (byte < 0x80) return result >>> 0
    }
    throw wireError(`a varint is longer than 10 bytes at byte ${this.pos}`)
  }

  /** Reads 64 bits into `hi` and `lo`. */
  varint64(): void {
    let low = 0
    let high = 0
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[this.pos++]
      if (byte === undefined) throw truncated(this.pos)
      const part = byte & 0x7f
      if (i < 4) low |= part << (7 * i)
      else if (i === 4) {
        low |= part << 28
        high = part >>> 4
      } else high |= part << (7 * i - 32)
      if (byte < 0x80) {
        this.lo = low >>> 0
        this.hi = high >>> 0
        return
      }
    }
    throw wireError(`a varint is longer than 10 bytes at byte ${this.pos}`)
  }

  fixed64(): void {
    if (this.pos + 8 > this.bytes.length) throw truncated(this.pos)
    this.lo = this.view.getUint32(this.pos, true)
    this.hi = this.view.getUint32(this.pos + 4, true)
    this.pos += 8
  }

  fixed32(): number {
    if (this.pos + 4 > this.bytes.length) throw truncated(this.pos)
    const value = this.view.getUint32(this.pos, true)
    this.pos += 4
    return value
  }

  /** Reads a length and returns where the field ends; the caller moves `pos` there. `limit` is the end of the parent. */
  end(limit: number): number {
    const length = this.varint32()
    const end = this.pos + length
    if (end > limit) throw truncated(this.pos)
    return end
  }

  string(limit: number): string {
    const end = this.end(limit)
    const start = this.pos
    this.pos = end
    return this.text(start, end)
  }

  text(start: number, end: number): string {
    const length = end - start
    const { bytes } = this
    if (length > INTERN_LENGTH) return bytes.toString('utf8', start, end)
    if (length === 0) return ''
    // A few bytes tell most texts apart; those that they don't only lose their place to each other.
    let hash = Math.imul(length, 31) + bytes[start]!
    hash = Math.imul(hash, 31) + bytes[end - 1]!
    hash = Math.imul(hash, 31) + bytes[start + (length >> 1)]!
    hash = Math.imul(hash, 31) + bytes[start + (length >> 2)]!
    hash = Math.imul(hash, 31) + bytes[end - 1 - (length >> 2)]!
    const slot = (hash ^ (hash >>> 13)) & (INTERN_SLOTS - 1)
    const kept = slot * INTERN_LENGTH
    if (internedLength[slot] === length && sameBytes(this.view, start, kept, length)) return interned[slot]!
    const made = bytes.toString('utf8', start, end)
    interned[slot] = made
    internedLength[slot] = length
    bytes.copy(internedBytes, kept, start, end)
    return made
  }

  /** Skips one field; groups are not part of proto3 and are refused. */
  skip(tag: number, limit: number): void {
    const wireType = tag & 7
    if (wireType === WIRE_TYPE.varint) this.varint64()
    else if (wireType === WIRE_TYPE.fixed64) this.pos += 8
    else if (wireType === WIRE_TYPE.sized) this.pos = this.end(limit)
    else if (wireType === WIRE_TYPE.fixed32) this.pos += 4
    else throw wireError(`wire type ${wireType} at byte ${this.pos}`)
    if (this.pos > limit) throw truncated(this.pos)
  }

  /** One KeyValue appended to `list`. With `wanted`, values of other keys are checked and passed over. */
  keyValue(list: AttributeList, limit: number, wanted?: Wanted): void {
    if (this.plainKeyValue(list, limit, wanted)) return
    const end = this.end(limit)
    list.seen++
    let keyFrom = this.pos
    let keyTo = this.pos
    let from = -1
    let to = -1
    while (this.pos < end) {
      const tag = this.tag()
      if (tag === KEY_VALUE.key) {
        keyTo = this.end(end)
        keyFrom = this.pos
        this.pos = keyTo
      } else if (tag === KEY_VALUE.value) {
        to = this.end(end)
        from = this.pos
        this.pos = to
      } else this.skip(tag, end)
    }
    this.finish(end)
    // Most keys that aren't wanted are told by their length, before a text is made of them.
    let keep = wanted === undefined || wanted.lengths[keyTo - keyFrom] === 1
    const key = keep ? this.text(keyFrom, keyTo) : ''
    keep &&= wanted === undefined || wanted.names.has(key)
    let value: AttributeValue | undefined
    this.type = TYPE.none
    if (from >= 0) {
      this.pos = from
      value = this.anyValue(to, 0, keep)
      this.pos = end
    }
    if (!keep) return
    const { count } = list
    list.keys[count] = key
    list.types[count] = this.type
    list.values[count] = value
    list.count = count + 1
  }

  /**
   * The same for what nearly all are: key, then value, a text or a small number, none of them longer than 127 bytes. False for all
   * else, and for what is no KeyValue; nothing is read then.
   */
  private plainKeyValue(list: AttributeList, limit: number, wanted: Wanted | undefined): boolean {
    const { bytes, pos } = this
    const end = pos + 1 + bytes[pos]!
    const keyFrom = pos + 3
    const keyTo = keyFrom + bytes[pos + 2]!
    const valueAt = keyTo + 2
    // Whatever is larger than 127, or beyond the bytes, makes one of these untrue.
    if (!(bytes[pos]! < 0x80 && bytes[pos + 1] === KEY_VALUE.key && bytes[pos + 2]! < 0x80)) return false
    if (!(end <= limit && valueAt + 2 <= end && bytes[keyTo] === KEY_VALUE.value)) return false
    if (valueAt + bytes[keyTo + 1]! !== end) return false
    const tag = bytes[valueAt]
    const isText = tag === ANY_VALUE.string && valueAt + 2 + bytes[valueAt + 1]! === end
    if (!isText && !(tag === ANY_VALUE.int && valueAt + 2 === end && bytes[valueAt + 1]! < 0x80)) return false
    list.seen++
    this.pos = end
    this.type = isText ? TYPE.string : TYPE.int
    if (wanted !== undefined && wanted.lengths[keyTo - keyFrom] !== 1) return true
    const key = this.text(keyFrom, keyTo)
    if (wanted !== undefined && !wanted.names.has(key)) return true
    const { count } = list
    list.keys[count] = key
    list.types[count] = this.type
    list.values[count] = isText ? this.text(valueAt + 2, end) : bytes[valueAt + 1]
    list.count = count + 1
    return true
  }

  /** Reads an AnyValue up to `end`; its type is left in `this.type`. `keep` false: only checks that it is well formed. */
  anyValue(end: number, depth: number, keep: boolean): AttributeValue | undefined {
    const value = this.nested(end, depth, keep)
    // A list that holds lists or maps is no AttributeValue: it becomes JSON text, as maps do.
    if (this.type === TYPE.array && keep && !(value as unknown[]).every(isScalar)) this.type = TYPE.kvlist
    return this.type === TYPE.kvlist && keep ? jsonText(value) : (value as AttributeValue | undefined)
  }

  private nested(end: number, depth: number, keep: boolean): unknown {
    if (depth > MAX_DEPTH) throw wireError(`values are nested deeper than ${MAX_DEPTH} levels`)
    let value: unknown
    let type: number = TYPE.none
    while (this.pos < end) {
      const tag = this.tag()
      switch (tag) {
        case ANY_VALUE.string: {
          type = TYPE.string
          const to = this.end(end)
          if (keep) value = this.text(this.pos, to)
          this.pos = to
          break
        }
        case ANY_VALUE.bool:
          type = TYPE.bool
          value = this.varint32() !== 0
          break
        case ANY_VALUE.int:
          type = TYPE.int
          this.varint64()
          value = signed(this.hi, this.lo)
          break
        case ANY_VALUE.double:
          type = TYPE.float
          if (this.pos + 8 > end) throw truncated(this.pos)
          value = this.view.getFloat64(this.pos, true)
          this.pos += 8
          break
        case ANY_VALUE.array:
          value = this.array(this.end(end), depth + 1, keep)
          type = this.type
          break
        case ANY_VALUE.kvlist:
          value = this.kvlist(this.end(end), depth + 1, keep)
          type = TYPE.kvlist
          break
        case ANY_VALUE.bytes: {
          type = TYPE.bytes
          const to = this.end(end)
          if (keep) value = this.bytes.toString('base64', this.pos, to)
          this.pos = to
          break
        }
        default:
          this.skip(tag, end)
      }
    }
    this.finish(end)
    this.type = type
    return value
  }

  /** Leaves in `this.type` which kind of array it is. */
  private array(end: number, depth: number, keep: boolean): unknown[] {
    const values: unknown[] = []
    let type: number = TYPE.floats
    while (this.pos < end) {
      const tag = this.tag()
      if (tag !== LIST.values) {
        this.skip(tag, end)
        continue
      }
      const value = this.nested(this.end(end), depth, keep)
      if (this.type !== TYPE.float) type = TYPE.array
      if (keep) values.push(value ?? null)
    }
    this.finish(end)
    this.type = values.length === 0 ? TYPE.array : type
    return values
  }

  private kvlist(end: number, depth: number, keep: boolean): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null)
    while (this.pos < end) {
      const tag = this.tag()
      if (tag !== LIST.values) {
        this.skip(tag, end)
        continue
      }
      const entryEnd = this.end(end)
      let key = ''
      let value: unknown = null
      while (this.pos < entryEnd) {
        const inner = this.tag()
        if (inner === KEY_VALUE.key) key = this.string(entryEnd)
        else if (inner === KEY_VALUE.value) value = this.nested(this.end(entryEnd), depth, keep) ?? null
        else this.skip(inner, entryEnd)
      }
      this.finish(entryEnd)
      if (keep) object[key] = value
    }
    this.finish(end)
    return object
  }

  /** A field may not reach beyond the message it is in. */
  finish(end: number): void {
    if (this.pos !== end) throw truncated(this.pos)
  }
}

const interned: string[] = new Array(INTERN_SLOTS).fill('')
const internedLength = new Uint8Array(INTERN_SLOTS)
const internedBytes = Buffer.alloc(INTERN_SLOTS * INTERN_LENGTH)
const internedView = new DataView(internedBytes.buffer, internedBytes.byteOffset, internedBytes.byteLength)

/** Four bytes at a time: this runs twenty times per span. */
function sameBytes(view: DataView, start: number, kept: number, length: number): boolean {
  let i = 0
  for (; i + 4 <= length; i += 4) {
    if (view.getUint32(start + i) !== internedView.getUint32(kept + i)) return false
  }
  for (; i < length; i++) if (view.getUint8(start + i) !== internedView.getUint8(kept + i)) return false
  return true
}

const isScalar = (value: unknown) => value !== null && typeof value !== 'object'

const truncated = (at: number) => wireError(`the message ends inside a field at byte ${at}`)

function signed(hi: number, lo: number): number | bigint {
  const high = hi | 0
  if (high >= -0x200000 && high < 0x200000) return high * 0x1_0000_0000 + lo
  return BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo))
}

/** Attributes by name, as OTLP means them: maps and lists of maps are objects again, what has no value is null. */
export function attributesToObject(list: AttributeList): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null)
  for (let i = 0; i < list.count; i++) {
    const value = list.values[i]
    object[list.keys[i]!] = list.types[i] === TYPE.kvlist ? JSON.parse(value as string) : (value ?? null)
  }
  return object
}

/** JSON of a decoded value; integers beyond 2^53 are written as digits. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(item)) : item,
  )
}

/** Exact nanoseconds from two halves. */
export const toBigInt = (hi: number, lo: number): bigint => (BigInt(hi) << 32n) | BigInt(lo)
