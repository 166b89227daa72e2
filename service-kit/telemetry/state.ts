/** What the part loaded by --import and the service share: they meet in this module, and nowhere else. */

import type { Span } from '@opentelemetry/api'

/** OpenTelemetry's signals that are exported; metrics are scraped. */
export type Signal = 'traces' | 'logs'
/** Label `reason` of telemetry_dropped_total. */
export type DropReason = 'queue_full' | 'export_failed' | 'shutdown'

/** Counts of one signal's queue since the start; read by the metrics at each scrape. */
export interface QueueCounts {
  size: number
  capacity: number
  exported: number
  /** OTLP bytes of these, before compression; absent where they go elsewhere. */
  exportedBytes?: number
  dropped: Record<DropReason, number>
}

/** A log record that its sender keeps until the backend has it. Times are microseconds since 1970. */
export interface KeptRecord {
  eventName: string
  time: number
  observedTime: number
  traceId: string | null
  body: string
  attributes: Record<string, string | number>
}

/** Resolves when the backend has taken all of them, rejects when it has not: then all of them are to be sent again. */
export type Deliver = (records: readonly KeptRecord[]) => Promise<void>

/** The telemetry of this process, started or not. */
export interface TelemetryState {
  queues: Map<Signal, QueueCounts>
  /** Called after each export with its duration in seconds. */
  onExport: ((signal: Signal, seconds: number) => void) | undefined
  /** Paths of the routes that machines ask every few seconds, added with the routes; they make no trace of their own. */
  probes: Set<string>
  /** Paths of requests that make no span because a sampling rule leaves them out; undefined without such a rule. */
  untraced: RegExp | undefined
  /** The share of traces that the backend keeps, where it doesn't keep all: TRACES_SAMPLE. */
  tracesSample: number | undefined
  /** True when log lines go to OpenTelemetry too. */
  logsWanted: boolean
  /**
   * True when there are to be no spans: the caller's context is passed on all the same, and their client puts it on outgoing
   * requests, since no instrumentation does.
   */
  onlyPassesOn: boolean
  /** The statement that is being handed to pg, which is told its span here; undefined where none of ours is. */
  statement: { span: Span | undefined } | undefined
  /** Sends records past the queue; undefined where log records are exported nowhere. */
  deliver: Deliver | undefined
  /** What is to be said as soon as there is a log. */
  untold: (() => void)[]
  /** Flushes and ends the SDK; nothing while it was not started. */
  shutdown: () => Promise<void>
}

/** Before the start, and in a process without telemetry: no queues, no logs, nothing to shut down. */
export const telemetry: TelemetryState = {
  queues: new Map(),
  onExport: undefined,
  probes: new Set(),
  untraced: undefined,
  tracesSample: undefined,
  logsWanted: false,
  onlyPassesOn: false,
  statement: undefined,
  deliver: undefined,
  untold: [],
  shutdown: async () => {},
}
