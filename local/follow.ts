/** Follows the components' output files: prints what is added, and keeps each from growing without bound. */
import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openPlainFile } from './plain-file.ts'

const POLL_MS = 250
/** More than this between two looks can't be read by anyone: the rest is counted instead of printed. */
const PRINT_AT_MOST = 64 * 1024
const FILE_AT_MOST = 16 * 2 ** 20

interface Followed {
  name: string
  path: string
  offset: number
  /** The beginning of a line whose end is not written yet. */
  rest: string
  /** Something else stands in its place. */
  unusable: boolean
}

/**
 * Calls `print` with every complete line added from now on, until aborted. A file over its bound is cut to nothing: the writers
 * append, so they go on at its new beginning. `print` null only bounds the files.
 */
export async function followFiles(
  files: Record<string, string>,
  print: ((name: string, line: string) => void) | null,
  signal: AbortSignal,
): Promise<void> {
  const followed = Object.entries(files).map(
    ([name, path]): Followed => ({ name, path, offset: 0, rest: '', unusable: false }),
  )
  for (const file of followed) skip(file)
  while (!signal.aborted) {
    for (const file of followed) look(file, print)
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
  for (const file of followed) look(file, print)
}

/** What was there before is not printed. */
function skip(file: Followed): void {
  const fd = open(file, null)
  if (fd === null) return
  file.offset = fstatSync(fd).size
  closeSync(fd)
}

function look(file: Followed, print: ((name: string, line: string) => void) | null): void {
  const fd = open(file, print)
  if (fd === null) return
  try {
    file.offset = readFrom(fd, file, print)
    if (file.offset > FILE_AT_MOST) {
      ftruncateSync(fd, 0)
      file.offset = 0
    }
  } finally {
    closeSync(fd)
  }
}

/** Prints what was added; the result is the file's size in bytes. */
function readFrom(fd: number, file: Followed, print: ((name: string, line: string) => void) | null): number {
  const { size } = fstatSync(fd)
  if (size < file.offset) {
    file.offset = 0
    file.rest = ''
  }
  if (print && size > file.offset) {
    const wanted = Math.min(size - file.offset, PRINT_AT_MOST)
    const lines = (file.rest + readAt(fd, file.offset, wanted)).split('\n')
    file.rest = lines.pop()!
    for (const line of lines) print(file.name, line)
    const skipped = size - file.offset - wanted
    if (skipped > 0) {
      print(file.name, `... ${Math.ceil(skipped / 1024)} KB more in ${file.path}`)
      file.rest = ''
    }
  }
  return size
}

/** Somebody may have removed the folder, to have fresh logs: it is made again. Null, told once, where there is no file but a link. */
function open(file: Followed, print: ((name: string, line: string) => void) | null): number | null {
  mkdirSync(dirname(file.path), { recursive: true, mode: 0o700 })
  try {
    const fd = openPlainFile(file.path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT)
    file.unusable = false
    return fd
  } catch (error) {
    if ((error as Error).name !== 'StartError') throw error
    if (print && !file.unusable) {
      print(file.name, (error as Error).message)
      file.unusable = true
    }
    return null
  }
}

function readAt(fd: number, offset: number, length: number): string {
  const buffer = Buffer.alloc(length)
  const count = readSync(fd, buffer, 0, length, offset)
  return buffer.toString('utf8', 0, count)
}
