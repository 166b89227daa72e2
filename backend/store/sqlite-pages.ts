/**
 * Both threads. Rows of a damaged SQLite database, read page by page past SQLite, which gives up on a tree when one of
 * its pages is bad (https://www.sqlite.org/fileformat2.html).
 *
 * Every leaf of a table is found by its own first byte, not by the tree above it, so damage to one page costs the rows
 * on that page. Pages of the file's own write-ahead log count too, each by its own checksum. What is found may be old
 * (a page that is free again, or was written anew since): the caller tells by the rows what they are worth.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'

/** What `openDatabase` of the write-ahead log makes; the header that would tell may be what is damaged. */
export const PAGE_BYTES = 4096

export type SqliteValue = null | number | bigint | string | Buffer

export interface SqliteRow {
  readonly rowid: number
  readonly values: readonly SqliteValue[]
}

/** A frame of `-wal`: the page it holds, and where its content begins. */
interface Frame {
  readonly page: number
  readonly at: number
}

interface Frames {
  readonly bytes: Buffer
  readonly frames: readonly Frame[]
  /** SQLite stops reading before the last of them: there is damage before it, not an end. */
  readonly interrupted: boolean
}

const WAL_HEADER = 32
const FRAME_HEADER = 24
const WAL_MAGICS: readonly number[] = [0x377f0682, 0x377f0683]
const TABLE_LEAF = 0x0d
const FREELIST_HEAD = 32
/** Larger rows than any batch that was ever accepted are garbage that looks like a length. */
const MAX_PAYLOAD = 1 << 30

/**
 * Damage that SQLite doesn't name as such, to be looked for before it opens `path`; undefined when there is none. It
 * takes a damaged `-wal` for one that ends there, without a word, and cuts off what was committed after; some bytes of
 * the header it takes for another version's.
 */
export function unnamedDamage(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const fd = openSync(path, 'r')
  try {
    const header = Buffer.alloc(24)
    if (readSync(fd, header, 0, 24, 0) > 0 && !isHeader(header)) return 'its header is not one that SQLite wrote here'
  } finally {
    closeSync(fd)
  }
  return readFrames(`${path}-wal`).interrupted ? `${path}-wal is damaged before its end` : undefined
}

/** The format's fixed bytes: name, page size, versions (2: with a write-ahead log), no reserved bytes, fractions. */
function isHeader(header: Buffer): boolean {
  const versions = [header[18], header[19]]
  return (
    header.toString('latin1', 0, 16) === 'SQLite format 3\0' &&
    header.readUInt16BE(16) === PAGE_BYTES &&
    versions.every((version) => version === 1 || version === 2) &&
    header.readUInt32BE(20) === 0x00402020
  )
}

/** Every row of every table in the file and its `-wal` that can be read. Throws what the file system throws. */
export function* salvageRows(path: string): Generator<SqliteRow> {
  const fd = openSync(path, 'r')
  try {
    const pages = Math.ceil(fstatSync(fd).size / PAGE_BYTES)
    const { bytes, frames } = readFrames(`${path}-wal`)
    const newest = new Map(frames.map(({ page, at }) => [page, at]))
    const ofFile = (page: number): Buffer => {
      const content = Buffer.alloc(PAGE_BYTES)
      readSync(fd, content, 0, PAGE_BYTES, (page - 1) * PAGE_BYTES)
      return content
    }
    const current = (page: number): Buffer | undefined => {
      const at = newest.get(page)
      if (at !== undefined) return bytes.subarray(at, at + PAGE_BYTES)
      return page >= 1 && page <= pages ? ofFile(page) : undefined
    }
    const free = freePages(current)
    // Page 1 holds what the tables are, and no rows of theirs.
    for (let page = 2; page <= pages; page++) if (!free.has(page)) yield* rowsOf(ofFile(page), current)
    for (const { page, at } of frames) {
      if (page > 1 && !free.has(page)) yield* rowsOf(bytes.subarray(at, at + PAGE_BYTES), current)
    }
  } finally {
    closeSync(fd)
  }
}

/**
 * The frames whose own checksum is right. It goes on from the checksum of the frame before, which that one carries: so
 * frames after a damaged one can be told from leftovers of an earlier use of the file.
 */
function readFrames(path: string): Frames {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  const frames: Frame[] = []
  if (bytes.length < WAL_HEADER + FRAME_HEADER + PAGE_BYTES) return { bytes, frames, interrupted: false }
  // A damaged header is known by its own checksum; the salts are then those of the first frame.
  const headerSound =
    WAL_MAGICS.includes(bytes.readUInt32BE(0)) &&
    sameSums(sums(bytes, 0, 24, [0, 0], bytes.readUInt32BE(0) === 0x377f0683), bytes, 24)
  const bigEndian = headerSound && bytes.readUInt32BE(0) === 0x377f0683
  const salts = bytes.subarray(headerSound ? 16 : WAL_HEADER + 8, headerSound ? 24 : WAL_HEADER + 16)
  let broken = !headerSound
  let interrupted = false
  let before = headerSound ? 24 : -1
  for (let at = WAL_HEADER; at + FRAME_HEADER + PAGE_BYTES <= bytes.length; at += FRAME_HEADER + PAGE_BYTES) {
    // Without a header nothing vouches for the first frame but its rows themselves.
    const sound =
      salts.equals(bytes.subarray(at + 8, at + 16)) &&
      (before < 0 || sameSums(frameSums(bytes, at, before, bigEndian), bytes, at + 16))
    if (sound) {
      frames.push({ page: bytes.readUInt32BE(at), at: at + FRAME_HEADER })
      interrupted ||= broken
    } else broken = true
    before = at + 16
  }
  return { bytes, frames, interrupted }
}

