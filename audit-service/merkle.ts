/**
 * Merkle trees as RFC 9162 (2.1) defines them, over hashes that are kept in tiles as C2SP tlog-tiles lays them out: which
 * hashes a root or a proof is made of, in which tiles they are, and whether a proof proves what it says. Pure: no database, no files.
 */
import { hash } from 'node:crypto'
import { half, isOdd, leftSiblings } from '@sightline/contracts/proof-path'

/** Hashes in a full tile, and the number of tree levels that one level of tiles stands for. */
export const TILE_WIDTH = 256
const TILE_HEIGHT = 8
export const HASH_BYTES = 32

/** The hash of a leaf, from the bytes of its entry. */
export function leafHash(entry: string | Buffer): Buffer {
  const bytes = typeof entry === 'string' ? `\u0000${entry}` : Buffer.concat([Buffer.of(0), entry])
  return hash('sha256', bytes, 'buffer')
}

/** What a node is hashed from; the same bytes for every node, because there is one for each row. */
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1)

/** The hash of a node, from those of its children. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  node.set(left, 1)
  node.set(right, 1 + HASH_BYTES)
  return hash('sha256', node, 'buffer')
}

/** Leaves `from` to `to`, the latter exclusive. */
interface Range {
  from: number
  to: number
}
/** A complete subtree: 2^height leaves from index * 2^height on. */
interface Subtree {
  height: number
  index: number
}
/** A tile by its place: hash n of it is that of the complete subtree of height 8 * level at number * 256 + n. */
export interface TileId {
  level: number
  number: number
}
/** The hashes of a tile, one after the other: at least those that were asked for. Throws when it has not so many. */
export type ReadTile = (tile: TileId) => Buffer

/** The largest power of two below n, n being 2 or more. */
function splitOf(n: number): number {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}

/** What a tree's root is made of. */
export function rootRanges(size: number): Range[] {
  return [{ from: 0, to: size }]
}

/** What proves that leaf `index` is in the tree of `size` leaves, in the order of the proof. */
export function inclusionRanges(index: number, size: number): Range[] {
  const ranges: Range[] = []
  let [from, to] = [0, size]
  while (to - from > 1) {
    const middle = from + splitOf(to - from)
    if (index < middle) {
      ranges.push({ from: middle, to })
      to = middle
    } else {
      ranges.push({ from, to: middle })
      from = middle
    }
  }
  return ranges.reverse()
}

/** What proves that the tree of `first` leaves, one or more, is the beginning of that of `second`. */
export function consistencyRanges(first: number, second: number): Range[] {
  const ranges: Range[] = []
  let [from, to] = [0, second]
  // Until the first tree's end is the end of the part.
  while (first < to) {
    const middle = from + splitOf(to - from)
    if (first <= middle) {
      ranges.push({ from: middle, to })
      to = middle
    } else {
      ranges.push({ from, to: middle })
      from = middle
    }
  }
  // The first tree itself is known to whoever asks.
  if (from > 0) ranges.push({ from, to })
  return ranges.reverse()
}

/** The complete subtrees that a range of a tree consists of, largest first. */
function subtreesOf({ from, to }: Range): Subtree[] {
  const subtrees: Subtree[] = []
  for (let at = from; at < to; ) {
    let height = 0
    while (2 ** (height + 1) <= to - at) height += 1
    subtrees.push({ height, index: at / 2 ** height })
    at += 2 ** height
  }
  return subtrees
}

/** Where a complete subtree's leaves, or their ancestors, stand side by side: never in more than one tile. */
function placeOf({ height, index }: Subtree): TileId & { at: number; count: number } {
  const level = Math.floor(height / TILE_HEIGHT)
  const count = 2 ** (height % TILE_HEIGHT)
  const first = index * count
  return { level, number: Math.floor(first / TILE_WIDTH), at: first % TILE_WIDTH, count }
}

