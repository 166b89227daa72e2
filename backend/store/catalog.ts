/** Worker thread. The blocks of one signal: which there are, reading them through the cache, writing, forgetting. */

import { unlinkSync } from 'node:fs'
import { counted } from '@sightline/contracts/counted'
import {
  type BlockFile,
  type BlockHeader,
  blockPath,
  findBlocks,
  openBlock,
  setAside,
  writeBlock,
} from './block-file.ts'
import type { TableCache } from './cache.ts'
import { MAX_COLUMNS } from './columns.ts'

export interface Block {
  readonly file: BlockFile
  readonly number: number
  readonly minNs: bigint
  readonly maxNs: bigint
}

/** What a table must tell about itself to become a block. */
export interface Sealable {
  readonly rows: number
  readonly minNs: bigint
  readonly maxNs: bigint
}

export interface Catalog<T extends Sealable> {
  readonly blocks: ReadonlyMap<number, Block>
  table(block: Block): T
  /** Whether the block's table is in memory. */
  atHand(block: Block): boolean
  /** Seals a table of so many traces or streams. `walMax` is the last batch of the write-ahead log that is in it. */
  write(table: T, groups: number, walMax: number): Block
  /** Writes what two blocks hold as one, which is as old as the newer of them. */
  writeMerged(table: T, groups: number, pair: readonly [Block, Block]): Block
  /**
   * Last batch of the present write-ahead log that is in the block; ids of another log say nothing about this one: 0.
   */
  walMax(block: Block): number
  /**
   * Whether two blocks may become one of `maxRows` at most: they are of one stretch of time (a block that took over
   * ever newer ones would never expire), and together not too much for one file.
   */
  mayMerge(a: Block, b: Block, maxRows: number): boolean
  /**
   * Two blocks next to each other in time that make no more than one fresh block together; undefined when there are
   * none.
   */
  smallNeighbours(): [Block, Block] | undefined
  remove(number: number): void
  /** For a file that a DamagedBlock names; false when it is none of this catalog's. */
  setAside(path: string, reason: string): boolean
  /**
   * Hands the blocks to `remove` that must go for the rest to fit, and of those that are too old `most`. Tells the log.
   * Returns how many went for their age alone.
   */
  expire(nowMs: number, most: number, remove: (number: number) => void): number
  stats(): { blocks: number; blockBytes: number; blockRows: number; damagedBlocks: number }
}

export interface CatalogDeps<T> {
  readonly dir: string
  readonly kind: 'spans' | 'logs'
  readonly epoch: string
  readonly cache: TableCache
  readonly retentionMs: number
  readonly maxBytes: number
  sections(table: T): Map<string, Buffer>
  read(file: BlockFile, onBytes: (bytes: number) => void): T
  log(level: 'info' | 'warn' | 'error', message: string): void
}

/** Rows that make a block worth its file: a head is sealed with so many, and blocks are merged until they have them. */
export const BLOCK_ROWS = 20_000
const MAX_MERGED_BYTES = 16 << 20

/** Retention is kept to within this share of itself. */
const WINDOWS_PER_RETENTION = 14
const MIN_WINDOW_MS = 3_600_000

