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
  return streamSizesPerStep(source, selector, { ...range, stepNs: width }, budget).next().value ?? []
}

/** The same for each step of the range, the first of which begins with it; the last may be cut short. */
export function* streamSizesPerStep(
  source: LogSource,
  selector: readonly Matcher[],
  range: LogTimeRange & { readonly stepNs: bigint },
  budget: Budget,
): Generator<StreamSize[], undefined> {
  const { startNs, endNs, stepNs } = range
  const tests = selector.map((matcher) => ({ name: matcher.name, test: compileMatcher(matcher) }))
  const steps = Math.max(0, Number((endNs - startNs + stepNs - 1n) / stepNs))
  const streams: Labels[] = []
  const numberOf = new Map<string, number>()
  // Four numbers each, in the order of tables: step, stream, lines, bytes. There may be as many as lines.
  const found: number[] = []
  const begins = new Uint32Array(steps + 1)
  for (const table of source.tables(range, 'forward')) {
    budget.tick()
    const { first, part } = sizesOf(table, range, source)
    for (const { labels, key, cells } of part) {
      if (!tests.every(({ name, test }) => test(Object.hasOwn(labels, name) ? labels[name]! : ''))) continue
      let stream = numberOf.get(key)
      if (stream === undefined) {
        stream = streams.push(labels) - 1
        numberOf.set(key, stream)
      }
      budget.hold(cells.length)
      for (let i = 0; i < cells.length; i += 3) {
        found.push(first + cells[i]!, stream, cells[i + 1]!, cells[i + 2]!)
        begins[first + cells[i]! + 1]!++
      }
    }
  }
  for (let step = 0; step < steps; step++) begins[step + 1]! += begins[step]!
  const places = begins.slice()
  const inOrder = new Uint32Array(found.length / 4)
  for (let at = 0; at < found.length; at += 4) inOrder[places[found[at]!]!++] = at
  for (let step = 0; step < steps; step++)
    yield [...sumUp(found, inOrder.subarray(begins[step], begins[step + 1]), streams).values()]
}

function sumUp(found: readonly number[], places: Uint32Array, streams: readonly Labels[]): Map<number, StreamSize> {
  const sizes = new Map<number, StreamSize>()
  for (const at of places) {
    const stream = found[at + 1]!
    const before = sizes.get(stream)
    sizes.set(stream, {
      labels: streams[stream]!,
      entries: (before?.entries ?? 0) + found[at + 2]!,
      bytes: (before?.bytes ?? 0) + found[at + 3]!,
      tables: (before?.tables ?? 0) + 1,
    })
  }
  return sizes
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
  const isSteady = answers !== undefined && identity !== undefined && minNs !== undefined && maxNs !== undefined
  if (!isSteady || minNs < startNs || maxNs >= endNs)
    return { first: 0, part: countStreams(table, { startNs, endNs, stepNs }) }
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
