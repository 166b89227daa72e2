/**
 * Worker thread. Traces that lie in several places: in the head and in blocks, or in more than one block. They are joined
 * from their parts, so that every trace is served whole and once.
 */
import type { Block } from './catalog.ts'
import type { IndexedBlocks } from './indexed-blocks.ts'
import { pickTraces } from './pick-traces.ts'
import { type HeadTrace, SpanBuilder } from './span-builder.ts'
import { rawId, type SpanHead } from './span-head.ts'
import type { StoredSpans } from './stored-spans.ts'
import { traceKey } from './trace-index.ts'

export interface SharedTraces {
  /** A trace has got its first span in the head: blocks may have parts of it already. */
  began(trace: HeadTrace): void
  /** Blocks, besides the one that is being written, with parts of a trace that leaves the head; by the trace's key. */
  elsewhere(leaving: ReadonlySet<string>): (key: number) => readonly number[]
  /** These traces have left the head. */
  left(ids: ReadonlySet<string>): void
  /** Two blocks have become one. */
  merged(pair: readonly Block[]): void
  /** Asks the index anew about every trace of the head. */
  refresh(): void
  /** The head's table without its shared traces. */
  withoutShared(head: StoredSpans): StoredSpans
  /** The same for tables of blocks; to be asked for once per query. */
  withoutSharedOfBlocks(): (table: StoredSpans) => StoredSpans
  /** The shared traces with parts in the chosen blocks, or in the head where that is asked for: whole, in tables of their own. */
  tables(withHead: boolean, chosen: readonly Block[]): Iterable<StoredSpans>
  /** Every span of one trace, joined; undefined when there is none. `idHex` is 32 lower-case hex characters. */
  trace(idHex: string): StoredSpans | undefined
}

export interface SharedTracesDeps {
  readonly head: SpanHead
  readonly blocks: IndexedBlocks
  /** Traces are joined in memory, up to so many spans at once. */
  readonly maxJoinedRows: number
  log(level: 'warn', message: string): void
}

const JOIN_AT_ONCE = 1000

