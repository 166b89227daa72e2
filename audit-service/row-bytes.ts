/**
 * The bytes that are hashed of a sealed row, from what PostgreSQL sends of it: the same as entry.ts and chain.ts make of text, without an
 * object or a string for a field. One run over millions of rows writes each into the same bytes.
 */

import { ENTRY_FORMAT } from '@sightline/contracts/audit-entry'
import type { CopiedRow } from '@sightline/service-kit'
import { HASH_BYTES } from './merkle.ts'

/** Columns of `audit_chain` that a page holds of each seal. Casts, here and below, cost nothing where the types are what they were. */
export const SEAL_COLUMNS = `position::bigint, audit_id::bigint, row_hash::bytea, hash::bytea, sealed_at::timestamptz, version::smallint`
/** Bytes of a time in PostgreSQL's binary formats: microseconds from 2000. */
export const TIME_BYTES = 8
/** Columns of `audit_logs a` in the order of the entry's last twelve elements. */
export const ROW_COLUMNS = `a.id::bigint, a.event_id::uuid, a.event_type::text, a.occurred_at::timestamptz, a.recorded_at::timestamptz,
  a.source::text, a.user_id::integer, a.order_id::bigint, a.action::text, a.trace_id::text, a.request_id::text, a.details::jsonb`
const ORDER_ID = 7
/** The three digits of each number below 1,000. */
const THREE_DIGITS = Buffer.from(Array.from({ length: 1_000 }, (_, n) => String(n).padStart(3, '0')).join(''))
/** The times of a row. Each is mostly in the second that it was in one row before. */
const [SEALED, OCCURRED, RECORDED] = [0, 1, 2]
/** A bigint of PostgreSQL: a number where that is exact, else its text. */
export function readBigint({ bytes, starts }: CopiedRow, field: number): number | string {
  const at = starts[field]!
  const high = bytes.readInt32BE(at)
  if (high >= -0x20_0000 && high < 0x20_0000) return high * 2 ** 32 + bytes.readUInt32BE(at + 4)
  return String(bytes.readBigInt64BE(at))
}

/** The order that a row of ROW_COLUMNS is of; undefined when it is of none. */
export function orderOf(row: CopiedRow): number | undefined {
  return row.lengths[ORDER_ID] === -1 ? undefined : Number(readBigint(row, ORDER_ID))
}

const HEX = Buffer.from('0123456789abcdef')
const code = (character: string) => character.charCodeAt(0)
const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE] = [code('"'), code('\\'), code(','), code('['), code(']')]
const [ZERO, DASH, ZULU] = [code('0'), code('-'), code('Z')]
const BEGIN = Buffer.from(`\u0000["${ENTRY_FORMAT}"`)
/** What JSON writes for a character below U+0020, for the quote and for the backslash; undefined for all others. */
const ESCAPES: ReadonlyArray<Buffer | undefined> = Array.from({ length: 256 }, (_, byte) => {
  const isEscaped = byte < 0x20 || byte === QUOTE || byte === BACKSLASH
  return isEscaped ? Buffer.from(JSON.stringify(String.fromCharCode(byte)).slice(1, -1)) : undefined
})
const IS_ESCAPED = Uint8Array.from(ESCAPES, (escaped) => (escaped === undefined ? 0 : 1))
/** The longest of them. */
const ESCAPE_BYTES = 6
const NOTHING = Buffer.alloc(0)
/** What an entry has at most besides the texts of its row. */
const FIXED_BYTES = 1_024

/** Microseconds from 1970 to 2000, from which PostgreSQL counts, in days. */
const EPOCH_DAYS = 10_957
const DAY_US = 86_400_000_000
/** A time that is no point in time. */
const INFINITE_HIGH = [0x7fff_ffff, -0x8000_0000] as const

/** Where the bytes of one row are written; each of its parts is good until the next row. */
export class RowWriter {
  bytes = Buffer.alloc(16_384)
  end = 0
  /** Where the row begins that is in the entry: one byte before the quote of its id. */
  #rowStart = 0
  /** Where the time of sealing is in the entry, without its quotes. */
  #sealedStart = 0
  #sealedEnd = 0
  /** By time of the row, its last second: from 2000, as `YYYY-MM-DDTHH:MM:SS.`, and what follows the Z. */
  #seconds = [SEALED, OCCURRED, RECORDED].map(() => ({ from2000: Number.NaN, text: NOTHING, era: NOTHING }))

