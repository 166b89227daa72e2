/** The patterns of the lines that a log query matches. */
import type { LogQuery } from './ast.ts'
import { type Budget, createBudget } from './budget.ts'
import type { LogSource, LogTimeRange } from './log-table.ts'
import { createPatternMiner, type Pattern } from './pattern-miner.ts'
import { Row } from './row.ts'
import { compileScan } from './scan.ts'

export interface MineOptions {
  readonly range: LogTimeRange
  /** Nanoseconds; lines are counted per step, by the multiple of it that they lie in. */
  readonly stepNs: bigint
  /** Lines to look at, the newest first. */
  readonly limit: number
  readonly budget?: Budget | undefined
}

/** Those of most lines first. */
export function mine(query: LogQuery, source: LogSource, options: MineOptions): Pattern[] {
  const { range, stepNs, limit, budget = createBudget() } = options
  const scan = compileScan(query, budget)
  const miner = createPatternMiner()
  let left = limit
  for (const table of source.tables(range, 'backward')) {
    const rows = scan.candidates(table, range)
    if (rows.length === 0) continue
    const row = new Row(table)
    for (let k = rows.length - 1; k >= 0 && left > 0; k -= 1) {
      if ((k & 63) === 0) budget.tick()
      row.move(rows[k]!)
      if (!scan.run(row)) continue
      miner.add(row.line, levelOf(row), Number(row.timeNs / stepNs))
      left -= 1
    }
    if (left === 0) break
  }
  return miner.patterns()
}

const levelOf = (row: Row): string => row.get('detected_level') || row.get('level') || 'unknown'
