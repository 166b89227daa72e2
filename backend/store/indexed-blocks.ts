/**
 * Worker thread. The blocks of spans with the index of their traces: what changes the one changes the other.
 *
 * The index follows from the blocks. When it can't be written (a full disk), the blocks serve on without it, and it is
 * brought back into step later.
 */
import { type Block, type Catalog, openCatalog } from './catalog.ts'
import type { SignalStoreDeps } from './signal-store.ts'
import { readSpanBlock, spanSections } from './span-block.ts'
import type { StoredSpans } from './stored-spans.ts'
import { openTraceIndex, traceKey } from './trace-index.ts'

export interface IndexedBlocks extends Omit<Catalog<StoredSpans>, 'write' | 'writeMerged'> {
  /** Grows with every change: blocks come and go, the index gets into step. */
  version(): number
  /** Numbers of the blocks that the index knows to hold parts of a trace, by the trace's key. */
  blocksOf(key: number): number[]
  /** Numbers of the blocks to look into for a trace: every block while the index is behind. */
  blocksToSearch(key: number): Iterable<number>
  /** Keys of traces that are in more than one block, with these blocks. */
  shared(): ReadonlyMap<number, ReadonlySet<number>>
  /** Writes a block. `elsewhere` tells which other blocks have parts of its traces. Throws when it can't be written. */
  write(table: StoredSpans, elsewhere: (key: number) => readonly number[]): void
  /** Writes one block in place of two. */
  writeMerged(table: StoredSpans, pair: readonly [Block, Block]): void
  /** Runs housekeeping on a block; damage costs that block and nothing else: undefined then. */
  guarded<T>(block: Block, work: () => T): T | undefined
  /** Brings the index back into step with the blocks; true when it was behind and no longer is. */
  align(): boolean
  close(): void
}

export interface IndexedBlocksDeps extends SignalStoreDeps {
  /** Where the index lies. */
  readonly dir: string
}

/** Opens the blocks and the index, and aligns the two. */
export function openIndexedBlocks(deps: IndexedBlocksDeps): IndexedBlocks {
  const catalog = openCatalog<StoredSpans>({
    ...deps,
    dir: deps.blocksDir,
    kind: 'spans',
    sections: spanSections,
    read: readSpanBlock,
  })
  const index = openTraceIndex(deps.dir, (message) => deps.log('warn', message))
  let behind = false
  let version = 0
  change(align)

  function align(): void {
    const known = index.indexed()
    for (const number of known) if (!catalog.blocks.has(number)) index.remove(number)
    for (const block of [...catalog.blocks.values()]) {
      if (known.has(block.number)) continue
      const keys = guarded(block, () => keysOf(block))
      if (keys !== undefined) index.add(block.number, keys)
    }
    behind = false
    version++
  }

  /** Changes the index; what fails here can be done later. */
  function change(work: () => void): void {
    try {
      work()
    } catch (error) {
      behind = true
      deps.log('warn', `The trace index can't be written: ${String(error)}. Finding a trace by its id takes longer.`)
    }
  }

  function guarded<T>(block: Block, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!setAside(block.file.path, error instanceof Error ? error.message : String(error))) throw error
      return undefined
    }
  }

  function setAside(path: string, reason: string): boolean {
    const block = [...catalog.blocks.values()].find(({ file }) => file.path === path)
    if (block === undefined || !catalog.setAside(path, reason)) return false
    change(() => index.remove(block.number))
    version++
    return true
  }

  function remove(number: number): void {
    const block = catalog.blocks.get(number)
    if (block === undefined) return
    const keys = guarded(block, () => keysOf(block))
    if (keys === undefined) return
    catalog.remove(number)
    change(() => index.remove(number, keys))
    version++
  }

  return {
    ...catalog,
    version: () => version,
    blocksOf: index.blocks,
    blocksToSearch: (key) => (behind ? catalog.blocks.keys() : index.blocks(key)),
    shared: index.shared,
    write(table, elsewhere) {
      const lastBatch = table.batchOf!.reduce((max, id) => Math.max(max, id), 0)
      const block = catalog.write(table, table.traces, lastBatch)
      version++
      change(() => index.add(block.number, keysOf(block), elsewhere))
    },
    writeMerged(table, pair) {
      const merged = catalog.writeMerged(table, table.traces, pair)
      for (const block of pair) remove(block.number)
      change(() => index.add(merged.number, keysOf(merged)))
      version++
    },
    guarded,
    remove,
    setAside,
    align() {
      if (!behind) return false
      change(align)
      return !behind
    },
    close: () => index.close(),
  }
}

function keysOf(block: Block): number[] {
  const ids = block.file.section('traceIds')
  return Array.from({ length: block.file.header.groups }, (_, t) => traceKey(ids, t * 16))
}
