/** Main thread. The way into the store: check, write to the log, tell who listens. */
import { httpError } from '../http.ts'
import { readLogs } from '../otlp/logs.ts'
import { type ReadCounts, readTraces, type SpanRecord } from '../otlp/traces.ts'
import { wantedNames } from '../otlp/wire.ts'
import type { Signal } from '../store/signal-store.ts'
import type { Cursor, Wal } from '../store/wal.ts'

export interface Ingest {
  /**
   * Stores an ExportTraceServiceRequest; resolves when it is on disk. With a cursor, `{name, value}` is stored in the same
   * transaction. Rejects with a WireError for bytes that are no such message, with an HttpError 429 when the store is behind.
   */
  ingestTraces(bytes: Uint8Array, cursor?: Cursor): Promise<ReadCounts>
  /** The same for an ExportLogsServiceRequest. The bytes of a moment ago are stored again when a line in them has no time. */
  ingestLogs(bytes: Uint8Array, cursor?: Cursor): Promise<ReadCounts>
  /** The value last stored under this name. */
  cursor(name: string): string | undefined
}

export interface IngestDeps<T> {
  readonly wal: Wal
  /** Bytes of the log, as stored, beyond which batches are refused: the worker is too far behind. */
  readonly maxBacklogBytes: number
  /** What is kept of a batch's spans until it is on disk; only `spanAttributes` are read. The record is reused. */
  stage(span: SpanRecord): T
  readonly spanAttributes: ReadonlySet<string>
  /** Gets them then: never for a batch that is refused, or sent a second time. */
  onSpans(spans: T[]): void
  onAccepted(signal: Signal, counts: ReadCounts, bytes: number): void
}

/** `T` is what `stage` keeps of a span. */
export function createIngest<T>(deps: IngestDeps<T>): Ingest {
  const { wal } = deps
  const options = { wanted: wantedNames(deps.spanAttributes), skipChildren: true }

  function refuseWhenBehind(signal: Signal): void {
    if (wal.stats().bytes[signal] > deps.maxBacklogBytes) {
      throw httpError(429, 'The store is behind with what it has accepted. Send this again.', { 'retry-after': '2' })
    }
  }

  return {
    async ingestTraces(bytes, cursor) {
      refuseWhenBehind('traces')
      const staged: T[] = []
      const counts = readTraces(bytes, (span) => staged.push(deps.stage(span)), options)
      if (counts.accepted === 0 && cursor === undefined) return counts
      const id = await wal.append('traces', bytes, cursor)
      if (id > 0) deps.onSpans(staged)
      deps.onAccepted('traces', counts, bytes.length)
      return counts
    },
    async ingestLogs(bytes, cursor) {
      refuseWhenBehind('logs')
      let untimed = false
      const counts = readLogs(bytes, ({ timeHi, timeLo }) => (untimed ||= timeHi === 0 && timeLo === 0), {
        checkOnly: true,
      })
      if (counts.accepted === 0 && cursor === undefined) return counts
      // Spans have ids and lines have times, so equal batches are one sent twice. A line without a time, logged once more,
      // is the same bytes as before: rather stored twice after a lost answer than left out.
      await wal.append('logs', bytes, cursor, untimed)
      deps.onAccepted('logs', counts, bytes.length)
      return counts
    },
    cursor: (name) => wal.cursor(name),
  }
}
