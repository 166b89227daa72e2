/**
 * Checks the hash chain page by page: memory stays flat over millions of rows, and the first fault is named. Each sealed row
 * is held against its order and its leaf in the tree, and in the end rows, seals, queue and orders against each other.
 */
import type { AuditVerification } from '@sightline/contracts'
import { type BulkQueries, elapsedMs, type Queries, type Statement, sql } from '@sightline/service-kit'
import { GENESIS } from './chain.ts'
import type { Checkpoint } from './checkpoint-format.ts'
import type { TreeCheckpoint } from './note.ts'
import { overdueRow } from './standstill.ts'
import { treeHead } from './tree.ts'
import { createTreeCheck, treeShapeFault } from './tree-check.ts'
import { checkPages, type Fault, missingSeal, ORDER_FAULT, OTHER_THAN_SIGNED } from './verify-page.ts'

const ENDS = sql(
  'chain_ends',
  `select coalesce((select max(position) from audit_chain), 0) as last_position,
     coalesce((select max(id) from audit_logs), 0) as last_id,
     coalesce((select max(id) from order_events), 0) as last_order,
     (select count(*) from audit_unsealed) as unsealed,
     audit_tree_size() as tree_size,
     coalesce((select max(position) from audit_boundaries), 0) as boundary,
     (select seal from audit_boundaries order by position desc limit 1) as boundary_seal`,
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
 * In one snapshot; the seal of a boundary stands for a row that has left. Where each seal and each entry of the queue stands for a row of its own, no row is left over when their
 * numbers agree; and where each row has its order, no order is left over when theirs do.
 */
const COUNTS = sql(
  'chain_counts',
  `select (select count(*) from audit_logs) as rows,
     (select count(*) from audit_chain) + (select count(*) from audit_unsealed) - (
       select count(*) from audit_chain c where position = (select max(position) from audit_boundaries)
         and not exists (select from audit_logs where id = c.audit_id)) as known,
     (select count(*) from order_events) as orders,
     (select count(*) from waiting_events w where not exists (select from audit_logs a where a.event_id = w.event_id)) as underway`,
)
export interface VerifyOptions {
  /** First position to check (default 1, or the first behind the newest boundary); the seal before it is taken on trust, unless `known` says what it was. */
  from?: number
  /** A place up to which all was checked before: what is behind it is checked, and that its seal is still the same. In place of `from`. */
  known?: KnownPlace
  /** A checkpoint kept elsewhere: the chain must still hold its seal, so a cut-off tail is noticed. */
  checkpoint?: Checkpoint
  /** The same of the tree, whose beginning must still be what was signed. */
  treeCheckpoint?: TreeCheckpoint
  /** Stop after this time, milliseconds; the result then says where to go on. */
  withinMs?: number
  /** Called after each page with the rows checked so far, those there are from `from` on, and the place up to which all fits. */
  onProgress?: (checked: number, total: number, place: KnownPlace) => void
}

/** A position and its seal, hex. */
export interface KnownPlace {
  position: number
  hash: string
}

/**
 * Checks hashes and seals from a position to the end, and then that no row is without a seal and no order without a row. A
 * broken chain is a result, not an error; rejects only when the database does.
 */
export async function verifyChain(database: BulkQueries, options: VerifyOptions = {}): Promise<AuditVerification> {
  const { withinMs = Number.POSITIVE_INFINITY } = options
  const started = performance.now()
  const [ends] = await database.query<Ends>(ENDS)
  const { last_position, unsealed, tree_size, boundary } = ends!
  // What was verified before says nothing of rows that have left since.
  const known = options.known && options.known.position > boundary ? options.known : undefined
  const from = Math.max(options.from ?? (known?.position ?? 0) + 1, boundary + 1)
  const tree = createTreeCheck(tree_size, from - 1)
  let position = from - 1
  let previous = from === 1 ? GENESIS : await sealAt(database, from - 1)
  // Beyond the end there is nothing to check, and nothing missing.
  const isMissing = previous === undefined && from - 1 <= last_position
  let fault = isMissing
    ? missingSeal(from - 1)
    : (cutOff(ends!, options) ??
      (await otherBoundary(database, ends!)) ??
      otherSeal(known, previous) ??
      (await checkpointBefore(database, from, ends!, options)))
  if (fault === undefined && position < last_position) {
    const start = { position, previous: previous! }
    const against = { tree, checkpoint: options.checkpoint }
    const reached = await checkPages(database, start, against, {
      last: last_position,
      isTimeUp: () => performance.now() - started > withinMs,
      onChecked: (place) => {
        const known = { position: place.position, hash: place.previous.toString('hex') }
        options.onProgress?.(place.position - from + 1, last_position - from + 1, known)
      },
    })
    ;({ position, previous, fault } = reached)
  }
  const checked = position - from + 1
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
  /** The last position whose row has left by an archive; 0 when none has. */
  boundary: number
  boundary_seal: Buffer | null
}

/** The seal at a position; undefined when there is none. */
export async function sealAt(database: Queries, position: number): Promise<Buffer | undefined> {
  const [row] = await database.query<{ hash: Buffer }>(SEAL_AT, [position])
  return row?.hash
}

/** A checkpoint that knows of more rows than there are. */
function cutOff({ last_position }: Ends, options: VerifyOptions): Fault | undefined {
  const known: Array<[what: string, size: number]> = [
    ['what was verified before ends at position', options.known?.position ?? 0],
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

/** A boundary from which the chain does not go on. */
async function otherBoundary(database: Queries, { boundary, boundary_seal }: Ends): Promise<Fault | undefined> {
  if (boundary_seal === null) return undefined
  const seal = await sealAt(database, boundary)
  if (seal?.equals(boundary_seal)) return undefined
  const reason = 'the seal differs from that of the boundary of the archive'
  return { position: boundary, audit_id: null, reason }
}

/** A seal that is not the one that was verified before. */
function otherSeal(known: KnownPlace | undefined, seal: Buffer | undefined): Fault | undefined {
  if (known === undefined || known.position === 0 || seal?.toString('hex') === known.hash) return undefined
  return {
    position: known.position,
    audit_id: null,
    reason: 'the seal differs from the one that was verified before: the chain was made anew',
  }
}

/** A signed seal among those that are not read again. */
async function checkpointBefore(
  database: Queries,
  from: number,
  { boundary }: Ends,
  { checkpoint }: VerifyOptions,
): Promise<Fault | undefined> {
  if (checkpoint === undefined || checkpoint.position >= from || checkpoint.position < boundary) return undefined
  const seal = await sealAt(database, checkpoint.position)
  if (seal?.toString('hex') === checkpoint.hash) return undefined
  return { position: checkpoint.position, audit_id: null, reason: OTHER_THAN_SIGNED }
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
