/**
 * Reads a capture that came from anywhere. All of it is looked at before anything of it is written: names, sizes, version, and the
 * SHA-256 of each file.
 */
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { startError } from '@sightline/local/settings'
import { type Entry, openPromise, type ZipFile } from 'yauzl'
import {
  FORMAT_VERSION,
  isKnownName,
  MANIFEST,
  type Manifest,
  MOST_BYTES,
  MOST_MANIFEST_BYTES,
  manifestSchema,
} from './format.ts'

export interface Capture {
  manifest: Manifest
  /** Names of its files, the manifest left out. */
  names: readonly string[]
  /** Of all files together, unpacked. */
  bytes: number
  /** The lines of one of its files. */
  lines(name: string): AsyncIterable<string>
  /** Writes one of its files, or several one behind the other with `without` left out of each, as the file `path`. */
  unpack(names: readonly string[], path: string): Promise<void>
  close(): void
}

const MOST_FILES = 20_000

/** Rejects with a startError that names the file, what is wrong with it and what to do. */
export async function openCapture(path: string): Promise<Capture> {
  if (!existsSync(path))
    throw startError(`There is no file ${path}. Make one where Sightline runs: npm run capture -- out.zip`)
  if (!statSync(path).isFile()) throw startError(`${path} is no file. A capture is one zip file.`)
  const name = basename(path)
  let zip: ZipFile | undefined
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true })
    const entries = await entriesOf(zip, name)
    const manifest = await manifestOf(zip, entries, name)
    await assertWhole(zip, entries, manifest, name)
    return captureOf(zip, entries, manifest)
  } catch (error) {
    zip?.close()
    if ((error as Error).name === 'StartError' || (error as NodeJS.ErrnoException).syscall) throw error
    // Of the library: no zip, cut off, a name that leads out of a folder, data that unpacks to something else than it says.
    throw startError(
      `${name} is damaged, or no capture: ${(error as Error).message}. Nothing of it was unpacked. Copy it again, or make it anew.`,
      error,
    )
  }
}

const refused = (name: string, why: string) => startError(`${name} ${why} Nothing of it was unpacked.`)

async function entriesOf(zip: ZipFile, name: string): Promise<Map<string, Entry>> {
  if (zip.entryCount > MOST_FILES)
    throw refused(name, `has ${zip.entryCount} files: no capture has more than ${MOST_FILES}.`)
  const entries = new Map<string, Entry>()
  let [packed, bytes] = [0, 0]
  for await (const entry of zip.eachEntry()) {
    const file = entry.fileName
    if (!entries.has(MANIFEST) && file === MANIFEST && entry.uncompressedSize > MOST_MANIFEST_BYTES)
      throw refused(name, `has a manifest of ${entry.uncompressedSize} bytes.`)
    if (entries.has(file)) throw refused(name, `holds ${JSON.stringify(file)} twice: it is no capture.`)
    entries.set(file, entry)
    packed += entry.compressedSize
    bytes += entry.uncompressedSize
    if (bytes > MOST_BYTES)
      throw refused(name, `unpacks to more than ${MOST_BYTES / 2 ** 30} GB, the most that a capture has.`)
  }
  if (!entries.has(MANIFEST))
    throw refused(name, `is a zip file and no capture: it has no ${MANIFEST}. Captures are made by npm run capture.`)
  // Entries that lie over each other are how a small file unpacks to a large one.
  if (packed > zip.fileSize) throw refused(name, 'holds files that overlap each other: it is no capture.')
  const unknown = [...entries.keys()].find((file) => !isKnownName(file))
  if (unknown !== undefined) throw refused(name, `holds ${JSON.stringify(unknown)}, which no capture has.`)
  return entries
}

async function manifestOf(zip: ZipFile, entries: ReadonlyMap<string, Entry>, name: string): Promise<Manifest> {
  const text = Buffer.concat(await (await read(zip, entries, MANIFEST)).toArray()).toString()
  const found = parsed(text) as { format?: unknown; version?: unknown; product?: unknown } | undefined
  if (found?.format !== 'sightline-capture')
    throw refused(name, `is no capture: its ${MANIFEST} is of something else. Captures are made by npm run capture.`)
  if (typeof found.version === 'number' && found.version > FORMAT_VERSION)
    throw refused(
      name,
      `was made by a newer Sightline (${String(found.product).slice(0, 40)}): its format is ${found.version}, and this one reads up to ${FORMAT_VERSION}. Open it with that version, or a newer one.`,
    )
  const checked = manifestSchema.safeParse(found)
  if (checked.success) return checked.data
  const { path, message } = checked.error.issues[0]!
  throw refused(name, `is damaged: ${path.join('.')} of its ${MANIFEST} is wrong (${message}). Copy it again.`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is no JSON is no manifest either.
    return undefined
  }
}

/** What the manifest lists is there, with the very bytes, and nothing else is. */
async function assertWhole(
  zip: ZipFile,
  entries: ReadonlyMap<string, Entry>,
  { files }: Manifest,
  name: string,
): Promise<void> {
  const listed = new Set(files.map((file) => file.name))
  const surplus = [...entries.keys()].find((file) => file !== MANIFEST && !listed.has(file))
  if (surplus !== undefined)
    throw refused(name, `holds ${surplus}, which its ${MANIFEST} doesn't list: it was changed.`)
  for (const { name: file, bytes, sha256 } of files) {
    if (entries.get(file)?.uncompressedSize !== bytes)
      throw refused(
        name,
        `is damaged: ${file} is ${entries.has(file) ? 'not as long as it was' : 'missing'}. Copy it again.`,
      )
    const hash = createHash('sha256')
    for await (const piece of await read(zip, entries, file)) hash.update(piece as Buffer)
    if (hash.digest('hex') !== sha256)
      throw refused(name, `is damaged or was changed: ${file} is not what was captured. Copy it again.`)
  }
}

const read = (zip: ZipFile, entries: ReadonlyMap<string, Entry>, file: string): Promise<Readable> =>
  zip.openReadStreamPromise(entries.get(file)!)

function captureOf(zip: ZipFile, entries: ReadonlyMap<string, Entry>, manifest: Manifest): Capture {
  return {
    manifest,
    names: manifest.files.map(({ name }) => name),
    bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
    async *lines(name) {
      yield* createInterface({ input: await read(zip, entries, name), crlfDelay: Number.POSITIVE_INFINITY })
    },
    async unpack(names, path) {
      for (const [at, name] of names.entries())
        await pipeline(
          await read(zip, entries, name),
          createWriteStream(path, { flags: at === 0 ? 'wx' : 'a', mode: 0o600 }),
        )
    },
    close: () => zip.close(),
  }
}