  /**
   * Writes the entry of a row with its seal: what `row()` and `leaf()` give until the next one. Both hashes begin at `hashAt` of their
   * bytes, the time of sealing at `timeAt`.
   */
  entry(
    position: number,
    version: number,
    rowHashes: Buffer,
    hashes: Buffer,
    hashAt: number,
    sealedAt: Buffer,
    timeAt: number,
    row: CopiedRow,
  ): void {
    this.#makeRoom(row)
    this.bytes.set(BEGIN, 0)
    this.end = BEGIN.length
    this.#comma().#integer(position)
    this.#comma().#integer(version)
    this.#comma().#hash(rowHashes, hashAt)
    this.#comma().#hash(hashes, hashAt)
    this.#comma()
    this.#sealedStart = this.end + 1
    this.#time(sealedAt, timeAt, SEALED)
    this.#sealedEnd = this.end - 1
    this.#comma()
    this.#rowStart = this.end - 1
    this.#bigint(row, 0)
    this.#comma().#uuid(row, 1)
    this.#comma().#text(row, 2)
    this.#comma().#timeOf(row, 3, OCCURRED)
    this.#comma().#timeOf(row, 4, RECORDED)
    this.#comma().#text(row, 5)
    this.#comma().#integerOf(row, 6)
    this.#comma().#bigint(row, ORDER_ID)
    this.#comma().#text(row, 8)
    this.#comma().#text(row, 9)
    this.#comma().#text(row, 10)
    this.#comma().#json(row, 11)
    this.bytes[this.end++] = CLOSE
  }

  /** The bytes of the leaf: 0, then the entry. */
  leaf(): Buffer {
    this.bytes[this.#rowStart] = COMMA
    return this.bytes.subarray(0, this.end)
  }

  /** The bytes of the row alone. Its elements are the last of the entry: only the byte before them differs. */
  row(): Buffer {
    this.bytes[this.#rowStart] = OPEN
    return this.bytes.subarray(this.#rowStart, this.end)
  }

  /** What the seal of the entry's row is the hash of, as chain.ts has it: with the time of sealing where it covers that. */
  seal(
    previous: Buffer,
    previousAt: number,
    position: number,
    rowHashes: Buffer,
    hashAt: number,
    coversTime: boolean,
  ): Buffer {
    const entryEnd = this.end
    const { bytes } = this
    for (let n = 0; n < HASH_BYTES; n++) bytes[entryEnd + n] = previous[previousAt + n]!
    bytes.writeUInt32BE(Math.floor(position / 2 ** 32), entryEnd + HASH_BYTES)
    bytes.writeUInt32BE(position >>> 0, entryEnd + HASH_BYTES + 4)
    const at = entryEnd + HASH_BYTES + 8
    for (let n = 0; n < HASH_BYTES; n++) bytes[at + n] = rowHashes[hashAt + n]!
    let end = at + HASH_BYTES
    if (coversTime) for (let n = this.#sealedStart; n < this.#sealedEnd; n++) bytes[end++] = bytes[n]!
    return bytes.subarray(entryEnd, end)
  }

  #makeRoom(row: CopiedRow): void {
    const needed = FIXED_BYTES + row.bytes.length * ESCAPE_BYTES
    if (needed > this.bytes.length) this.bytes = Buffer.alloc(needed * 2)
  }

  #comma(): this {
    this.bytes[this.end++] = COMMA
    return this
  }

  #null(): void {
    this.end += this.bytes.write('null', this.end, 'latin1')
  }

  #bigint(row: CopiedRow, field: number): void {
    if (row.lengths[field] === -1) this.#null()
    else this.#integer(readBigint(row, field))
  }

