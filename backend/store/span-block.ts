/** Worker thread. A span table as the sections of a block, and back. */
import type { BlockFile } from './block-file.ts'
import { type Codes, codeArray, once, readOnce, type StoredColumn } from './columns.ts'
import { mayHold, packColumn, packNumbers, packOwners, unpackColumn, unpackNumbers, unpackOwners } from './encoding.ts'
import type { Orphans, StoredEvents, StoredLinks, StoredSpans } from './stored-spans.ts'
import { type ChildParts, type ColumnLoader, storedSpans } from './stored-spans.ts'

/** Section names: `attr/<name>`, `meta/<name>`, `event.attr/<name>`, `link.meta/<name>` ... are columns. */
export function spanSections(table: StoredSpans): Map<string, Buffer> {
  const sections = new Map<string, Buffer>()
  const { rows, traceStart, parent, status } = table
  const counts = Uint32Array.from({ length: table.traces }, (_, t) => traceStart[t + 1]! - traceStart[t]!)
  sections.set('traceIds', table.traceIds)
  sections.set('traceRows', packNumbers(counts))
  sections.set('spanIds', table.spanIds)
  sections.set('parents', packNumbers(parent.map((up, row) => (up < 0 ? 0 : zigzag(row - up)))))
  packOrphans(table, sections)
  if (isFar(table)) sections.set('farStarts', packFarStarts(table))
  else sections.set('starts', packNumbers(startDeltas(table)))
  sections.set('durations', packNumbers(table.duration))
  sections.set('kinds', Buffer.from(table.kind.map((kind, row) => kind | (status[row]! << 4))))
  sections.set('resources', packOwners(table.resources))
  sections.set('scopes', packOwners(table.scopes))
  sections.set('resourceOf', packOrdinals(table.resourceOf, table.resources.length))
  sections.set('scopeOf', packOrdinals(table.scopeOf, table.scopes.length))
  for (const name of table.columnNames('span')) addColumn(sections, `attr/${name}`, table.column('span', name))
  addColumn(sections, 'meta/name', table.name)
  for (const name of table.metaNames()) addColumn(sections, `meta/${name}`, table.meta(name))
  packChildren(sections, 'event', table.events)
  if (table.events.rows > 0) sections.set('event.times', packNumbers(table.events.timeSinceStart.map(zigzag)))
  packChildren(sections, 'link', table.links)
  if (rows === 0) throw new Error('an empty block is never written')
  return sections
}

/** Signed to unsigned, without the 32-bit limit of shifts: 0, 1, -1, 2 -> 0, 2, 1, 4. */
const zigzag = (value: number) => (value < 0 ? -value * 2 - 1 : value * 2)
const unzigzag = (value: number) => {
  const half = Math.floor(value / 2)
  return half * 2 === value ? half : -half - 1
}

/** Differences of larger offsets are no longer exact. */
const MAX_NEAR = 2 ** 51

/** Spans whose clock was never set, beside spans of now: reckoned from the former, the latter would lose digits. */
function isFar({ startOffset }: StoredSpans): boolean {
  return startOffset.some((offset) => Math.abs(offset) > MAX_NEAR)
}

/** The base, then the offsets from it as they are. */
function packFarStarts({ baseNs, startOffset }: StoredSpans): Buffer {
  const base = Buffer.alloc(8)
  base.writeBigUInt64LE(baseNs)
  return Buffer.concat([base, Buffer.from(startOffset.buffer, startOffset.byteOffset, startOffset.byteLength)])
}

function readFarStarts(file: BlockFile): { baseNs: bigint; startOffset: Float64Array } {
  const bytes = new Uint8Array(file.section('farStarts'))
  return { baseNs: Buffer.from(bytes.buffer).readBigUInt64LE(), startOffset: new Float64Array(bytes.buffer, 8) }
}

/** Offsets from the block's first start. */
function readStarts(file: BlockFile): Float64Array {
  const startOffset = unpackNumbers(file.section('starts'), file.header.rows)
  let previous = 0
  for (let row = 0; row < startOffset.length; row++) {
    previous += unzigzag(startOffset[row]!)
    startOffset[row] = previous
  }
  return startOffset
}

function startDeltas(table: StoredSpans): Float64Array {
  const { startOffset } = table
  const deltas = new Float64Array(table.rows)
  let previous = Number(table.minNs - table.baseNs)
  for (let row = 0; row < deltas.length; row++) {
    deltas[row] = zigzag(startOffset[row]! - previous)
    previous = startOffset[row]!
  }
  return deltas
}

/** Parents that aren't in the table are the only ones whose ids have to be written. */
function packOrphans({ orphans: { rows, ids } }: StoredSpans, sections: Map<string, Buffer>): void {
  if (rows.length === 0) return
  sections.set('orphanRows', packNumbers(rows.map((row, i) => row - (rows[i - 1] ?? 0))))
  sections.set('orphanIds', ids)
}

function packOrdinals(ordinals: Codes, count: number): Buffer {
  const narrow = codeArray(ordinals.length, count)
  narrow.set(ordinals)
  return Buffer.from(narrow.buffer)
}

function addColumn(sections: Map<string, Buffer>, name: string, column: StoredColumn | undefined): void {
  if (column !== undefined && column.values.length > 1) sections.set(name, packColumn(column))
}

function packChildren(sections: Map<string, Buffer>, prefix: string, table: StoredEvents | StoredLinks): void {
  if (table.rows === 0) return
  sections.set(`${prefix}.spans`, packNumbers(table.span.map((row, i) => row - (table.span[i - 1] ?? 0))))
  for (const name of table.columnNames()) addColumn(sections, `${prefix}.attr/${name}`, table.column(name))
  for (const name of table.metaNames()) addColumn(sections, `${prefix}.meta/${name}`, table.meta(name))
}

