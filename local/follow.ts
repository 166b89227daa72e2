/** Follows the components' output files: prints what is added, and keeps each from growing without bound. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

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
    ([name, path]): Followed => ({ name, path, offset: sizeOf(path), rest: '' }),
  )
  while (!signal.aborted) {
    for (const file of followed) look(file, print)
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
  for (const file of followed) look(file, print)
}

function look(file: Followed, print: ((name: string, line: string) => void) | null): void {
  const size = sizeOf(file.path)
  if (size < file.offset) {
    file.offset = 0
    file.rest = ''
  }
  if (print && size > file.offset) {
    const wanted = Math.min(size - file.offset, PRINT_AT_MOST)
    const lines = (file.rest + readAt(file.path, file.offset, wanted)).split('\n')
    file.rest = lines.pop()!
    for (const line of lines) print(file.name, line)
    const skipped = size - file.offset - wanted
    if (skipped > 0) {
      print(file.name, `... ${Math.ceil(skipped / 1024)} KB more in ${file.path}`)
      file.rest = ''
    }
  }
  file.offset = size
  if (size > FILE_AT_MOST) {
    truncateSync(file.path, 0)
    file.offset = 0
  }
}

/** Somebody may have removed the folder, to have fresh logs: it is made again. */
function sizeOf(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fd = openSync(path, 'a+', 0o600)
  try {
    return fstatSync(fd).size
  } finally {
    closeSync(fd)
  }
}

function readAt(path: string, offset: number, length: number): string {
  const fd = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(length)
    const count = readSync(fd, buffer, 0, length, offset)
    return buffer.toString('utf8', 0, count)
  } finally {
    closeSync(fd)
  }
}