type Sums = readonly [number, number]

function frameSums(bytes: Buffer, at: number, before: number, bigEndian: boolean): Sums {
  const seed: Sums = [bytes.readUInt32BE(before), bytes.readUInt32BE(before + 4)]
  const head = sums(bytes, at, at + 8, seed, bigEndian)
  return sums(bytes, at + FRAME_HEADER, at + FRAME_HEADER + PAGE_BYTES, head, bigEndian)
}

/** SQLite's checksum over pairs of words, in the byte order that the magic number names. */
function sums(bytes: Buffer, from: number, to: number, [first, second]: Sums, bigEndian: boolean): Sums {
  let a = first
  let b = second
  for (let at = from; at < to; at += 8) {
    a = (a + (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + b) >>> 0
    b = (b + (bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + a) >>> 0
  }
  return [a, b]
}

const sameSums = ([a, b]: Sums, bytes: Buffer, at: number) =>
  bytes.readUInt32BE(at) === a && bytes.readUInt32BE(at + 4) === b

/** Pages that hold nothing any more, as far as the list of them can be followed. */
function freePages(current: (page: number) => Buffer | undefined): Set<number> {
  const free = new Set<number>()
  let trunk = current(1)?.readUInt32BE(FREELIST_HEAD) ?? 0
  while (trunk > 1 && !free.has(trunk)) {
    const content = current(trunk)
    const count = content?.readUInt32BE(4) ?? Number.POSITIVE_INFINITY
    if (content === undefined || count > PAGE_BYTES / 4 - 2) break
    free.add(trunk)
    for (let i = 0; i < count; i++) free.add(content.readUInt32BE(8 + 4 * i))
    trunk = content.readUInt32BE(0)
  }
  return free
}

function* rowsOf(page: Buffer, current: (page: number) => Buffer | undefined): Generator<SqliteRow> {
  if (page[0] !== TABLE_LEAF) return
  const cells = Math.min(page.readUInt16BE(3), (PAGE_BYTES - 8) / 2)
  for (let i = 0; i < cells; i++) {
    const row = readCell(page, page.readUInt16BE(8 + 2 * i), current)
    if (row !== undefined) yield row
  }
}

/** A row; undefined for what is none, and for one whose other pages are gone. */
function readCell(page: Buffer, at: number, current: (page: number) => Buffer | undefined): SqliteRow | undefined {
  const length = readVarint(page, at)
  const rowid = readVarint(page, length.next)
  const size = Number(length.value)
  if (size > MAX_PAYLOAD || rowid.value < 1n || rowid.value > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  const payload = readPayload(page, rowid.next, size, current)
  const values = payload === undefined ? undefined : readRecord(payload)
  return values === undefined ? undefined : { rowid: Number(rowid.value), values }
}

/** The bytes of a row: the first in the leaf, what doesn't fit there in a chain of pages. */
function readPayload(
  page: Buffer,
  at: number,
  size: number,
  current: (page: number) => Buffer | undefined,
): Buffer | undefined {
  const most = PAGE_BYTES - 35
  const least = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23
  const odd = least + ((size - least) % (PAGE_BYTES - 4))
  const local = size <= most ? size : odd <= most ? odd : least
  if (at + local > PAGE_BYTES) return undefined
  if (local === size) return page.subarray(at, at + size)
  if (at + local + 4 > PAGE_BYTES) return undefined
  const parts = [page.subarray(at, at + local)]
  let next = page.readUInt32BE(at + local)
  for (let left = size - local; left > 0; ) {
    const content = next < 2 ? undefined : current(next)
    if (content === undefined) return undefined
    const part = content.subarray(4, 4 + Math.min(left, PAGE_BYTES - 4))
    parts.push(part)
    left -= part.length
    next = content.readUInt32BE(0)
  }
  return Buffer.concat(parts)
}

/** Bytes of the serial types 0 to 9; longer ones tell their length. */
const SERIAL_BYTES: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0]

function readRecord(payload: Buffer): SqliteValue[] | undefined {
  const head = readVarint(payload, 0)
  const end = Number(head.value)
  if (end > payload.length) return undefined
  const values: SqliteValue[] = []
  let at = end
  for (let pos = head.next; pos < end; ) {
    const { value, next } = readVarint(payload, pos)
    const type = Number(value)
    const bytes = SERIAL_BYTES[type] ?? Math.floor((type - 12) / 2)
    if (type === 10 || type === 11 || at + bytes > payload.length) return undefined
    values.push(readValue(payload.subarray(at, at + bytes), type))
    at += bytes
    pos = next
  }
  return values
}

function readValue(bytes: Buffer, type: number): SqliteValue {
  if (type === 0) return null
  if (type === 8 || type === 9) return type - 8
  if (type === 7) return bytes.readDoubleBE()
  if (type === 6) return bytes.readBigInt64BE()
  if (type < 6) return bytes.readIntBE(0, bytes.length)
  return type % 2 === 0 ? bytes : bytes.toString('utf8')
}

/** SQLite's: seven bits a byte, the highest first, eight in a ninth. Beyond the end of `bytes` there are zeros. */
function readVarint(bytes: Buffer, at: number): { value: bigint; next: number } {
  let value = 0n
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i] ?? 0
    value = (value << 7n) | BigInt(byte & 0x7f)
    if (byte < 0x80) return { value, next: at + i + 1 }
  }
  return { value: (value << 8n) | BigInt(bytes[at + 8] ?? 0), next: at + 9 }
}
