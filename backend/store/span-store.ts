/**
 * Spans on the worker's side: the head (in no block yet) and the blocks, as one SpanSource whose traces are whole.
 *
 * A trace stays in the head until it has been quiet for a while, so almost every trace ends up in one block. What comes
 * late makes its trace "shared": tables are then served without the shared traces, and these in tables of their own.
 */
import { readTraces } from '../otlp/traces.ts'
import { toBigInt } from '../otlp/wire.ts'
import type { SpanSource, TimeRange } from '../query/traceql/span-table.ts'
import { type Block, openCatalog } from './catalog.ts'
import { MAX_COLUMNS } from './columns.ts'
import { pickTraces } from './pick-traces.ts'
import type { Batch, SignalStore, SignalStoreDeps } from './signal-store.ts'
import { readSpanBlock, spanSections } from './span-block.ts'
import { SpanBuilder } from './span-builder.ts'
import type { StoredSpans } from './stored-spans.ts'
import { openTraceIndex, traceKey } from './trace-index.ts'

export interface StoredSpanSource extends SpanSource {
  tables(range: TimeRange): Iterable<StoredSpans>
  /** Every span of one trace, joined; undefined when there is none. `idHex` is 32 lower-case hex characters. */
  trace(idHex: string): StoredSpans | undefined
}

export interface SpanStore extends StoredSpanSource, SignalStore {}

export interface SpanStoreDeps extends SignalStoreDeps {
  readonly dir: string
  /** Traces that lie in several places are joined in memory, up to so many spans at once; 200,000 by default. */
  readonly maxJoinedRows?: number
}

const BLOCK_ROWS = 20_000
/** A merged block may be larger than a fresh one, within reason. */
const MAX_BLOCK_ROWS = 60_000
const MAX_HEAD_ROWS = 60_000
/** Few large spans fill a head as well as many small ones. */
const MAX_HEAD_BYTES = 64 << 20
const MAX_MERGED_BYTES = 16 << 20
const MAX_JOINED_ROWS = 200_000
/** SDKs send every 5 s: a trace without news for longer is taken to be complete. */
const QUIET_MS = 10_000
const MAX_HEAD_AGE_MS = 15 * 60_000
/** Two blocks are merged when this share of the smaller one's traces is in both. */
const SHARED_SHARE = 0.05

