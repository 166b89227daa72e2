/**
 * Worker thread. A block is one file: sections, each compressed and with its own checksum, then a directory, then its
 * length and checksum. It is written under another name, flushed and renamed, so a file that has a block's name is
 * whole. One file per block means that damage to a file can cost no more than its block.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

const MAGIC = Buffer.from('SIGHTBLK')
/** directory length (4), directory checksum (4), magic (8) */
const FOOTER = 16
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 3 }
const MAX_SECTION_BYTES = 1 << 30

export interface BlockHeader {
  readonly rows: number
  /** Traces or streams. */
  readonly groups: number
  /** Bounds in nanoseconds since the epoch, as digits. */
  readonly minNs: string
  readonly maxNs: string
  /** When it was sealed (a merged block: when its content was, at the latest), and the last batch of the write-ahead log that is in it. */
  readonly sealedMs: number
  readonly epoch: string
  readonly walMax: number
  /** Numbers of the blocks whose content this one took over. */
  readonly replaces: readonly number[]
}

export interface BlockFile {
  readonly number: number
  readonly path: string
  readonly header: BlockHeader
  readonly bytes: number
  sections(): readonly string[]
  has(name: string): boolean
  /** Bytes of a section once it is read; 0 when there is none. */
  size(name: string): number
  /** Throws a DamagedBlock when the file doesn't hold what was written. */
  section(name: string): Buffer
}

export interface DamagedBlock extends Error {
  readonly damagedBlock: string
}

/** Whoever catches one sets the block aside and goes on without it. */
export function isDamagedBlock(error: unknown): error is DamagedBlock {
  return error instanceof Error && typeof (error as { damagedBlock?: unknown }).damagedBlock === 'string'
}

function damaged(path: string, reason: string, cause?: unknown): DamagedBlock {
  return Object.assign(new Error(`Block ${path} is damaged: ${reason}.`, { cause }), { damagedBlock: path })
}

/** Offset, stored length, length, checksum of what is stored. */
type Entry = [offset: number, stored: number, length: number, checksum: number]

