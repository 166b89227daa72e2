/** Both threads. What they say to each other. */
import type { ApiRequest, ApiResponse } from '../http.ts'
import type { Signal } from '../store/signal-store.ts'
import type { StoreSettings, StoreStats } from '../store/worker-store.ts'

export type Api = 'tempo' | 'loki'

export interface WorkerData {
  readonly settings: StoreSettings
  /** One 32-bit number: queries that were handed over and have not begun. */
  readonly unstarted: SharedArrayBuffer
  /** What queries that don't say when take for now, in milliseconds since 1970; the clock's unless told. */
  readonly nowMs?: number | undefined
}

export type ToWorker =
  /** `query` is the query string: a URLSearchParams doesn't survive the way between threads. */
  | { kind: 'request'; id: number; api: Api; request: Omit<ApiRequest, 'query'> & { query: string } }
  /** There are new batches in the log. */
  | { kind: 'accepted' }
  /** A good moment to give memory back. */
  | { kind: 'rest' }
  | { kind: 'stop' }

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'response'; id: number; response: ApiResponse; seconds: number }
  /** Batches of `signal` below `below` are in blocks: they can leave the log. */
  | { kind: 'sealed'; signal: Signal; below: number }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string }
  | { kind: 'stats'; stats: StoreStats }
  /** Traces, their ids as raw characters, that are kept for another reason than their share. */
  | { kind: 'kept'; traces: string[] }
  | { kind: 'stopped' }
