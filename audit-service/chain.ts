/**
 * The hash chain: what exactly is hashed. A seal is SHA-256(previous seal || position || hash of the row || time of sealing),
 * so a row can't be changed, removed or put elsewhere without breaking every seal after it. PostgreSQL makes the seals
 * (`audit_seal` in db/migrations/0006_sealing.sql); here they are made again, to check them.
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

/** SQL for a time as it is hashed: in UTC, with ` BC` behind it before the year 1, and infinity by its name: no two times share a text. */
export const timeText = (column: string) =>
  `case when isfinite(${column}) then to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
     || case when ${column} < '0001-01-01 00:00:00+00' then ' BC' else '' end else ${column}::text end`
/** Columns of `audit_logs a` for a SealableRow. */
export const SEALABLE_COLUMNS = `a.id::text, a.event_id::text, a.event_type,
  ${timeText('a.occurred_at')} as occurred_at, ${timeText('a.recorded_at')} as recorded_at,
  a.source, a.user_id::text, a.order_id::text, a.action, a.trace_id::text, a.request_id, a.details::text`

/** What stands in the fields of a row: null in all of them when it is gone. */
export type FoundRow = { [Column in keyof SealableRow]: SealableRow[Column] | null }

/** The fields that are hashed, in their order. */
export function fieldsOf(row: FoundRow): Array<string | null> {
  return [
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
  ]
}

/** SHA-256, 32 bytes, over the fields as a JSON array of strings and nulls: unambiguous, whatever a field contains. */
export function hashRow(row: SealableRow): Buffer {
  return sha256(JSON.stringify(fieldsOf(row)))
}

/**
 * The seal of a position, 32 bytes, from the seal before it and the hash of its row, 32 bytes each, and `sealedAt`, the text of
 * the time of sealing. Seals of version 1 do not cover that time: undefined for them.
 */
export function seal(previous: Buffer, position: number, rowHash: Buffer, sealedAt: string | undefined): Buffer {
  const bytes = Buffer.alloc(72)
  previous.copy(bytes, 0)
  bytes.writeBigUInt64BE(BigInt(position), 32)
  rowHash.copy(bytes, 40)
  return sha256(sealedAt === undefined ? bytes : Buffer.concat([bytes, Buffer.from(sealedAt)]))
}

function sha256(data: string | Buffer): Buffer {
  return hash('sha256', data, 'buffer')
}
