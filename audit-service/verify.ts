/** Checks the hash chain page by page: memory stays flat over millions of rows, and the first fault is named. */
import type { AuditVerification } from '@sightline/contracts'
import { elapsedMs, type Queries, sql } from '@sightline/service-kit'
import { GENESIS, hashRow, SEALABLE_COLUMNS, type SealableRow, seal } from './chain.ts'
import type { Checkpoint } from './checkpoint-format.ts'

type ChainEntry = { position: number; audit_id: number; row_hash: Buffer; hash: Buffer } & {
  [Column in keyof SealableRow]: SealableRow[Column] | null
}
/** Where the chain is broken, and how. */
export type Fault = NonNullable<AuditVerification['first_broken']>

const PAGE = 1_000
const ENDS = sql(
  'chain_ends',
  `select coalesce((select max(position) from audit_chain), 0) as last_position,
     coalesce((select max(id) from audit_logs), 0) as last_id,
     (select count(*) from audit_unsealed) as unsealed`,
)
/** `limit 1` keeps the planner from joining whole tables for each page: every row is one look-up by its key. */
const ENTRIES = sql(
  'chain_entries',
  `select c.position, c.audit_id, c.row_hash, c.hash, ${SEALABLE_COLUMNS}
   from (select position, audit_id, row_hash, hash from audit_chain
         where position > $1 and position <= $2 order by position limit ${PAGE}) c
     left join lateral (select * from audit_logs where id = c.audit_id limit 1) a on true
   order by c.position`,
)
const SEAL_AT = sql('seal_at', 'select hash from audit_chain where position = $1')
/** A row that is neither sealed nor waiting for it has lost its seal. */
const WITHOUT_SEAL = sql(
  'rows_without_seal',
  `select a.id from audit_logs a
     left join lateral (select true as sealed from audit_chain where audit_id = a.id limit 1) c on true
     left join lateral (select true as waits from audit_unsealed where audit_id = a.id limit 1) u on true
   where a.id > $1 and a.id <= $2 and c.sealed is null and u.waits is null order by a.id limit 1`,
)
const WINDOW = 20_000
/** In one snapshot: every row is sealed or waits for it, so the numbers agree. */
const COUNTS = sql(
  'chain_counts',
  `select (select count(*) from audit_logs) as rows,
     (select count(*) from audit_chain) + (select count(*) from audit_unsealed) as known`,
)

export interface VerifyOptions {
  /** First position to check (default 1); the seal before it is taken on trust. */
  from?: number
  /** A checkpoint kept elsewhere: the chain must still hold its seal, so a cut-off tail is noticed. */
  checkpoint?: Checkpoint
  /** Stop after this time, milliseconds; the result then says where to go on. */
  withinMs?: number
  /** Called after each page with the rows checked so far and those there are from `from` on. */
  onProgress?: (checked: number, total: number) => void
}

/**
 * Checks hashes and seals from a position to the end, and then that no row is without a seal. A broken chain is a result,
 * not an error; rejects only when the database does.
 */
export async function verifyChain(database: Queries, options: VerifyOptions = {}): Promise<AuditVerification> {
  const { from = 1, withinMs = Number.POSITIVE_INFINITY } = options
  const started = performance.now()
  const [ends] = await database.query<{ last_position: number; last_id: number; unsealed: number }>(ENDS)
  const { last_position, last_id, unsealed } = ends!
  let position = from - 1
  let previous = from === 1 ? GENESIS : await sealAt(database, from - 1)
  // Beyond the end there is nothing to check, and nothing missing.
  const isMissing = previous === undefined && from - 1 <= last_position
  let fault = isMissing ? missingSeal(from - 1) : checkpointBehind(options.checkpoint, last_position)
  let checked = 0
  let timeIsUp = false

  while (fault === undefined && position < last_position && !timeIsUp) {
    const entries = await database.query<ChainEntry>(ENTRIES, [position, last_position])
    if (entries.length === 0) fault = missingSeal(position + 1)
    for (const entry of entries) {
      fault = faultOf(entry, position + 1, previous!, options.checkpoint)
      if (fault !== undefined) break
      position = entry.position
      previous = entry.hash
      checked += 1
    }
    options.onProgress?.(checked, last_position - from + 1)
    timeIsUp = performance.now() - started > withinMs
  }
  const complete = fault === undefined && position >= last_position
  if (complete) fault = await countFault(database, last_id)

  return {
    status: fault === undefined ? 'intact' : 'broken',
    complete: complete || fault !== undefined,
    checked,
    unsealed,
    last_position,
    last_hash: (previous ?? GENESIS).toString('hex'),
    next_position: complete || fault !== undefined ? null : position + 1,
    first_broken: fault ?? null,
    duration_ms: elapsedMs(started),
  }
}

/** The seal at a position; undefined when there is none. */
export async function sealAt(database: Queries, position: number): Promise<Buffer | undefined> {
  const [row] = await database.query<{ hash: Buffer }>(SEAL_AT, [position])
  return row?.hash
}

function faultOf(entry: ChainEntry, expected: number, previous: Buffer, checkpoint?: Checkpoint): Fault | undefined {
  const { position, audit_id } = entry
  if (position !== expected) return missingSeal(expected)
  const at = (reason: string): Fault => ({ position, audit_id, reason })
  if (entry.id === null) return at('the audit row is missing')
  if (!hashRow(entry as SealableRow).equals(entry.row_hash)) return at('the audit row was changed after it was sealed')
  if (!seal(previous, position, entry.row_hash).equals(entry.hash))
    return at('the seal does not follow from the one before it')
  if (checkpoint?.position === position && entry.hash.toString('hex') !== checkpoint.hash) {
    return at('the seal differs from the signed checkpoint: the chain was made anew')
  }
  return undefined
}

function missingSeal(position: number): Fault {
  return { position, audit_id: null, reason: 'the seal at this position is missing' }
}

function checkpointBehind(checkpoint: Checkpoint | undefined, lastPosition: number): Fault | undefined {
  if (checkpoint === undefined || checkpoint.position <= lastPosition) return undefined
  const reason = `the signed checkpoint knows position ${checkpoint.position}: the end of the chain was cut off`
  return { position: lastPosition + 1, audit_id: null, reason }
}

async function countFault(database: Queries, lastId: number): Promise<Fault | undefined> {
  const [counts] = await database.query<{ rows: number; known: number }>(COUNTS)
  if (counts!.rows === counts!.known) return undefined
  const reason = `there are ${counts!.rows} audit rows, and ${counts!.known} that are sealed or wait for it`
  return (await rowWithoutSeal(database, lastId)) ?? { position: null, audit_id: null, reason }
}

async function rowWithoutSeal(database: Queries, lastId: number): Promise<Fault | undefined> {
  for (let after = 0; after < lastId; after += WINDOW) {
    const [row] = await database.query<{ id: number }>(WITHOUT_SEAL, [after, Math.min(after + WINDOW, lastId)])
    if (row) return { position: null, audit_id: row.id, reason: 'the audit row has no seal and does not wait for one' }
  }
  return undefined
}
