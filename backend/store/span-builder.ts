/**
 * Worker thread. Collects spans in the order they arrive and freezes them into tables whose traces are whole and in
 * time order.
 *
 * One primitive does the rest of the store's work: `appendTraces` takes traces out of any table into a builder. Joining
 * a trace that lies in several blocks, compacting blocks, and keeping what is left in the head after sealing are all
 * that.
 */

import type { EventRecord, OwnerRecord, SpanRecord } from '../otlp/traces.ts'
import { TYPE } from '../otlp/values.ts'
import { type AttributeList, copyAttributes as copyList } from '../otlp/wire.ts'
import { ColumnSet, gatherBytes, gatherFloats, gatherIds, gatherInts } from './columns.ts'
import { Floats, Ids, Ints } from './growing.ts'
import { extent, linkRows, orderRows } from './span-order.ts'
import type { StoredSpans } from './stored-spans.ts'
import { type ColumnLoader, orphansOf, storedSpans } from './stored-spans.ts'
import { addAttributes, copyAttributes } from './uncolumned-attributes.ts'

export interface HeadTrace {
  readonly ordinal: number
  readonly id: string
  rows: number
  /** When its first and last span arrived, ms since the epoch. */
  firstSeen: number
  lastSeen: number
  /** About what its spans take, as they were sent. */
  bytes: number
  /** That it is to be kept, where only a share is. */
  kept: boolean
}

/** A table under construction. Traces and spans keep the order they came in until it is frozen. */
export class SpanBuilder {
  readonly traces = new Map<string, HeadTrace>()
  /** Spans of one trace tend to come together. */
  private lastTrace: HeadTrace | undefined
  rows = 0
  /** About what the spans take, as they were sent. */
  bytes = 0
  /** Grows with every change, so that a frozen table is known to be stale. */
  version = 0
  private readonly baseHi: number
  private readonly baseLo: number
  private readonly baseNs: bigint
  /** Of a span that starts at 0: what is rounded must not end up before. */
  private readonly leastOffset: number
  private readonly traceIds = new Ids()
  private readonly traceOf = new Ints()
  private readonly spanIds = new Ids()
  private readonly parentIds = new Ids()
  private readonly start = new Floats()
  private readonly duration = new Floats()
  private readonly kind = new Ints()
  private readonly status = new Ints()
  private readonly batch = new Floats()
  private readonly resources = new Owners()
  private readonly resourceOf = new Ints()
  private readonly scopes = new Owners()
  private readonly scopeOf = new Ints()
  private readonly attributes = new ColumnSet()
  private readonly meta = new ColumnSet()
  private readonly events = new ChildBuilder()
  private readonly eventTime = new Floats()
  private readonly links = new ChildBuilder()

  /** Offsets are doubles: exact while spans lie within 104 days of `baseNs`, which is taken a little earlier. */
  constructor(baseNs: bigint) {
    this.baseNs = baseNs - (baseNs % BASE_UNIT)
    this.baseHi = Number(this.baseNs >> 32n)
    this.baseLo = Number(this.baseNs & 0xffff_ffffn)
    this.leastOffset = -Number(this.baseNs)
  }

  /** Columns of the scope that has most: `MAX_COLUMNS` is how many fit. */
  get columns(): number {
    const scopes = [this.attributes, this.events.attributes, this.links.attributes]
    return Math.max(...scopes.map((set) => set.columns.size))
  }

  get ownerBytes(): number {
    return this.resources.bytes + this.scopes.bytes
  }

  /** The first batch that any span here came in; Infinity when there is none. */
  lowestBatch(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (let row = 0; row < this.rows; row++) lowest = Math.min(lowest, this.batch.data[row]!)
    return lowest
  }

