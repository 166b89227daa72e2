/**
 * What a leaf of the tree stands for, byte by byte as docs/audit.md says: a row with its seal, as a JSON array of strings and
 * nulls. PostgreSQL makes the leaves (`audit_grow` in db/migrations/0008_audit_tree.sql); here they are made again, to check them.
 */
import { type FoundRow, fieldsOf, hashRow, SEALABLE_COLUMNS, type SealableRow, timeText } from './chain.ts'

/** The first element of every entry. */
export const ENTRY_FORMAT = 'sightline-audit-entry-1'

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

/** The elements of an entry after its format, in their order. */
const FIELDS = [
  'position',
  'version',
  'row_hash',
  'seal',
  'sealed_at',
  'id',
  'event_id',
  'event_type',
  'occurred_at',
  'recorded_at',
  'source',
  'user_id',
  'order_id',
  'action',
  'trace_id',
  'request_id',
  'details',
] as const
/** An entry by the names of its elements. */
export type Entry = Record<(typeof FIELDS)[number], string | null>
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
  if (elements[0] !== ENTRY_FORMAT || elements.length !== FIELDS.length + 1)
    throw new Error(`the entry is none of ${ENTRY_FORMAT}, which has ${FIELDS.length} elements after its name`)
  return Object.fromEntries(FIELDS.map((name, n) => [name, elements[n + 1]])) as Entry
}

/** Whether the row is what was sealed; a row that is gone is not. */
export function fitsItsSeal(entry: Entry): boolean {
  return entry.event_id !== null && hashRow(entry as unknown as SealableRow).toString('hex') === entry.row_hash
}
