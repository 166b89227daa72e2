/** What bench/capacity/measure.ts found: costs of one POST, of being there, and points to hold the model against. */
import { readFileSync } from 'node:fs'

export const PARTS = [
  'gateway',
  'user-service',
  'order-service',
  'audit-service',
  'postgres',
  'telemetry-backend',
  'prometheus',
] as const
export type Part = (typeof PARTS)[number]

/** Tables that grow with each POST. */
export const TABLES = [
  'orders',
  'order_items',
  'outbox',
  'audit_logs',
  'audit_chain',
  'audit_unsealed',
  'audit_tiles',
] as const
type Table = (typeof TABLES)[number]

export interface Cost {
  /** Microseconds of CPU. */
  cpu_us: Record<Part, number>
  /** Of the three services; the gateway's comes on top. */
  spans: number
  log_records: number
  /** Bodies as the services send them, not compressed. */
  otlp_trace_bytes: number
  otlp_log_bytes: number
  access_log_bytes: number
  wal_bytes: number
  /** Of the whole server: those of sealer, tree, sweeper and gauges too. */
  commits: number
  /** Inserted. */
  rows: number
  /** Growth with indexes and TOAST. */
  table_bytes: Record<Table, number>
}

export interface Measured {
  /** YYYY-MM-DD. */
  taken: string
  machine: string
  versions: Record<string, string>
  requests: number
  clients: number
  /** Share of the machine that others used meanwhile. */
  foreign_share: number
  idle_cpu_ms_per_second: Record<Part, number>
  per_request: Cost
  /** Of the embedded backend's finished blocks; null when none was finished. */
  stored_bytes: { per_span: number | null; per_log_record: number | null }
  /** Active series by job. */
  series: Record<string, number>
  connections_seen: Record<string, number>
  /** Of a backlog, medians of the rounds and the least; in_tree counts from the first row to the last, the sealer beside it. */
  sealing: {
    rounds: number
    rows_each: number
    sealed_per_second: number
    sealed_per_second_least: number
    in_tree_per_second: number
    in_tree_per_second_least: number
    postgres_cpu_us_per_row: number
  }
  /** After audit-service was away, of one instance. */
  relay: { events: number; delivered_per_second: number }
  /** By the clock; their cpu_us holds what being there costs too. */
  checked: {
    rate: number
    seconds: number
    requests: number
    window_seconds: number
    foreign_share: number
    per_request: Cost
  }[]
}

export function readMeasured(file: string): Measured {
  return JSON.parse(readFileSync(file, 'utf8'))
}
