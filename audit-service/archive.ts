/**
 * Retention: moves the oldest rows of the log with their seals and orders into a file, and leaves a signed boundary, from which the chain goes
 * on. The tree keeps a hash of every row that ever was in it, so the file can be held against it, and checkpoints stay what they were.
 *
 *   write the file, check it against chain and tree -> commit the boundary -> remove rows in batches
 *
 * A crash leaves a file without a boundary, or a boundary with rows that the next run removes. Nothing is removed that is not in a checked file.
 */
import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import * as fs from 'node:fs'
import { createInterface } from 'node:readline'
import { type Queries, sql } from '@sightline/service-kit'
import { z } from 'zod'
import { GENESIS, seal } from './chain.ts'
import type { Checkpoint } from './checkpoint-format.ts'
import {
  type EntryElements,
  entryBytes,
  entryOf,
  fitsItsSeal,
  readEntry,
  SEALED_COLUMNS,
  type SealedRow,
} from './entry.ts'
import { leafHash, TILE_WIDTH } from './merkle.ts'
import { readTiles } from './tree.ts'
import { sealAt } from './verify.ts'
import { OTHER_THAN_SIGNED } from './verify-page.ts'

const FORMAT = 'sightline-audit-archive-1'
const PAGE = 2_048
/** Rows removed in one transaction. */
const STEP = 5_000

/** The end of an archive: rows from `first` to `position` are in the file with this SHA-256; hashes in hex. */
export interface Boundary {
  first: number
  position: number
  seal: string
  file_hash: string
  origin: string
  signature: Buffer
}

const BOUNDARIES = sql(
  'audit_boundaries',
  `select first, position, encode(seal, 'hex') as seal, encode(file_hash, 'hex') as file_hash, origin, signature
   from audit_boundaries order by position`,
)
const SET_BOUNDARY = sql(
  'set_audit_boundary',
  `insert into audit_boundaries (first, position, seal, file_hash, origin, signature)
   values ($1, $2, decode($3, 'hex'), decode($4, 'hex'), $5, $6)`,
)
const REMOVE = sql('remove_archived_rows', 'select audit_remove($1) as removed')
/** Up to where rows may leave: in the tree, and of orders that neither an Idempotency-Key nor an event on its way still points at. */
const FREE = sql(
  'rows_free_to_leave',
  `select least(audit_tree_size(), (
     select min(c.position) - 1 from (select order_id from idempotency_keys union all select order_id from outbox) held
       join audit_logs a on a.order_id = held.order_id join audit_chain c on c.audit_id = a.id)) as position`,
)
const SEALED_AT = sql('sealed_before', 'select sealed_at < $2 as before from audit_chain where position = $1')
const ROWS = sql(
  'rows_to_archive',
  `select ${SEALED_COLUMNS}, (
     select to_jsonb(o) || jsonb_build_object('items', (select jsonb_agg(to_jsonb(i) - 'order_id' order by i.line)
       from order_items i where i.order_id = o.id)) from orders o where o.id = a.order_id) as ordered
   from (select * from audit_chain where position > $1 and position <= $2 order by position limit ${PAGE}) c
     left join lateral (select * from audit_logs where id = c.audit_id limit 1) a on true
   order by c.position`,
)

export const readBoundaries = (database: Queries): Promise<Boundary[]> => database.query<Boundary>(BOUNDARIES)

/** What the log's key signs of a boundary. */
function statement({ first, position, seal, file_hash, origin }: Omit<Boundary, 'signature'>): Buffer {
  return Buffer.from(`${FORMAT}\n${origin}\n${first}\n${position}\n${seal}\n${file_hash}\n`)
}

/** Whether the log has signed the boundary, as a log of this name. */
export function isSigned(boundary: Boundary, origin: string, key: KeyObject): boolean {
  return boundary.origin === origin && verify(null, statement(boundary), key, boundary.signature)
}

export interface ArchiveOptions {
  /** Rows that were sealed before it leave. */
  before: Date
  file: string
  key: KeyObject
  origin: string
}

/**
 * Resolves to the boundary, undefined when no row is to leave; `removed` counts those of an earlier run that was stopped as well. Rejects, with
 * nothing removed, when the file exists or a row does not fit its seal or its leaf. The session has to be the database owner's.
 */