export function createSpanStore(deps: SpanStoreDeps): SpanStore {
  const catalog = openCatalog<StoredSpans>({
    ...deps,
    dir: deps.blocksDir,
    kind: 'spans',
    sections: spanSections,
    read: readSpanBlock,
  })
  const { maxJoinedRows = MAX_JOINED_ROWS } = deps
  const index = openTraceIndex(deps.dir, (message) => deps.log('warn', message))
  /** The index could not be written (a full disk): until it is in step again, traces are looked for in every block. */
  let indexBehind = false
  let head: SpanBuilder | undefined
  let frozen: { version: number; table: StoredSpans } | undefined
  /** Traces of the head that blocks have parts of: id in the head -> blocks. */
  let headShared = new Map<string, number[]>()
  let oldestMs = Number.POSITIVE_INFINITY
  let replayed: Set<string> | undefined
  let blocksVersion = 0
  /** The version in which no blocks were found to merge. */
  let searchedVersion = -1
  let joined: { key: string; table: StoredSpans } | undefined
  writeIndex(alignIndex)

  function alignIndex(): void {
    const known = index.indexed()
    for (const number of known) if (!catalog.blocks.has(number)) index.remove(number)
    for (const block of [...catalog.blocks.values()]) {
      if (known.has(block.number)) continue
      const keys = guarded(block, () => keysOf(block))
      if (keys !== undefined) index.add(block.number, keys)
    }
    indexBehind = false
    blocksVersion++
    headShared = new Map()
    for (const id of head?.traces.keys() ?? []) {
      const blocks = index.blocks(traceKey(Buffer.from(id, 'latin1'), 0))
      if (blocks.length > 0) headShared.set(id, blocks)
    }
  }

  /** Changes the index. It follows from the blocks, so what fails here can be done later. */
  function writeIndex(change: () => void): void {
    try {
      change()
    } catch (error) {
      indexBehind = true
      deps.log('warn', `The trace index can't be written: ${String(error)}. Finding a trace by its id takes longer.`)
    }
  }

  function keysOf(block: Block): number[] {
    const ids = block.file.section('traceIds')
    return Array.from({ length: block.file.header.groups }, (_, t) => traceKey(ids, t * 16))
  }

  function remove(block: Block): void {
    const keys = guarded(block, () => keysOf(block))
    if (keys === undefined) return
    catalog.remove(block.number)
    writeIndex(() => index.remove(block.number, keys))
  }

  /** Ids of another write-ahead log say nothing about this one. */
  function walMaxOf(block: Block): number {
    return block.file.header.epoch === deps.epoch ? block.file.header.walMax : 0
  }

  /** Runs housekeeping on a block; damage costs that block and nothing else. */
  function guarded<T>(block: Block, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!setAside(block.file.path, error instanceof Error ? error.message : String(error))) throw error
      return undefined
    }
  }

  function setAside(path: string, reason: string): boolean {
    const block = [...catalog.blocks.values()].find(({ file }) => file.path === path)
    if (block === undefined || !catalog.setAside(path, reason)) return false
    writeIndex(() => index.remove(block.number))
    blocksVersion++
    return true
  }

  function headTable(): StoredSpans | undefined {
    if (head === undefined || head.rows === 0) return undefined
    if (frozen?.version !== head.version) frozen = { version: head.version, table: head.freeze() }
    return frozen.table
  }

  function add(batch: Batch, replay: boolean): void {
    if (replay) replayed ??= spansOfBlocksFrom(batch.id)
    else replayed = undefined
    readTraces(batch.bytes, (span) => {
      if (replayed?.has(replayKey(span.bytes, span.traceIdAt, span.bytes, span.spanIdAt, span.kind))) return
      head ??= new SpanBuilder(baseFor(toBigInt(span.startHi, span.startLo), batch.receivedMs))
      const trace = head.append(span, batch.id, batch.receivedMs)
      if (trace.rows === 1) {
        const blocks = index.blocks(traceKey(span.bytes, span.traceIdAt))
        if (blocks.length > 0) headShared.set(trace.id, blocks)
      }
    })
    oldestMs = Math.min(oldestMs, batch.receivedMs)
  }

  /** What the log may hold although it is sealed: the crash came between writing a block and trimming the log. */
  function spansOfBlocksFrom(batch: number): Set<string> {
    const known = new Set<string>()
    for (const block of [...catalog.blocks.values()]) {
      if (walMaxOf(block) < batch) continue
      guarded(block, () => {
        const table = catalog.table(block)
        for (let t = 0; t < table.traces; t++) {
          for (let row = table.traceStart[t]!; row < table.traceStart[t + 1]!; row++) {
            known.add(replayKey(table.traceIds, t * 16, table.spanIds, row * 8, table.kind[row]!))
          }
        }
      })
    }
    return known
  }

  function seal(nowMs: number): boolean {
    if (head === undefined || head.rows === 0) return false
    const quiet = [...head.traces.values()].filter((trace) => trace.lastSeen <= nowMs - QUIET_MS)
    const quietRows = quiet.reduce((sum, trace) => sum + trace.rows, 0)
    const tooLarge = head.bytes + head.ownerBytes >= MAX_HEAD_BYTES || head.columns >= MAX_COLUMNS
    const full = head.rows >= MAX_HEAD_ROWS || tooLarge
    const old = nowMs - oldestMs > MAX_HEAD_AGE_MS
    if (quietRows >= BLOCK_ROWS || (old && quietRows > 0)) write(new Set(quiet.map((trace) => trace.id)))
    else if (full || old) write(longestQuiet(head, full ? (head.rows * 2) / 3 : head.rows))
    else return false
    return true
  }

  function longestQuiet(from: SpanBuilder, rows: number): Set<string> {
    const chosen = new Set<string>()
    let sum = 0
    for (const trace of [...from.traces.values()].sort((a, b) => a.lastSeen - b.lastSeen)) {
      if (sum >= rows) break
      sum += trace.rows
      chosen.add(trace.id)
    }
    return chosen
  }

  /** Writes the chosen traces as a block; the rest becomes the new head. */
  function write(chosen: ReadonlySet<string>): void {
    const before = head!
    const table = headTable()!
    const leaving: number[] = []
    const staying: number[] = []
    for (let t = 0; t < table.traces; t++) {
      const id = table.traceIds.toString('latin1', t * 16, t * 16 + 16)
      ;(chosen.has(id) ? leaving : staying).push(t)
    }
    const sealed = pickTraces(table, leaving)
    const block = catalog.write(
      sealed,
      sealed.traces,
      sealed.batchOf!.reduce((max, id) => Math.max(max, id), 0),
    )
    blocksVersion++
    const rest = new SpanBuilder(table.baseNs)
    rest.appendTraces(table, staying, (id) => before.traces.get(id))
    rest.bytes = before.bytes * (rest.rows / before.rows)
    head = staying.length > 0 ? rest : undefined
    frozen = undefined
    // The head knows which of its traces other blocks have parts of: the index needn't be asked again for each.
    const elsewhere = new Map<number, number[]>()
    for (const [id, blocks] of headShared)
      if (chosen.has(id)) elsewhere.set(traceKey(Buffer.from(id, 'latin1'), 0), blocks)
    headShared = new Map([...headShared].filter(([id]) => !chosen.has(id)))
    oldestMs = [...rest.traces.values()].reduce(
      (min, trace) => Math.min(min, trace.firstSeen),
      Number.POSITIVE_INFINITY,
    )
    writeIndex(() => index.add(block.number, keysOf(block), (key) => elsewhere.get(key) ?? []))
  }

  function sealedBelow(position: number): number {
    return Math.min(position + 1, head?.lowestBatch() ?? position + 1)
  }

  function* tables(range: TimeRange): Generator<StoredSpans> {
    const shared = index.shared()
    const newestFirst = [...catalog.blocks.values()]
      .filter((block) => overlaps(block, range))
      .sort((a, b) => (a.maxNs < b.maxNs ? 1 : a.maxNs > b.maxNs ? -1 : b.number - a.number))
    const table = headTable()
    const headInRange = table !== undefined && overlaps(table, range)
    if (headInRange) yield without(table, (t) => headShared.has(table.traceIds.toString('latin1', t * 16, t * 16 + 16)))
    yield* joinedTables(headInRange, newestFirst)
    const inHead = new Set([...headShared.keys()].map((id) => traceKey(Buffer.from(id, 'latin1'), 0)))
    for (const block of newestFirst) {
      // A compaction can't come between: it runs in this thread, and queries are not interrupted.
      const blockTable = catalog.table(block)
      if (shared.size === 0 && inHead.size === 0) yield blockTable
      else {
        yield without(blockTable, (t) => {
          const key = traceKey(blockTable.traceIds, t * 16)
          return inHead.has(key) || shared.has(key)
        })
      }
    }
  }

  /** The shared traces that the chosen tables have parts of, joined from wherever their parts are. */
  function* joinedTables(withHead: boolean, chosen: readonly Block[]): Generator<StoredSpans> {
    const shared = index.shared()
    if (shared.size === 0 && headShared.size === 0) return
    const key = `${withHead}/${head?.version}/${blocksVersion}/${chosen.map((block) => block.number).join()}`
    if (joined?.key === key) {
      yield joined.table
      return
    }
    const wanted = new Set<number>()
    const inRange = new Set(chosen.map((block) => block.number))
    for (const [trace, blocks] of shared) if ([...blocks].some((block) => inRange.has(block))) wanted.add(trace)
    for (const [id, blocks] of headShared) {
      const trace = traceKey(Buffer.from(id, 'latin1'), 0)
      const touched = withHead || blocks.some((block) => inRange.has(block))
      if (touched) wanted.add(trace)
    }
    // More than one table of them is made anew for each query: to keep them all would know no bound.
    const keys = [...wanted]
    for (let from = 0; from < keys.length; from += JOIN_AT_ONCE) {
      for (const { table, traces } of join(keys.slice(from, from + JOIN_AT_ONCE))) {
        if (traces === keys.length) joined = { key, table }
        yield table
      }
    }
  }

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
    const blocks = [...new Set(keys.flatMap((key) => index.blocks(key)))].map((number) => catalog.blocks.get(number))
    const sources = blocks.flatMap((block) => (block === undefined ? [] : [() => catalog.table(block)]))
    const inHead = headTable()
    if (inHead !== undefined) sources.push(() => inHead)
    return sources.map((table) => {
      const found = table()
      const traces = tracesOf(found, wanted)
      const rows = traces.reduce((sum, t) => sum + found.traceStart[t + 1]! - found.traceStart[t]!, 0)
      return { table, traces, rows }
    })
  }

  function appendWithin(builder: SpanBuilder, table: StoredSpans, traces: readonly number[]): void {
    let rows = builder.rows
    const fitting: number[] = []
    for (const t of traces) {
      const size = table.traceStart[t + 1]! - table.traceStart[t]!
      if (rows + size > maxJoinedRows) {
        deps.log('warn', `Trace ${table.traceId(t)} is served in part: it would take more than ${maxJoinedRows} spans.`)
        continue
      }
      rows += size
      fitting.push(t)
    }
    builder.appendTraces(table, fitting)
  }

  function trace(idHex: string): StoredSpans | undefined {
    const id = Buffer.from(idHex, 'hex')
    const key = traceKey(id, 0)
    let builder: SpanBuilder | undefined
    const take = (table: StoredSpans) => {
      const ordinal = ordinalOf(table, id)
      if (ordinal < 0) return
      builder ??= new SpanBuilder(table.baseNs)
      appendWithin(builder, table, [ordinal])
    }
    for (const number of indexBehind ? catalog.blocks.keys() : index.blocks(key)) {
      const block = catalog.blocks.get(number)
      if (block !== undefined) take(catalog.table(block))
    }
    const table = headTable()
    if (table !== undefined) take(table)
    return builder?.freeze()
  }

  function compact(): boolean {
    if (searchedVersion === blocksVersion) return false
    const pair = pairToMerge()
    if (pair === undefined) {
      searchedVersion = blocksVersion
      return false
    }
    const [a, b] = pair
    let builder: SpanBuilder | undefined
    for (const block of pair) {
      guarded(block, () => {
        const table = catalog.table(block)
        builder ??= new SpanBuilder(table.baseNs)
        builder.appendTraces(
          table,
          Array.from({ length: table.traces }, (_, t) => t),
        )
      })
    }
    // One of the two turned out damaged and is gone: nothing to merge.
    if (builder === undefined || !catalog.blocks.has(a.number) || !catalog.blocks.has(b.number)) return true
    const table = builder.freeze()
    const walMax = Math.max(walMaxOf(a), walMaxOf(b))
    const merged = catalog.writeMerged(table, table.traces, walMax, pair)
    for (const block of pair) remove(block)
    writeIndex(() => index.add(merged.number, keysOf(merged)))
    for (const [id, blocks] of headShared) {
      if (blocks.some((number) => number === a.number || number === b.number)) {
        headShared.set(id, index.blocks(traceKey(Buffer.from(id, 'latin1'), 0)))
      }
    }
    blocksVersion++
    return true
  }

  function pairToMerge(): [Block, Block] | undefined {
    const byTime = [...catalog.blocks.values()].sort((a, b) => catalog.age(a) - catalog.age(b))
    const rows = (block: Block) => block.file.header.rows
    for (let i = 1; i < byTime.length; i++) {
      const [a, b] = [byTime[i - 1]!, byTime[i]!]
      if (rows(a) + rows(b) <= BLOCK_ROWS && fit(a, b)) return [a, b]
    }
    return mostShared((a, b) => rows(a) + rows(b) <= MAX_BLOCK_ROWS && fit(a, b))
  }

  function fit(a: Block, b: Block): boolean {
    const sections = a.file.sections().length + b.file.sections().length
    return catalog.mayMerge(a, b) && a.file.bytes + b.file.bytes <= MAX_MERGED_BYTES && sections <= MAX_COLUMNS
  }

  function mostShared(allowed: (a: Block, b: Block) => boolean): [Block, Block] | undefined {
    const counts = new Map<string, number>()
    for (const blocks of index.shared().values()) {
      const numbers = [...blocks].sort((a, b) => a - b)
      for (let i = 1; i < numbers.length; i++) {
        const key = `${numbers[i - 1]}/${numbers[i]}`
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    }
    for (const [key, count] of [...counts].sort((x, y) => y[1] - x[1])) {
      const [a, b] = key.split('/').map((number) => catalog.blocks.get(Number(number)))
      if (a === undefined || b === undefined || !allowed(a, b)) continue
      if (count >= SHARED_SHARE * Math.min(a.file.header.groups, b.file.header.groups)) return [a, b]
    }
    return undefined
  }

  return {
    add,
    seal,
    sealedBelow,
    tables,
    trace,
    compact,
    setAside,
    forgetExpired(nowMs) {
      if (indexBehind) writeIndex(alignIndex)
      for (const number of catalog.expired(nowMs)) {
        remove(catalog.blocks.get(number)!)
        blocksVersion++
      }
    },
    stats: () => ({ ...catalog.stats(), headRows: head?.rows ?? 0 }),
    close: () => index.close(),
  }
}

const JOIN_AT_ONCE = 1000
const YEAR_2000_NS = 946_684_800_000_000_000n

/** Old spans may be sent years later, all at once; a start before 2000 is a clock's that was never set. */
const baseFor = (startNs: bigint, receivedMs: number) =>
  startNs < YEAR_2000_NS ? BigInt(receivedMs) * 1_000_000n : startNs

const replayKey = (traces: Buffer, traceAt: number, spans: Buffer, spanAt: number, kind: number) =>
  traces.toString('latin1', traceAt, traceAt + 16) + spans.toString('latin1', spanAt, spanAt + 8) + kind

function overlaps(extent: { readonly minNs: bigint; readonly maxNs: bigint }, range: TimeRange): boolean {
  return (
    (range.startNs === undefined || extent.maxNs >= range.startNs) &&
    (range.endNs === undefined || extent.minNs < range.endNs)
  )
}

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

/** The table itself when nothing is left out, else a copy of the rest. */
function without(table: StoredSpans, left: (trace: number) => boolean): StoredSpans {
  const kept: number[] = []
  for (let t = 0; t < table.traces; t++) if (!left(t)) kept.push(t)
  if (kept.length === table.traces) return table
  return pickTraces(table, kept)
}
