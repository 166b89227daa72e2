/** Writes a zip as it is filled, one file after the other: it appears under its name when it is whole, or not at all. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync, rmSync } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { startError } from '@sightline/local/settings'
import { ZipFile } from 'yazl'
import { MANIFEST, type Manifest, MOST_BYTES } from './format.ts'

export interface Archive {
  /**
   * Adds a file, which `fill` writes piece by piece. Nothing is added when it writes nothing, and when it fails what it had written.
   * Files are filled one at a time.
   */
  add(name: string, fill: (write: (text: string) => Promise<void>) => Promise<void>): Promise<void>
  /** Bytes, unpacked, that may still be added. */
  room(): number
  /** What was added so far. */
  files: Manifest['files']
}

/** Throws a startError where a file would be overwritten that nobody said may be. */
export function assertMayWrite(path: string, force: boolean): void {
  if (existsSync(path) && !force) throw startError(`${path} exists. Choose another name, or overwrite it with --force.`)
}

/**
 * Makes the zip `path` of what `fill` adds and of the manifest that it returns. Resolves to its bytes. When anything fails, or
 * `signal` says to stop, nothing is left of it, and what was there before stays.
 */
export async function writeArchive(
  path: string,
  force: boolean,
  signal: AbortSignal,
  fill: (archive: Archive) => Promise<Manifest>,
): Promise<number> {
  assertMayWrite(path, force)
  const aside = `${path}.${process.pid}.part`
  // Ended by a signal that nobody handles, or by a fault: not even then.
  const removeAside = () => rmSync(aside, { force: true })
  process.once('exit', removeAside)
  const zip = new ZipFile()
  const output = createWriteStream(aside, { flags: 'wx', mode: 0o600, flush: true })
  const failed = new AbortController()
  const written = pipeline(zip.outputStream, output, { signal: AbortSignal.any([signal, failed.signal]) })
  // Told by whoever waits for it below.
  written.catch(() => undefined)
  try {
    const manifest = await fill(archiveOf(zip, written))
    signal.throwIfAborted()
    zip.addBuffer(Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`), MANIFEST)
    zip.end()
    await written
    assertMayWrite(path, force)
    await rename(aside, path)
    return (await stat(path)).size
  } catch (error) {
    failed.abort()
    await written.catch(() => undefined)
    await rm(aside, { force: true })
    throw error
  } finally {
    process.off('exit', removeAside)
  }
}

function archiveOf(zip: ZipFile, written: Promise<void>): Archive {
  const files: Manifest['files'] = []
  let total = 0
  return {
    files,
    room: () => MOST_BYTES - total,
    async add(name, fill) {
      const content = new PassThrough()
      const hash = createHash('sha256')
      let bytes = 0
      const write = async (text: string): Promise<void> => {
        if (text === '') return
        if (bytes === 0) zip.addReadStream(content, name, { mode: 0o100644 })
        const piece = Buffer.from(text)
        bytes += piece.length
        total += piece.length
        hash.update(piece)
        // A full disk ends the zip: nobody takes what is written then.
        if (!content.write(piece)) await Promise.race([once(content, 'drain'), written])
      }
      try {
        await fill(write)
      } finally {
        content.end()
        if (bytes > 0) files.push({ name, bytes, sha256: hash.digest('hex') })
      }
    },
  }
}
