/**
 * What LogQL needs from a store, declared here so that the language depends on no store.
 *
 * A `LogTable` is a batch of log lines in columns, ordered by time. Lines are one UTF-8 buffer, so that a line filter
 * is a byte search over all of it and only lines that pass are ever decoded.
 */
import type { KeptAnswers } from '../language/kept-answers.ts'

export type Labels = Readonly<Record<string, string>>

/** Row `i` has `values[codes[i]]`; code 0 means "absent" (values[0] is ''). */
export interface LogColumn {
  readonly codes: Uint8Array | Uint16Array | Uint32Array
  readonly values: readonly string[]
}

export interface LogTable {
  /** Set: a table of the same identity holds the same lines, whenever it comes; what was worked out of one may be kept. */
  readonly identity?: string | undefined
  /** Times of the first and the last line, where there is an identity. */
  readonly minNs?: bigint
  readonly maxNs?: bigint
  /** Whatever has a value per row may be read when it is first asked for. */
  readonly rows: number
  /** Time = `baseNs + timeOffset[row]` (nanoseconds since the epoch), ascending. */
  readonly baseNs: bigint
  readonly timeOffset: Float64Array
  /** Stream labels by ordinal, and each row's stream. */
  readonly streams: readonly Labels[]
  readonly stream: Uint16Array | Uint32Array
  /** All lines, concatenated; row `i` is `text.subarray(i ? end[i - 1] : 0, end[i])`. */
  readonly text: Buffer
  readonly end: Uint32Array
  /** Structured metadata, e.g. trace_id, span_id, request_id, severity_text. Names already follow Loki's rules. */
  metadata(name: string): LogColumn | undefined
  metadataNames(): readonly string[]
  /** What can be told of metadata for far less than reading it; undefined where nothing can. */
  outline?(name: string, value: string): Outline | undefined
  /** Whether a line may contain the text: false is certain, and costs far less than reading the lines does. */
  mayContain?(text: string): boolean
}

export interface Outline {
  /** Certainly no row has the value. */
  readonly without: boolean
  /** Every row has a value of this name. */
  readonly everywhere: boolean
}

export interface LogTimeRange {
  /** Inclusive start, exclusive end, nanoseconds since the epoch. */
  readonly startNs: bigint
  readonly endNs: bigint
}

export interface LogSource {
  /** Tables overlapping the range, in time order of their first line (or its reverse for `backward`). Tables may overlap. */
  tables(range: LogTimeRange, direction: 'forward' | 'backward'): Iterable<LogTable>
  /** Where what was worked out of tables with an identity is kept. */
  readonly answers?: KeptAnswers | undefined
}
