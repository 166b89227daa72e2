/** What queries answer, before any wire format. */
import type { Scalar, TimeRange } from './span-table.ts'

export interface SearchOptions {
  /** Traces that overlap it. */
  readonly range?: TimeRange
  /** Traces to return; 20 when absent. */
  readonly limit?: number
  /** Spans to return per spanset; 3 when absent, 0 for all. */
  readonly spansPerSpanset?: number
}

export interface MetricsOptions {
  /** Spans that start in it. Both ends are needed. */
  readonly range: { readonly startNs: bigint; readonly endNs: bigint }
  /** Length of an interval; absent: a 240th of the range, at least a second. */
  readonly stepNs?: bigint
  /** Exemplars per query; absent or 0 means none. */
  readonly exemplars?: number
  /** Instant queries: enough is known with so many series; the counts of those that are there may then be too low. */
  readonly maxSeries?: number
}

/** A value with its TraceQL type. `duration` is nanoseconds; `status` and `kind` carry their word ("error", "server"). */
export interface TypedValue {
  readonly type: 'string' | 'int' | 'float' | 'bool' | 'array' | 'floats' | 'duration' | 'status' | 'kind' | 'nil'
  readonly value: Scalar | readonly Scalar[] | null
}

export interface NamedValue {
  readonly key: string
  readonly value: TypedValue
}

export interface SpanMatch {
  /** 16 lower-case hex characters. */
  readonly spanId: string
  /** Only when the query asked for the span's name; '' otherwise. */
  readonly name: string
  readonly startNs: bigint
  readonly durationNs: number
  /** Values of the fields that the query names. */
  readonly attributes: readonly NamedValue[]
}

export interface SpanSet {
  /** At most `spansPerSpanset`, earliest first. */
  readonly spans: readonly SpanMatch[]
  /** How many spans matched in all. */
  readonly matched: number
  /** What `by(...)` and aggregates left: `by(name)`, `count()`. */
  readonly attributes: readonly NamedValue[]
}

export interface TraceResult {
  /** 32 lower-case hex characters, leading zeros kept. */
  readonly traceId: string
  /** The root span's service and name; without a root `<root span not yet received>` and ''. */
  readonly rootServiceName: string
  readonly rootTraceName: string
  readonly startNs: bigint
  readonly durationMs: number
  readonly spanSets: readonly SpanSet[]
  readonly serviceStats: Readonly<Record<string, { readonly spanCount: number; readonly errorCount: number }>>
}

export interface Sample {
  /** Milliseconds since the Unix epoch: the end of the interval. */
  readonly timestampMs: number
  readonly value: number
}

export interface Exemplar extends Sample {
  readonly labels: readonly NamedValue[]
}

export interface Series {
  readonly labels: readonly NamedValue[]
  /** The labels in Prometheus notation, for display and as an identity. */
  readonly promLabels: string
  readonly samples: readonly Sample[]
  readonly exemplars: readonly Exemplar[]
}

/** One series of an instant query. */
export interface InstantSeries {
  readonly labels: readonly NamedValue[]
  readonly promLabels: string
  readonly value: number
}