export async function archive(
  database: Queries,
  { before, file, key, origin }: ArchiveOptions,
): Promise<{ boundary: Boundary | undefined; removed: number }> {
  let removed = await removeArchived(database)
  const last = (await readBoundaries(database)).at(-1)
  const first = (last?.position ?? 0) + 1
  const position = await lastBefore(database, before, first)
  if (position < first) return { boundary: undefined, removed }
  const part = `${file}.part`
  if (fs.existsSync(file)) throw new Error(`${file} exists already: name a new file for each archive`)
  let found: Archived
  try {
    await writeRows(database, part, first, position)
    found = await readArchive(part, database)
    if (found.fault !== undefined) throw new Error(`${found.fault}: nothing was removed; npm run audit:verify`)
    if (found.previous !== (last?.seal ?? GENESIS.toString('hex')))
      throw new Error(`position ${first} does not follow from the boundary: nothing was removed; npm run audit:verify`)
  } catch (error) {
    // Names are in it.
    fs.rmSync(part, { force: true })
    throw error
  }
  const unsigned = { first, position, seal: found.seal, file_hash: found.file_hash, origin }
  const boundary = { ...unsigned, signature: sign(null, statement(unsigned), key) }
  fs.renameSync(part, file)
  await database.query(SET_BOUNDARY, [first, position, found.seal, found.file_hash, origin, boundary.signature])
  removed += await removeArchived(database)
  return { boundary, removed }
}

/** Rows behind the newest boundary that are there still. */
async function removeArchived(database: Queries): Promise<number> {
  for (let removed = 0; ; ) {
    const [batch] = await database.query<{ removed: number }>(REMOVE, [STEP])
    if (batch!.removed === 0) return removed
    removed += batch!.removed
  }
}

/** The last position from `first` on that was sealed before a time and may leave, found by halves: seals are in the order of their times. */
async function lastBefore(database: Queries, before: Date, first: number): Promise<number> {
  const [free] = await database.query<{ position: number }>(FREE)
  let [low, high] = [first - 1, free!.position]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const [row] = await database.query<{ before: boolean }>(SEALED_AT, [middle, before])
    if (row === undefined) throw new Error(`the seal at position ${middle} is missing: npm run audit:verify`)
    if (row.before) low = middle
    else high = middle - 1
  }
  return low
}

/** Of the owner only, because orders have names in them, and on the disk when it resolves. */
async function writeRows(database: Queries, file: string, first: number, last: number): Promise<void> {
  const previous = first === 1 ? GENESIS : await sealAt(database, first - 1)
  const handle = fs.openSync(file, 'w', 0o600)
  try {
    fs.writeSync(
      handle,
      `${JSON.stringify({ format: FORMAT, first, last, previous: previous?.toString('hex') ?? null })}\n`,
    )
    for (let after = first - 1; after < last; ) {
      const rows = await database.query<SealedRow & { ordered: unknown }>(ROWS, [after, last])
      if (rows.length === 0) throw new Error(`the seal at position ${after + 1} is missing: npm run audit:verify`)
      fs.writeSync(
        handle,
        rows.map((row) => `${JSON.stringify({ entry: entryOf(row), order: row.ordered })}\n`).join(''),
      )
      after = rows.at(-1)!.position
    }
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
}

const headSchema = z.strictObject({
  format: z.literal(FORMAT),
  first: z.int().min(1),
  last: z.int().min(1),
  previous: z.string().regex(/^[0-9a-f]{64}$/),
})
const lineSchema = z.strictObject({ entry: z.array(z.string().nullable()), order: z.looseObject({}).nullable() })

/** What an archive holds; hashes in hex. */
export interface Archived {
  first: number
  last: number
  previous: string
  seal: string
  file_hash: string
  /** The first thing that is wrong with it. */
  fault: string | undefined
}

/**
 * Checks every row of a file against its seal, the seal against the one before and against a checkpoint of its position, and its leaf against
 * the tree. Throws for a file that is none.
 */
export async function readArchive(file: string, database: Queries, checkpoint?: Checkpoint): Promise<Archived> {
  const sum = createHash('sha256')
  const input = fs.createReadStream(file)
  input.on('data', (chunk) => sum.update(chunk))
  let head: z.infer<typeof headSchema> | undefined
  let position = 0
  let at: Buffer = GENESIS
  let fault: string | undefined
  let leaves = { number: -1, hashes: GENESIS as Buffer }
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (head === undefined) {
      head = parse(headSchema, line, file)
      position = head.first - 1
      at = Buffer.from(head.previous, 'hex')
      continue
    }
    position += 1
    const { entry } = parse(lineSchema, line, file)
    const number = Math.floor((position - 1) / TILE_WIDTH)
    if (leaves.number !== number) {
      const read = await readTiles(database, [{ level: 0, number }])
      leaves = { number, hashes: read({ level: 0, number }) }
    }
    const found = rowFault(entry, position, at, leaves.hashes)
    fault ??= found.fault
    at = found.seal
    if (position === checkpoint?.position && at.toString('hex') !== checkpoint.hash)
      fault ??= `position ${position} of the archive: ${OTHER_THAN_SIGNED}`
  }
  if (head === undefined) throw new Error(`${file} is empty, and no archive of an audit log`)
  if (position !== head.last) fault ??= `${file} ends with position ${position}, and says that it goes to ${head.last}`
  const { first, last, previous } = head
  return { first, last, previous, seal: at.toString('hex'), file_hash: sum.digest('hex'), fault }
}

