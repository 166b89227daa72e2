/** Worker thread. Joins traces from their parts, wherever these lie. */
import type { IndexedBlocks } from './indexed-blocks.ts'
import { pickTraces } from './pick-traces.ts'
import { SpanBuilder } from './span-builder.ts'
import type { SpanHead } from './span-head.ts'
import type { StoredSpans } from './stored-spans.ts'
import { traceKey } from './trace-index.ts'

export interface TraceJoiner {
  /** Tables that hold these traces, by their keys, and how many of them each holds. */
  join(keys: readonly number[]): Iterable<{ table: StoredSpans; traces: number }>
  /** Every span of one trace, joined; undefined when there is none. `idHex` is 32 lower-case hex characters. */
  trace(idHex: string): StoredSpans | undefined
}

export interface TraceJoinerDeps {
  readonly head: SpanHead
  readonly blocks: IndexedBlocks
  /**
   * Traces are joined in memory, up to so many spans at once. One that is larger is served in part, and `log` is told: its first
   * part is, however large, since it is in memory already.
   */
  readonly maxJoinedRows: number
  log(level: 'warn', message: string): void
}

/** Reads the head and the blocks at the time it is asked. A damaged block throws a DamagedBlock. */
export function createTraceJoiner({ head, blocks, maxJoinedRows, log }: TraceJoinerDeps): TraceJoiner {
  /** As few tables as hold these traces: half of them goes into each when they are too many spans for one. */
  function* join(keys: readonly number[]): Generator<{ table: StoredSpans; traces: number }> {
    const parts = partsOf(keys)
    const rows = parts.reduce((sum, part) => sum + part.rows, 0)
    if (rows > maxJoinedRows && keys.length > 1) {
      const half = keys.length >> 1
      yield* join(keys.slice(0, half))
      yield* join(keys.slice(half))
      return
    }
    let builder: SpanBuilder | undefined
    for (const part of parts) {
      const table = part.table()
      builder ??= new SpanBuilder(table.baseNs)
      appendWithin(builder, table, part.traces)
    }
    if (builder !== undefined && builder.rows > 0) yield { table: builder.freeze(), traces: keys.length }
  }

  /** Where these traces' spans lie. Tables are left to the cache: all of them at once may not fit into memory. */
  function partsOf(keys: readonly number[]): { table: () => StoredSpans; traces: number[]; rows: number }[] {
    const wanted = new Set(keys)
    const holders = [...new Set(keys.flatMap(blocks.blocksOf))].map((number) => blocks.blocks.get(number))
    const sources = holders.flatMap((block) => (block === undefined ? [] : [() => blocks.table(block)]))
    const inHead = head.table()
    if (inHead !== undefined) sources.push(() => inHead)
    return sources.map((table) => {
      const found = table()
      const traces = tracesOf(found, wanted)
      const rows = traces.reduce((sum, t) => sum + rowsOf(found, t), 0)
      return { table, traces, rows }
    })
  }

  function appendWithin(builder: SpanBuilder, table: StoredSpans, traces: readonly number[]): void {
    let rows = builder.rows
    const fitting: number[] = []
    for (const t of traces) {
      const size = rowsOf(table, t)
      if (rows > 0 && rows + size > maxJoinedRows) {
        log('warn', `Trace ${table.traceId(t)} is served in part: it would take more than ${maxJoinedRows} spans.`)
        continue
      }
      rows += size
      fitting.push(t)
    }
    builder.appendTraces(table, fitting)
  }

  function trace(idHex: string): StoredSpans | undefined {
    const id = Buffer.from(idHex, 'hex')
    let only: { table: StoredSpans; ordinal: number } | undefined
    let builder: SpanBuilder | undefined
    const take = (table: StoredSpans) => {
      const ordinal = ordinalOf(table, id)
      if (ordinal < 0) return
      if (only === undefined) {
        only = { table, ordinal }
        return
      }
      if (builder === undefined) {
        builder = new SpanBuilder(only.table.baseNs)
        appendWithin(builder, only.table, [only.ordinal])
      }
      appendWithin(builder, table, [ordinal])
    }
    for (const number of blocks.blocksToSearch(traceKey(id, 0))) {
      const block = blocks.blocks.get(number)
      if (block !== undefined) take(blocks.table(block))
    }
    const inHead = head.table()
    if (inHead !== undefined) take(inHead)
    // What lies in one place is whole there: nothing need be joined, whatever its size.
    return builder?.freeze() ?? (only && pickTraces(only.table, [only.ordinal]))
  }

  return { join, trace }
}

const rowsOf = (table: StoredSpans, trace: number) => table.traceStart[trace + 1]! - table.traceStart[trace]!

function ordinalOf(table: StoredSpans, id: Buffer): number {
  for (let at = table.traceIds.indexOf(id); at >= 0; at = table.traceIds.indexOf(id, at + 1)) {
    if (at % 16 === 0) return at / 16
  }
  return -1
}

function tracesOf(table: StoredSpans, keys: ReadonlySet<number>): number[] {
  const found: number[] = []
  for (let t = 0; t < table.traces; t++) if (keys.has(traceKey(table.traceIds, t * 16))) found.push(t)
  return found
}
