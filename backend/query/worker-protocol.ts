/** What the main thread and the query worker say to each other. */
import type { ApiRequest, ApiResponse } from '../http.ts'
import type { Signal } from '../store/wal.ts'

export interface WorkerSettings {
  readonly dataDir: string
  readonly epoch: string
  readonly retentionMs: Record<Signal, number>
  readonly maxBytes: Record<Signal, number>
  readonly cacheBytes: number
  readonly queryTimeoutMs: number
}

export type Api = 'tempo' | 'loki'

export type ToWorker =
  /** `query` is the query string: a URLSearchParams doesn't survive the way between threads. */
  | { kind: 'request'; id: number; api: Api; request: Omit<ApiRequest, 'query'> & { query: string } }
  /** There are new batches in the log. */
  | { kind: 'accepted' }
  | { kind: 'stop' }

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'response'; id: number; response: ApiResponse; seconds: number }
  /** Batches of `signal` below `below` are in blocks: they can leave the log. */
  | { kind: 'sealed'; signal: Signal; below: number }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string }
  | { kind: 'stats'; stats: StoreStats }
  | { kind: 'stopped' }

export interface SignalStats {
  readonly blocks: number
  readonly blockBytes: number
  readonly blockRows: number
  readonly headRows: number
  readonly damagedBlocks: number
}

export interface StoreStats {
  readonly traces: SignalStats
  readonly logs: SignalStats
  readonly cacheBytes: number
  /** Memory of the worker's JavaScript heap and of its buffers. */
  readonly heapBytes: number
  readonly bufferBytes: number
}
