/** Spans on the worker's side: the head (in no block yet) and the blocks, as one SpanSource. */
import { readTraces } from '../otlp/traces.ts'
import type { SpanSource, SpanTable, TimeRange } from '../traceql/span-table.ts'
import { SpanBuilder } from './span-builder.ts'
import type { StoredSpans } from './span-data.ts'
import type { Batch } from './wal.ts'

export interface SpanStore extends SpanSource {
  /** Adds an accepted batch. */
  add(batch: Batch): void
  /** Every span of one trace, joined; undefined when there is none. `idHex` is 32 lower-case hex characters. */
  trace(idHex: string): StoredSpans | undefined
  tables(range: TimeRange): Iterable<StoredSpans>
}

export function createSpanStore(): SpanStore {
  let head: SpanBuilder | undefined
  let frozen: { version: number; table: StoredSpans } | undefined

  function headTable(): StoredSpans | undefined {
    if (head === undefined || head.rows === 0) return undefined
    if (frozen?.version !== head.version) frozen = { version: head.version, table: head.freeze() }
    return frozen.table
  }

  return {
    add(batch) {
      readTraces(batch.bytes, (span) => {
        head ??= new SpanBuilder((BigInt(span.startHi) << 32n) | BigInt(span.startLo))
        head.append(span, batch.id, batch.receivedMs)
      })
    },
    *tables(range) {
      const table = headTable()
      if (table !== undefined && overlaps(table, range)) yield table
    },
    trace(idHex) {
      const table = headTable()
      const ordinal = table === undefined ? -1 : traceOrdinal(table, idHex)
      if (table === undefined || ordinal < 0) return undefined
      const joined = new SpanBuilder(table.baseNs)
      joined.appendTraces(table, [ordinal])
      return joined.freeze()
    },
  }
}

function overlaps(table: StoredSpans, range: TimeRange): boolean {
  return (
    (range.startNs === undefined || table.maxNs >= range.startNs) &&
    (range.endNs === undefined || table.minNs < range.endNs)
  )
}

function traceOrdinal(table: SpanTable & { readonly traceIds: Buffer }, idHex: string): number {
  const id = Buffer.from(idHex, 'hex')
  for (let at = table.traceIds.indexOf(id); at >= 0; at = table.traceIds.indexOf(id, at + 1)) {
    if (at % 16 === 0) return at / 16
  }
  return -1
}
