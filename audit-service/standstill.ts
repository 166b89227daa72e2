/**
 * Sealing that stands still: a state of its own, neither intact nor broken. Rows wait for moments; what waits longer is kept from its
 * seal or its place in the tree by something. The tables say since when, and the sealer's own clock, which the owner of the tables can't set.
 */
import type { AuditVerification } from '@sightline/contracts'
import { type Queries, sql } from '@sightline/service-kit'

/** After this time without a seal, or a place in the tree, sealing stands still, seconds. */
export const OVERDUE_SECONDS = 60

/** So long the sealer itself needs to be sure: another service may be at it. */
const SURE_MS = 5_000

/** The row that waits longest, by the earlier of the times that row and queue have: either alone could be dated anew. No time is before 1970. */
const OVERDUE = sql(
  'overdue_row',
  `select u.audit_id, greatest(least(u.recorded_at, a.recorded_at), 'epoch') as since
   from audit_unsealed u left join lateral (select recorded_at from audit_logs where id = u.audit_id limit 1) a on true
   where least(u.recorded_at, a.recorded_at) < clock_timestamp() - interval '${OVERDUE_SECONDS} seconds' order by since limit 1`,
)
/** The first row that is sealed and not in the tree, when it is so for too long. */
const OUTSIDE = sql(
  'overdue_outside_tree',
  `select position, audit_id, greatest(sealed_at, 'epoch') as since from audit_chain
   where position = audit_tree_size() + 1 and sealed_at < clock_timestamp() - interval '${OVERDUE_SECONDS} seconds'`,
)
const REMEDY = 'see that an audit-service runs, and what its log says'

/** What stands still, and since when (RFC 3339). */
export interface Standing {
  fault: NonNullable<AuditVerification['first_broken']>
  since: string
}

/** The row that has waited longest, when that is too long. */
export async function overdueRow(database: Queries): Promise<Standing | undefined> {
  const [waits] = await database.query<{ audit_id: number; since: Date }>(OVERDUE)
  if (waits !== undefined) return standing(null, waits, 'the audit row waits for its seal')
  const [outside] = await database.query<{ position: number; audit_id: number; since: Date }>(OUTSIDE)
  return outside && standing(outside.position, outside, 'the sealed row waits for its place in the tree')
}

function standing(position: number | null, row: { audit_id: number; since: Date }, what: string): Standing {
  const since = row.since.toISOString()
  return { fault: { position, audit_id: row.audit_id, reason: `${what} since ${since}: ${REMEDY}` }, since }
}

/** Watches the sealer from inside its process. */
export interface Progress {
  /** After each look at the queue: whether a row still waits, and where the chain ends, or `undefined` when the database didn't say. */
  saw(look: { waits: boolean; end: number } | undefined): void
  /** Since when a row waits and the chain has not grown, whoever seals; undefined while it goes on, and for the first five seconds. */
  since(): Date | undefined
}

export function watchProgress(now: () => number = Date.now): Progress {
  let end: number | undefined
  let since: number | undefined
  return {
    saw(look) {
      const goesOn = look !== undefined && (!look.waits || look.end !== end)
      since = goesOn ? undefined : (since ?? now())
      end = look?.end ?? end
    },
    since: () => (since === undefined || now() - since < SURE_MS ? undefined : new Date(since)),
  }
}

/** What a verification found, with what the sealer knows: an intact log whose sealing stands still is overdue. */
export function withProgress(
  found: AuditVerification,
  progress: Pick<Progress, 'since'>,
  now: () => number = Date.now,
): AuditVerification {
  const since = progress.since()
  if (found.status !== 'intact' || !found.complete || since === undefined) return found
  if (now() - since.getTime() < OVERDUE_SECONDS * 1000) return found
  const waiting_since = since.toISOString()
  const reason = `rows wait, and none was sealed since ${waiting_since}: ${REMEDY}`
  return { ...found, status: 'overdue', waiting_since, first_broken: { position: null, audit_id: null, reason } }
}
