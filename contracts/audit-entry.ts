/** What a leaf of the audit log's tree stands for, element by element (docs/audit.md): for audit-service, which makes it, and for the console, which checks it. */

/** The first element of every entry. */
export const ENTRY_FORMAT = 'sightline-audit-entry-1'

/** The elements after it, in their order; from `id` on they are the row. */
export const ENTRY_FIELDS = [
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
export type Entry = Record<(typeof ENTRY_FIELDS)[number], string | null>

/** An entry by its names; undefined when it is of another format, or has not its elements. */
export function entryByName(elements: readonly (string | null)[]): Entry | undefined {
  if (elements[0] !== ENTRY_FORMAT || elements.length !== ENTRY_FIELDS.length + 1) return undefined
  return Object.fromEntries(ENTRY_FIELDS.map((name, n) => [name, elements[n + 1]])) as Entry
}
