/** SQL of dead letters: the audit service sees them, without their payload, and can't change them. */
import type { DeadLetter } from '@sightline/contracts'
import { type Queries, repeatable } from '@sightline/service-kit'

/** What the view `dead_letters` lets the audit service see of an outbox row. */
export interface DeadLetterRow {
  event_id: string
  order_id: number
  request_id: string | null
  traceparent: string | null
  created_at: Date
  dead_at: Date
  attempts: number
  last_error: string | null
}

const LIST = repeatable(
  'list_dead_letters',
  `select event_id, order_id, request_id, traceparent, created_at, dead_at, attempts, last_error from dead_letters
   where order_id > $1 order by order_id limit $2`,
)

/** Dead letters of orders with an id above `after`, oldest first. */
export function listDeadLetters(database: Queries, limit: number, after = 0): Promise<DeadLetterRow[]> {
  return database.query<DeadLetterRow>(LIST, [after, limit])
}

/** The row as the API shows it: with the trace of the order, where it was traced. */
export function toDeadLetterView({ traceparent, ...row }: DeadLetterRow): DeadLetter {
  return {
    ...row,
    trace_id: traceparent?.split('-')[1] ?? null,
    created_at: row.created_at.toISOString(),
    dead_at: row.dead_at.toISOString(),
  }
}
