/** Worker thread. A table of log lines in the store. Its text and its metadata are produced when first asked for. */
import type { Labels, LogColumn, LogTable } from '../query/logql/log-table.ts'
import type { Codes } from './columns.ts'

/** A LogTable with what the store needs to write and to choose it. */
export interface StoredLogs extends LogTable {
  readonly minNs: bigint
  readonly maxNs: bigint
  readonly metadata: (name: string) => (LogColumn & { readonly codes: Codes }) | undefined
}

export interface LogParts {
  readonly rows: number
  readonly baseNs: bigint
  readonly timeOffset: Float64Array
  readonly streams: readonly Labels[]
  readonly stream: Uint16Array | Uint32Array
  readonly text: () => Buffer
  readonly end: Uint32Array
  readonly names: readonly string[]
  load(name: string): (LogColumn & { readonly codes: Codes }) | undefined
}

/** `onBytes` is told the bytes of everything that gets decoded, for the cache's account. */
export function storedLogs(parts: LogParts, onBytes: (bytes: number) => void = () => {}): StoredLogs {
  const known = new Map<string, ReturnType<LogParts['load']>>()
  const names = new Set(parts.names)
  let text: Buffer | undefined
  return {
    rows: parts.rows,
    baseNs: parts.baseNs,
    timeOffset: parts.timeOffset,
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
    minNs: parts.rows === 0 ? 0n : parts.baseNs + BigInt(parts.timeOffset[0]!),
    maxNs: parts.rows === 0 ? 0n : parts.baseNs + BigInt(parts.timeOffset[parts.rows - 1]!),
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
  }
}
