/** SQL of the audit trail: rows are added and read, never changed. */
import type { AuditEvent, AuditRow } from '@sightline/contracts'
import { LAST_ID, type Queries, repeatable } from '@sightline/service-kit'

/** All conditions that are given have to hold. */
export interface AuditFilter {
  user_id?: number | undefined
  order_id?: number | undefined
  trace_id?: string | undefined
}

const INSERT = repeatable(
  'insert_audit_log',
  `insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, trace_id, request_id, details)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
   on conflict (event_id) do nothing
   returning id, recorded_at`,
)
const FIND = repeatable('find_audit_log', 'select id, recorded_at from audit_logs where event_id = $1')

const COLUMNS = `a.id, a.event_id, a.event_type, a.occurred_at, a.recorded_at, a.source, a.user_id, a.order_id, a.action,
  a.trace_id, a.request_id, a.details,
  (select min(c.position) from audit_chain c where c.audit_id = a.id) as position, (select audit_tree_size()) as tree_size`
/** Further conditions narrow what the index of the first one finds. */
const PAGE = `and a.id < coalesce($2, ${LAST_ID}) and ($4::bigint is null or a.order_id = $4)
  and ($5::bigint is null or a.user_id = $5) order by a.id desc limit $3`
/** One statement per leading filter: a statement that serves all of them at once would use no index well. */
const LIST = {
  none: repeatable('list_audit', view('$1::text is null')),
  user_id: repeatable('list_audit_by_user', view('a.user_id = $1')),
  order_id: repeatable('list_audit_by_order', view('a.order_id = $1')),
  trace_id: repeatable('list_audit_by_trace', view('a.trace_id = $1')),
}

function view(condition: string): string {
  return `select ${COLUMNS} from audit_logs a where ${condition} ${PAGE}`
}

export interface AuditLogRow extends Omit<AuditRow, 'occurred_at' | 'recorded_at' | 'sealed' | 'proof'> {
  occurred_at: Date
  recorded_at: Date
  tree_size: number
}

export interface RecordedEvent {
  id: number
  recordedAt: Date
  /** The event had been there before; the row is the one of the first time. */
  duplicate: boolean
}

/** Adds the event's row, once however often the event comes. Rejects with what PostgreSQL refuses. */
export async function recordEvent(database: Queries, event: AuditEvent): Promise<RecordedEvent> {
  const values = [
    event.event_id,
    event.event_type,
    event.occurred_at,
    event.source,
    event.user_id,
    event.order_id,
    event.action,
    event.trace_id,
    event.request_id,
    JSON.stringify(event.details),
  ]
  const [added] = await database.query<{ id: number; recorded_at: Date }>(INSERT, values)
  if (added) return { id: added.id, recordedAt: added.recorded_at, duplicate: false }
  const [known] = await database.query<{ id: number; recorded_at: Date }>(FIND, [event.event_id])
  return { id: known!.id, recordedAt: known!.recorded_at, duplicate: true }
}

/** Rows that the filter lets through, with an id below `before`, newest first. */
export function listAuditLog(
  database: Queries,
  filter: AuditFilter,
  limit: number,
  before?: number,
): Promise<AuditLogRow[]> {
  const { statement, value, order_id = null, user_id = null } = statementFor(filter)
  return database.query<AuditLogRow>(statement, [value, before ?? null, limit, order_id, user_id])
}

/** The most selective condition leads, the others are left in the filter. */
function statementFor({ trace_id, order_id, user_id }: AuditFilter) {
  if (trace_id !== undefined) return { statement: LIST.trace_id, value: trace_id, order_id, user_id }
  if (order_id !== undefined) return { statement: LIST.order_id, value: order_id, user_id }
  if (user_id !== undefined) return { statement: LIST.user_id, value: user_id }
  return { statement: LIST.none, value: null }
}

/** The row as the API shows it, the newest signed tree having `signedSize` rows. */
export function toAuditView({ tree_size, position, ...row }: AuditLogRow, signedSize: number): AuditRow {
  return {
    ...row,
    occurred_at: row.occurred_at.toISOString(),
    recorded_at: row.recorded_at.toISOString(),
    sealed: position !== null,
    position,
    proof: proofState(position, tree_size, signedSize),
  }
}

function proofState(position: number | null, treeSize: number, signedSize: number): AuditRow['proof'] {
  if (position === null) return 'waiting'
  if (position > treeSize) return 'sealed'
  return position > signedSize ? 'in_tree' : 'signed'
}
