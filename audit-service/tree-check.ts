/** Holds the tree against the rows it stands for, leaf by leaf and tile by tile, while the chain is read. */
import { type Copy, type Queries, sql } from '@sightline/service-kit'
import { foldBytes, foldHashes, HASH_BYTES, hasText, TILE_WIDTH } from './merkle.ts'

/** Of all levels, the tiles that hold something of these leaves. */
const tilesOver = (first: number, last: number) =>
  `select t.level::smallint, t.number::bigint, t.hashes::bytea from generate_series(0, 6) as l (level)
     join audit_tiles t on t.level = l.level
     and t.number between ${first}::bigint >> (8 * (l.level + 1)) and ${last}::bigint >> (8 * (l.level + 1))`
/** In one snapshot: a level that has not one hash for each full tile of the level below it. */
const SHAPE_FAULT = sql(
  'tree_shape_fault',
  `select level, hashes, wanted from (
     select l.level, coalesce(sum(length(t.hashes) / 32), 0)::bigint as hashes,
       audit_tree_size() >> (8 * l.level) as wanted
     from generate_series(0, 6) as l (level) left join audit_tiles t on t.level = l.level group by l.level
   ) levels where hashes <> wanted order by level limit 1`,
)

/** The rows of one page after another, those of a page in any order. */
export interface TreeCheck {
  /** Reads the tiles over the positions of the page that comes next. */
  copyTiles(first: number, last: number): Copy
  /** Goes to that page. */
  turn(): void
  isIn(position: number): boolean
  /** What is wrong at a position that is in the tree and in the page, its leaf being `leaf`, a hash in latin1. */
  leafFault(position: number, leaf: string): string | undefined
  /** What is first wrong with the nodes that are complete with the page's leaves up to `last`, which fit. */
  nodesFault(last: number): { position: number; reason: string } | undefined
}

/**
 * Checks the first `size` rows as they come, from the position after `before` on. What of the tree begins before that is not checked but
 * for its leaves.
 */
export function createTreeCheck(size: number, before: number): TreeCheck {
  let coming = noTiles()
  let { tiles, leaves, firstTile } = coming
  /** How many leaves have been seen to the end of their tiles. */
  let folded = Math.ceil(before / TILE_WIDTH)
  /** By level from 1 on, the hashes of the tile that is under way; undefined when its beginning was not seen. */
  const gathered: Array<Buffer[] | undefined> = []

  function copyTiles(first: number, last: number): Copy {
    const page = noTiles()
    coming = page
    page.firstTile = tileOf(first)
    return {
      text: tilesOver(first - 1, last - 1),
      onRow({ bytes, starts, lengths }) {
        const level = bytes.readInt16BE(starts[0]!)
        const number = Number(bytes.readBigInt64BE(starts[1]!))
        const hashes = Buffer.from(bytes.subarray(starts[2]!, starts[2]! + lengths[2]!))
        if (level === 0) page.leaves[number - page.firstTile] = hashes
        else page.tiles.set(`${level}/${number}`, hashes)
      },
    }
  }

  function turn(): void {
    ;({ tiles, leaves, firstTile } = coming)
  }

  function leafFault(position: number, leaf: string): string | undefined {
    const number = tileOf(position)
    const at = (position - 1) % TILE_WIDTH
    const kept = leaves[number - firstTile]
    if (kept === undefined || kept.length < (at + 1) * HASH_BYTES) return missingHash(0, number, at)
    return hasText(kept, at * HASH_BYTES, leaf)
      ? undefined
      : 'its leaf in the tree is another: row or seal were changed, or put elsewhere, since it came into the tree'
  }

  function nodesFault(last: number): { position: number; reason: string } | undefined {
    for (; (folded + 1) * TILE_WIDTH <= Math.min(last, size); folded++) {
      const reason = nodeFault(1, folded, foldBytes(leaves[folded - firstTile]!))
      if (reason !== undefined) return { position: (folded + 1) * TILE_WIDTH, reason }
    }
    return undefined
  }

  function nodeFault(level: number, index: number, hash: Buffer): string | undefined {
    const number = Math.floor(index / TILE_WIDTH)
    const at = index % TILE_WIDTH
    const kept = tiles.get(`${level}/${number}`)?.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)
    if (kept?.length !== HASH_BYTES) return missingHash(level, number, at)
    if (!kept.equals(hash)) return `hash ${at} of tile ${number} of level ${level} is not what the tree has below it`
    if (at === 0) gathered[level] = []
    const before = gathered[level]
    before?.push(hash)
    if (at < TILE_WIDTH - 1 || before === undefined) return undefined
    return nodeFault(level + 1, number, foldHashes(before))
  }

  return { copyTiles, turn, isIn: (position) => position <= size, leafFault, nodesFault }
}

/** The tiles over a page: those of level 0 from a number on, and the others by level and number. */
const noTiles = () => ({ firstTile: 0, leaves: [] as Array<Buffer | undefined>, tiles: new Map<string, Buffer>() })

/** The tile of level 0 that has the leaf of a position. */
const tileOf = (position: number) => Math.floor((position - 1) / TILE_WIDTH)

const missingHash = (level: number, number: number, at: number) =>
  `hash ${at} of tile ${number} of level ${level} is missing in the tree`

/** What is wrong with the number of hashes of the tree's levels; undefined when nothing is. */
export async function treeShapeFault(database: Queries): Promise<string | undefined> {
  const [fault] = await database.query<{ level: number; hashes: number; wanted: number }>(SHAPE_FAULT)
  return fault && `level ${fault.level} of the tree has ${fault.hashes} hashes where ${fault.wanted} belong`
}