/** After it the file is whole and on disk; when it throws (what the file system throws) there is none. */
export function writeBlock(path: string, header: BlockHeader, sections: ReadonlyMap<string, Buffer>): void {
  const temporary = `${path}.tmp`
  try {
    writeSections(temporary, header, sections)
    renameSync(temporary, path)
  } catch (error) {
    // On a full disk, what is left of one attempt must not take the room that the next one needs.
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

function writeSections(path: string, header: BlockHeader, sections: ReadonlyMap<string, Buffer>): void {
  const entries: Record<string, Entry> = Object.create(null)
  const fd = openSync(path, 'w')
  try {
    let offset = writeSync(fd, MAGIC)
    for (const [name, raw] of sections) {
      const compressed = compress(raw)
      const stored = compressed.length < raw.length ? compressed : raw
      entries[name] = [offset, stored.length, raw.length, crc32(stored)]
      offset += writeAll(fd, stored)
    }
    const directory = compress(Buffer.from(JSON.stringify({ header, entries })))
    const footer = Buffer.alloc(FOOTER)
    footer.writeUInt32LE(directory.length, 0)
    footer.writeUInt32LE(crc32(directory), 4)
    MAGIC.copy(footer, 8)
    writeAll(fd, directory)
    writeAll(fd, footer)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Into one piece: it is told how much there is, and has room for what doesn't become smaller. */
function compress(raw: Buffer): Buffer {
  const chunkSize = raw.length + (raw.length >> 7) + 256
  return zstdCompressSync(raw, { params: LEVEL, pledgedSrcSize: raw.length, chunkSize })
}

function writeAll(fd: number, bytes: Buffer): number {
  let done = 0
  while (done < bytes.length) done += writeSync(fd, bytes, done)
  return done
}

/** A new name is only safe once its folder is flushed. */
function syncFolder(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Reads the directory. Throws a DamagedBlock when there is none. */
export function openBlock(path: string): BlockFile {
  const { size } = statSync(path)
  if (size < FOOTER + MAGIC.length) throw damaged(path, `it has ${size} bytes`)
  const footer = readAt(path, size - FOOTER, FOOTER)
  const length = footer.readUInt32LE(0)
  if (!footer.subarray(8).equals(MAGIC)) throw damaged(path, 'its end is missing')
  if (length > size - FOOTER) throw damaged(path, 'its directory is missing')
  const packed = readAt(path, size - FOOTER - length, length)
  if (crc32(packed) !== footer.readUInt32LE(4)) throw damaged(path, "its directory's checksum is wrong")
  const { header, entries } = JSON.parse(
    zstdDecompressSync(packed, { maxOutputLength: MAX_SECTION_BYTES }).toString(),
  ) as {
    header: BlockHeader
    entries: Record<string, Entry>
  }
  return {
    number: blockNumber(path),
    path,
    header,
    bytes: size,
    sections: () => Object.keys(entries),
    has: (name) => Object.hasOwn(entries, name),
    size: (name) => (Object.hasOwn(entries, name) ? entries[name]![2] : 0),
    section(name) {
      const entry = Object.hasOwn(entries, name) ? entries[name] : undefined
      if (entry === undefined) throw damaged(path, `section ${name} is missing`)
      return readSection(path, name, entry)
    },
  }
}

function readSection(path: string, name: string, [offset, stored, length, checksum]: Entry): Buffer {
  let bytes: Buffer
  try {
    bytes = readAt(path, offset, stored)
  } catch (error) {
    throw damaged(path, `section ${name} can't be read`, error)
  }
  if (crc32(bytes) !== checksum) throw damaged(path, `the checksum of section ${name} is wrong`)
  return stored === length
    ? bytes
    : zstdDecompressSync(bytes, { chunkSize: Math.max(length, 64), maxOutputLength: Math.max(length, 64) })
}

function readAt(path: string, offset: number, length: number): Buffer {
  const fd = openSync(path, 'r')
  try {
    // A pool's slice would keep its neighbours alive and break the alignment that typed arrays need.
    const bytes = Buffer.from(new ArrayBuffer(length))
    let done = 0
    while (done < length) {
      const read = readSync(fd, bytes, done, length - done, offset + done)
      if (read === 0) throw damaged(path, 'it is shorter than it should be')
      done += read
    }
    return bytes
  } finally {
    closeSync(fd)
  }
}

const blockNumber = (path: string) => Number(/(\d+)\.block$/.exec(path)?.[1] ?? 0)

/** `kind-0000000012.block` in `dir`. */
export const blockPath = (dir: string, kind: string, number: number) =>
  join(dir, `${kind}-${String(number).padStart(10, '0')}.block`)

export interface FoundBlocks {
  readonly blocks: BlockFile[]
  readonly damaged: DamagedBlock[]
  /** The next number to use; numbers are not used twice, not even that of a damaged block. */
  readonly next: number
}

/** Opens all blocks of a kind; unfinished files and blocks that another one took over are removed. */
export function findBlocks(dir: string, kind: string): FoundBlocks {
  const blocks: BlockFile[] = []
  const broken: DamagedBlock[] = []
  let next = 1
  for (const name of readdirSync(dir).sort()) {
    if (!name.startsWith(`${kind}-`)) continue
    next = Math.max(next, Number(/^\w+-(\d+)\.block/.exec(name)?.[1] ?? 0) + 1)
    const path = join(dir, name)
    if (name.endsWith('.tmp')) unlinkSync(path)
    if (!name.endsWith('.block')) continue
    try {
      blocks.push(openBlock(path))
    } catch (error) {
      broken.push(isDamagedBlock(error) ? error : damaged(path, String(error), error))
    }
  }
  const replaced = new Set(blocks.flatMap((block) => block.header.replaces))
  for (const block of blocks) if (replaced.has(block.number)) unlinkSync(block.path)
  return { blocks: blocks.filter((block) => !replaced.has(block.number)), damaged: broken, next }
}

/** Keeps the file for whoever wants to look at it, under a name that is no block's. */
export function setAside(path: string): string {
  const aside = `${path}.damaged`
  renameSync(path, aside)
  return aside
}
