/**
 * Worker thread. The head: spans that are in no block yet, by trace.
 *
 * A trace leaves the head for a block when it has been quiet for a while, so almost every trace ends up in one block. A
 * head that grows too large or too old lets go of traces before that, those that were quiet longest first.
 *
 * Where only a share of the traces is kept, queries see those alone that are, and the others leave for nowhere.
 */
import type { SpanRecord } from '../otlp/traces.ts'
import { toBigInt } from '../otlp/wire.ts'
import { BLOCK_ROWS } from './catalog.ts'
import { MAX_COLUMNS } from './columns.ts'
import { giveUpSpareBytes } from './growing.ts'
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
  /** The trace is one of those that are kept. */
  keep(trace: HeadTrace): void
  /** The spans here that are kept, each trace whole; undefined when there are none. */
  table(): StoredSpans | undefined
  /** Ids of the traces that are to leave now; undefined when that can wait. */
  due(nowMs: number): ReadonlySet<string> | undefined
  /**
   * Hands traces over to `take` as one table, those that are kept, and forgets them all; `leaveOut` is told of the others. When
   * `take` throws, they stay.
   */
  handOver(ids: ReadonlySet<string>, take: (table: StoredSpans) => void, leaveOut?: (trace: HeadTrace) => void): void
  /** The first batch that any span here came in; Infinity when there is none. */
  lowestBatch(): number
}

const MAX_ROWS = 60_000
/** Few large spans fill a head as well as many small ones. */
const MAX_BYTES = 64 << 20
/** SDKs send every 5 s: a trace without news for longer is taken to be complete. */
const QUIET_MS = 10_000
const MAX_AGE_MS = 15 * 60_000

/** Where a share is kept: traces to leave out are let go of when they have so many spans, or after so long. */
const LEFT_OUT_ROWS = 10_000
const LEAVE_OUT_EVERY_MS = 30_000
/** And what is kept becomes a block when so many have gone: the log keeps all of them until then. */
const MAX_LEFT_OUT_ROWS = 200_000

/** An empty head. `sampled`: only traces for which `keep` is called are kept. */
export function createSpanHead(sampled = false): SpanHead {
  let builder: SpanBuilder | undefined
  let frozen: { version: number; all: StoredSpans; kept: StoredSpans | undefined } | undefined
  /** When the oldest span here came in. */
  let oldestMs = Number.POSITIVE_INFINITY
  /** Spans that were left out since a block was made. */
  let leftOutRows = 0
  let leftOutMs = 0

  function freeze(): typeof frozen {
    if (builder === undefined || builder.rows === 0) return undefined
    if (frozen?.version !== builder.version) {
      const all = builder.freeze()
      frozen = { version: builder.version, all, kept: sampled ? picked(builder, all) : all }
    }
    return frozen
  }

  function due(nowMs: number): ReadonlySet<string> | undefined {
    if (builder === undefined || builder.rows === 0) return undefined
    const since = nowMs - QUIET_MS
    let quietRows = 0
    let leavingRows = 0
    for (const { lastSeen, kept, rows } of builder.traces.values()) {
      if (lastSeen > since) continue
      if (sampled && !kept) leavingRows += rows
      else quietRows += rows
    }
    const quiet = () => [...builder!.traces.values()].filter(({ lastSeen }) => lastSeen <= since)
    const tooLarge = builder.bytes + builder.ownerBytes >= MAX_BYTES || builder.columns >= MAX_COLUMNS
    const full = builder.rows >= MAX_ROWS || tooLarge
    const old = nowMs - oldestMs > MAX_AGE_MS || leftOutRows >= MAX_LEFT_OUT_ROWS
    if (quietRows >= BLOCK_ROWS || (old && quietRows > 0)) return ids(quiet())
    const byTime = nowMs - leftOutMs > LEAVE_OUT_EVERY_MS
    if (leavingRows >= LEFT_OUT_ROWS || ((full || old || byTime) && leavingRows > 0)) {
      leftOutMs = nowMs
      return ids(quiet().filter(({ kept }) => !kept))
    }
    if (full || old) return longestQuiet(builder, full ? (builder.rows * 2) / 3 : builder.rows)
    return undefined
  }

  function handOver(
    leavingIds: ReadonlySet<string>,
    take: (table: StoredSpans) => void,
    leaveOut: (trace: HeadTrace) => void = () => {},
  ): void {
    const before = builder!
    const whole = freeze()!.all
    const leaving: number[] = []
    const staying: number[] = []
    const leftOut: HeadTrace[] = []
    for (let t = 0; t < whole.traces; t++) {
      const id = rawId(whole, t)
      const trace = before.traces.get(id)!
      if (!leavingIds.has(id)) staying.push(t)
      else if (sampled && !trace.kept) leftOut.push(trace)
      else leaving.push(t)
    }
    if (leaving.length > 0) {
      take(pickTraces(whole, leaving))
      leftOutRows = 0
    }
    for (const trace of leftOut) leaveOut(trace)
    leftOutRows += rowsOf(leftOut)
    const rest = new SpanBuilder(whole.baseNs)
    rest.appendTraces(whole, staying, (id) => before.traces.get(id))
    rest.bytes = before.bytes * (rest.rows / before.rows)
    builder = staying.length > 0 ? rest : undefined
    frozen = undefined
    before.release()
    if (builder === undefined) giveUpSpareBytes()
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
    keep(trace) {
      trace.kept = true
      // Its table is another one now.
      if (builder !== undefined) builder.version++
    },
    ids: () => builder?.traces.keys() ?? [],
    table: () => freeze()?.kept,
    due,
    handOver,
    lowestBatch: () => builder?.lowestBatch() ?? Number.POSITIVE_INFINITY,
  }
}

/** A trace's id as raw characters: a cheap key. */
const rawId = (table: StoredSpans, trace: number) => table.traceIds.toString('latin1', trace * 16, trace * 16 + 16)

const ids = (traces: readonly HeadTrace[]) => new Set(traces.map(({ id }) => id))
const rowsOf = (traces: readonly HeadTrace[]) => traces.reduce((sum, { rows }) => sum + rows, 0)

/** The traces that are kept; undefined where none is. */
function picked({ traces }: SpanBuilder, all: StoredSpans): StoredSpans | undefined {
  const kept: number[] = []
  for (let t = 0; t < all.traces; t++) if (traces.get(rawId(all, t))!.kept) kept.push(t)
  return kept.length === 0 ? undefined : pickTraces(all, kept)
}

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