function parse<Schema extends z.ZodType>(schema: Schema, line: string, file: string): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(line))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw new Error(`${file} is no archive of an audit log: ${why}`)
  }
}

function rowFault(elements: EntryElements, position: number, previous: Buffer, leaves: Buffer) {
  const entry = readEntry(elements)
  const own = Buffer.from(entry.seal ?? '', 'hex')
  const what = (reason: string) => ({ seal: own, fault: `position ${position} of the archive: ${reason}` })
  if (entry.position !== String(position)) return what(`the row is that of position ${entry.position}`)
  if (!fitsItsSeal(entry)) return what('the audit row is not what was sealed')
  const covered = entry.version === '1' ? undefined : entry.sealed_at!
  if (!seal(previous, position, Buffer.from(entry.row_hash!, 'hex'), covered).equals(own))
    return what('the seal does not follow from the one before it')
  const at = ((position - 1) % TILE_WIDTH) * 32
  if (!leafHash(entryBytes(elements)).equals(leaves.subarray(at, at + 32)))
    return what('its leaf in the tree is another')
  return { seal: own, fault: undefined }
}

/**
 * What is wrong with boundaries, and with the archives that are given; undefined when all that is given fits. Throws for a checkpoint of a row
 * that has left, when its archive is not given: nothing that is here could contradict it.
 */
export async function boundaryFault(
  database: Queries,
  boundaries: Boundary[],
  origin: string,
  key: KeyObject | undefined,
  files: string[],
  checkpoint?: Checkpoint,
): Promise<string | undefined> {
  const left = boundaries.at(-1)?.position ?? 0
  if (checkpoint !== undefined && checkpoint.position < left && files.length === 0)
    throw new Error(
      `The checkpoint is of position ${checkpoint.position}, and rows up to ${left} have left: give their archives with --archive FILE, or a newer checkpoint.`,
    )
  const gap = boundaries.find(({ first }, n) => first !== (boundaries[n - 1]?.position ?? 0) + 1)
  if (gap) return `the boundary before position ${gap.first} is missing`
  const forged = key && boundaries.find((boundary) => !isSigned(boundary, origin, key))
  if (forged) return `the boundary at position ${forged.position} was not signed by this log: rows up to it are missing`
  const given = new Set<number>()
  for (const file of files) {
    const found = await readArchive(file, database, checkpoint)
    if (found.fault !== undefined) return `${file}: ${found.fault}`
    const n = boundaries.findIndex(({ position }) => position === found.last)
    const boundary = boundaries[n]
    if (boundary === undefined) return `${file}: the log has no boundary at position ${found.last}`
    const previous = boundaries[n - 1]?.seal ?? GENESIS.toString('hex')
    if (found.first !== boundary.first || found.previous !== previous || found.seal !== boundary.seal)
      return `${file}: its rows do not lead from the boundary before to that at position ${found.last}`
    if (found.file_hash !== boundary.file_hash)
      return `${file}: it is not the file that was written, though its rows fit`
    given.add(found.last)
  }
  const missing = files.length > 0 ? boundaries.find(({ position }) => !given.has(position)) : undefined
  return (
    missing && `the archive of the rows ${missing.first} to ${missing.position} is missing: give each with --archive`
  )
}
