/** Log queries: the matching lines with their labels, limited, in time order. */
import type { LogQuery } from './ast.ts'
import { type Budget, createBudget } from './budget.ts'
import type { Labels, LogSource, LogTimeRange } from './log-table.ts'
import { Row } from './row.ts'
import { compileScan } from './scan.ts'

export interface LogEntry {
  readonly timeNs: bigint
  readonly line: string
  /** Where the labels come from; a label is in one of the three. */
  readonly stream: Labels
  readonly structuredMetadata: Labels
  readonly parsed: Labels
}

export interface SelectOptions {
  readonly range: LogTimeRange
  readonly limit: number
  readonly direction: 'forward' | 'backward'
  /** Leaves out lines closer than this to the one before; 0 = none. */
  readonly intervalNs?: number | undefined
  readonly budget?: Budget | undefined
}

interface Kept {
  readonly entry: LogEntry
  readonly timeNs: bigint
}

/** Entries in the direction's order, at most `limit` of them. */
export function select(query: LogQuery, source: LogSource, options: SelectOptions): LogEntry[] {
  const { range, limit, direction, intervalNs = 0, budget = createBudget() } = options
  const scan = compileScan(query, budget)
  const forward = direction === 'forward'
  // With an interval nearly every line may be left out, so nothing can be cut off before all are in order.
  const wanted = intervalNs > 0 ? Number.POSITIVE_INFINITY : limit
  let kept: Kept[] = []
  let { startNs, endNs } = range
  const narrowing: LogTimeRange = {
    get startNs() {
      return startNs
    },
    get endNs() {
      return endNs
    },
  }
  const cut = (): void => {
    kept.sort((a, b) => (a.timeNs === b.timeNs ? 0 : a.timeNs < b.timeNs === forward ? -1 : 1))
    if (kept.length < wanted) return
    kept = kept.slice(0, wanted)
    // From here on only lines before the last kept one can still come in.
    const last = kept.at(-1)!.timeNs
    if (forward) endNs = last
    else startNs = last + 1n
  }
  if (wanted > 0) {
    for (const table of source.tables(narrowing, direction)) {
      if (startNs >= endNs) break
      const rows = scan.candidates(table, narrowing)
      // Looking at a row may make the table read its columns.
      if (rows.length === 0) continue
      const row = new Row(table)
      let found = 0
      for (let k = 0; k < rows.length && found < wanted; k += 1) {
        if ((k & 255) === 0) budget.tick()
        row.move(rows[forward ? k : rows.length - 1 - k]!)
        if (!scan.run(row)) continue
        found += 1
        budget.keep(charactersOf(row))
        kept.push({ timeNs: row.timeNs, entry: { timeNs: row.timeNs, line: row.line, ...row.categories() } })
      }
      if (kept.length >= wanted) cut()
    }
    cut()
  }
  const entries = kept.map(({ entry }) => entry)
  return intervalNs > 0 ? thin(entries, BigInt(intervalNs), limit) : entries
}

/** Of its line and of the labels that stages made; those it was stored with are shared. */
function charactersOf(row: Row): number {
  let count = row.line.length
  for (const [name, value] of row.parsed) count += name.length + value.length
  return count
}

function thin(entries: readonly LogEntry[], intervalNs: bigint, limit: number): LogEntry[] {
  const thinned: LogEntry[] = []
  for (const entry of entries) {
    const last = thinned.at(-1)
    const distance = last ? entry.timeNs - last.timeNs : intervalNs
    if ((distance < 0n ? -distance : distance) >= intervalNs) thinned.push(entry)
    if (thinned.length === limit) break
  }
  return thinned
}
