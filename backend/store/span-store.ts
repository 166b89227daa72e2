/**
 * Worker thread. The store of spans: one SpanSource whose traces are whole, made of
 *
 *   head              spans that are in no block yet
 *   blocks            sealed traces, a file each, with the index of which trace is where
 *   shared traces     what lies in several of these places
 *   joiner            makes such traces whole
 *   compaction        merges blocks that are small or share many traces
 *
 * What comes late makes its trace shared: tables are then served without the shared traces, and these in tables of
 * their own.
 */
import { readTraces } from '../otlp/traces.ts'
import type { SpanSource, TableOrder, TimeRange, Wanted } from '../query/traceql/span-table.ts'
import { createCompaction } from './compaction.ts'
import { type IndexedBlocks, openIndexedBlocks } from './indexed-blocks.ts'
import { createSharedTraces } from './shared-traces.ts'
import type { Batch, SignalStore, SignalStoreDeps } from './signal-store.ts'
import { createSpanHead } from './span-head.ts'
import type { StoredSpans } from './stored-spans.ts'
import { createTraceJoiner } from './trace-joiner.ts'
import type { TraceSampler } from './trace-sampler.ts'

/** What queries ask of the store. */
export interface StoredSpanSource extends SpanSource {
  tables(wanted: Wanted, order?: TableOrder): Iterable<StoredSpans>
  /** Every span of one trace, joined; undefined when there is none. `idHex` is 32 lower-case hex characters. */
  trace(idHex: string): StoredSpans | undefined
}

export interface SpanStore extends StoredSpanSource, SignalStore {}

export interface SpanStoreDeps extends SignalStoreDeps {
  /** Where the index lies. */
  readonly dir: string
  /** Traces that lie in several places are joined in memory, up to so many spans at once; 200,000 by default. */
  readonly maxJoinedRows?: number
  /** Says which traces are kept; all by default. */
  readonly sampler?: TraceSampler | undefined
}

const MAX_JOINED_ROWS = 200_000

/** Opens the blocks and the index in the folders of `deps`. Throws what the file system and SQLite throw. */
export function createSpanStore(deps: SpanStoreDeps): SpanStore {
  const { maxJoinedRows = MAX_JOINED_ROWS, log, sampler } = deps
  const head = createSpanHead(sampler !== undefined)
  const blocks = openIndexedBlocks(deps)
  const joiner = createTraceJoiner({ head, blocks, maxJoinedRows, log })
  const shared = createSharedTraces(head, blocks, joiner)
  const compact = createCompaction(blocks, shared.merged)
  /** During a replay: spans that the log still has although blocks have them. */
  let sealedBefore: Set<string> | undefined

  function add(batch: Batch, replay: boolean): void {
    if (replay) sealedBefore ??= sealedFrom(blocks, batch.id)
    else sealedBefore = undefined
    readTraces(batch.bytes, (span) => {
      if (sealedBefore?.has(spanKey(span.bytes, span.traceIdAt, span.bytes, span.spanIdAt, span.kind))) return
      if (sampler?.late(span)) return
      const trace = head.append(span, batch)
      const stored = trace.rows === 1 && shared.began(trace)
      if (sampler?.keeps(trace, span, stored) && !trace.kept) head.keep(trace)
    })
  }

  function seal(nowMs: number): boolean {
    const due = head.due(nowMs)
    if (due === undefined) return false
    head.handOver(due, (table) => blocks.write(table, shared.elsewhere(due)), sampler?.leaveOut)
    shared.left(due)
    return true
  }

  function* tables(range: Wanted, order: TableOrder = 'newest first'): Generator<StoredSpans> {
    if (range.traceIds !== undefined) {
      yield* byId(range.traceIds, range)
      return
    }
    const chosen = [...blocks.blocks.values()]
      .filter((block) => overlaps(block, range))
      .sort((a, b) => (a.maxNs < b.maxNs ? 1 : a.maxNs > b.maxNs ? -1 : b.number - a.number))
    const ofHead = head.table()
    const withHead = ofHead !== undefined && overlaps(ofHead, range)
    if (withHead) yield shared.withoutShared(ofHead)
    yield* shared.tables(withHead, chosen)
    const withoutShared = shared.withoutSharedOfBlocks()
    // A compaction can't come between: it runs in this thread, and queries are not interrupted.
    if (order === 'as it suits') chosen.sort((a, b) => Number(blocks.atHand(b)) - Number(blocks.atHand(a)))
    for (const block of chosen) if (overlaps(block, range)) yield withoutShared(block)
  }

  /** A table for each of these traces, newest first. */
  function byId(ids: readonly string[], range: TimeRange): StoredSpans[] {
    return ids
      .flatMap((id) => (/^[0-9a-f]{32}$/.test(id) ? (joiner.trace(id) ?? []) : []))
      .filter((table) => overlaps(table, range))
      .sort((a, b) => (a.maxNs < b.maxNs ? 1 : a.maxNs > b.maxNs ? -1 : 0))
  }

  return {
    add,
    seal,
    sealedBelow: (position) => Math.min(position + 1, head.lowestBatch()),
    tables,
    trace: joiner.trace,
    compact,
    setAside: blocks.setAside,
    forgetExpired(nowMs, most = Number.POSITIVE_INFINITY) {
      if (blocks.align()) shared.refresh()
      return blocks.expire(nowMs, most, blocks.remove)
    },
    stats: () => ({ ...blocks.stats(), headRows: head.rows() }),
    close: blocks.close,
  }
}

/** What the log may hold although it is sealed: the crash came between writing a block and trimming the log. */
function sealedFrom(blocks: IndexedBlocks, batch: number): Set<string> {
  const known = new Set<string>()
  for (const block of [...blocks.blocks.values()]) {
    if (blocks.walMax(block) < batch) continue
    blocks.guarded(block, () => {
      const table = blocks.table(block)
      for (let t = 0; t < table.traces; t++) {
        for (let row = table.traceStart[t]!; row < table.traceStart[t + 1]!; row++) {
          known.add(spanKey(table.traceIds, t * 16, table.spanIds, row * 8, table.kind[row]!))
        }
      }
    })
  }
  return known
}

const spanKey = (traces: Buffer, traceAt: number, spans: Buffer, spanAt: number, kind: number) =>
  traces.toString('latin1', traceAt, traceAt + 16) + spans.toString('latin1', spanAt, spanAt + 8) + kind

function overlaps(extent: { readonly minNs: bigint; readonly maxNs: bigint }, range: TimeRange): boolean {
  return (
    (range.startNs === undefined || extent.maxNs >= range.startNs) &&
    (range.endNs === undefined || extent.minNs < range.endNs)
  )
}
