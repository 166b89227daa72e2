/** Worker thread. The store of log lines: the head (in no block yet) and the blocks, as one LogSource. */
import { readLogs } from '../otlp/logs.ts'
import type { LogSource, LogTable, LogTimeRange } from '../query/logql/log-table.ts'
import { BLOCK_ROWS, type Catalog, openCatalog } from './catalog.ts'
import { MAX_COLUMNS } from './columns.ts'
import { logSections, readLogBlock } from './log-block.ts'
import { LogBuilder } from './log-builder.ts'
import type { Batch, SignalStore, SignalStoreDeps } from './signal-store.ts'
import type { LogStretch, StoredLogs } from './stored-logs.ts'

export interface LogStore extends LogSource, SignalStore {}

const MAX_TEXT_BYTES = 32 << 20
const MAX_METADATA_BYTES = 64 << 20
const MAX_HEAD_AGE_MS = 15 * 60_000

/** Opens the blocks in the folder of `deps`. Throws what the file system throws. */
export function createLogStore(deps: SignalStoreDeps): LogStore {
  const catalog = openCatalog<StoredLogs>({
    ...deps,
    dir: deps.blocksDir,
    kind: 'logs',
    sections: logSections,
    read: readLogBlock,
  })
  let head: LogBuilder | undefined
  let frozen: { version: number; table: StoredLogs } | undefined
  let oldestMs = Number.POSITIVE_INFINITY
  let lowest = Number.POSITIVE_INFINITY
  let highest = 0
  /** Batches up to here are in blocks: whole batches are sealed, so one number tells. */
  let sealed = 0
  for (const block of catalog.blocks.values()) sealed = Math.max(sealed, catalog.walMax(block))

  function headTable(): StoredLogs | undefined {
    if (head === undefined || head.rows === 0) return undefined
    if (frozen?.version !== head.version) frozen = { version: head.version, table: head.freeze() }
    return frozen.table
  }

  function add(batch: Batch, replay: boolean): void {
    if (replay && batch.id <= sealed) return
    const { id, receivedMs } = batch
    let place = 0
    readLogs(batch.bytes, (record) => {
      head ??= new LogBuilder()
      head.append(record, { receivedMs, batch: id, place: place++ })
    })
    oldestMs = Math.min(oldestMs, batch.receivedMs)
    lowest = Math.min(lowest, batch.id)
    highest = Math.max(highest, batch.id)
  }

  function seal(nowMs: number): boolean {
    if (head === undefined || head.rows === 0) return false
    const tooLarge = head.textBytes >= MAX_TEXT_BYTES || head.metadataBytes >= MAX_METADATA_BYTES
    const full = head.rows >= BLOCK_ROWS || tooLarge || head.columns >= MAX_COLUMNS
    if (!full && nowMs - oldestMs <= MAX_HEAD_AGE_MS) return false
    if (head.omitted > 0)
      deps.log('warn', `${head.omitted} values of log metadata were left out: at most ${MAX_COLUMNS} names are kept.`)
    const table = headTable()!
    catalog.write(table, table.streams.length, highest)
    sealed = highest
    head = frozen = undefined
    oldestMs = lowest = Number.POSITIVE_INFINITY
    return true
  }

  function* tables(range: LogTimeRange, direction: 'forward' | 'backward'): Generator<LogTable> {
    const entries: Entry[] = [...catalog.blocks.values()].map((block) => ({
      minNs: block.minNs,
      maxNs: block.maxNs,
      open: () => catalog.table(block).tables(),
    }))
    const live = headTable()
    if (live !== undefined) entries.push({ minNs: live.minNs, maxNs: live.maxNs, open: live.tables })
    const order = inOrder(direction)
    entries.sort(order)
    for (let entry = entries.shift(); entry !== undefined; entry = entries.shift()) {
      if (entry.maxNs < range.startNs || entry.minNs >= range.endNs) continue
      const [only, ...more] = entry.open()
      if (more.length === 0) {
        if (only !== undefined) yield only.table
        continue
      }
      // Lines that lie far apart: each stretch takes the place of its own times.
      for (const stretch of [only!, ...more]) entries.push({ ...stretch, open: () => [stretch] })
      entries.sort(order)
    }
  }

  return {
    add,
    seal,
    tables,
    compact: () => compact(catalog),
    sealedBelow: (position) => (lowest === Number.POSITIVE_INFINITY ? position + 1 : lowest),
    forgetExpired: (nowMs, most = Number.POSITIVE_INFINITY) => catalog.expire(nowMs, most, catalog.remove),
    setAside: (path, reason) => catalog.setAside(path, reason),
    stats: () => ({ ...catalog.stats(), headRows: head?.rows ?? 0 }),
    close() {},
  }
}

/** A block, the head, or a stretch of either, by the times of its first and its last line. */
interface Entry {
  readonly minNs: bigint
  readonly maxNs: bigint
  open(): readonly LogStretch[]
}

/** Earliest first line first, or latest last line. */
function inOrder(direction: 'forward' | 'backward'): (a: Entry, b: Entry) => number {
  const sign = direction === 'forward' ? 1 : -1
  const key = (entry: Entry) => (direction === 'forward' ? entry.minNs : entry.maxNs)
  return (a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0)
}

/** Merges two blocks, when there are two to merge; true when it did something. */
function compact(catalog: Catalog<StoredLogs>): boolean {
  const pair = catalog.smallNeighbours()
  if (pair === undefined) return false
  const builder = new LogBuilder()
  for (const block of pair) {
    try {
      const table = catalog.table(block)
      builder.appendTable(
        table,
        Array.from({ length: table.rows }, (_, row) => row),
      )
    } catch (error) {
      if (!catalog.setAside(block.file.path, error instanceof Error ? error.message : String(error))) throw error
      return true
    }
  }
  const table = builder.freeze()
  catalog.writeMerged(table, table.streams.length, pair)
  for (const block of pair) catalog.remove(block.number)
  return true
}
