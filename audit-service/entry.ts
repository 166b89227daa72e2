/**
 * What a leaf of the tree stands for, byte by byte as docs/audit.md says: a row with its seal, as a JSON array of strings and
 * nulls. PostgreSQL makes the leaves (`audit_grow` in db/migrations/0008_audit_tree.sql); here they are made again, to check them.
 */
import { ENTRY_FIELDS, ENTRY_FORMAT, type Entry, entryByName } from '@sightline/contracts/audit-entry'
import { type FoundRow, fieldsOf, hashRow, SEALABLE_COLUMNS, type SealableRow, timeText } from './chain.ts'

/** A row of the chain with the row that it seals, as text where PostgreSQL has no type that JavaScript has. */
export interface SealedRow extends FoundRow {
  position: number
  version: number
  audit_id: number
  row_hash: Buffer
  hash: Buffer
  sealed_at: string
}

/** Columns of `audit_chain c` and `audit_logs a` for a SealedRow. */
export const SEALED_COLUMNS = `c.position, c.audit_id, c.row_hash, c.hash, c.version, ${timeText('c.sealed_at')} as sealed_at,
  ${SEALABLE_COLUMNS}`

/** An entry as it is written: its format, then its elements. */
export type EntryElements = Array<string | null>

/** The elements of a row's entry. */
export function entryOf(row: SealedRow): EntryElements {
  // The seal's own word for the id: it has one, too, when the row is gone.
  const [, ...fields] = fieldsOf(row)
  return [
    ENTRY_FORMAT,
    String(row.position),
    String(row.version),
    row.row_hash.toString('hex'),
    row.hash.toString('hex'),
    row.sealed_at,
    String(row.audit_id),
    ...fields,
  ]
}

/** The bytes of an entry, which are hashed: its JSON without spaces, as RFC 8785 writes it. */
export function entryBytes(elements: EntryElements): string {
  return JSON.stringify(elements)
}

/** An entry by its names; throws when it is of another format, or has not its elements. */
export function readEntry(elements: EntryElements): Entry {
  const entry = entryByName(elements)
  if (entry === undefined)
    throw new Error(`the entry is none of ${ENTRY_FORMAT}, which has ${ENTRY_FIELDS.length} elements after its name`)
  return entry
}

/** Whether the row is what was sealed; a row that is gone is not. */
export function fitsItsSeal(entry: Entry): boolean {
  return entry.event_id !== null && hashRow(entry as unknown as SealableRow).toString('hex') === entry.row_hash
}
