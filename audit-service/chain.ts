/**
 * The hash chain: what exactly is hashed. A seal is SHA-256(previous seal || position || hash of the row), so a row can't
 * be changed, removed or put elsewhere without breaking every seal after it.
 */
import { hash } from 'node:crypto'

/** The seal before the first. */
export const GENESIS = Buffer.alloc(32)

/** A row as PostgreSQL writes it in text: no driver, time zone or JSON printer stands between the row and its hash. */
export interface SealableRow {
  id: string
  event_id: string
  event_type: string
  occurred_at: string
  recorded_at: string
  source: string
  user_id: string | null
  order_id: string | null
  action: string
  trace_id: string | null
  request_id: string | null
  details: string
}

const TIME = (column: string) => `to_char(a.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as ${column}`
/** Columns of `audit_logs a` for a SealableRow. */
export const SEALABLE_COLUMNS = `a.id::text, a.event_id::text, a.event_type, ${TIME('occurred_at')}, ${TIME('recorded_at')},
  a.source, a.user_id::text, a.order_id::text, a.action, a.trace_id::text, a.request_id, a.details::text`

/** SHA-256, 32 bytes, over the fields in fixed order as a JSON array of strings and nulls: unambiguous, whatever a field contains. */
export function hashRow(row: SealableRow): Buffer {
  return sha256(
    JSON.stringify([
      row.id,
      row.event_id,
      row.event_type,
      row.occurred_at,
      row.recorded_at,
      row.source,
      row.user_id,
      row.order_id,
      row.action,
      row.trace_id,
      row.request_id,
      row.details,
    ]),
  )
}

/** The seal of a position, 32 bytes, from the seal before it and the hash of its row, 32 bytes each. */
export function seal(previous: Buffer, position: number, rowHash: Buffer): Buffer {
  const bytes = Buffer.alloc(72)
  previous.copy(bytes, 0)
  bytes.writeBigUInt64BE(BigInt(position), 32)
  rowHash.copy(bytes, 40)
  return sha256(bytes)
}

function sha256(data: string | Buffer): Buffer {
  return hash('sha256', data, 'buffer')
}
