/** Which streams have lines in a time range, without reading any line. */
import type { Matcher } from './ast.ts'
import type { Budget } from './budget.ts'
import { labelsKey } from './labels.ts'
import type { Labels, LogSource, LogTable, LogTimeRange } from './log-table.ts'
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
  const width = range.endNs > range.startNs ? range.endNs - range.startNs : 1n
  return streamSizesPerStep(source, selector, { ...range, stepNs: width }, budget)[0] ?? []
}

/** The same for each step of the range, the first of which begins with it; the last may be cut short. */
export function streamSizesPerStep(
  source: LogSource,
  selector: readonly Matcher[],
  range: LogTimeRange & { readonly stepNs: bigint },
  budget: Budget,
): StreamSize[][] {
  const { startNs, endNs, stepNs } = range
  const tests = selector.map((matcher) => ({ name: matcher.name, test: compileMatcher(matcher) }))
  const steps = Math.max(0, Number((endNs - startNs + stepNs - 1n) / stepNs))
  const sizes = Array.from({ length: steps }, () => new Map<string, StreamSize>())
  for (const table of source.tables(range, 'forward')) {
    budget.tick()
    const { first, part } = sizesOf(table, range, source)
    for (const { labels, key, cells } of part) {
      if (!tests.every(({ name, test }) => test(Object.hasOwn(labels, name) ? labels[name]! : ''))) continue
      for (let i = 0; i < cells.length; i += 3) {
        const ofStep = sizes[first + cells[i]!]!
        const before = ofStep.get(key) ?? { labels, entries: 0, bytes: 0, tables: 0 }
        ofStep.set(key, {
          labels,
          entries: before.entries + cells[i + 1]!,
          bytes: before.bytes + cells[i + 2]!,
          tables: before.tables + 1,
        })
      }
    }
  }
  return sizes.map((ofStep) => [...ofStep.values()])
}

/** What a table holds of a stream: per step with lines its number, their number and their bytes. Steps count from the table's first. */
interface TableStream {
  readonly labels: Labels
  readonly key: string
  readonly cells: readonly number[]
}

/** Of a table that never changes and lies within the range that is kept as long as steps lie the same way. */
function sizesOf(
  table: LogTable,
  { startNs, endNs, stepNs }: LogTimeRange & { readonly stepNs: bigint },
  { answers }: LogSource,
): { first: number; part: readonly TableStream[] } {
  const { identity, minNs, maxNs } = table
  if (answers === undefined || identity === undefined || minNs === undefined || maxNs === undefined)
    return { first: 0, part: countStreams(table, { startNs, endNs, stepNs }) }
  if (minNs < startNs || maxNs >= endNs) return { first: 0, part: countStreams(table, { startNs, endNs, stepNs }) }
  const first = (minNs - startNs) / stepNs
  const inOneStep = (maxNs - startNs) / stepNs === first
  const name = inOneStep ? 'once' : `${stepNs}+${startNs % stepNs}`
  const part = answers.get(`${identity}|sizes|${name}`, (onBytes) => {
    const from = startNs + first * stepNs
    const made = countStreams(table, { startNs: from, endNs: maxNs + 1n, stepNs })
    onBytes(made.reduce((sum, { key, cells }) => sum + 400 + key.length * 4 + cells.length * 8, 100))
    return made
  })
  return { first: Number(first), part }
}

function countStreams(
  table: LogTable,
  { startNs, endNs, stepNs }: LogTimeRange & { readonly stepNs: bigint },
): TableStream[] {
  const { streams, stream, end } = table
  const found = new Map<number, number[]>()
  const to = firstAt(table, endNs)
  for (let row = firstAt(table, startNs); row < to; ) {
    const step = (table.baseNs + BigInt(table.timeOffset[row]!) - startNs) / stepNs
    const beyond = Math.min(to, firstAt(table, startNs + (step + 1n) * stepNs))
    const entries = new Float64Array(streams.length)
    const bytes = new Float64Array(streams.length)
    for (; row < beyond; row += 1) {
      const ordinal = stream[row]!
      entries[ordinal]! += 1
      bytes[ordinal]! += end[row]! - (row === 0 ? 0 : end[row - 1]!)
    }
    for (const [ordinal, count] of entries.entries()) {
      if (count === 0) continue
      const cells = found.get(ordinal)
      if (cells === undefined) found.set(ordinal, [Number(step), count, bytes[ordinal]!])
      else cells.push(Number(step), count, bytes[ordinal]!)
    }
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([ordinal, cells]) => ({ labels: streams[ordinal]!, key: labelsKey(streams[ordinal]!), cells }))
}
