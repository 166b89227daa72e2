/** Cursor pagination: a page asks for one row more than it shows, and the cursor is the key of the last row shown. */
import { invalid } from './problems.ts'

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
  return { items: shown.map(show), next_cursor: more ? encode(keyOf(last)) : null }
}

function encode(key: string | number): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** The key in a cursor made by `page`, undefined for the first page; a made-up cursor is 422. */
export function cursorKey(cursor: string | undefined, type: 'number'): number | undefined
export function cursorKey(cursor: string | undefined, type: 'string'): string | undefined
export function cursorKey(cursor: string | undefined, type: 'number' | 'string'): string | number | undefined {
  if (cursor === undefined) return undefined
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    if (type === 'number' ? Number.isSafeInteger(key) : typeof key === 'string' && /^[\x21-\x7e]{1,128}$/.test(key)) {
      return key as string | number
    }
  } catch {
    // Not JSON: answered like any other cursor that we did not make.
  }
  throw invalid([{ parameter: 'cursor', detail: 'is not a cursor of this list; use next_cursor of the page before' }])
}
