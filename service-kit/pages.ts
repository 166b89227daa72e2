/** Cursor pagination: a page asks for one row more than it shows, and the cursor is the key of the last row shown. */

/** `rows` holds up to limit + 1 entries. */
export function page<Row, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => string | number,
  show: (row: Row) => Item,
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const more = rows.length > limit && last !== undefined
  return { items: shown.map(show), next_cursor: more ? String(keyOf(last)) : null }
}