/** The tiles that the hashes of these ranges are in, each once. */
export function tilesOf(ranges: readonly Range[]): TileId[] {
  const tiles = ranges.flatMap(subtreesOf).map(placeOf)
  return [...new Map(tiles.map(({ level, number }) => [`${level}/${number}`, { level, number }])).values()]
}

/** The hash of each range. */
export function hashesOf(ranges: readonly Range[], read: ReadTile): Buffer[] {
  return ranges.map((range) =>
    subtreesOf(range)
      .map((subtree) => subtreeHash(subtree, read))
      .reduceRight((right, left) => nodeHash(left, right)),
  )
}

function subtreeHash(subtree: Subtree, read: ReadTile): Buffer {
  const { level, number, at, count } = placeOf(subtree)
  const hashes = read({ level, number })
  const end = (at + count) * HASH_BYTES
  if (hashes.length < end)
    throw new Error(`tile ${number} of level ${level} has ${hashes.length} bytes, and byte ${end} is needed`)
  return foldBytes(hashes.subarray(at * HASH_BYTES, end))
}

/** The root over hashes whose number is a power of two. */
export function foldHashes(hashes: readonly Buffer[]): Buffer {
  return foldBytes(Buffer.concat(hashes))
}

/** The same of hashes that stand one after the other. A hash comes as text: a buffer for each would cost more than hashing does. */
export function foldBytes(hashes: Buffer): Buffer {
  const level = Buffer.from(hashes)
  for (let width = level.length / HASH_BYTES / 2; width >= 1; width /= 2)
    for (let n = 0; n < width; n++) {
      level.copy(node, 1, 2 * n * HASH_BYTES, 2 * (n + 1) * HASH_BYTES)
      level.write(hash('sha256', node, 'binary'), n * HASH_BYTES, 'latin1')
    }
  return level.subarray(0, HASH_BYTES)
}

/** Whether the hash that begins at a byte is this one, as `hash(…, 'binary')` gives it. */
export function hasText(bytes: Buffer, at: number, text: string): boolean {
  for (let n = 0; n < HASH_BYTES; n++) if (bytes[at + n] !== text.charCodeAt(n)) return false
  return true
}

/** Whether the proof leads from a leaf to the root of the tree of `size` leaves (RFC 9162, 2.1.3.2). */
export function provesInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  root: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (!(index >= 0 && index < size)) return false
  const left = leftSiblings(index, size - 1, proof.length)
  if (left === undefined) return false
  let reached = leaf
  for (const [n, sibling] of proof.entries())
    reached = left[n] ? nodeHash(sibling, reached) : nodeHash(reached, sibling)
  return reached.equals(root)
}

/** A tree by its size and root. */
export interface TreeHead {
  size: number
  root: Buffer
}

/** Whether the proof shows that the second tree begins with the first, of one leaf or more (RFC 9162, 2.1.4.2). */
export function provesConsistency(first: TreeHead, second: TreeHead, proof: readonly Buffer[]): boolean {
  if (!(first.size >= 1 && first.size <= second.size)) return false
  if (first.size === second.size) return proof.length === 0 && first.root.equals(second.root)
  // A first tree that is one complete subtree is not repeated in the proof.
  const isComplete = Number.isInteger(Math.log2(first.size))
  const [start, ...rest] = isComplete ? [first.root, ...proof] : proof
  if (start === undefined) return false
  let [fn, sn] = [first.size - 1, second.size - 1]
  for (; isOdd(fn); fn = half(fn)) sn = half(sn)
  const left = leftSiblings(fn, sn, rest.length)
  if (left === undefined) return false
  let [ofFirst, ofSecond] = [start, start]
  for (const [n, sibling] of rest.entries()) {
    if (left[n]) ofFirst = nodeHash(sibling, ofFirst)
    ofSecond = left[n] ? nodeHash(sibling, ofSecond) : nodeHash(ofSecond, sibling)
  }
  return ofFirst.equals(first.root) && ofSecond.equals(second.root)
}
