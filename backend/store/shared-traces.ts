/**
 * Worker thread. Traces that lie in several places: in the head and in blocks, or in more than one block. Tables are
 * served without them, and they in tables of their own, so that every trace comes whole and once.
 */
import type { Block } from './catalog.ts'
import type { IndexedBlocks } from './indexed-blocks.ts'
import { pickTraces } from './pick-traces.ts'
import type { HeadTrace } from './span-builder.ts'
import type { SpanHead } from './span-head.ts'
import type { StoredSpans } from './stored-spans.ts'
import { traceKey } from './trace-index.ts'
import type { TraceJoiner } from './trace-joiner.ts'

export interface SharedTraces {
  /** A trace has got its first span in the head: whether blocks have parts of it already. */
  began(trace: HeadTrace): boolean
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
  withoutSharedOfBlocks(): (block: Block) => StoredSpans
  /**
   * The shared traces with parts in the chosen blocks, or in the head where that is asked for: whole, in tables of
   * their own.
   */
  tables(withHead: boolean, chosen: readonly Block[]): Iterable<StoredSpans>
}

const JOIN_AT_ONCE = 1000
/** A block's table without more traces than these has no identity. */
const MAX_NAMED = 50

/** Nothing is shared between the head and blocks yet; what blocks share among them, their index knows. */
export function createSharedTraces(head: SpanHead, blocks: IndexedBlocks, { join }: TraceJoiner): SharedTraces {
  /** Traces of the head that blocks have parts of: id in the head -> blocks. */
  let ofHead = new Map<string, number[]>()
  /** Grows with every change of it. */
  let changes = 0
  let joined: { key: string; table: StoredSpans } | undefined
  let left: { key: string; ofBlock: ReadonlyMap<number, ReadonlySet<number>> } | undefined

  function look(id: string): boolean {
    const found = blocks.blocksOf(keyOf(id))
    if (found.length > 0) {
      ofHead.set(id, found)
      changes++
    }
    return found.length > 0
  }

  function withoutSharedOfBlocks(): (block: Block) => StoredSpans {
    const ofBlock = leftOut()
    return (block) => {
      const table = blocks.table(block)
      const keys = ofBlock.get(block.number)
      if (keys === undefined) return table
      const identity = keys.size <= MAX_NAMED ? `${block.number} without ${[...keys].join()}` : undefined
      return without(table, (t) => keys.has(traceKey(table.traceIds, t * 16)), identity)
    }
  }

  /** Keys of the shared traces, by the blocks that hold parts of them. */
  function leftOut(): ReadonlyMap<number, ReadonlySet<number>> {
    const key = `${blocks.version()}/${changes}`
    if (left?.key === key) return left.ofBlock
    const ofBlock = new Map<number, Set<number>>()
    const add = (number: number, trace: number) => {
      const keys = ofBlock.get(number)
      if (keys === undefined) ofBlock.set(number, new Set([trace]))
      else keys.add(trace)
    }
    for (const [trace, numbers] of blocks.shared()) for (const number of numbers) add(number, trace)
    for (const [id, numbers] of ofHead) for (const number of numbers) add(number, keyOf(id))
    left = { key, ofBlock }
    return ofBlock
  }

  function* tables(withHead: boolean, chosen: readonly Block[]): Generator<StoredSpans> {
    if (blocks.shared().size === 0 && ofHead.size === 0) return
    // The head begins to count anew when traces leave it, which may be for nowhere: then no block tells.
    const versions = `${head.version()}/${blocks.version()}/${changes}`
    const key = `${withHead}/${versions}/${chosen.map((block) => block.number).join()}`
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
      changes++
    },
    merged(pair) {
      changes++
      for (const [id, numbers] of ofHead) {
        if (pair.some((block) => numbers.includes(block.number))) ofHead.set(id, blocks.blocksOf(keyOf(id)))
      }
    },
    refresh() {
      ofHead = new Map()
      changes++
      for (const id of head.ids()) look(id)
    },
    withoutShared(table) {
      // By their keys, as they are joined: traces whose ids end alike share one.
      const keys = new Set([...ofHead.keys()].map(keyOf))
      return keys.size === 0 ? table : without(table, (t) => keys.has(traceKey(table.traceIds, t * 16)))
    },
    withoutSharedOfBlocks,
    tables,
  }
}

const keyOf = (id: string) => traceKey(Buffer.from(id, 'latin1'), 0)

/** The table itself when nothing is left out, else a copy of the rest. */
function without(table: StoredSpans, left: (trace: number) => boolean, identity?: string): StoredSpans {
  const kept: number[] = []
  for (let t = 0; t < table.traces; t++) if (!left(t)) kept.push(t)
  return kept.length === table.traces ? table : pickTraces(table, kept, identity)
}
