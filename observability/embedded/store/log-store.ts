/** Log lines on the worker's side: the head (in no block yet) and the blocks, as one LogSource. */
import type { LogSource, LogTimeRange } from '../logql/log-table.ts'
import { readLogs } from '../otlp/logs.ts'
import { LogBuilder, type StoredLogs } from './log-builder.ts'
import type { Batch } from './wal.ts'

export interface LogStore extends LogSource {
  add(batch: Batch): void
}

export function createLogStore(): LogStore {
  let head: LogBuilder | undefined
  let frozen: { version: number; table: StoredLogs } | undefined

  function headTable(): StoredLogs | undefined {
    if (head === undefined || head.rows === 0) return undefined
    if (frozen?.version !== head.version) frozen = { version: head.version, table: head.freeze() }
    return frozen.table
  }

  return {
    add(batch) {
      readLogs(batch.bytes, (record) => {
        head ??= new LogBuilder(BigInt(batch.receivedMs) * 1_000_000n)
        head.append(record, batch.receivedMs)
      })
    },
    *tables(range: LogTimeRange) {
      const table = headTable()
      if (table !== undefined && table.maxNs >= range.startNs && table.minNs < range.endNs) yield table
    },
  }
}