/** Opens the blocks in `dir`; damaged ones are set aside and told. Throws what the file system throws. */
export function openCatalog<T extends Sealable>(deps: CatalogDeps<T>): Catalog<T> {
  const { dir, kind, cache } = deps
  const found = findBlocks(dir, kind)
  const blocks = new Map<number, Block>()
  let next = found.next
  let damagedBlocks = 0
  for (const file of found.blocks) add(file)
  for (const error of found.damaged) report(error.damagedBlock, error.message)

  function add(file: BlockFile): Block {
    const { header, number } = file
    const block = { file, number, minNs: BigInt(header.minNs), maxNs: BigInt(header.maxNs) }
    blocks.set(number, block)
    return block
  }

  function report(path: string, reason: string): void {
    damagedBlocks++
    const aside = setAside(path)
    deps.log('error', `${reason} Its ${kind} are lost; all other blocks are served. The file is kept as ${aside}.`)
  }

  const walMax = ({ file }: Block) => (file.header.epoch === deps.epoch ? file.header.walMax : 0)

  const cacheKey = (number: number) => `${kind}/${number}`

  /** A block counts as old as its content or its file, whichever is older: clocks of the future must not keep it for ever. */
  const age = (block: Block) => Math.min(Number(block.maxNs / 1_000_000n), block.file.header.sealedMs)

  const windowMs = Math.max(MIN_WINDOW_MS, deps.retentionMs / WINDOWS_PER_RETENTION)
  const windowOf = (block: Block) => Math.floor(age(block) / windowMs)
  const byAge = () => [...blocks.values()].sort((a, b) => age(a) - age(b))

  function mayMerge(a: Block, b: Block, maxRows: number): boolean {
    if (a.file.header.rows + b.file.header.rows > maxRows || windowOf(a) !== windowOf(b)) return false
    const sections = a.file.sections().length + b.file.sections().length
    return a.file.bytes + b.file.bytes <= MAX_MERGED_BYTES && sections <= MAX_COLUMNS
  }

  function remove(number: number): void {
    const block = blocks.get(number)
    if (block === undefined) return
    blocks.delete(number)
    cache.forget(cacheKey(number))
    unlinkSync(block.file.path)
  }

  function write(table: T, about: Pick<BlockHeader, 'groups' | 'walMax' | 'sealedMs' | 'replaces'>): Block {
    const { rows, minNs, maxNs } = table
    const header = { ...about, rows, minNs: String(minNs), maxNs: String(maxNs), epoch: deps.epoch }
    const path = blockPath(dir, kind, next)
    writeBlock(path, header, deps.sections(table))
    const block = add(openBlock(path))
    next++
    return block
  }

  return {
    blocks,
    atHand: (block) => cache.has(cacheKey(block.number)),
    table: (block) => cache.get(cacheKey(block.number), (onBytes) => deps.read(block.file, onBytes)),
    write: (table, groups, walMax) => write(table, { groups, walMax, sealedMs: Date.now(), replaces: [] }),
    writeMerged(table, groups, pair) {
      const replaces = pair.map((block) => block.number)
      const sealedMs = Math.max(...pair.map(age))
      return write(table, { groups, walMax: Math.max(...pair.map(walMax)), sealedMs, replaces })
    },
    walMax,
    mayMerge,
    smallNeighbours: () => firstPair(byAge(), (a, b) => mayMerge(a, b, BLOCK_ROWS)),
    remove,
    setAside(path, reason) {
      const block = [...blocks.values()].find((candidate) => candidate.file.path === path)
      if (block === undefined) return false
      blocks.delete(block.number)
      cache.forget(cacheKey(block.number))
      report(path, reason)
      return true
    },
    expire(nowMs, most, remove) {
      const gone = expired(byAge(), nowMs - deps.retentionMs, deps.maxBytes, age, most)
      for (const { number } of [...gone.forSize, ...gone.forAge]) remove(number)
      if (gone.forSize.length > 0)
        deps.log('info', `${removed(kind, gone.forSize)} The rest fits into ${deps.maxBytes} bytes.`)
      if (gone.forAge.length > 0)
        deps.log('info', `${removed(kind, gone.forAge)} They were older than ${deps.retentionMs / 3_600_000} hours.`)
      return gone.forAge.length
    },
    stats: () => ({ ...sizes(blocks.values()), damagedBlocks }),
  }
}

/** The first two blocks next to each other that `fit`. */
function firstPair(blocks: readonly Block[], fit: (a: Block, b: Block) => boolean): [Block, Block] | undefined {
  for (let i = 1; i < blocks.length; i++) {
    const [a, b] = [blocks[i - 1]!, blocks[i]!]
    if (fit(a, b)) return [a, b]
  }
  return undefined
}

/** The oldest blocks that must go for the rest to fit into `maxBytes`, and `most` of those from before `fromMs`. */
function expired(
  oldestFirst: readonly Block[],
  fromMs: number,
  maxBytes: number,
  age: (block: Block) => number,
  most: number,
): { forSize: Block[]; forAge: Block[] } {
  let excess = oldestFirst.reduce((sum, block) => sum + block.file.bytes, 0) - maxBytes
  const forSize: Block[] = []
  const forAge: Block[] = []
  for (const block of oldestFirst) {
    if (excess > 0) forSize.push(block)
    else if (age(block) < fromMs && forAge.length < most) forAge.push(block)
    else break
    excess -= block.file.bytes
  }
  return { forSize, forAge }
}

/** What went, for the log. */
function removed(kind: string, blocks: readonly Block[]): string {
  const { blockBytes, blockRows } = sizes(blocks)
  const times = blocks.flatMap(({ minNs, maxNs }) => [minNs, maxNs]).sort((a, b) => (a < b ? -1 : 1))
  const rows = counted(blockRows, kind === 'logs' ? 'line' : 'span')
  const range = `from ${isoTime(times[0]!)} to ${isoTime(times.at(-1)!)}`
  return `Retention removed ${counted(blocks.length, 'block')} of ${kind}: ${rows}, ${blockBytes} bytes, ${range}.`
}

/** The 64 bits of a time end in 2554, well within what a Date can hold. */
const isoTime = (ns: bigint) => new Date(Number(ns / 1_000_000n)).toISOString()

function sizes(all: Iterable<Block>): { blocks: number; blockBytes: number; blockRows: number } {
  let blocks = 0
  let blockBytes = 0
  let blockRows = 0
  for (const { file } of all) {
    blocks++
    blockBytes += file.bytes
    blockRows += file.header.rows
  }
  return { blocks, blockBytes, blockRows }
}
