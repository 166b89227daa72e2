/** What the part loaded by --import and the service share: they meet in this module, and nowhere else. */

export type Signal = 'traces' | 'logs'
export type DropReason = 'queue_full' | 'export_failed' | 'shutdown'

/** Counts of one signal's queue since the start; read by the metrics at each scrape. */
export interface QueueCounts {
  size: number
  capacity: number
  exported: number
  dropped: Record<DropReason, number>
}

export interface TelemetryState {
  queues: Map<Signal, QueueCounts>
  /** Called after each export with its duration in seconds. */
  onExport: ((signal: Signal, seconds: number) => void) | undefined
  /** Paths of the routes that machines ask every few seconds, added with the routes; they make no trace of their own. */
  probes: Set<string>
  /** True when log lines go to OpenTelemetry too. */
  logsWanted: boolean
  shutdown: () => Promise<void>
}

export const telemetry: TelemetryState = {
  queues: new Map(),
  onExport: undefined,
  probes: new Set(),
  logsWanted: false,
  shutdown: async () => {},
}
