/**
 * Worker thread. The stores of both signals behind the write-ahead log: takes over accepted batches, seals them into
 * blocks, merges and forgets blocks, and runs queries.
 */
import { join } from 'node:path'
import { isWireError } from '../otlp/wire.ts'
import { tick } from '../query/language/turn.ts'
import type { LogSource } from '../query/logql/log-table.ts'
import { isDamagedBlock } from './block-file.ts'
import { createCache, type TableCache, withKeysCounted } from './cache.ts'
import { createLogStore, type LogStore } from './log-store.ts'
import { createRetention } from './retention.ts'
import type { Signal, SignalStats } from './signal-store.ts'
import { createSpanStore, type SpanStore, type StoredSpanSource } from './span-store.ts'
import { createTraceSampler, type SamplingStats, type TraceSampler } from './trace-sampler.ts'
import { SIGNALS } from './wal-file.ts'
import { openWalReader, type WalReader } from './wal-reader.ts'

export interface StoreSettings {
  readonly dataDir: string
  readonly epoch: string
  readonly retentionMs: Record<Signal, number>
  readonly maxBytes: Record<Signal, number>
  readonly cacheBytes: number
  readonly queryTimeoutMs: number
  /** The share of traces that is kept besides those that are kept for their own sake; undefined for all. */
  readonly tracesSample?: number | undefined
}

export interface StoreStats {
  readonly traces: SignalStats
  readonly logs: SignalStats
  readonly cacheBytes: number
  /** Memory of the worker's JavaScript heap and of its buffers. */
  readonly heapBytes: number
  readonly bufferBytes: number
  /** Where a share of the traces is kept. */
  readonly sampling?: SamplingStats
}

export interface WorkerStoreEvents {
  log(level: 'info' | 'warn' | 'error', message: string): void
  sealed(signal: Signal, below: number): void
  stats(stats: StoreStats): void
  /** Ids, as raw characters, of traces that are kept for another reason than their share. */
  kept?(traces: string[]): void
}

export interface WorkerStore {
  readonly spans: StoredSpanSource
  readonly logs: LogSource
  /** Reads what was accepted since; a query does this first. */
  catchUp(): void
  /** Catches up and does the housekeeping that is due. */
  work(): void
  /** Runs a query. A block that turns out damaged is set aside and the query runs again without it. */
  query<T>(run: () => T | Promise<T>): Promise<T>
  close(): void
}

/** Few: each may be as large as a request's body. */
const BATCHES_AT_ONCE = 8
const EXPIRY_EVERY_MS = 30_000
const STATS_EVERY_MS = 500
/** Merging blocks waits until nobody has asked anything for a while. */
const COMPACT_AFTER_QUIET_MS = 2_000
/** Of the cache's bytes: what queries found in blocks that never change, beside the blocks themselves. */
const ANSWERS_SHARE = 1 / 4

/**
 * Opens the folder's blocks and takes over what the log has beyond them: with a large backlog that takes a while.
 * Throws what the file system and SQLite throw; what is merely damaged is set aside and told.
 */
export function createWorkerStore(settings: StoreSettings, events: WorkerStoreEvents): WorkerStore {
  const broken = (id: number, error: unknown) =>
    events.log('error', `Batch ${id} of the write-ahead log can't be read and is left out: ${String(error)}`)
  const reader = openWalReader(settings.dataDir, broken)
  const answers = createCache(settings.cacheBytes * ANSWERS_SHARE)
  const cache = createCache(settings.cacheBytes * (1 - ANSWERS_SHARE))
  const sampler = settings.tracesSample === undefined ? undefined : createTraceSampler(settings.tracesSample)
  const stores = openStores(settings, cache, events, sampler)
  const { catchUp, replay } = createIntake({ reader, stores, events, sampler, broken })
  const retention = createRetention({ stores, retentionMs: settings.retentionMs, log: events.log })
  const keepHouse = createHousekeeping({ stores, caches: [cache, answers], retention, events, sampler })
  let lastQuery = Number.NEGATIVE_INFINITY

  function* timed<T>(tables: Iterable<T>): Generator<T> {
    for (const table of tables) {
      tick()
      yield table
    }
  }

  replay()
  const { traces, logs } = stores
  return {
    spans: {
      trace: traces.trace,
      tables: (wanted, order) => timed(traces.tables(wanted, order)),
      answers: withKeysCounted(answers),
    },
    logs: {
      tables: (range, direction) => timed(logs.tables(range, direction)),
      answers: withKeysCounted(answers),
    },
    catchUp,
    work() {
      catchUp()
      keepHouse(performance.now(), lastQuery)
    },
    async query(run) {
      lastQuery = performance.now()
      for (;;) {
        try {
          return await run()
        } catch (error) {
          if (!setAside(stores, error)) throw error
        }
      }
    },
    close() {
      reader.close()
      for (const signal of SIGNALS) stores[signal].close()
    },
  }
}

