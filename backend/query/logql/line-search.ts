/**
 * Line filters over a table's text buffer.
 *
 * The text is read in pieces of some 64 KB as Latin-1: one byte is one character, so V8's string search runs over raw
 * UTF-8 without decoding it, and one search covers many rows. Only lines that a pattern must see are decoded.
 */
import type { LogTable } from './log-table.ts'

const PIECE_BYTES = 1 << 16

/** UTF-8 bytes of a text, one character each: what to look for in a Latin-1 piece. */
const asLatin1 = (text: string): string => Buffer.from(text).toString('latin1')

/** Keeps those of the first `count` rows (ascending) whose line contains one of the texts (or none, if `!wanted`). */
export function keepContaining(
  table: LogTable,
  rows: Uint32Array,
  count: number,
  texts: readonly string[],
  wanted: boolean,
): number {
  if (texts.includes('')) return wanted ? count : 0
  const needles = texts.map(asLatin1)
  const { end, text } = table
  const startOf = (row: number): number => (row === 0 ? 0 : end[row - 1]!)
  const hit = new Uint8Array(count)
  let first = 0
  while (first < count) {
    const from = startOf(rows[first]!)
    let last = first
    // Rows far apart are not worth reading what lies between them.
    while (last + 1 < count && end[rows[last + 1]!]! - from <= PIECE_BYTES && rows[last + 1]! - rows[last]! < 16)
      last += 1
    const piece = text.toString('latin1', from, end[rows[last]!])
    for (const needle of needles) {
      let at = piece.indexOf(needle)
      let k = first
      while (at >= 0) {
        while (end[rows[k]!]! - from <= at) k += 1
        const rowStart = startOf(rows[k]!) - from
        const rowEnd = end[rows[k]!]! - from
        let next = at + 1
        if (at < rowStart) {
          next = rowStart
        } else if (at + needle.length <= rowEnd) {
          hit[k] = 1
          next = rowEnd
        }
        at = next < piece.length ? piece.indexOf(needle, next) : -1
      }
    }
    first = last + 1
  }
  let kept = 0
  for (let k = 0; k < count; k += 1) if ((hit[k] === 1) === wanted) rows[kept++] = rows[k]!
  return kept
}

/** Keeps the rows whose decoded line passes (or doesn't, if `!wanted`). `tick` is called now and then and may throw. */
export function keepTested(
  table: LogTable,
  rows: Uint32Array,
  count: number,
  test: (line: string) => boolean,
  wanted: boolean,
  tick: () => void,
): number {
  const { end, text } = table
  let kept = 0
  for (let k = 0; k < count; k += 1) {
    if ((k & 255) === 0) tick()
    const row = rows[k]!
    if (test(text.toString('utf8', row === 0 ? 0 : end[row - 1]!, end[row])) === wanted) rows[kept++] = row
  }
  return kept
}
