/**
 * Main thread. Follows the gateway's access log and hands spans and log lines to the store, each record exactly once:
 * the position is written in the same transaction as what was read up to it.
 *
 *   access.log -> lines -> records -> spans   + cursor "gateway-log/traces" -> store
 *                                  -> lines   + cursor "gateway-log/logs"   -> store
 */
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { type AccessRecord, parseAccessRecord } from './access-record.ts'
import { type Follower, followFile } from './follow-file.ts'
import type { Line, LogReader, Position } from './log-reader.ts'
import { type GatewayResource, logsFrom, tracesFrom } from './to-otlp.ts'

/** What the follower needs of the store. A cursor is stored with the batch or not at all. */
export interface GatewayLogSink {
  cursor(name: string): string | undefined
  ingestTraces(bytes: Uint8Array, cursor: { name: string; value: string }): unknown
  ingestLogs(bytes: Uint8Array, cursor: { name: string; value: string }): unknown
}

export interface FollowerOptions {
  accessLog: string
  /** Nginx's pid file: needed for rotation, without it the log grows. */
  pidFile?: string
  /** The log is rotated when it has grown to this; on disk it takes up to twice as much. Default 32 MiB. */
  rotateAtBytes?: number
  sink: GatewayLogSink
  resource: GatewayResource
  /** Signals that are not wanted: their records are passed over. Default: both are. */
  unwanted?: { traces: boolean; logs: boolean } | undefined
  /** Called once per record, at most twice after a crash. */
  onRecord?: (record: AccessRecord) => void
  /** Lines that are no access records. */
  onMalformed?: (count: number) => void
  /** The store refused, or the file can't be read: tried again until it works. */
  onError: (error: unknown) => void
  pollMs?: number
}

const TRACES = 'gateway-log/traces'
const LOGS = 'gateway-log/logs'
const POLL_MS = 150

/**
 * Begins to follow at once, where it left off. Never throws: what goes wrong is told to `onError` and tried again every
 * second.
 */
export const followAccessLog = (options: FollowerOptions): Follower =>
  followFile({
    file: options.accessLog,
    pollMs: options.pollMs ?? POLL_MS,
    resume: (reader) => resume(reader, options.sink),
    take: (reader, ahead) => takeBatch(reader, ahead, options),
    onIdle: (reader) => rotateWhenLarge(reader, options),
    onError: options.onError,
  })

/** Up to where a signal has everything already; null once reading has come there. */
type Ahead = Record<'traces' | 'logs', Position | null>

/** Both cursors move together, but a store may have taken one batch and refused the other: the later one skips what it has. */
function resume(reader: LogReader, sink: GatewayLogSink): Ahead {
  const [traces = null, logs = null] = reader.seek([positionOf(sink, TRACES), positionOf(sink, LOGS)])
  return { traces, logs }
}

/** Up to where the store has the log of this cursor; null where it has nothing of it. */
export function positionOf(sink: Pick<GatewayLogSink, 'cursor'>, name: string): Position | null {
  const value = sink.cursor(name)
  return value === undefined ? null : (JSON.parse(value) as Position)
}

/** True when there was something to take. */
async function takeBatch(reader: LogReader, ahead: Ahead, options: FollowerOptions): Promise<boolean> {
  const lines = reader.read(Date.now())
  const last = lines.at(-1)
  if (!last) return false
  const parsed = lines.map((line) => ({ line, record: parseAccessRecord(line.text) }))
  const records = parsed.flatMap(({ record }) => record ?? [])
  const { sink, resource, unwanted } = options
  const wanted = (signal: keyof Ahead) => {
    const records = fresh(parsed, ahead, signal)
    return unwanted?.[signal] ? [] : records
  }
  const value = JSON.stringify(last.next)
  // Handed over in one turn, so that the store writes both in one transaction. An empty batch moves the cursor.
  await Promise.all([
    sink.ingestTraces(tracesFrom(wanted('traces'), resource), { name: TRACES, value }),
    sink.ingestLogs(logsFrom(wanted('logs'), resource), { name: LOGS, value }),
  ])
  for (const record of records) options.onRecord?.(record)
  if (records.length < lines.length) options.onMalformed?.(lines.length - records.length)
  return true
}

function fresh(
  parsed: { line: Line; record: AccessRecord | null }[],
  ahead: Ahead,
  signal: keyof Ahead,
): AccessRecord[] {
  return parsed.flatMap(({ line, record }) => {
    const until = ahead[signal]
    if (until) {
      const reached = line.next.file === until.file && line.next.offset >= until.offset
      if (reached) ahead[signal] = null
      // The line that ends where the cursor stands is the last one taken.
      if (!reached || line.next.offset === until.offset) return []
    }
    return record ?? []
  })
}

/** Renames the log and tells Nginx to open a new one. Not before the last renamed one has been read to its end. */
function rotateWhenLarge(
  reader: LogReader,
  { pidFile, rotateAtBytes = 32 * 2 ** 20, accessLog }: FollowerOptions,
): void {
  if (!pidFile || reader.size() < rotateAtBytes || existsSync(reader.rotatedPath) || !existsSync(pidFile)) return
  const pid = Number(readFileSync(pidFile, 'utf8'))
  if (!Number.isInteger(pid) || pid <= 0) return
  renameSync(accessLog, reader.rotatedPath)
  process.kill(pid, 'SIGUSR1')
}
