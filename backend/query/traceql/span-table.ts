/**
 * What TraceQL needs from a store, declared here so that the language depends on no store and any store can serve it.
 *
 * A `SpanTable` is a batch of spans in columns. Every trace in it is whole (a store that holds one trace in several
 * places joins the pieces first), so trace-level questions (`>>`, `count()`, `rootServiceName`) need one table only.
 * Columns are dictionaries: a predicate runs once per distinct value, then rows are matched by code.
 */

import type { AttributeValue } from '../../otlp/values.ts'
import type { KeptAnswers } from '../language/kept-answers.ts'

export type { AttributeValue, Scalar } from '../../otlp/values.ts'
/** Tells `int` and `float` apart, which are one type in JavaScript. `floats` is an array of floats only. */
export type ValueType = 'string' | 'int' | 'float' | 'bool' | 'array' | 'floats'

/**
 * Dictionary column: row `i` has the value `values[codes[i]]`; code 0 always means "absent". Columns of a table may share an
 * array of codes, and then have as many values.
 */
export interface Column {
  /** May be read when it is first asked for: ask for it once, and only where the values don't tell enough. */
  readonly codes: Uint8Array | Uint16Array | Uint32Array
  /** Distinct values; index 0 is a placeholder for absent and never compared. */
  readonly values: readonly (AttributeValue | undefined)[]
  /** OTLP type of `values[i]`, same length. */
  readonly types: readonly ValueType[]
}

/** Events or links of the table's spans, in span order. `span[i]` is the row of the owning span. */
export interface ChildTable {
  readonly rows: number
  readonly span: Uint32Array
  column(name: string): Column | undefined
  columnNames(): readonly string[]
}

export interface EventTable extends ChildTable {
  readonly name: Column
  /** Nanoseconds since the owning span's start. */
  readonly timeSinceStart: Float64Array
}

export interface LinkTable extends ChildTable {
  /** Linked trace and span ids, lower-case hex. */
  readonly traceId: Column
  readonly spanId: Column
}

export interface SpanTable {
  /** Set: a table of the same identity holds the same spans, whenever it comes; what was worked out of one may be kept. */
  readonly identity?: string | undefined
  /** Bounds in nanoseconds since the epoch: earliest start, latest end. */
  readonly minNs?: bigint
  readonly maxNs?: bigint
  /** Whatever has a value per row may be read when it is first asked for. */
  readonly rows: number
  readonly traces: number
  /** Rows of one trace are contiguous: trace `t` owns rows `traceStart[t] .. traceStart[t + 1] - 1`; length traces + 1. */
  readonly traceStart: Uint32Array
  /** Row of the parent span, -1 where there is none or it was never received. Always within the same trace. */
  readonly parent: Int32Array
  /** Start = `baseNs + startOffset[row]`, both exact; offsets and durations in nanoseconds. */
  readonly baseNs: bigint
  readonly startOffset: Float64Array
  readonly duration: Float64Array
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer (OTLP). */
  readonly kind: Uint8Array
  /** 0 unset, 1 ok, 2 error (OTLP). */
  readonly status: Uint8Array
  readonly name: Column
  readonly statusMessage: Column
  readonly instrumentationName: Column
  readonly instrumentationVersion: Column
  /** Lower-case hex: 32 characters per trace, 16 per span; parentSpanId is '' for a root. */
  traceId(trace: number): string
  spanId(row: number): string
  parentSpanId(row: number): string
  /** One value per span row (resource and instrumentation attributes are repeated by code). */
  column(scope: 'resource' | 'span' | 'instrumentation', name: string): Column | undefined
  columnNames(scope: 'resource' | 'span' | 'instrumentation'): readonly string[]
  /**
   * Whether a span may have this value as the attribute `name` of its own, or an array with it: false is certain, and costs far
   * less than the column does.
   */
  mayHold?(name: string, value: string | number): boolean
  readonly events: EventTable
  readonly links: LinkTable
}

/** Half-open time range in nanoseconds since the Unix epoch; undefined = unbounded. */
export interface TimeRange {
  readonly startNs?: bigint | undefined
  readonly endNs?: bigint | undefined
}

/** What a query needs of a source. */
export interface Wanted extends TimeRange {
  /** Set: of these traces alone, by their ids in lower-case hex of 32 characters. */
  readonly traceIds?: readonly string[] | undefined
}

export type TableOrder = 'newest first' | 'as it suits'

export interface SpanSource {
  /**
   * Tables that hold every trace with at least one span overlapping the range, newest first; `as it suits`: those first that
   * are at hand, for who reads them all. In the same order time and again, a little more than what fits into memory
   * would be read anew each time. The range may become narrower meanwhile: what it leaves out by then needn't come. Where
   * `traceIds` are given, tables may lack all other traces.
   */
  tables(wanted: Wanted, order?: TableOrder): Iterable<SpanTable>
  /** Where what was worked out of tables with an identity is kept. */
  readonly answers?: KeptAnswers | undefined
}
