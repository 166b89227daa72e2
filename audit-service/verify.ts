/**
 * Checks the hash chain page by page: memory stays flat over millions of rows, and the first fault is named. Each sealed row
 * is held against its order and its leaf in the tree, and in the end rows, seals, queue and orders against each other.
 */
import type { AuditVerification } from '@sightline/contracts'
import { elapsedMs, type Queries, type Statement, sql } from '@sightline/service-kit'
import { GENESIS, hashRow, type SealableRow, seal } from './chain.ts'
import type { Checkpoint } from './checkpoint-format.ts'
import { SEALED_COLUMNS, type SealedRow } from './entry.ts'
import type { TreeCheckpoint } from './note.ts'
import { overdueRow } from './standstill.ts'
import { treeHead } from './tree.ts'
import { createTreeCheck, type TreeCheck, treeShapeFault } from './tree-check.ts'

type ChainEntry = SealedRow & { order_fault: string | null }
/** Where the chain is broken, and how. */
export type Fault = NonNullable<AuditVerification['first_broken']>

const PAGE = 1_000
const ENDS = sql(
  'chain_ends',
  `select coalesce((select max(position) from audit_chain), 0) as last_position,
     coalesce((select max(id) from audit_logs), 0) as last_id,
     coalesce((select max(id) from order_events), 0) as last_order,
     (select count(*) from audit_unsealed) as unsealed,
     audit_tree_size() as tree_size`,
)
/** What is wrong between a row of `audit_logs a` and its order `o`; null where they agree. */
const ORDER_FAULT = `case when o.id is null then 'the audit row has no order'
  when (o.event_id, o.user_id, o.action, to_jsonb(o.total), to_jsonb(o.currency))
    is distinct from (a.event_id, a.user_id, a.action, a.details -> 'total', a.details -> 'currency')
  then 'the audit row and order ' || o.id || ' disagree' end`
