/** Which streams have lines in a time range, without reading any line. */
import type { Matcher } from './ast.ts'
import type { Budget } from './budget.ts'
import { labelsKey } from './labels.ts'
import type { Labels, LogSource, LogTimeRange } from './log-table.ts'
import { compileMatcher } from './matcher.ts'
import { firstAt } from './scan.ts'

export interface StreamSize {
  readonly labels: Labels
  readonly entries: number
  readonly bytes: number
  /** Tables that hold lines of it. */
  readonly tables: number
}

/** Distinct label sets that all matchers accept. */
export function streamsIn(
  source: LogSource,
  selector: readonly Matcher[],
  range: LogTimeRange,
  budget: Budget,
): Labels[] {
  return streamSizes(source, selector, range, budget).map(({ labels }) => labels)
}

/** The same with the number and bytes of their lines in the range. */
export function streamSizes(
  source: LogSource,
  selector: readonly Matcher[],
  range: LogTimeRange,
  budget: Budget,
): StreamSize[] {
  const tests = selector.map((matcher) => ({ name: matcher.name, test: compileMatcher(matcher) }))
  const sizes = new Map<string, { labels: Labels; entries: number; bytes: number; tables: number }>()
  for (const table of source.tables(range, 'forward')) {
    budget.tick()
    const entries = new Float64Array(table.streams.length)
    const bytes = new Float64Array(table.streams.length)
    const to = firstAt(table, range.endNs)
    const { stream, end } = table
    for (let row = firstAt(table, range.startNs); row < to; row += 1) {
      entries[stream[row]!]! += 1
      bytes[stream[row]!]! += end[row]! - (row === 0 ? 0 : end[row - 1]!)
    }
    for (const [ordinal, labels] of table.streams.entries()) {
      if (entries[ordinal] === 0) continue
      if (!tests.every(({ name, test }) => test(Object.hasOwn(labels, name) ? labels[name]! : ''))) continue
      const key = labelsKey(labels)
      const size = sizes.get(key) ?? { labels, entries: 0, bytes: 0, tables: 0 }
      size.entries += entries[ordinal]!
      size.bytes += bytes[ordinal]!
      size.tables += 1
      sizes.set(key, size)
    }
  }
  return [...sizes.values()]
}