  append(span: SpanRecord, batch: number, now: number): HeadTrace {
    const row = this.rows++
    this.version++
    const trace = this.trace(span.bytes, span.traceIdAt, now)
    this.traceOf.push(trace.ordinal)
    this.spanIds.push(span.bytes, span.spanIdAt, 8)
    if (span.parentSpanIdAt < 0) this.parentIds.push(ZERO, 0, 8)
    else this.parentIds.push(span.bytes, span.parentSpanIdAt, 8)
    this.pushStart(nanoseconds(span.startHi - this.baseHi, span.startLo - this.baseLo))
    // A clock that was set back must not make a negative duration.
    this.duration.push(Math.max(0, nanoseconds(span.endHi - span.startHi, span.endLo - span.startLo)))
    this.kind.push(span.kind)
    this.status.push(span.status)
    this.batch.push(batch)
    this.resourceOf.push(this.resources.ordinal(span.resource))
    this.scopeOf.push(this.scopes.ordinal(span.scope))
    addAttributes(this.attributes, this.meta, row, span.attributes)
    this.bytes += span.size
    trace.bytes += span.size
    const { meta } = this
    meta.column('name').set(row, TYPE.string, span.name)
    if (span.statusMessage) meta.column('statusMessage').set(row, TYPE.string, span.statusMessage)
    if (span.traceState) meta.column('traceState').set(row, TYPE.string, span.traceState)
    if (span.flags) meta.column('flags').set(row, TYPE.int, span.flags)
    if (span.droppedAttributes) meta.column('droppedAttributes').set(row, TYPE.int, span.droppedAttributes)
    if (span.droppedEvents) meta.column('droppedEvents').set(row, TYPE.int, span.droppedEvents)
    if (span.droppedLinks) meta.column('droppedLinks').set(row, TYPE.int, span.droppedLinks)
    for (const event of span.events) {
      const child = this.events.add(row, event.attributes, event.droppedAttributes)
      this.events.meta.column('name').set(child, TYPE.string, event.name)
      this.eventTime.push(sinceStart(event, span))
    }
    for (const link of span.links) {
      const child = this.links.add(row, link.attributes, link.droppedAttributes)
      this.links.meta.column('traceId').set(child, TYPE.string, link.traceId)
      this.links.meta.column('spanId').set(child, TYPE.string, link.spanId)
      if (link.traceState) this.links.meta.column('traceState').set(child, TYPE.string, link.traceState)
      if (link.flags) this.links.meta.column('flags').set(child, TYPE.int, link.flags)
    }
    return trace
  }

  /** Copies the given traces (ascending ordinals of `table`) with everything they have. */
  appendTraces(table: StoredSpans, traces: Iterable<number>, seen?: (id: string) => HeadTrace | undefined): void {
    const { traceIds, traceStart } = table
    const from: number[] = []
    const base = this.rows
    for (const ordinal of traces) {
      const id = traceIds.toString('latin1', ordinal * 16, ordinal * 16 + 16)
      const before = seen?.(id)
      const trace = this.trace(traceIds, ordinal * 16, before?.firstSeen ?? 0)
      if (before) {
        trace.lastSeen = before.lastSeen
        trace.bytes = before.bytes
        trace.kept = before.kept
      }
      const end = traceStart[ordinal + 1]!
      trace.rows += end - traceStart[ordinal]! - 1
      for (let row = traceStart[ordinal]!; row < end; row++) {
        from.push(row)
        this.traceOf.push(trace.ordinal)
      }
    }
    if (from.length === 0) return
    this.version++
    this.rows += from.length
    const shift = Number(table.baseNs - this.baseNs)
    // Once, not per row: each may have to be read.
    const { spanIds, parentIds, startOffset, duration, kind, status, batchOf } = table
    const { resources, resourceOf, scopes, scopeOf } = table
    for (const row of from) {
      this.spanIds.push(spanIds, row * 8, 8)
      this.parentIds.push(parentIds, row * 8, 8)
      this.pushStart(startOffset[row]! + shift)
      this.duration.push(duration[row]!)
      this.kind.push(kind[row]!)
      this.status.push(status[row]!)
      this.batch.push(batchOf?.[row] ?? 0)
      this.resourceOf.push(this.resources.ordinal(resources[resourceOf[row]!]!))
      this.scopeOf.push(this.scopes.ordinal(scopes[scopeOf[row]!]!))
    }
    const source = {
      attributes: { names: () => table.columnNames('span'), get: (name: string) => table.column('span', name) },
      meta: { names: () => table.metaNames(), get: (name: string) => table.meta(name) },
    }
    copyAttributes(this.attributes, this.meta, source, from, base)
    const moved = new Int32Array(table.rows).fill(-1)
    for (let i = 0; i < from.length; i++) moved[from[i]!] = base + i
    const events = this.events.copy(table.events, moved)
    for (const row of events) this.eventTime.push(table.events.timeSinceStart[row]!)
    this.links.copy(table.links, moved)
  }

