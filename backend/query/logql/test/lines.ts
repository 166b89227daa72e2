/** Log tables built in memory from plain objects: for tests, and for whoever wants to query a batch of lines. */
import type { Labels, LogColumn, LogSource, LogTable } from '../log-table.ts'

export interface LogLine {
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint
  readonly labels: Labels
  readonly line: string
  readonly metadata?: Labels | undefined
}

/** One table of all the lines, which may come in any order; lines of the same time keep theirs. */
export function buildLogTable(lines: readonly LogLine[]): LogTable {
  const sorted = [...lines].sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0))
  const baseNs = sorted[0]?.timeNs ?? 0n
  const streams: Labels[] = []
  const ordinals = new Map<string, number>()
  const stream = new Uint32Array(sorted.length)
  const timeOffset = new Float64Array(sorted.length)
  const end = new Uint32Array(sorted.length)
  const texts: Buffer[] = []
  const columns = new Map<string, { codes: Uint32Array; values: string[]; codeOf: Map<string, number> }>()
  let size = 0
  for (const [row, line] of sorted.entries()) {
    const key = JSON.stringify(Object.entries(line.labels).sort())
    let ordinal = ordinals.get(key)
    if (ordinal === undefined) {
      ordinal = streams.push(line.labels) - 1
      ordinals.set(key, ordinal)
    }
    stream[row] = ordinal
    timeOffset[row] = Number(line.timeNs - baseNs)
    const text = Buffer.from(line.line)
    texts.push(text)
    size += text.length
    end[row] = size
    for (const [name, value] of Object.entries(line.metadata ?? {})) {
      if (value === '') continue
      let column = columns.get(name)
      if (!column) {
        column = { codes: new Uint32Array(sorted.length), values: [''], codeOf: new Map() }
        columns.set(name, column)
      }
      let code = column.codeOf.get(value)
      if (code === undefined) {
        code = column.values.push(value) - 1
        column.codeOf.set(value, code)
      }
      column.codes[row] = code
    }
  }
  return {
    rows: sorted.length,
    baseNs,
    timeOffset,
    streams,
    stream,
    text: Buffer.concat(texts, size),
    end,
    metadata: (name): LogColumn | undefined => columns.get(name),
    metadataNames: () => [...columns.keys()],
  }
}

/** A source over tables; those outside the range asked for are left out. */
export function sourceOf(...tables: readonly LogTable[]): LogSource {
  const filled = tables.filter((table) => table.rows > 0).sort((a, b) => (a.baseNs < b.baseNs ? -1 : 1))
  return {
    *tables(range, direction) {
      for (const table of direction === 'forward' ? filled : filled.toReversed()) {
        const lastNs = table.baseNs + BigInt(table.timeOffset[table.rows - 1]!)
        if (table.baseNs < range.endNs && lastNs >= range.startNs) yield table
      }
    },
  }
}
