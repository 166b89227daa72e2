/**
 * Worker thread. Merges blocks of spans: small ones that follow each other in time, and those that share so many traces
 * that one block in place of two spares every query the joining.
 */
import type { Block } from './catalog.ts'
import type { IndexedBlocks } from './indexed-blocks.ts'
import { SpanBuilder } from './span-builder.ts'

/** A merged block may be larger than a fresh one, within reason. */
const MAX_MERGED_ROWS = 60_000
/** Two blocks are merged when this share of the smaller one's traces is in both. */
const SHARED_SHARE = 0.05

/**
 * Merges two blocks of spans a call, when there are two to merge: true when it did something. `onMerged` is told which
 * two are now one.
 */
export function createCompaction(blocks: IndexedBlocks, onMerged: (pair: readonly Block[]) => void): () => boolean {
  /** The version in which no blocks were found to merge. */
  let searched = -1

  return () => {
    if (searched === blocks.version()) return false
    const pair = blocks.smallNeighbours() ?? mostShared(blocks)
    if (pair === undefined) {
      searched = blocks.version()
      return false
    }
    let builder: SpanBuilder | undefined
    for (const block of pair) {
      blocks.guarded(block, () => {
        const table = blocks.table(block)
        builder ??= new SpanBuilder(table.baseNs)
        builder.appendTraces(
          table,
          Array.from({ length: table.traces }, (_, t) => t),
        )
      })
    }
    // One of the two turned out damaged and is gone: nothing to merge.
    if (builder === undefined || pair.some((block) => !blocks.blocks.has(block.number))) return true
    blocks.writeMerged(builder.freeze(), pair)
    onMerged(pair)
    return true
  }
}

/** The two blocks that share most traces, when these are many; undefined when there are no such two. */
function mostShared(blocks: IndexedBlocks): [Block, Block] | undefined {
  const counts = new Map<string, number>()
  for (const holders of blocks.shared().values()) {
    const numbers = [...holders].sort((a, b) => a - b)
    for (let i = 1; i < numbers.length; i++) {
      const key = `${numbers[i - 1]}/${numbers[i]}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  for (const [key, count] of [...counts].sort((x, y) => y[1] - x[1])) {
    const [a, b] = key.split('/').map((number) => blocks.blocks.get(Number(number)))
    if (a === undefined || b === undefined || !blocks.mayMerge(a, b, MAX_MERGED_ROWS)) continue
    if (count >= SHARED_SHARE * Math.min(a.file.header.groups, b.file.header.groups)) return [a, b]
  }
  return undefined
}
