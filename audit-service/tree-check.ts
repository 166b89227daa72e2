/** Holds the tree against the rows it stands for, leaf by leaf and tile by tile, while the chain is read. */
import { type Queries, sql } from '@sightline/service-kit'
import { entryBytes, entryOf, type SealedRow } from './entry.ts'
import { foldHashes, HASH_BYTES, leafHash, TILE_WIDTH } from './merkle.ts'

/** Of all levels, those that hold something of leaves `$1` to `$2`. */
const TILES_OVER = sql(
  'tiles_over',
  `select t.level, t.number, t.hashes from generate_series(0, 6) as l (level) join audit_tiles t on t.level = l.level
     and t.number between $1::bigint >> (8 * (l.level + 1)) and $2::bigint >> (8 * (l.level + 1))`,
)
/** In one snapshot: a level that has not one hash for each full tile of the level below it. */
const SHAPE_FAULT = sql(
  'tree_shape_fault',
  `select level, hashes, wanted from (
     select l.level, coalesce(sum(length(t.hashes) / 32), 0)::bigint as hashes,
       audit_tree_size() >> (8 * l.level) as wanted
     from generate_series(0, 6) as l (level) left join audit_tiles t on t.level = l.level group by l.level
   ) levels where hashes <> wanted order by level limit 1`,
)

/** Rows of one page, in their order; each says what is wrong with the tree there. */
export interface TreeCheck {
  /** Reads the tiles over the rows that come next. */
  load(rows: readonly SealedRow[]): Promise<void>
  /** What is wrong at this row; undefined when its leaf fits, and so does what is complete with it, or it is not in the tree. */
  faultAt(row: SealedRow): string | undefined
}

/** Checks the first `size` rows as they come. What of the tree begins before the first row is not checked but for its leaves. */
export function createTreeCheck(database: Queries, size: number): TreeCheck {
  let tiles = new Map<string, Buffer>()
  /** By level, the hashes of the tile that is under way; undefined when its beginning was not seen. */
  const gathered: Array<Buffer[] | undefined> = []

  async function load(rows: readonly SealedRow[]): Promise<void> {
    const [first, last] = [rows.at(0), rows.at(-1)]
    if (first === undefined || last === undefined || first.position > size) return
    const found = await database.query<{ level: number; number: number; hashes: Buffer }>(TILES_OVER, [
      first.position - 1,
      last.position - 1,
    ])
    tiles = new Map(found.map(({ level, number, hashes }) => [`${level}/${number}`, hashes]))
  }

  function faultAt(row: SealedRow): string | undefined {
    if (row.position > size) return undefined
    return faultOf(0, row.position - 1, leafHash(entryBytes(entryOf(row))))
  }

  function faultOf(level: number, index: number, hash: Buffer): string | undefined {
    const number = Math.floor(index / TILE_WIDTH)
    const at = index % TILE_WIDTH
    const kept = tiles.get(`${level}/${number}`)?.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)
    if (kept?.length !== HASH_BYTES) return `hash ${at} of tile ${number} of level ${level} is missing in the tree`
    if (!kept.equals(hash))
      return level === 0
        ? 'its leaf in the tree is another: row or seal were changed, or put elsewhere, since it came into the tree'
        : `hash ${at} of tile ${number} of level ${level} is not what the tree has below it`
    if (at === 0) gathered[level] = []
    const before = gathered[level]
    before?.push(hash)
    if (at < TILE_WIDTH - 1 || before === undefined) return undefined
    return faultOf(level + 1, number, foldHashes(before))
  }

  return { load, faultAt }
}

/** What is wrong with the number of hashes of the tree's levels; undefined when nothing is. */
export async function treeShapeFault(database: Queries): Promise<string | undefined> {
  const [fault] = await database.query<{ level: number; hashes: number; wanted: number }>(SHAPE_FAULT)
  return fault && `level ${fault.level} of the tree has ${fault.hashes} hashes where ${fault.wanted} belong`
}
