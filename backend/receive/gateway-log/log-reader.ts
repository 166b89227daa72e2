/**
 * Main thread. Complete lines of a growing log file, from any position, across a rotation to `<path>.1`. A position
 * survives restarts: it names the file by its first line (inode numbers are reused) and the byte after the last line
 * taken.
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync, statSync } from 'node:fs'

export interface Position {
  /** Fingerprint of the file's first line, or of its beginning if it is long; '' at the beginning of a file. */
  file: string
  offset: number
}

export interface Line {
  text: string
  /** Where reading goes on once this line has been taken. */
  next: Position
}

const READ_AT_ONCE = 256 * 1024
/** How long a renamed file stays quiet before it counts as finished: its writer reopens within milliseconds of being told. */
const QUIET_MS = 1000

interface OpenFile {
  fd: number
  path: string
  offset: number
  fingerprint: string
  lastGrowth: number
}

/** Opens nothing before `seek` or `read`. Both throw what the file system throws. */
export class LogReader {
  private readonly path: string
  private file: OpenFile | null = null
  /** Lines that are no lines: longer than one read, cut to nothing. */
  skippedBytes = 0

  constructor(path: string) {
    this.path = path
  }

  get rotatedPath(): string {
    return `${this.path}.1`
  }

  /**
   * Goes to the earliest of these positions; to the oldest line there is when one of them is lost or null. Returns those that
   * lie ahead of that, null in place of the others.
   */
  seek(positions: (Position | null)[]): (Position | null)[] {
    this.close()
    const files = [this.rotatedPath, this.path].filter((path) => existsSync(path)).map(open)
    const places = positions.map((position) => placeIn(files, position))
    const place = places.includes(null) ? null : (places as Place[]).reduce((a, b) => (isBefore(a, b) ? a : b))
    const chosen = files[place?.index ?? 0]
    for (const file of files) if (file !== chosen) closeSync(file.fd)
    if (!chosen) return positions.map(() => null)
    chosen.offset = place?.offset ?? 0
    this.file = chosen
    const start = place ?? { index: 0, offset: 0 }
    return positions.map((position, i) => (places[i] && isBefore(start, places[i]) ? position : null))
  }

  /** The lines that have become complete, at most one read of them; [] when there are none. `nowMs` is a clock. */
  read(nowMs: number): Line[] {
    this.file ??= existsSync(this.path) ? open(this.path) : null
    const { file } = this
    if (!file) return []
    const size = fstatSync(file.fd).size
    if (size < file.offset) Object.assign(file, { offset: 0, fingerprint: '' })
    if (size === file.offset) {
      this.leaveWhenFinished(file, nowMs)
      return []
    }
    file.lastGrowth = nowMs
    const buffer = Buffer.allocUnsafe(Math.min(size - file.offset, READ_AT_ONCE))
    const count = readSync(file.fd, buffer, 0, buffer.length, file.offset)
    return this.linesOf(file, buffer.subarray(0, count))
  }

  private linesOf(file: OpenFile, bytes: Buffer): Line[] {
    const lines: Line[] = []
    let from = 0
    if (file.offset === 0) file.fingerprint = fingerprintOf(bytes)
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
      const text = bytes.toString('utf8', from, end)
      from = end + 1
      lines.push({ text, next: { file: file.fingerprint, offset: file.offset + from } })
    }
    if (lines.length === 0 && bytes.length === READ_AT_ONCE) {
      // No writer of ours makes such a line: leave it behind instead of waiting for its end for ever.
      this.skippedBytes += bytes.length
      from = bytes.length
    }
    file.offset += from
    return lines
  }

  /** A renamed file is left once it has been quiet and its successor is there; then it is deleted, being all taken. */
  private leaveWhenFinished(file: OpenFile, nowMs: number): void {
    const successor = existsSync(this.path) && statSync(this.path).ino !== fstatSync(file.fd).ino
    if (!successor || nowMs - file.lastGrowth < QUIET_MS) return
    closeSync(file.fd)
    rmSync(this.rotatedPath, { force: true })
    this.file = open(this.path)
  }

  /** Bytes of the file now being written, taken or not. */
  size(): number {
    return existsSync(this.path) ? statSync(this.path).size : 0
  }

  close(): void {
    if (this.file) closeSync(this.file.fd)
    this.file = null
  }
}

function open(path: string): OpenFile {
  const fd = openSync(path, 'r')
  const head = Buffer.alloc(FINGERPRINTED)
  const count = readSync(fd, head, 0, head.length, 0)
  return { fd, path, offset: 0, fingerprint: fingerprintOf(head.subarray(0, count)), lastGrowth: 0 }
}

interface Place {
  index: number
  offset: number
}

const isBefore = (a: Place, b: Place) => (a.index === b.index ? a.offset < b.offset : a.index < b.index)

/** null when the position's file is gone, or was cut to less than what had been taken of it. */
function placeIn(files: OpenFile[], position: Position | null): Place | null {
  const index = files.findIndex((file) => position && file.fingerprint === position.file)
  if (index === -1 || fstatSync(files[index]!.fd).size < position!.offset) return null
  return { index, offset: position!.offset }
}

/** So much of a long first line is enough to know it by. */
const FINGERPRINTED = 4096

/** From a file's beginning; '' while its first line is neither complete nor long enough. */
function fingerprintOf(bytes: Buffer): string {
  const head = bytes.subarray(0, FINGERPRINTED)
  const end = head.indexOf(10)
  if (end === -1 && head.length < FINGERPRINTED) return ''
  const line = end === -1 ? head : head.subarray(0, end)
  return createHash('sha256').update(line).digest('base64url').slice(0, 16)
}