  /** A table of everything so far. Spans sent twice (same ids, kind, name, start and duration) are in it once. */
  freeze(): StoredSpans {
    const rows = this.rows
    const start = this.start.data
    const { order, traceStart, traceOrder } = orderRows({
      rows,
      traces: this.traces.size,
      traceOf: this.traceOf.data,
      start,
      duration: this.duration.data,
      kind: this.kind.data,
      nameOf: this.meta.column('name').codes.data,
      spanIds: this.spanIds.data,
    })
    const kept = order.length
    const position = new Int32Array(rows).fill(-1)
    for (let i = 0; i < kept; i++) position[order[i]!] = i
    const spanIds = gatherIds(this.spanIds.data, order, 8)
    const parentIds = gatherIds(this.parentIds.data, order, 8)
    const parent = linkRows(traceStart, spanIds, parentIds)
    const startOffset = gatherFloats(start, order)
    const duration = gatherFloats(this.duration.data, order)
    const { min, max } = extent(startOffset, duration)
    return storedSpans({
      rows: kept,
      traces: traceStart.length - 1,
      traceStart,
      traceIds: gatherIds(this.traceIds.data, traceOrder, 16),
      spanIds: () => spanIds,
      parent,
      orphans: () => orphansOf(parent, parentIds),
      baseNs: this.baseNs,
      startOffset,
      duration,
      kind: gatherBytes(this.kind.data, order),
      status: gatherBytes(this.status.data, order),
      resources: this.resources.list.slice(),
      resourceOf: gatherInts(this.resourceOf.data, order),
      scopes: this.scopes.list.slice(),
      scopeOf: gatherInts(this.scopeOf.data, order),
      minNs: this.baseNs + BigInt(min),
      maxNs: this.baseNs + BigInt(max),
      batchOf: gatherFloats(this.batch.data, order),
      attributes: frozen(this.attributes, kept, position),
      meta: frozen(this.meta, kept, position),
      events: () => {
        const { parts, order: children } = this.events.freeze(position)
        return { ...parts, timeSinceStart: gatherFloats(this.eventTime.data, children) }
      },
      links: () => this.links.freeze(position).parts,
    })
  }

  /** Gives back what it takes. Tables that were made of it may no longer be asked for what they have not been asked for before. */
  release(): void {
    for (const vector of [
      this.traceIds,
      this.spanIds,
      this.parentIds,
      this.start,
      this.duration,
      this.batch,
      this.eventTime,
    ])
      vector.release()
    for (const vector of [this.traceOf, this.kind, this.status, this.resourceOf, this.scopeOf]) vector.release()
    for (const { attributes, meta } of [this.events, this.links]) for (const set of [attributes, meta]) set.release()
    for (const set of [this.attributes, this.meta]) set.release()
  }

  private pushStart(offset: number): void {
    this.start.push(Math.max(offset, this.leastOffset))
  }

  private trace(bytes: Buffer, at: number, now: number): HeadTrace {
    const last = this.lastTrace
    if (last !== undefined && isSameId(this.traceIds.data, last.ordinal * 16, bytes, at)) {
      last.rows++
      last.lastSeen = now
      return last
    }
    const id = bytes.toString('latin1', at, at + 16)
    let trace = this.traces.get(id)
    if (trace === undefined) {
      trace = { ordinal: this.traces.size, id, rows: 0, firstSeen: now, lastSeen: now, bytes: 0, kept: false }
      this.traces.set(id, trace)
      this.traceIds.push(bytes, at, 16)
    }
    trace.rows++
    trace.lastSeen = now
    this.lastTrace = trace
    return trace
  }
}

function isSameId(ids: Uint8Array, from: number, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 16; i++) if (ids[from + i] !== bytes[at + i]) return false
  return true
}

const ZERO = Buffer.alloc(8)

/** A base of whole units of about a millisecond is exact as a double, too. */
const BASE_UNIT = 1n << 20n

/** From a difference of 64-bit numbers, given as differences of their halves. */
const nanoseconds = (hi: number, lo: number) => hi * 0x1_0000_0000 + lo

