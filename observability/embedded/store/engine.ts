/** The worker's store: reads accepted batches from the log, keeps the heads, seals, compacts and forgets blocks. */
import { httpError } from '../http.ts'
import { isWireError } from '../otlp/wire.ts'
import { createLogStore, type LogStore } from './log-store.ts'
import type { FromWorker, StoreStats, WorkerSettings } from './messages.ts'
import { createSpanStore, type SpanStore } from './span-store.ts'
import { openWalReader, type Signal } from './wal.ts'

export interface EngineEvents {
  log(level: Extract<FromWorker, { kind: 'log' }>['level'], message: string): void
  sealed(signal: Signal, below: number): void
  stats(stats: StoreStats): void
}

export interface Engine {
  readonly spans: SpanStore
  readonly logs: LogStore
  /** Reads what was accepted since; a query does this first. */
  catchUp(): void
  /** Catches up and does the housekeeping that is due. */
  work(): void
  /** Starts the clock of the query that comes next: reading tables beyond the time allowed throws an HttpError 503. */
  startQuery(): void
  close(): void
}

const BATCHES_AT_ONCE = 32

export function createEngine(settings: WorkerSettings, events: EngineEvents): Engine {
  const broken = (id: number, error: unknown) =>
    events.log('error', `Batch ${id} of the write-ahead log can't be read and is left out: ${String(error)}`)
  const reader = openWalReader(settings.dataDir, broken)
  const spans = createSpanStore()
  const logs = createLogStore()
  const position: Record<Signal, number> = { traces: 0, logs: 0 }
  const stores = { traces: spans, logs }
  let deadline = Number.POSITIVE_INFINITY

  function catchUp(): void {
    deadline = Number.POSITIVE_INFINITY
    for (const signal of ['traces', 'logs'] as const) {
      for (;;) {
        const batches = reader.read(signal, position[signal], BATCHES_AT_ONCE)
        for (const batch of batches) {
          position[signal] = batch.id
          try {
            stores[signal].add(batch)
          } catch (error) {
            if (!isWireError(error)) throw error
            broken(batch.id, error)
          }
        }
        if (batches.length < BATCHES_AT_ONCE) break
      }
    }
  }

  function* timed<T>(tables: Iterable<T>): Generator<T> {
    for (const table of tables) {
      if (performance.now() > deadline) {
        const seconds = settings.queryTimeoutMs / 1000
        throw httpError(
          503,
          `The query took longer than ${seconds} s. Ask for a shorter time range, or a smaller limit.`,
        )
      }
      yield table
    }
  }

  catchUp()
  return {
    spans: { ...spans, tables: (range) => timed(spans.tables(range)) },
    logs: { ...logs, tables: (range, direction) => timed(logs.tables(range, direction)) },
    catchUp,
    work: catchUp,
    startQuery() {
      deadline = performance.now() + settings.queryTimeoutMs
    },
    close: () => reader.close(),
  }
}
