import type { LogSource } from '../logql/index.ts'

/** What the routes of Loki's API work with. */
export interface LokiContext {
  readonly logs: LogSource
  /** The current time in nanoseconds since the epoch; defaults reckon from it. */
  nowNs(): bigint
  /** How long one query may run, in milliseconds. */
  readonly timeoutMs: number
  /** How long lines are kept, in milliseconds; undefined where nobody says. */
  readonly retentionMs?: number | undefined
}