export function createSharedTraces({ head, blocks, maxJoinedRows, log }: SharedTracesDeps): SharedTraces {
  /** Traces of the head that blocks have parts of: id in the head -> blocks. */
  let ofHead = new Map<string, number[]>()
  let joined: { key: string; table: StoredSpans } | undefined

  function look(id: string): void {
    const found = blocks.blocksOf(keyOf(id))
    if (found.length > 0) ofHead.set(id, found)
  }

  function withoutSharedOfBlocks(): (table: StoredSpans) => StoredSpans {
    const shared = blocks.shared()
    const inHead = new Set([...ofHead.keys()].map(keyOf))
    if (shared.size === 0 && inHead.size === 0) return (table) => table
    return (table) =>
      without(table, (t) => {
        const key = traceKey(table.traceIds, t * 16)
        return inHead.has(key) || shared.has(key)
      })
  }

  function* tables(withHead: boolean, chosen: readonly Block[]): Generator<StoredSpans> {
    if (blocks.shared().size === 0 && ofHead.size === 0) return
    const key = `${withHead}/${head.version()}/${blocks.version()}/${chosen.map((block) => block.number).join()}`
    if (joined?.key === key) {
      yield joined.table
      return
    }
    // More than one table of them is made anew for each query: to keep them all would know no bound.
    const keys = [...touched(withHead, chosen)]
    for (let from = 0; from < keys.length; from += JOIN_AT_ONCE) {
      for (const { table, traces } of join(keys.slice(from, from + JOIN_AT_ONCE))) {
        if (traces === keys.length) joined = { key, table }
        yield table
      }
    }
  }

  /** Keys of the shared traces with a part in one of these places. */
  function touched(withHead: boolean, chosen: readonly Block[]): Set<number> {
    const wanted = new Set<number>()
    const inRange = new Set(chosen.map((block) => block.number))
    for (const [key, numbers] of blocks.shared()) {
      if ([...numbers].some((number) => inRange.has(number))) wanted.add(key)
    }
    for (const [id, numbers] of ofHead) {
      if (withHead || numbers.some((number) => inRange.has(number))) wanted.add(keyOf(id))
    }
    return wanted
  }

  /** As few tables as hold these traces: half of them goes into each when they are too many spans for one. */
  function* join(keys: readonly number[]): Generator<{ table: StoredSpans; traces: number }> {
    const parts = partsOf(keys)
    const rows = parts.reduce((sum, part) => sum + part.rows, 0)
    if (rows > maxJoinedRows && keys.length > 1) {
      const half = keys.length >> 1
      yield* join(keys.slice(0, half))
      yield* join(keys.slice(half))
      return
    }
    let builder: SpanBuilder | undefined
    for (const part of parts) {
      const table = part.table()
      builder ??= new SpanBuilder(table.baseNs)
      appendWithin(builder, table, part.traces)
    }
    if (builder !== undefined && builder.rows > 0) yield { table: builder.freeze(), traces: keys.length }
  }

  /** Where these traces' spans lie. Tables are left to the cache: all of them at once may not fit into memory. */
  function partsOf(keys: readonly number[]): { table: () => StoredSpans; traces: number[]; rows: number }[] {
    const wanted = new Set(keys)
    const holders = [...new Set(keys.flatMap(blocks.blocksOf))].map((number) => blocks.blocks.get(number))
    const sources = holders.flatMap((block) => (block === undefined ? [] : [() => blocks.table(block)]))
    const inHead = head.table()
    if (inHead !== undefined) sources.push(() => inHead)
    return sources.map((table) => {
      const found = table()
      const traces = tracesOf(found, wanted)
      const rows = traces.reduce((sum, t) => sum + rowsOf(found, t), 0)
      return { table, traces, rows }
    })
  }

  function appendWithin(builder: SpanBuilder, table: StoredSpans, traces: readonly number[]): void {
    let rows = builder.rows
    const fitting: number[] = []
    for (const t of traces) {
      const size = rowsOf(table, t)
      if (rows + size > maxJoinedRows) {
        log('warn', `Trace ${table.traceId(t)} is served in part: it would take more than ${maxJoinedRows} spans.`)
        continue
      }
      rows += size
      fitting.push(t)
    }
    builder.appendTraces(table, fitting)
  }

  function trace(idHex: string): StoredSpans | undefined {
    const id = Buffer.from(idHex, 'hex')
    let builder: SpanBuilder | undefined
    const take = (table: StoredSpans) => {
      const ordinal = ordinalOf(table, id)
      if (ordinal < 0) return
      builder ??= new SpanBuilder(table.baseNs)
      appendWithin(builder, table, [ordinal])
    }
    for (const number of blocks.blocksToSearch(traceKey(id, 0))) {
      const block = blocks.blocks.get(number)
      if (block !== undefined) take(blocks.table(block))
    }
    const inHead = head.table()
    if (inHead !== undefined) take(inHead)
    return builder?.freeze()
  }

  return {
    began: (trace) => look(trace.id),
    elsewhere(leaving) {
      // The head knows which of its traces other blocks have parts of: the index needn't be asked again for each.
      const known = new Map<number, readonly number[]>()
      for (const [id, numbers] of ofHead) if (leaving.has(id)) known.set(keyOf(id), numbers)
      return (key) => known.get(key) ?? []
    },
    left(ids) {
      ofHead = new Map([...ofHead].filter(([id]) => !ids.has(id)))
    },
    merged(pair) {
      for (const [id, numbers] of ofHead) {
        if (pair.some((block) => numbers.includes(block.number))) ofHead.set(id, blocks.blocksOf(keyOf(id)))
      }
    },
    refresh() {
      ofHead = new Map()
      for (const id of head.ids()) look(id)
    },
    withoutShared: (table) => without(table, (t) => ofHead.has(rawId(table, t))),
    withoutSharedOfBlocks,
    tables,
    trace,
  }
}

const keyOf = (id: string) => traceKey(Buffer.from(id, 'latin1'), 0)

const rowsOf = (table: StoredSpans, trace: number) => table.traceStart[trace + 1]! - table.traceStart[trace]!

function ordinalOf(table: StoredSpans, id: Buffer): number {
  for (let at = table.traceIds.indexOf(id); at >= 0; at = table.traceIds.indexOf(id, at + 1)) {
    if (at % 16 === 0) return at / 16
  }
  return -1
}

function tracesOf(table: StoredSpans, keys: ReadonlySet<number>): number[] {
  const found: number[] = []
  for (let t = 0; t < table.traces; t++) if (keys.has(traceKey(table.traceIds, t * 16))) found.push(t)
  return found
}

/** The table itself when nothing is left out, else a copy of the rest. */
function without(table: StoredSpans, left: (trace: number) => boolean): StoredSpans {
  const kept: number[] = []
  for (let t = 0; t < table.traces; t++) if (!left(t)) kept.push(t)
  return kept.length === table.traces ? table : pickTraces(table, kept)
}
