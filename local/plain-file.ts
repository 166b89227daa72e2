/** Files in folders where a part, as another user than the launcher, may have put anything. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { startError } from './settings.ts'

/**
 * Opens a file by `flags` of `fs.constants`, a new one for this user alone: never what a link names, and without waiting for the
 * other end of a pipe. Where there is something else than a file it throws a startError.
 */
export function openPlainFile(path: string, flags: number): number {
  const fd = openUnfollowed(path, flags)
  const found = fstatSync(fd)
  // Its other name may be that of a file which only root may write.
  if (found.isFile() && (found.nlink <= 1 || process.getuid?.() !== 0)) return fd
  closeSync(fd)
  throw notPlain(path)
}

function openUnfollowed(path: string, flags: number): number {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600)
  } catch (error) {
    // A link, a pipe that nobody reads.
    if (['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw notPlain(path, error)
    throw error
  }
}

const notPlain = (path: string, cause?: unknown) =>
  startError(`${path} is a link or no file at all, and nothing is written through it: remove it.`, cause)
