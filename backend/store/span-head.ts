/**
 * Worker thread. The head: spans that are in no block yet, by trace.
 *
 * A trace leaves the head for a block when it has been quiet for a while, so almost every trace ends up in one block. A
 * head that grows too large or too old lets go of traces before that, those that were quiet longest first.
 */
import type { SpanRecord } from '../otlp/traces.ts'
import { toBigInt } from '../otlp/wire.ts'
import { BLOCK_ROWS } from './catalog.ts'
import { MAX_COLUMNS } from './columns.ts'
import { pickTraces } from './pick-traces.ts'
import type { Batch } from './signal-store.ts'
import { type HeadTrace, SpanBuilder } from './span-builder.ts'
import type { StoredSpans } from './stored-spans.ts'

export interface SpanHead {
  rows(): number
  /** Grows with every span; 0 while the head is empty. */
  version(): number
  /** Takes over a span of this batch; gives the trace it belongs to. */
  append(span: SpanRecord, batch: Batch): HeadTrace
  /** Ids of the traces here, as raw characters. */
  ids(): Iterable<string>
  /** All spans here, each trace whole; undefined when there are none. */
  table(): StoredSpans | undefined
  /** Ids of the traces that are to become a block now; undefined when that can wait. */
  due(nowMs: number): ReadonlySet<string> | undefined
  /** Hands traces over to `take` as one table, and forgets them. When `take` throws, they stay. */
  handOver(ids: ReadonlySet<string>, take: (table: StoredSpans) => void): void
  /** The first batch that any span here came in; Infinity when there is none. */
  lowestBatch(): number
}

const MAX_ROWS = 60_000
/** Few large spans fill a head as well as many small ones. */
const MAX_BYTES = 64 << 20
/** SDKs send every 5 s: a trace without news for longer is taken to be complete. */
const QUIET_MS = 10_000
const MAX_AGE_MS = 15 * 60_000

/** An empty head. */
export function createSpanHead(): SpanHead {
  let builder: SpanBuilder | undefined
  let frozen: { version: number; table: StoredSpans } | undefined
  /** When the oldest span here came in. */
  let oldestMs = Number.POSITIVE_INFINITY

  function table(): StoredSpans | undefined {
    if (builder === undefined || builder.rows === 0) return undefined
    if (frozen?.version !== builder.version) frozen = { version: builder.version, table: builder.freeze() }
    return frozen.table
  }

  function due(nowMs: number): ReadonlySet<string> | undefined {
    if (builder === undefined || builder.rows === 0) return undefined
    const quiet = [...builder.traces.values()].filter((trace) => trace.lastSeen <= nowMs - QUIET_MS)
    const quietRows = quiet.reduce((sum, trace) => sum + trace.rows, 0)
    const tooLarge = builder.bytes + builder.ownerBytes >= MAX_BYTES || builder.columns >= MAX_COLUMNS
    const full = builder.rows >= MAX_ROWS || tooLarge
    const old = nowMs - oldestMs > MAX_AGE_MS
    if (quietRows >= BLOCK_ROWS || (old && quietRows > 0)) return new Set(quiet.map((trace) => trace.id))
    if (full || old) return longestQuiet(builder, full ? (builder.rows * 2) / 3 : builder.rows)
    return undefined
  }

  function handOver(ids: ReadonlySet<string>, take: (table: StoredSpans) => void): void {
    const before = builder!
    const whole = table()!
    const leaving: number[] = []
    const staying: number[] = []
    for (let t = 0; t < whole.traces; t++) (ids.has(rawId(whole, t)) ? leaving : staying).push(t)
    take(pickTraces(whole, leaving))
    const rest = new SpanBuilder(whole.baseNs)
    rest.appendTraces(whole, staying, (id) => before.traces.get(id))
    rest.bytes = before.bytes * (rest.rows / before.rows)
    builder = staying.length > 0 ? rest : undefined
    frozen = undefined
    oldestMs = [...rest.traces.values()].reduce(
      (min, trace) => Math.min(min, trace.firstSeen),
      Number.POSITIVE_INFINITY,
    )
  }

  return {
    rows: () => builder?.rows ?? 0,
    version: () => builder?.version ?? 0,
    append(span, batch) {
      builder ??= new SpanBuilder(baseFor(toBigInt(span.startHi, span.startLo), batch.receivedMs))
      oldestMs = Math.min(oldestMs, batch.receivedMs)
      return builder.append(span, batch.id, batch.receivedMs)
    },
    ids: () => builder?.traces.keys() ?? [],
    table,
    due,
    handOver,
    lowestBatch: () => builder?.lowestBatch() ?? Number.POSITIVE_INFINITY,
  }
}

/** A trace's id as raw characters: a cheap key. */
export const rawId = (table: StoredSpans, trace: number) =>
  table.traceIds.toString('latin1', trace * 16, trace * 16 + 16)

function longestQuiet(from: SpanBuilder, rows: number): Set<string> {
  const chosen = new Set<string>()
  let sum = 0
  for (const trace of [...from.traces.values()].sort((a, b) => a.lastSeen - b.lastSeen)) {
    if (sum >= rows) break
    sum += trace.rows
    chosen.add(trace.id)
  }
  return chosen
}

const YEAR_2000_NS = 946_684_800_000_000_000n

/** Old spans may be sent years later, all at once; a start before 2000 is a clock's that was never set. */
const baseFor = (startNs: bigint, receivedMs: number) =>
  startNs < YEAR_2000_NS ? BigInt(receivedMs) * 1_000_000n : startNs