/** `limit 1` keeps the planner from joining whole tables for each page: every row is one look-up by its key. */
const ENTRIES = sql(
  'chain_entries',
  `select ${SEALED_COLUMNS}, ${ORDER_FAULT} as order_fault
   from (select position, audit_id, row_hash, hash, version, sealed_at from audit_chain
         where position > $1 and position <= $2 order by position limit ${PAGE}) c
     left join lateral (select * from audit_logs where id = c.audit_id limit 1) a on true
     left join lateral (select * from order_events where id = a.order_id limit 1) o on true
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
/** An order is either audited or its event waits for delivery: both are written in one transaction. */
const WITHOUT_ROW = sql(
  'orders_without_row',
  `select o.id from order_events o
     left join lateral (select true as audited from audit_logs where event_id = o.event_id limit 1) a on true
     left join lateral (select true as waits from waiting_events where event_id = o.event_id limit 1) w on true
   where o.id > $1 and o.id <= $2 and a.audited is null and w.waits is null order by o.id limit 1`,
)
const WINDOW = 20_000
/** An entry of the queue that stands for no row to be sealed; else a row that is not its order's, like those in the chain. */
const QUEUE_FAULT = sql(
  'queue_fault',
  `select * from (
     select u.audit_id, case when a.id is null then 'what waits for a seal is no audit row: the entry of the queue is forged'
         when c.sealed then 'the audit row is sealed and waits for a seal: the entry of the queue is forged'
         else ${ORDER_FAULT} end as reason
     from audit_unsealed u
       left join lateral (select * from audit_logs where id = u.audit_id limit 1) a on true
       left join lateral (select true as sealed from audit_chain where audit_id = u.audit_id limit 1) c on true
       left join lateral (select * from order_events where id = a.order_id limit 1) o on true
   ) queue where reason is not null order by audit_id limit 1`,
)
/**
 * In one snapshot. Where each seal and each entry of the queue stands for a row of its own, no row is left over when their
 * numbers agree; and where each row has its order, no order is left over when theirs do.
 */
const COUNTS = sql(
  'chain_counts',
  `select (select count(*) from audit_logs) as rows,
     (select count(*) from audit_chain) + (select count(*) from audit_unsealed) as known,
     (select count(*) from order_events) as orders,
     (select count(*) from waiting_events w where not exists (select from audit_logs a where a.event_id = w.event_id)) as underway`,
)
export interface VerifyOptions {
  /** First position to check (default 1); the seal before it is taken on trust. */
  from?: number
  /** A checkpoint kept elsewhere: the chain must still hold its seal, so a cut-off tail is noticed. */
  checkpoint?: Checkpoint
  /** The same of the tree, whose beginning must still be what was signed. */
  treeCheckpoint?: TreeCheckpoint
  /** Stop after this time, milliseconds; the result then says where to go on. */
  withinMs?: number
  /** Called after each page with the rows checked so far and those there are from `from` on. */
  onProgress?: (checked: number, total: number) => void
}

/**
 * Checks hashes and seals from a position to the end, and then that no row is without a seal and no order without a row. A
 * broken chain is a result, not an error; rejects only when the database does.
 */
export async function verifyChain(database: Queries, options: VerifyOptions = {}): Promise<AuditVerification> {
  const { from = 1, withinMs = Number.POSITIVE_INFINITY } = options
  const started = performance.now()
  const [ends] = await database.query<Ends>(ENDS)
  const { last_position, unsealed, tree_size } = ends!
  const tree = createTreeCheck(database, tree_size)
  let position = from - 1
  let previous = from === 1 ? GENESIS : await sealAt(database, from - 1)
  // Beyond the end there is nothing to check, and nothing missing.
  const isMissing = previous === undefined && from - 1 <= last_position
  let fault = isMissing ? missingSeal(from - 1) : cutOff(ends!, options)
  let checked = 0
  let timeIsUp = false

  while (fault === undefined && position < last_position && !timeIsUp) {
    const entries = await database.query<ChainEntry>(ENTRIES, [position, last_position])
    if (entries.length === 0) fault = missingSeal(position + 1)
    await tree.load(entries)
    for (const entry of entries) {
      fault = faultOf(entry, position + 1, previous!, tree, options.checkpoint)
      if (fault !== undefined) break
      position = entry.position
      previous = entry.hash
      checked += 1
    }
    options.onProgress?.(checked, last_position - from + 1)
    timeIsUp = performance.now() - started > withinMs
  }
  const complete = fault === undefined && position >= last_position
  if (complete)
    fault =
      (await treeFault(database, ends!, options.treeCheckpoint)) ??
      (await queueFault(database)) ??
      (await countFault(database, ends!))
  const overdue = complete && fault === undefined ? await overdueRow(database) : undefined

  return {
    status: fault !== undefined ? 'broken' : overdue !== undefined ? 'overdue' : 'intact',
    complete: complete || fault !== undefined,
    checked,
    unsealed,
    tree_size,
    last_position,
    last_hash: (previous ?? GENESIS).toString('hex'),
    next_position: complete || fault !== undefined ? null : position + 1,
    first_broken: fault ?? overdue?.fault ?? null,
    waiting_since: overdue?.since ?? null,
    duration_ms: elapsedMs(started),
  }
}

interface Ends {
  last_position: number
  last_id: number
  last_order: number
  unsealed: number
  tree_size: number
}

/** The seal at a position; undefined when there is none. */
export async function sealAt(database: Queries, position: number): Promise<Buffer | undefined> {
  const [row] = await database.query<{ hash: Buffer }>(SEAL_AT, [position])
  return row?.hash
}

function faultOf(
  entry: ChainEntry,
  expected: number,
  previous: Buffer,
  tree: TreeCheck,
  checkpoint?: Checkpoint,
): Fault | undefined {
  const { position, audit_id } = entry
  if (position !== expected) return missingSeal(expected)
  const at = (reason: string): Fault => ({ position, audit_id, reason })
  if (entry.id === null) return at('the audit row is missing')
  if (!hashRow(entry as SealableRow).equals(entry.row_hash)) return at('the audit row was changed after it was sealed')
  const sealedAt = entry.version === 1 ? undefined : entry.sealed_at
  if (!seal(previous, position, entry.row_hash, sealedAt).equals(entry.hash))
    return at('the seal does not follow from the one before it')
  if (checkpoint?.position === position && entry.hash.toString('hex') !== checkpoint.hash) {
    return at('the seal differs from the signed checkpoint: the chain was made anew')
  }
  const reason = tree.faultAt(entry) ?? entry.order_fault
  return reason === null ? undefined : at(reason)
}

function missingSeal(position: number): Fault {
  return { position, audit_id: null, reason: 'the seal at this position is missing' }
}

/** A checkpoint that knows of more rows than there are. */
function cutOff({ last_position }: Ends, options: VerifyOptions): Fault | undefined {
  const known: Array<[what: string, size: number]> = [
    ['the signed checkpoint knows position', options.checkpoint?.position ?? 0],
    ['the signed checkpoint of the tree knows position', options.treeCheckpoint?.size ?? 0],
  ]
  const beyond = known.find(([, size]) => size > last_position)
  if (beyond === undefined) return undefined
  return {
    position: last_position + 1,
    audit_id: null,
    reason: `${beyond.join(' ')}: the end of the chain was cut off`,
  }
}

/** The rows that were read fit their leaves: here is whether the tree has more of them, is whole, and is what was signed. */
async function treeFault(
  database: Queries,
  { tree_size, last_position }: Ends,
  checkpoint: TreeCheckpoint | undefined,
): Promise<Fault | undefined> {
  const at = (reason: string, position: number | null = null): Fault => ({ position, audit_id: null, reason })
  if (tree_size > last_position)
    return at(`the tree knows position ${tree_size}: the end of the chain was cut off`, last_position + 1)
  const shape = await treeShapeFault(database)
  if (shape !== undefined) return at(shape)
  if (checkpoint === undefined || checkpoint.size === 0) return undefined
  if (tree_size < checkpoint.size)
    return at(`the tree has ${tree_size} rows, and its signed checkpoint ${checkpoint.size}: it was cut off`)
  const { root } = await treeHead(database, checkpoint.size)
  return root.equals(checkpoint.root)
    ? undefined
    : at(`the tree of ${checkpoint.size} rows differs from the signed checkpoint: it was made anew`)
}

async function queueFault(database: Queries): Promise<Fault | undefined> {
  const [entry] = await database.query<{ audit_id: number; reason: string }>(QUEUE_FAULT)
  return entry && { position: null, ...entry }
}

async function countFault(database: Queries, ends: Ends): Promise<Fault | undefined> {
  const [counts] = await database.query<{ rows: number; known: number; orders: number; underway: number }>(COUNTS)
  const { rows, known, orders, underway } = counts!
  if (rows !== known) {
    const audit_id = await firstOf(database, WITHOUT_SEAL, ends.last_id)
    const reason =
      audit_id === null
        ? `there are ${rows} audit rows, and ${known} that are sealed or wait for it`
        : 'the audit row has no seal and does not wait for one'
    return { position: null, audit_id, reason }
  }
  if (orders !== rows + underway) {
    const order = await firstOf(database, WITHOUT_ROW, ends.last_order)
    const reason =
      order === null
        ? `there are ${orders} orders, ${rows} audit rows, and ${underway} events on their way to one`
        : `order ${order} has no audit row, and no event on its way to one`
    return { position: null, audit_id: null, reason }
  }
  return undefined
}

/** The lowest id up to `last` that the statement finds; by windows, because a table of millions of rows takes longer than a statement may. */
async function firstOf(database: Queries, statement: Statement, last: number): Promise<number | null> {
  for (let after = 0; after < last; after += WINDOW) {
    const [row] = await database.query<{ id: number }>(statement, [after, Math.min(after + WINDOW, last)])
    if (row) return row.id
  }
  return null
}
