/** The worker's store: reads accepted batches from the log, keeps the heads, seals, compacts and forgets blocks. */
import { join } from 'node:path'
import { httpError } from '../http.ts'
import { isWireError } from '../otlp/wire.ts'
import type { LogSource } from '../query/logql/log-table.ts'
import { isDamagedBlock } from './block-file.ts'
import { createCache } from './cache.ts'
import { createLogStore } from './log-store.ts'
import type { Signal, SignalStats } from './signal-store.ts'
import { createSpanStore, type StoredSpanSource } from './span-store.ts'
import { openWalReader } from './wal-reader.ts'

export interface StoreSettings {
  readonly dataDir: string
  readonly epoch: string
  readonly retentionMs: Record<Signal, number>
  readonly maxBytes: Record<Signal, number>
  readonly cacheBytes: number
  readonly queryTimeoutMs: number
}

export interface StoreStats {
  readonly traces: SignalStats
  readonly logs: SignalStats
  readonly cacheBytes: number
  /** Memory of the worker's JavaScript heap and of its buffers. */
  readonly heapBytes: number
  readonly bufferBytes: number
}

export interface WorkerStoreEvents {
  log(level: 'info' | 'warn' | 'error', message: string): void
  sealed(signal: Signal, below: number): void
  stats(stats: StoreStats): void
}

export interface WorkerStore {
  readonly spans: StoredSpanSource
  readonly logs: LogSource
  /** Reads what was accepted since; a query does this first. */
  catchUp(): void
  /** Catches up and does the housekeeping that is due. */
  work(): void
  /**
   * Runs a query. Reading tables beyond the time allowed throws an HttpError 503. A block that turns out damaged is set
   * aside and the query runs again without it.
   */
  query<T>(run: () => T | Promise<T>): Promise<T>
  close(): void
}

const SIGNALS: readonly Signal[] = ['traces', 'logs']
/** Few: each may be as large as a request's body. */
const BATCHES_AT_ONCE = 8
const EXPIRY_EVERY_MS = 30_000
const STATS_EVERY_MS = 500
/** Merging blocks waits until nobody has asked anything for a while. */
const COMPACT_AFTER_QUIET_MS = 2_000

export function createWorkerStore(settings: StoreSettings, events: WorkerStoreEvents): WorkerStore {
  const broken = (id: number, error: unknown) =>
    events.log('error', `Batch ${id} of the write-ahead log can't be read and is left out: ${String(error)}`)
  const reader = openWalReader(settings.dataDir, broken)
  const cache = createCache(settings.cacheBytes)
  const common = { blocksDir: join(settings.dataDir, 'blocks'), epoch: settings.epoch, cache, log: events.log }
  const spans = createSpanStore({
    ...common,
    dir: settings.dataDir,
    retentionMs: settings.retentionMs.traces,
    maxBytes: settings.maxBytes.traces,
  })
  const logs = createLogStore({ ...common, retentionMs: settings.retentionMs.logs, maxBytes: settings.maxBytes.logs })
  const stores = { traces: spans, logs }
  const position: Record<Signal, number> = { traces: 0, logs: 0 }
  let deadline = Number.POSITIVE_INFINITY
  let lastExpiry = 0
  let lastStats = 0
  let lastQuery = 0
  let lastFailure = 0

  function catchUp(replay = false): void {
    for (const signal of SIGNALS) while (readSome(signal, replay));
  }

  /** Takes over some batches; false when there are no more. */
  function readSome(signal: Signal, replay: boolean): boolean {
    const batches = reader.read(signal, position[signal], BATCHES_AT_ONCE)
    for (const batch of batches) {
      position[signal] = batch.id
      try {
        stores[signal].add(batch, replay)
      } catch (error) {
        if (!isWireError(error)) throw error
        broken(batch.id, error)
      }
    }
    const more = batches.length === BATCHES_AT_ONCE
    // While there is a backlog, "now" is when its batches came: their traces may go on in the next ones.
    seal(signal, more ? batches.at(-1)!.receivedMs : Date.now())
    return more
  }

  function seal(signal: Signal, nowMs: number): void {
    try {
      while (stores[signal].seal(nowMs)) events.sealed(signal, stores[signal].sealedBelow(position[signal]))
    } catch (error) {
      if (setAside(error)) return
      // A full disk: the head keeps what it has, the log keeps it safe, and refuses more when it has grown too large.
      if (nowMs - lastFailure > 60_000) events.log('error', `A block of ${signal} can't be written: ${String(error)}`)
      lastFailure = nowMs
    }
  }

  function setAside(error: unknown): boolean {
    if (!isDamagedBlock(error)) return false
    return SIGNALS.some((signal) => stores[signal].setAside(error.damagedBlock, error.message))
  }

  function housekeeping(): void {
    const now = Date.now()
    if (now - lastExpiry > EXPIRY_EVERY_MS) {
      lastExpiry = now
      for (const signal of SIGNALS) stores[signal].forgetExpired(now)
    }
    if (now - lastQuery > COMPACT_AFTER_QUIET_MS) {
      try {
        if (!spans.compact()) logs.compact()
      } catch (error) {
        if (!setAside(error)) events.log('error', `Blocks can't be merged: ${String(error)}`)
      }
    }
    if (now - lastStats > STATS_EVERY_MS) {
      lastStats = now
      const { heapTotal, external } = process.memoryUsage()
      const memory = { heapBytes: heapTotal, bufferBytes: external, cacheBytes: cache.bytes() }
      events.stats({ traces: spans.stats(), logs: logs.stats(), ...memory })
    }
  }

  function* timed<T>(tables: Iterable<T>): Generator<T> {
    for (const table of tables) {
      if (performance.now() > deadline) {
        const seconds = settings.queryTimeoutMs / 1000
        throw httpError(503, `The query took longer than ${seconds} s. Ask for a shorter range, or a smaller limit.`)
      }
      yield table
    }
  }

  catchUp(true)
  for (const signal of SIGNALS) events.sealed(signal, stores[signal].sealedBelow(position[signal]))
  return {
    spans: { trace: spans.trace, tables: (range) => timed(spans.tables(range)) },
    logs: { tables: (range, direction) => timed(logs.tables(range, direction)) },
    catchUp: () => catchUp(),
    work() {
      catchUp()
      housekeeping()
    },
    async query(run) {
      lastQuery = Date.now()
      deadline = performance.now() + settings.queryTimeoutMs
      for (;;) {
        try {
          return await run()
        } catch (error) {
          if (!setAside(error)) throw error
        }
      }
    },
    close() {
      reader.close()
      for (const signal of SIGNALS) stores[signal].close()
    },
  }
}