/** Beyond this (26 days) blocks can't hold a time in either direction. */
const MAX_SINCE_START = 2 ** 51

/** An event without a time of its own happened when its span began, for all that is known. */
function sinceStart({ timeHi, timeLo }: EventRecord, { startHi, startLo }: SpanRecord): number {
  if (timeHi === 0 && timeLo === 0) return 0
  const since = nanoseconds(timeHi - startHi, timeLo - startLo)
  return Math.min(Math.max(since, -MAX_SINCE_START), MAX_SINCE_START)
}

/** Columns of the builder as they are now; the builder may grow afterwards, so they are frozen when asked for only once per version. */
function frozen(columns: ColumnSet, rows: number, position: Int32Array): ColumnLoader {
  const names = [...columns.columns.keys()]
  const load = (name: string) => {
    if (columns.isReleased) throw new Error(`column ${name} was asked for after its spans had left`)
    return columns.columns.get(name)?.freeze(rows, position)
  }
  return { names: () => names, load }
}

/** Resources or scopes, each kept once. */
class Owners {
  readonly list: OwnerRecord[] = []
  private readonly known = new Map<string, number>()
  private readonly recent = new WeakMap<OwnerRecord, number>()
  bytes = 0

  ordinal(owner: OwnerRecord): number {
    const again = this.recent.get(owner)
    if (again !== undefined) return again
    const key = ownerKey(owner)
    let ordinal = this.known.get(key)
    if (ordinal === undefined) {
      ordinal = this.list.push({ ...owner, attributes: copyList(owner.attributes) }) - 1
      for (let i = 0; i < owner.attributes.count; i++) this.bytes += owner.attributes.keys[i]!.length + 64
      this.known.set(key, ordinal)
    }
    this.recent.set(owner, ordinal)
    return ordinal
  }
}

function ownerKey(owner: OwnerRecord): string {
  const { attributes } = owner
  const parts: unknown[] = [owner.name, owner.version, owner.droppedAttributes, owner.schemaUrl]
  for (let i = 0; i < attributes.count; i++) {
    const value = attributes.values[i]
    parts.push(attributes.keys[i], attributes.types[i], typeof value === 'object' ? value.map(String) : String(value))
  }
  return JSON.stringify(parts)
}

/** Events or links under construction. */
class ChildBuilder {
  readonly span: number[] = []
  readonly attributes = new ColumnSet()
  readonly meta = new ColumnSet()

  add(spanRow: number, attributes: AttributeList, dropped: number): number {
    const row = this.span.push(spanRow) - 1
    addAttributes(this.attributes, this.meta, row, attributes)
    if (dropped) this.meta.column('dropped').set(row, TYPE.int, dropped)
    return row
  }

  /** Copies the children of the moved spans; returns their rows in `source`. */
  copy(source: StoredSpans['events'] | StoredSpans['links'], moved: Int32Array): number[] {
    const from: number[] = []
    const base = this.span.length
    for (let row = 0; row < source.rows; row++) {
      const to = moved[source.span[row]!]!
      if (to < 0) continue
      from.push(row)
      this.span.push(to)
    }
    if (from.length === 0) return from
    const columns = {
      attributes: { names: () => source.columnNames(), get: (name: string) => source.column(name) },
      meta: { names: () => source.metaNames(), get: (name: string) => source.meta(name) },
    }
    copyAttributes(this.attributes, this.meta, columns, from, base)
    return from
  }

  freeze(spanPosition: Int32Array) {
    const rows = this.span.length
    const kept: number[] = []
    for (let row = 0; row < rows; row++) if (spanPosition[this.span[row]!]! >= 0) kept.push(row)
    // Children stand in the order of their spans, and within one span as they were sent.
    const order = Uint32Array.from(kept).sort(
      (a, b) => spanPosition[this.span[a]!]! - spanPosition[this.span[b]!]! || a - b,
    )
    const position = new Int32Array(rows).fill(-1)
    for (let i = 0; i < order.length; i++) position[order[i]!] = i
    const parts = {
      rows: order.length,
      span: Uint32Array.from(order, (row) => spanPosition[this.span[row]!]!),
      attributes: frozen(this.attributes, order.length, position),
      meta: frozen(this.meta, order.length, position),
    }
    return { parts, order }
  }
}
