/** Worker thread. A table of log lines in the store. Its text and its metadata are produced when first asked for. */
import type { Labels, LogColumn, LogTable, Outline } from '../query/logql/log-table.ts'
import { type Codes, once } from './columns.ts'
import { isOneStretch, type Stretch, stretchesOf } from './log-times.ts'

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
  outline(name: string, value: string): Outline | undefined
  mayContain(text: string): boolean
  /** The same for queries: one table, or several when lines lie more than 104 days apart. In order of time. */
  tables(): readonly LogStretch[]
}

export interface LogStretch {
  readonly minNs: bigint
  readonly maxNs: bigint
  readonly table: LogTable
}

/** Whatever is read from a file is read when it is first asked for: these may be getters. */
export interface LogParts {
  /** Of a table that never changes. */
  readonly identity?: string | undefined
  readonly rows: number
  readonly minNs: bigint
  readonly maxNs: bigint
  readonly times: BigUint64Array
  readonly streams: readonly Labels[]
  readonly stream: Uint16Array | Uint32Array
  readonly text: () => Buffer
  readonly end: Uint32Array
  readonly names: readonly string[]
  load(name: string): StoredColumn | undefined
  outline?(name: string, value: string): Outline | undefined
  mayContain?(text: string): boolean
}

/** `onBytes` is told the bytes of everything that gets decoded, for the cache's account. */
export function storedLogs(parts: LogParts, onBytes: (bytes: number) => void = () => {}): StoredLogs {
  const { rows, minNs, maxNs } = parts
  const known = new Map<string, StoredColumn | undefined>()
  const names = new Set(parts.names)
  let text: Buffer | undefined
  let tables: readonly LogStretch[] | undefined
  const logs: StoredLogs = {
    rows,
    get times() {
      return parts.times
    },
    get streams() {
      return parts.streams
    },
    get stream() {
      return parts.stream
    },
    get text() {
      if (text === undefined) {
        text = parts.text()
        onBytes(text.length)
      }
      return text
    },
    get end() {
      return parts.end
    },
    minNs,
    maxNs,
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
    outline: (name, value) => (names.has(name) ? parts.outline?.(name, value) : NOWHERE),
    mayContain: (line) => parts.mayContain?.(line) ?? true,
    tables() {
      tables ??= isOneStretch(minNs, maxNs)
        ? [{ minNs, maxNs, table: wholeTable(logs, parts.identity, onBytes) }]
        : stretchesOf(logs.times).map((stretch) => logStretch(logs, stretch, onBytes))
      return tables
    },
  }
  return logs
}

const NOWHERE: Outline = { without: true, everywhere: false }

/** Nearly always: all lines lie close enough to each other. */
function wholeTable(logs: StoredLogs, identity: string | undefined, onBytes: (bytes: number) => void): LogTable {
  const offset = once(() => {
    onBytes(logs.rows * 8)
    return stretchesOf(logs.times)[0]?.offset ?? new Float64Array(0)
  })
  return {
    identity,
    minNs: logs.minNs,
    maxNs: logs.maxNs,
    rows: logs.rows,
    baseNs: logs.minNs,
    get timeOffset() {
      return offset()
    },
    get streams() {
      return logs.streams
    },
    get stream() {
      return logs.stream
    },
    get text() {
      return logs.text
    },
    get end() {
      return logs.end
    },
    metadata: logs.metadata,
    metadataNames: logs.metadataNames,
    outline: logs.outline,
    mayContain: logs.mayContain,
  }
}

function logStretch(
  logs: StoredLogs,
  { from, to, baseNs, offset }: Stretch,
  onBytes: (bytes: number) => void,
): LogStretch {
  onBytes((to - from) * 8)
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