/** What a table takes of which nothing is read yet. */
const UNREAD_BYTES = 4096

/**
 * Reads each section when it is first asked for: many a query is answered for a block by a dictionary or two. `onBytes` hears of
 * memory taken. Whatever reads throws a DamagedBlock.
 */
export function readSpanBlock(file: BlockFile, onBytes: (bytes: number) => void): StoredSpans {
  const { rows, groups: traces } = file.header
  onBytes(UNREAD_BYTES)
  const part = readOnce(onBytes)
  const traceStart = part(() => readTraceStarts(file))
  const traceIds = part(() => file.section('traceIds'))
  const parent = part(() => readParents(file.section('parents'), rows))
  const far = once(() => readFarStarts(file))
  const isFar = file.has('farStarts')
  const minNs = BigInt(file.header.minNs)
  const startOffset = part(() => (isFar ? far().startOffset : readStarts(file)))
  const duration = part(() => unpackNumbers(file.section('durations'), rows))
  const kinds = part(() => file.section('kinds'))
  const kind = part(() => halves(kinds(), (byte) => byte & 0xf))
  const status = part(() => halves(kinds(), (byte) => byte >> 4))
  const resources = once(() => unpackOwners(file.section('resources')))
  const scopes = once(() => unpackOwners(file.section('scopes')))
  const resourceOf = part(() => unpackOrdinals(file.section('resourceOf'), rows, resources().length))
  const scopeOf = part(() => unpackOrdinals(file.section('scopeOf'), rows, scopes().length))
  return storedSpans(
    {
      identity: String(file.number),
      rows,
      traces,
      get traceStart() {
        return traceStart()
      },
      get traceIds() {
        return traceIds()
      },
      spanIds: () => file.section('spanIds'),
      get parent() {
        return parent()
      },
      orphans: () => readOrphans(file),
      get baseNs() {
        return isFar ? far().baseNs : minNs
      },
      get startOffset() {
        return startOffset()
      },
      get duration() {
        return duration()
      },
      get kind() {
        return kind()
      },
      get status() {
        return status()
      },
      get resources() {
        return resources()
      },
      get resourceOf() {
        return resourceOf()
      },
      get scopes() {
        return scopes()
      },
      get scopeOf() {
        return scopeOf()
      },
      minNs,
      maxNs: BigInt(file.header.maxNs),
      attributes: columnsOf(file, 'attr/', rows),
      meta: columnsOf(file, 'meta/', rows),
      events: () => {
        const children = readChildren(file, 'event')
        const times =
          children.rows === 0 ? new Float64Array(0) : unpackNumbers(file.section('event.times'), children.rows)
        return { ...children, timeSinceStart: times.map(unzigzag) }
      },
      links: () => readChildren(file, 'link'),
    },
    onBytes,
  )
}

function readTraceStarts(file: BlockFile): Uint32Array {
  const traces = file.header.groups
  const counts = unpackNumbers(file.section('traceRows'), traces)
  const traceStart = new Uint32Array(traces + 1)
  for (let t = 0; t < traces; t++) traceStart[t + 1] = traceStart[t]! + counts[t]!
  return traceStart
}

function halves(bytes: Buffer, half: (byte: number) => number): Uint8Array {
  const made = new Uint8Array(bytes.length)
  for (let row = 0; row < made.length; row++) made[row] = half(bytes[row]!)
  return made
}

function readParents(bytes: Buffer, rows: number): Int32Array {
  const steps = unpackNumbers(bytes, rows)
  const parent = new Int32Array(rows)
  for (let row = 0; row < rows; row++) parent[row] = steps[row] === 0 ? -1 : row - unzigzag(steps[row]!)
  return parent
}

function readOrphans(file: BlockFile): Orphans {
  if (!file.has('orphanIds')) return { rows: new Uint32Array(0), ids: Buffer.alloc(0) }
  const ids = file.section('orphanIds')
  const rows = Uint32Array.from(unpackNumbers(file.section('orphanRows'), ids.length / 8))
  for (let i = 1; i < rows.length; i++) rows[i]! += rows[i - 1]!
  return { rows, ids }
}

function unpackOrdinals(bytes: Buffer, rows: number, count: number): Codes {
  const narrow = codeArray(rows, count)
  Buffer.from(narrow.buffer).set(bytes)
  return narrow
}

/** From so many bytes per row a column has so many values, such as ids, that they are not read in vain. */
const LARGE_SHARE = 2

function columnsOf(file: BlockFile, prefix: string, rows: number): ColumnLoader {
  const names = once(() =>
    file
      .sections()
      .filter((section) => section.startsWith(prefix))
      .map((section) => section.slice(prefix.length)),
  )
  return {
    names,
    load: (name) => unpackColumn(file.section(prefix + name), rows),
    mayHold: (name, value) =>
      file.size(prefix + name) < rows * LARGE_SHARE || mayHold(file.section(prefix + name), value),
  }
}

function readChildren(file: BlockFile, prefix: string): ChildParts {
  if (!file.has(`${prefix}.spans`)) {
    const none: ColumnLoader = { names: () => [], load: () => undefined }
    return { rows: 0, span: new Uint32Array(0), attributes: none, meta: none }
  }
  const packed = file.section(`${prefix}.spans`)
  const rows = packed.reduce((count, byte) => count + (byte < 0x80 ? 1 : 0), 0)
  const span = Uint32Array.from(unpackNumbers(packed, rows))
  for (let i = 1; i < rows; i++) span[i]! += span[i - 1]!
  return {
    rows,
    span,
    attributes: columnsOf(file, `${prefix}.attr/`, rows),
    meta: columnsOf(file, `${prefix}.meta/`, rows),
  }
}
