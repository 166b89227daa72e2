/** `npm start -- --open FILE`: a throw-away system that shows what a capture holds, and nothing else. */
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ExemplarSeries, inspectStateFolder, type OpenedSystem, startOpened } from '@sightline/local'
import { type Ports, startError } from '@sightline/local/settings'
import { type Manifest, METRICS_NAME, NAMES } from '../capture/format.ts'
import { windowsOf } from '../capture/metrics.ts'
import { type Capture, openCapture } from '../capture/read.ts'
import { inOrder } from '../capture/run.ts'

export interface OpenOptions {
  ports?: Partial<Ports>
  env?: NodeJS.ProcessEnv
  onProgress(line: string): void
  onWarning(text: string): void
  onComponentEnded?(name: string, description: string): void
  signal: AbortSignal
}

export interface OpenedCapture extends OpenedSystem {
  manifest: Manifest
  /** Removes what was unpacked; to be called when it has stopped. */
  remove(): Promise<void>
}

const PREFIX = 'sightline-open-'

/**
 * Opens the capture `path`. Rejects with a startError when it is none, is damaged, or can't be shown, and then has left neither a
 * process nor a file.
 */
export async function openedCapture(path: string, options: OpenOptions): Promise<OpenedCapture> {
  const { signal, onProgress } = options
  const capture = await openCapture(path)
  onProgress(`${basename(path)} is whole`)
  await removeLeft()
  await assertRoom(capture)
  const home = await mkdtemp(join(tmpdir(), PREFIX))
  const remove = () => rm(home, { recursive: true, force: true })
  let system: OpenedSystem | undefined
  try {
    const { manifest } = capture
    await unpackPages(capture, join(home, 'capture'), basename(path))
    const metrics = await unpackMetrics(capture, join(home, 'prometheus'))
    signal.throwIfAborted()
    system = await startOpened({ ...options, home, metrics, nowMs: Date.parse(manifest.range.to) })
    await send(capture, NAMES.traces, `${system.otlp}/v1/traces`, signal)
    onProgress(`${manifest.counts.traces} traces are there`)
    await send(capture, NAMES.logs, `${system.otlp}/v1/logs`, signal)
    onProgress(`${manifest.counts.log_lines} log lines are there`)
    await sendExemplars(capture, system)
    return { ...system, manifest, remove }
  } catch (error) {
    await system?.stop()
    await remove()
    throw error
  } finally {
    capture.close()
  }
}

/** Twice: as unpacked, and as the stores keep it. */
const ROOM_FACTOR = 2

async function assertRoom({ bytes }: Capture): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir())
  const [free, needed] = [bavail * bsize, bytes * ROOM_FACTOR].map((size) => Math.ceil(size / 2 ** 20)) as [
    number,
    number,
  ]
  if (free < needed)
    throw startError(
      `Only ${free} MB are free in ${tmpdir()}, and the capture needs about ${needed} MB. Free some, or take another place: TMPDIR=/path`,
    )
}

/** One that is still unpacking is not left. */
const LEFT_AFTER_MS = 3_600_000

/** What a killed one has left. */
async function removeLeft(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(PREFIX))) {
    const home = join(tmpdir(), name)
    const { uid, mtimeMs } = statSync(home, { throwIfNoEntry: false }) ?? {}
    const isLeft = uid === process.getuid?.() && Date.now() - mtimeMs! > LEFT_AFTER_MS
    const { launcher, running } = isLeft ? inspectStateFolder(home) : { launcher: 1, running: [] }
    if (launcher === null && running.length === 0) await rm(home, { recursive: true, force: true })
  }
}

/** What the console's server reads (console/captured.ts). */
async function unpackPages(capture: Capture, folder: string, file: string): Promise<void> {
  mkdirSync(join(folder, 'boards'), { recursive: true, mode: 0o700 })
  const { range, made, product, trace, counts, left_out } = capture.manifest
  const opened = { file, ...range, made, product, trace, counts, left_out }
  writeFileSync(join(folder, 'opened.json'), JSON.stringify(opened), { mode: 0o600 })
  const pages: readonly string[] = [NAMES.audit, NAMES.panels, NAMES.rules]
  const wanted = capture.names.filter((name) => name.startsWith('boards/') || pages.includes(name))
  for (const name of wanted) await capture.unpack([name], join(folder, name))
}

const BLOCK_MS = 2 * 3_600_000
const END = '# EOF'

/**
 * Files of metrics as promtool is to read them: one for each of Prometheus' blocks of two hours, because it makes one of each that a
 * file touches, and reads the file anew for it.
 */
async function unpackMetrics(capture: Capture, folder: string): Promise<string[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { from, to } = capture.manifest.range
  const windows = windowsOf({ from: Date.parse(from), to: Date.parse(to) })
  const blockOf = (name: string) => Math.floor((windows[Number(/\d+/.exec(name)![0]) - 1]?.from ?? 0) / BLOCK_MS)
  const names = capture.names.filter((name) => METRICS_NAME.test(name)).sort()
  const files: string[] = []
  for (const [block, parts] of Map.groupBy(names, blockOf)) {
    const path = join(folder, `${block}.om`)
    const out = createWriteStream(path, { flags: 'wx', mode: 0o600 })
    for (const part of parts)
      for await (const line of capture.lines(part)) {
        if (line !== END && !out.write(`${line}\n`)) await once(out, 'drain')
      }
    out.end(`${END}\n`)
    await once(out, 'finish')
    files.push(path)
  }
  return files
}

const AT_ONCE = 4
const RETRY_MS = 300
const TRIES = 200

/** Sends each line of a file as a request of OTLP/JSON. */
async function send(capture: Capture, name: string, url: string, signal: AbortSignal): Promise<void> {
  if (!capture.names.includes(name)) return
  const post = async (line: string): Promise<void> => {
    for (let tries = 1; ; tries++) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: line,
        signal,
      })
      const text = await response.text()
      if (response.ok) return
      // It takes them faster than it stores them.
      if (response.status !== 429 || tries === TRIES)
        throw startError(`A line of ${name} in the capture is refused: ${text.slice(0, 300)}`)
      await pause(RETRY_MS, undefined, { signal })
    }
  }
  for await (const _ of inOrder(capture.lines(name), AT_ONCE, post)) signal.throwIfAborted()
}

const SERIES_AT_ONCE = 500

async function sendExemplars(capture: Capture, system: OpenedSystem): Promise<void> {
  if (!capture.names.includes(NAMES.exemplars)) return
  let batch: ExemplarSeries[] = []
  for await (const line of capture.lines(NAMES.exemplars)) {
    batch.push(JSON.parse(line) as ExemplarSeries)
    if (batch.length < SERIES_AT_ONCE) continue
    await system.addExemplars(batch)
    batch = []
  }
  if (batch.length > 0) await system.addExemplars(batch)
}