  #integerOf(row: CopiedRow, field: number): void {
    if (row.lengths[field] === -1) this.#null()
    else this.#integer(row.bytes.readInt32BE(row.starts[field]!))
  }

  #integer(value: number | string): void {
    const { bytes } = this
    bytes[this.end++] = QUOTE
    if (typeof value === 'string' || value < 0) {
      this.end += bytes.write(String(value), this.end, 'latin1')
    } else {
      let digits = 1
      for (let power = 10; power <= value; power *= 10) digits += 1
      for (let at = this.end + digits - 1, rest = value; at >= this.end; at--) {
        const tens = Math.floor(rest / 10)
        bytes[at] = ZERO + (rest - tens * 10)
        rest = tens
      }
      this.end += digits
    }
    bytes[this.end++] = QUOTE
  }

  #hash(hashes: Buffer, at: number): void {
    this.bytes[this.end++] = QUOTE
    this.#hexDigits(hashes, at, at + HASH_BYTES)
    this.bytes[this.end++] = QUOTE
  }

  #hexDigits(value: Uint8Array, from: number, to: number): void {
    const { bytes } = this
    let { end } = this
    for (let at = from; at < to; at++) {
      const byte = value[at]!
      bytes[end++] = HEX[byte >> 4]!
      bytes[end++] = HEX[byte & 15]!
    }
    this.end = end
  }

  #uuid({ bytes, starts, lengths }: CopiedRow, field: number): void {
    if (lengths[field] === -1) {
      this.#null()
      return
    }
    const at = starts[field]!
    this.bytes[this.end++] = QUOTE
    this.#hexDigits(bytes, at, at + 4)
    this.bytes[this.end++] = DASH
    this.#hexDigits(bytes, at + 4, at + 6)
    this.bytes[this.end++] = DASH
    this.#hexDigits(bytes, at + 6, at + 8)
    this.bytes[this.end++] = DASH
    this.#hexDigits(bytes, at + 8, at + 10)
    this.bytes[this.end++] = DASH
    this.#hexDigits(bytes, at + 10, at + 16)
    this.bytes[this.end++] = QUOTE
  }

  #text({ bytes, starts, lengths }: CopiedRow, field: number): void {
    if (lengths[field] === -1) this.#null()
    else this.#escaped(bytes, starts[field]!, starts[field]! + lengths[field]!)
  }

  /** A jsonb in binary is its version and its text. */
  #json({ bytes, starts, lengths }: CopiedRow, field: number): void {
    if (lengths[field] === -1) {
      this.#null()
      return
    }
    const at = starts[field]!
    if (bytes[at] !== 1) throw new Error(`PostgreSQL sends jsonb of version ${bytes[at]}, and 1 is what is known here`)
    this.#escaped(bytes, at + 1, at + lengths[field]!)
  }

  #escaped(value: Buffer, from: number, to: number): void {
    const { bytes } = this
    let { end } = this
    bytes[end++] = QUOTE
    for (let at = from; at < to; at++) {
      const byte = value[at]!
      if (IS_ESCAPED[byte] === 0) bytes[end++] = byte
      else {
        const escaped = ESCAPES[byte]!
        for (let n = 0; n < escaped.length; n++) bytes[end++] = escaped[n]!
      }
    }
    bytes[end++] = QUOTE
    this.end = end
  }

  #timeOf({ bytes, starts, lengths }: CopiedRow, field: number, which: number): void {
    if (lengths[field] === -1) this.#null()
    else this.#time(bytes, starts[field]!, which)
  }

  /** The time in 8 bytes from `at` on, as docs/audit.md writes times, in quotes; `which` of the row's. */
  #time(value: Buffer, at: number, which: number): void {
    this.bytes[this.end++] = QUOTE
    this.#plainTime(value, at, which)
    this.bytes[this.end++] = QUOTE
  }

  #plainTime(value: Buffer, at: number, which: number): void {
    const high = value.readInt32BE(at)
    const low = value.readUInt32BE(at + 4)
    if (high === INFINITE_HIGH[0] && low === 0xffff_ffff) this.end += this.bytes.write('infinity', this.end, 'latin1')
    else if (high === INFINITE_HIGH[1] && low === 0) this.end += this.bytes.write('-infinity', this.end, 'latin1')
    else this.#finiteTime(high, low, which)
  }

  #finiteTime(high: number, low: number, which: number): void {
    const { bytes } = this
    // Beyond 285 years from 2000, microseconds are no exact numbers any more; seconds are.
    const isExact = high >= -0x20_0000 && high < 0x20_0000
    let second: number
    let micros: number
    if (isExact) {
      const us = high * 2 ** 32 + low
      second = Math.floor(us / 1e6)
      micros = us - second * 1e6
    } else {
      const us = (BigInt(high) << 32n) | BigInt(low)
      micros = Number(((us % 1_000_000n) + 1_000_000n) % 1_000_000n)
      second = Number((us - BigInt(micros)) / 1_000_000n)
    }
    const kept = this.#seconds[which]!
    if (second !== kept.from2000) this.#seconds[which] = secondText(second)
    const { text, era } = this.#seconds[which]!
    let { end } = this
    for (let n = 0; n < text.length; n++) bytes[end++] = text[n]!
    const millis = Math.floor(micros / 1_000)
    for (let n = 3 * millis, last = n + 3; n < last; n++) bytes[end++] = THREE_DIGITS[n]!
    for (let n = 3 * (micros - 1_000 * millis), last = n + 3; n < last; n++) bytes[end++] = THREE_DIGITS[n]!
    bytes[end++] = ZULU
    for (let n = 0; n < era.length; n++) bytes[end++] = era[n]!
    this.end = end
  }
}

/** Seconds from 2000 as a time of day and year: the calendar has 146,097 days in 400 years, here counted from March of the year 0. */
function secondText(second: number) {
  const days = Math.floor((second * 1e6) / DAY_US)
  const ofDay = second - days * 86_400
  const sinceMarch = days + EPOCH_DAYS + 719_468
  const cycle = Math.floor(sinceMarch / 146_097)
  const ofCycle = sinceMarch - cycle * 146_097
  const yearOfCycle = Math.floor(
    (ofCycle - Math.floor(ofCycle / 1_460) + Math.floor(ofCycle / 36_524) - Math.floor(ofCycle / 146_096)) / 365,
  )
  const ofYear = ofCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100))
  const month = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * month + 2) / 5) + 1
  const year = yearOfCycle + cycle * 400 + (month >= 10 ? 1 : 0)
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(ofDay / 3_600), Math.floor(ofDay / 60) % 60]
  const date = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(month < 10 ? month + 3 : month - 9)}-${two(day)}`
  return {
    from2000: second,
    text: Buffer.from(`${date}T${two(hours)}:${two(minutes)}:${two(ofDay % 60)}.`),
    era: Buffer.from(year > 0 ? '' : ' BC'),
  }
}