interface Stores {
  readonly traces: SpanStore
  readonly logs: LogStore
}

function openStores(
  settings: StoreSettings,
  cache: TableCache,
  { log }: WorkerStoreEvents,
  sampler: TraceSampler | undefined,
): Stores {
  const { dataDir, epoch, retentionMs, maxBytes } = settings
  const common = { blocksDir: join(dataDir, 'blocks'), epoch, cache, log }
  return {
    traces: createSpanStore({
      ...common,
      dir: dataDir,
      retentionMs: retentionMs.traces,
      maxBytes: maxBytes.traces,
      sampler,
    }),
    logs: createLogStore({ ...common, retentionMs: retentionMs.logs, maxBytes: maxBytes.logs }),
  }
}

/** For an error that names a damaged block: takes the block out of use. False for other errors. */
function setAside(stores: Stores, error: unknown): boolean {
  if (!isDamagedBlock(error)) return false
  return SIGNALS.some((signal) => stores[signal].setAside(error.damagedBlock, error.message))
}

/** From the log into the heads, and from full heads into blocks. */
function createIntake({
  reader,
  stores,
  events,
  sampler,
  broken,
}: {
  reader: WalReader
  stores: Stores
  events: WorkerStoreEvents
  sampler: TraceSampler | undefined
  broken(id: number, error: unknown): void
}): { catchUp(): void; replay(): void } {
  const position: Record<Signal, number> = { traces: 0, logs: 0 }
  let lastFailure = Number.NEGATIVE_INFINITY

  function read(replayed: boolean): void {
    for (const signal of SIGNALS) while (readSome(signal, replayed));
    const kept = sampler?.kept() ?? []
    if (kept.length > 0) events.kept?.(kept)
  }

  /** Takes over some batches; false when there are no more. */
  function readSome(signal: Signal, replayed: boolean): boolean {
    const batches = reader.read(signal, position[signal], BATCHES_AT_ONCE)
    for (const batch of batches) {
      position[signal] = batch.id
      try {
        stores[signal].add(batch, replayed)
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
      while (stores[signal].seal(nowMs)) tellSealed(signal)
    } catch (error) {
      if (setAside(stores, error)) return
      // A full disk: the head keeps what it has, the log keeps it safe, and refuses more when it has grown too large.
      const steadyMs = performance.now()
      if (steadyMs - lastFailure > 60_000)
        events.log('error', `A block of ${signal} can't be written: ${String(error)}`)
      lastFailure = steadyMs
    }
  }

  const tellSealed = (signal: Signal) => events.sealed(signal, stores[signal].sealedBelow(position[signal]))

  return {
    catchUp: () => read(false),
    replay() {
      read(true)
      for (const signal of SIGNALS) tellSealed(signal)
    },
  }
}

/**
 * What is due from time to time: blocks expire and are merged, figures are told. The returned function takes times of the
 * process (`performance.now`): a wall clock that is set back would put everything off for as long.
 */
function createHousekeeping({
  stores,
  caches,
  retention,
  events,
  sampler,
}: {
  stores: Stores
  caches: readonly TableCache[]
  retention(nowMs: number, steadyMs: number): void
  events: WorkerStoreEvents
  sampler: TraceSampler | undefined
}): (steadyMs: number, lastQueryMs: number) => void {
  let lastExpiry = Number.NEGATIVE_INFINITY
  let lastStats = Number.NEGATIVE_INFINITY

  function compact(): void {
    try {
      if (!stores.traces.compact()) stores.logs.compact()
    } catch (error) {
      if (!setAside(stores, error)) events.log('error', `Blocks can't be merged: ${String(error)}`)
    }
  }

  function tellStats(): void {
    const { heapTotal, external } = process.memoryUsage()
    const memory = {
      heapBytes: heapTotal,
      bufferBytes: external,
      cacheBytes: caches.reduce((sum, cache) => sum + cache.bytes(), 0),
    }
    const sampling = sampler && { sampling: sampler.stats() }
    events.stats({ traces: stores.traces.stats(), logs: stores.logs.stats(), ...memory, ...sampling })
  }

  return (steadyMs, lastQueryMs) => {
    if (steadyMs - lastExpiry > EXPIRY_EVERY_MS) {
      lastExpiry = steadyMs
      retention(Date.now(), steadyMs)
    }
    if (steadyMs - lastQueryMs > COMPACT_AFTER_QUIET_MS) compact()
    if (steadyMs - lastStats > STATS_EVERY_MS) {
      lastStats = steadyMs
      tellStats()
    }
  }
}
