/** The Merkle tree as the database keeps it: its growth, its tiles, and the proofs that are made of them. */
import { type Queries, repeatable, sql } from '@sightline/service-kit'
import { type EntryElements, entryOf, SEALED_COLUMNS, type SealedRow } from './entry.ts'
import {
  consistencyRanges,
  HASH_BYTES,
  hashesOf,
  inclusionRanges,
  type ReadTile,
  rootRanges,
  TILE_WIDTH,
  type TileId,
  type TreeHead,
  tilesOf,
} from './merkle.ts'

const GROW = sql('grow_tree', 'select audit_grow($1) as grown')
const SIZE = repeatable('tree_size', 'select audit_tree_size() as size')
const TILES = repeatable(
  'tree_tiles',
  `select t.level, t.number, t.hashes from unnest($1::smallint[], $2::bigint[]) as wanted (level, number)
     join audit_tiles t on t.level = wanted.level and t.number = wanted.number`,
)
const SEALED_ROW = repeatable(
  'sealed_row',
  `select ${SEALED_COLUMNS} from audit_chain c left join audit_logs a on a.id = c.audit_id where c.audit_id = $1`,
)
const LEAVES = repeatable(
  'row_leaves',
  `select c.audit_id, c.position,
     substr(t.hashes, ((c.position - 1) % ${TILE_WIDTH})::integer * ${HASH_BYTES} + 1, ${HASH_BYTES}) as hash
   from (select audit_id, min(position) as position from audit_chain where audit_id = any($1::bigint[]) group by audit_id) c
     left join audit_tiles t on t.level = 0 and t.number = (c.position - 1) / ${TILE_WIDTH}`,
)
const ROW_EXISTS = repeatable('row_exists', 'select true as there from audit_logs where id = $1')

/** Has the next rows of the chain brought into the tree, so many at most; resolves to their number, 0 when another session is at it. */
export async function growTree(database: Queries, most: number): Promise<number> {
  const [batch] = await database.query<{ grown: number }>(GROW, [most])
  return batch!.grown
}

/** How many rows are in the tree. */
export async function treeSize(database: Queries): Promise<number> {
  const [row] = await database.query<{ size: number }>(SIZE)
  return row!.size
}

/** These tiles as far as there are any; reading one that there is not is an error that names it. */
export async function readTiles(database: Queries, tiles: readonly TileId[]): Promise<ReadTile> {
  const rows = await database.query<TileId & { hashes: Buffer }>(TILES, [
    tiles.map(({ level }) => level),
    tiles.map(({ number }) => number),
  ])
  const byPlace = new Map(rows.map(({ level, number, hashes }) => [`${level}/${number}`, hashes]))
  return ({ level, number }) => {
    const hashes = byPlace.get(`${level}/${number}`)
    if (hashes === undefined) throw new Error(`tile ${number} of level ${level} is missing: npm run audit:verify`)
    return hashes
  }
}

/** The first `width` hashes of a tile; undefined while it has not so many. */
export async function tileBytes(database: Queries, tile: TileId, width: number): Promise<Buffer | undefined> {
  const [row] = await database.query<{ hashes: Buffer }>(TILES, [[tile.level], [tile.number]])
  const bytes = width * HASH_BYTES
  return row !== undefined && row.hashes.length >= bytes ? row.hashes.subarray(0, bytes) : undefined
}

/** The tree when it had so many rows, one or more. */
export async function treeHead(database: Queries, size: number): Promise<TreeHead> {
  const ranges = rootRanges(size)
  return { size, root: hashesOf(ranges, await readTiles(database, tilesOf(ranges)))[0]! }
}

/** What proves that the row at a leaf is in the tree of a size: its leaf, the other hashes, the root. */
export async function proveInclusion(
  database: Queries,
  index: number,
  size: number,
): Promise<{ leaf: Buffer; hashes: Buffer[]; root: Buffer }> {
  const own = { level: 0, number: Math.floor(index / TILE_WIDTH) }
  const ranges = [...rootRanges(size), ...inclusionRanges(index, size)]
  const read = await readTiles(database, [own, ...tilesOf(ranges)])
  const [root, ...hashes] = hashesOf(ranges, read)
  const [leaf] = hashesOf([{ from: index, to: index + 1 }], read)
  return { leaf: leaf!, hashes, root: root! }
}

/** What proves that the tree of `first` rows is the beginning of that of `second`. */
export async function proveConsistency(
  database: Queries,
  first: number,
  second: number,
): Promise<{ first: TreeHead; second: TreeHead; hashes: Buffer[] }> {
  const ranges = [...rootRanges(first), ...rootRanges(second), ...consistencyRanges(first, second)]
  const [ofFirst, ofSecond, ...hashes] = hashesOf(ranges, await readTiles(database, tilesOf(ranges)))
  return { first: { size: first, root: ofFirst! }, second: { size: second, root: ofSecond! }, hashes }
}

/** The place of a sealed row, and its entry as the row is now. */
export interface RowInChain {
  position: number
  entry: EntryElements
}

/** undefined while it has no seal. */
export async function sealedRow(database: Queries, auditId: number): Promise<RowInChain | undefined> {
  const [row] = await database.query<SealedRow>(SEALED_ROW, [auditId])
  return row && { position: row.position, entry: entryOf(row) }
}

/** Where a sealed row stands, and the hash of its leaf, undefined while it is not in the tree. */
export interface Leaf {
  auditId: number
  position: number
  hash: Buffer | undefined
}

/** Of these rows those that are sealed. */
export async function sealedLeaves(database: Queries, auditIds: readonly number[]): Promise<Leaf[]> {
  const rows = await database.query<{ audit_id: number; position: number; hash: Buffer | null }>(LEAVES, [auditIds])
  return rows.map(({ audit_id, position, hash }) => ({
    auditId: audit_id,
    position,
    // What is behind the end of a tile is empty.
    hash: hash?.length === HASH_BYTES ? hash : undefined,
  }))
}

/** Whether there is an audit row of this id. */
export async function rowExists(database: Queries, auditId: number): Promise<boolean> {
  return (await database.query(ROW_EXISTS, [auditId])).length > 0
}
