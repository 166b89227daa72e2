/** Worker thread. A table of log lines in the store. Its text and its metadata are produced when first asked for. */
import type { Labels, LogColumn, LogTable } from '../query/logql/log-table.ts'
import type { Codes } from './columns.ts'
import { type Stretch, stretchesOf } from './log-times.ts'

type StoredColumn = LogColumn & { readonly codes: Codes }

/** Lines in order of time, as the store writes, chooses and joins them. */
export interface StoredLogs {
  readonly rows: number
  /** Nanoseconds since the epoch, ascending. */
  readonly times: BigUint64Array
  readonly minNs: bigint
  readonly maxNs: bigint
  readonly streams: readonly Labels[]
  readonly stream: Uint16Array | Uint32Array
  readonly text: Buffer
  readonly end: Uint32Array
  metadata(name: string): StoredColumn | undefined
  metadataNames(): readonly string[]
  /** The same for queries: one table, or several when lines lie more than 104 days apart. In order of time. */
  tables(): readonly LogStretch[]
}

export interface LogStretch {
  readonly minNs: bigint
  readonly maxNs: bigint
  readonly table: LogTable
}

export interface LogParts {
  readonly rows: number
  readonly times: BigUint64Array
  readonly streams: readonly Labels[]
  readonly stream: Uint16Array | Uint32Array
  readonly text: () => Buffer
  readonly end: Uint32Array
  readonly names: readonly string[]
  load(name: string): StoredColumn | undefined
}

/** `onBytes` is told the bytes of everything that gets decoded, for the cache's account. */
export function storedLogs(parts: LogParts, onBytes: (bytes: number) => void = () => {}): StoredLogs {
  const { rows, times } = parts
  const known = new Map<string, StoredColumn | undefined>()
  const names = new Set(parts.names)
  let text: Buffer | undefined
  let tables: readonly LogStretch[] | undefined
  const logs: StoredLogs = {
    rows,
    times,
    streams: parts.streams,
    stream: parts.stream,
    get text() {
      if (text === undefined) {
        text = parts.text()
        onBytes(text.length)
      }
      return text
    },
    end: parts.end,
    minNs: times[0] ?? 0n,
    maxNs: times[rows - 1] ?? 0n,
    metadata(name) {
      if (!names.has(name)) return undefined
      if (!known.has(name)) {
        const column = parts.load(name)
        known.set(name, column)
        if (column) onBytes(column.codes.byteLength + column.values.length * 64)
      }
      return known.get(name)
    },
    metadataNames: () => parts.names,
    tables() {
      if (tables === undefined) {
        tables = stretchesOf(times).map((stretch) => logStretch(logs, stretch))
        onBytes(rows * 8)
      }
      return tables
    },
  }
  return logs
}

function logStretch(logs: StoredLogs, { from, to, baseNs, offset }: Stretch): LogStretch {
  const start = from === 0 ? 0 : logs.end[from - 1]!
  const stop = logs.end[to - 1]!
  const end = logs.end.subarray(from, to)
  const table: LogTable = {
    rows: to - from,
    baseNs,
    timeOffset: offset,
    streams: logs.streams,
    stream: logs.stream.subarray(from, to),
    get text() {
      return logs.text.subarray(start, stop)
    },
    end: start === 0 ? end : end.map((at) => at - start),
    metadata(name) {
      const column = logs.metadata(name)
      return column && { codes: column.codes.subarray(from, to), values: column.values }
    },
    metadataNames: logs.metadataNames,
  }
  return { minNs: baseNs, maxNs: logs.times[to - 1]!, table }
}
