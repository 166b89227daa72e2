/** Both threads. What a signal's store is asked and given, and the signals themselves. */
import type { TableCache } from './cache.ts'

export type Signal = 'traces' | 'logs'

/** Instrumentation scope of batches that came by Loki's push API: their resource attributes are the stream's labels as sent. */
export const LOKI_PUSH_SCOPE = 'loki.push'

/** What was accepted in one request. */
export interface Batch {
  readonly id: number
  readonly receivedMs: number
  /** OTLP protobuf. */
  readonly bytes: Buffer
}

export interface SignalStats {
  readonly blocks: number
  readonly blockBytes: number
  readonly blockRows: number
  readonly headRows: number
  readonly damagedBlocks: number
}

export interface SignalStore {
  /** Adds an accepted batch. During a replay, what already is in a block is left out. */
  add(batch: Batch, replay: boolean): void
  /** Batches below this id are no longer needed. */
  sealedBelow(position: number): number
  /** Seals what is due; true when a block was written. */
  seal(nowMs: number): boolean
  /** Merges blocks, a few at a time; true when it did something. */
  compact(): boolean
  /**
   * Forgets blocks that are too old at `nowMs`, `most` of them (all by default), and those that must go for the rest to
   * fit. Says what it removed. Returns how many went for their age alone.
   */
  forgetExpired(nowMs: number, most?: number): number
  /** Takes a damaged block out of use; false when it is none of this store's. */
  setAside(path: string, reason: string): boolean
  stats(): SignalStats
  close(): void
}

export interface SignalStoreDeps {
  readonly blocksDir: string
  /** Names the write-ahead log whose batch ids the blocks may refer to. */
  readonly epoch: string
  readonly cache: TableCache
  readonly retentionMs: number
  readonly maxBytes: number
  log(level: 'info' | 'warn' | 'error', message: string): void
}
