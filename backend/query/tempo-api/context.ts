import type { Trace } from '@sightline/otlp-messages'
import type { SpanSource } from '../traceql/index.ts'

/** What the routes of Tempo's API work with. */
export interface TempoContext {
  readonly spans: SpanSource
  /** A trace with all its spans, by its 32 lower-case hex characters; undefined when there is none. */
  traceById(idHex: string): Trace | undefined
  /** The current time in nanoseconds since the epoch; defaults reckon from it. */
  nowNs(): bigint
}
