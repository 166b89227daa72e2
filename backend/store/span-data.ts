/** What the store knows of a table beyond what TraceQL asks: enough to give back OTLP, to join and to write a block. */
import type { OwnerRecord } from '../otlp/traces.ts'
import type { EventTable, LinkTable, SpanTable } from '../query/traceql/span-table.ts'
import type { StoredColumn } from './columns.ts'

export interface StoredEvents extends EventTable {
  readonly name: StoredColumn
  column(name: string): StoredColumn | undefined
  /** OTLP fields that queries don't see: `dropped`. */
  meta(name: string): StoredColumn | undefined
  metaNames(): readonly string[]
}

export interface StoredLinks extends LinkTable {
  readonly traceId: StoredColumn
  readonly spanId: StoredColumn
  column(name: string): StoredColumn | undefined
  /** `traceState`, `flags`, `dropped`. */
  meta(name: string): StoredColumn | undefined
  metaNames(): readonly string[]
}

export interface StoredSpans extends SpanTable {
  /** 16 bytes per trace, 8 per span. */
  readonly traceIds: Buffer
  readonly spanIds: Buffer
  /** 8 bytes per span: the parent's id as it was sent, zero for a root. */
  readonly parentIds: Buffer
  readonly name: StoredColumn
  readonly statusMessage: StoredColumn
  readonly resources: readonly OwnerRecord[]
  readonly resourceOf: Uint32Array
  readonly scopes: readonly OwnerRecord[]
  readonly scopeOf: Uint32Array
  readonly events: StoredEvents
  readonly links: StoredLinks
  column(scope: 'resource' | 'span' | 'instrumentation', name: string): StoredColumn | undefined
  /** `traceState`, `flags`, `droppedAttributes`, `droppedEvents`, `droppedLinks`. */
  meta(name: string): StoredColumn | undefined
  metaNames(): readonly string[]
  /** Bounds in nanoseconds since the epoch: earliest start, latest end. */
  readonly minNs: bigint
  readonly maxNs: bigint
  /** For tables made from the write-ahead log: the batch each span came in. */
  readonly batchOf: Float64Array | undefined
}
