/**
 * Worker thread. What the store knows of a table of spans beyond what TraceQL asks: enough to give back OTLP, to join
 * and to write a block. Columns are produced when first asked for: from a builder's arrays, or from a block's file.
 */

import type { OwnerRecord } from '../otlp/traces.ts'
import { TYPE } from '../otlp/values.ts'
import { lowerBound } from '../query/language/lower-bound.ts'
import type { EventTable, LinkTable, SpanTable } from '../query/traceql/span-table.ts'
import {
  type Codes,
  codeArray,
  Dictionary,
  EMPTY_COLUMN,
  EqualCodes,
  once,
  type StoredColumn,
  storedColumn,
} from './columns.ts'

export interface StoredEvents extends EventTable {
  readonly name: StoredColumn
  column(name: string): StoredColumn | undefined
  /** OTLP fields that queries don't see: `dropped`. */
  meta(name: string): StoredColumn | undefined
  metaNames(): readonly string[]
}

export interface StoredLinks extends LinkTable {
  readonly traceId: StoredColumn
  readonly spanId: StoredColumn
  column(name: string): StoredColumn | undefined
  /** `traceState`, `flags`, `dropped`. */
  meta(name: string): StoredColumn | undefined
  metaNames(): readonly string[]
}

export interface StoredSpans extends SpanTable {
  /** 16 bytes per trace, 8 per span. */
  readonly traceIds: Buffer
  readonly spanIds: Buffer
  /** 8 bytes per span: the parent's id as it was sent, zero for a root. */
  readonly parentIds: Buffer
  readonly orphans: Orphans
  readonly name: StoredColumn
  readonly statusMessage: StoredColumn
  readonly resources: readonly OwnerRecord[]
  readonly resourceOf: Codes
  readonly scopes: readonly OwnerRecord[]
  readonly scopeOf: Codes
  readonly events: StoredEvents
  readonly links: StoredLinks
  column(scope: 'resource' | 'span' | 'instrumentation', name: string): StoredColumn | undefined
  /** `traceState`, `flags`, `droppedAttributes`, `droppedEvents`, `droppedLinks`. */
  meta(name: string): StoredColumn | undefined
  metaNames(): readonly string[]
  /** Bounds in nanoseconds since the epoch: earliest start, latest end. */
  readonly minNs: bigint
  readonly maxNs: bigint
  /** For tables made from the write-ahead log: the batch each span came in. */
  readonly batchOf: Float64Array | undefined
}

/** Spans whose parent has an id and is no row of the table: ascending rows, and 8 bytes each. */
export interface Orphans {
  readonly rows: Uint32Array
  readonly ids: Buffer
}

/** Columns by name, made when they are asked for. */
export interface ColumnLoader {
  names(): readonly string[]
  load(name: string): StoredColumn | undefined
  /** Whether the column of this name may hold the value, where that can be told without loading it: false is certain. */
  mayHold?(name: string, value: string | number): boolean
}

export interface ChildParts {
  readonly rows: number
  readonly span: Uint32Array
  readonly attributes: ColumnLoader
  readonly meta: ColumnLoader
}

/** Whatever is read from a file is read when it is first asked for: these may be getters. */
export interface SpanParts {
  readonly identity?: string | undefined
  readonly rows: number
  readonly traces: number
  readonly traceStart: Uint32Array
  readonly traceIds: Buffer
  readonly spanIds: () => Buffer
  readonly parent: Int32Array
  readonly orphans: () => Orphans
  readonly baseNs: bigint
  readonly startOffset: Float64Array
  readonly duration: Float64Array
  readonly kind: Uint8Array
  readonly status: Uint8Array
  readonly resources: readonly OwnerRecord[]
  readonly resourceOf: Codes
  readonly scopes: readonly OwnerRecord[]
  readonly scopeOf: Codes
  readonly minNs: bigint
  readonly maxNs: bigint
  readonly batchOf?: Float64Array | undefined
  readonly attributes: ColumnLoader
  /** `name`, `statusMessage` and the fields of `StoredSpans.meta`. */
  readonly meta: ColumnLoader
  readonly events: () => ChildParts & { readonly timeSinceStart: Float64Array }
  readonly links: () => ChildParts
}

/** `onColumn` is told the bytes that every column takes once it is decoded, ids too, for the cache's account. */
export function storedSpans(parts: SpanParts, onColumn: (bytes: number) => void = () => {}): StoredSpans {
  const keep = keeper(onColumn)
  const span = remembered(parts.attributes, parts.rows, keep)
  const meta = remembered(parts.meta, parts.rows, keep)
  const resource = once(() => ownerColumns(parts.resources, () => parts.resourceOf, keep))
  const scope = once(() => ownerColumns(parts.scopes, () => parts.scopeOf, keep))
  const byScope = { span: () => span, resource, instrumentation: scope }
  const spanIds = once(() => {
    onColumn(parts.rows * 8)
    return parts.spanIds()
  })
  const orphans = once(parts.orphans)
  const parentIds = once(() => {
    onColumn(parts.rows * 8)
    return parentIdsOf(parts.parent, spanIds(), orphans())
  })
  const spanId = (row: number) => spanIds().toString('hex', row * 8, row * 8 + 8)
  const events = once(() => eventTable(parts.events(), keep))
  const links = once(() => linkTable(parts.links(), keep))
  const scopeName = once(() => keep(ownerText(parts.scopes, () => parts.scopeOf, 'name')))
  const scopeVersion = once(() => keep(ownerText(parts.scopes, () => parts.scopeOf, 'version')))
  return {
    identity: parts.identity,
    rows: parts.rows,
    traces: parts.traces,
    get traceStart() {
      return parts.traceStart
    },
    get traceIds() {
      return parts.traceIds
    },
    get spanIds() {
      return spanIds()
    },
    get parent() {
      return parts.parent
    },
    get parentIds() {
      return parentIds()
    },
    get orphans() {
      return orphans()
    },
    get baseNs() {
      return parts.baseNs
    },
    get startOffset() {
      return parts.startOffset
    },
    get duration() {
      return parts.duration
    },
    get kind() {
      return parts.kind
    },
    get status() {
      return parts.status
    },
    get resources() {
      return parts.resources
    },
    get resourceOf() {
      return parts.resourceOf
    },
    get scopes() {
      return parts.scopes
    },
    get scopeOf() {
      return parts.scopeOf
    },
    minNs: parts.minNs,
    maxNs: parts.maxNs,
    batchOf: parts.batchOf,
    get name() {
      return meta.need('name')
    },
    get statusMessage() {
      return meta.need('statusMessage')
    },
    get instrumentationName() {
      return scopeName()
    },
    get instrumentationVersion() {
      return scopeVersion()
    },
    traceId: (trace) => parts.traceIds.toString('hex', trace * 16, trace * 16 + 16),
    spanId,
    parentSpanId(row) {
      const up = parts.parent[row]!
      return up >= 0 ? spanId(up) : orphanId(orphans(), row)
    },
    column: (which, name) => byScope[which]().get(name),
    columnNames: (which) => byScope[which]().names(),
    mayHold: (name, value) => span.mayHold(name, value),
    meta: (name) => meta.get(name),
    metaNames: () => meta.names(),
    get events() {
      return events()
    },
    get links() {
      return links()
    },
  }
}

/** Those of a table whose `parentIds` are at hand. */
export function orphansOf(parent: Int32Array, parentIds: Buffer): Orphans {
  const rows: number[] = []
  const ids: Buffer[] = []
  for (let row = 0; row < parent.length; row++) {
    if (parent[row]! >= 0) continue
    const id = parentIds.subarray(row * 8, row * 8 + 8)
    if (id.readUInt32LE(0) === 0 && id.readUInt32LE(4) === 0) continue
    rows.push(row)
    ids.push(id)
  }
  return { rows: Uint32Array.from(rows), ids: Buffer.concat(ids) }
}

/** '' for a root. */
function orphanId({ rows, ids }: Orphans, row: number): string {
  const at = lowerBound(rows, row)
  return rows[at] === row ? ids.toString('hex', at * 8, at * 8 + 8) : ''
}

function parentIdsOf(parent: Int32Array, spanIds: Buffer, orphans: Orphans): Buffer {
  const all = Buffer.alloc(parent.length * 8)
  for (let row = 0; row < parent.length; row++) {
    const up = parent[row]!
    if (up >= 0) spanIds.copy(all, row * 8, up * 8, up * 8 + 8)
  }
  for (const [i, row] of orphans.rows.entries()) orphans.ids.copy(all, row * 8, i * 8, i * 8 + 8)
  return all
}

type Keep = (column: StoredColumn) => StoredColumn

/** What a table's columns pass through before they are kept. */
function keeper(onColumn: (bytes: number) => void): Keep {
  const equal = new EqualCodes()
  return (made) => {
    onColumn(sizeOf(made))
    // Not held for longer: it has codes of its own, and what they were read from.
    let own: StoredColumn | undefined = made
    let codes: Codes | undefined
    const codesOf = (): Codes => {
      if (own !== undefined) {
        const column = equal.share(own)
        codes = column.codes
        if (column === own) onColumn(codes.byteLength)
        own = undefined
      }
      return codes!
    }
    const { values, types, otlpTypes } = made
    return {
      get codes() {
        return codesOf()
      },
      values,
      types,
      otlpTypes,
    }
  }
}

function eventTable(parts: ReturnType<SpanParts['events']>, keep: Keep): StoredEvents {
  const attributes = remembered(parts.attributes, parts.rows, keep)
  const meta = remembered(parts.meta, parts.rows, keep)
  return {
    rows: parts.rows,
    span: parts.span,
    timeSinceStart: parts.timeSinceStart,
    get name() {
      return meta.need('name')
    },
    column: (name) => attributes.get(name),
    columnNames: () => attributes.names(),
    meta: (name) => meta.get(name),
    metaNames: () => meta.names(),
  }
}

function linkTable(parts: ChildParts, keep: Keep): StoredLinks {
  const attributes = remembered(parts.attributes, parts.rows, keep)
  const meta = remembered(parts.meta, parts.rows, keep)
  return {
    rows: parts.rows,
    span: parts.span,
    get traceId() {
      return meta.need('traceId')
    },
    get spanId() {
      return meta.need('spanId')
    },
    column: (name) => attributes.get(name),
    columnNames: () => attributes.names(),
    meta: (name) => meta.get(name),
    metaNames: () => meta.names(),
  }
}

function remembered(loader: ColumnLoader, rows: number, keep: Keep) {
  const known = new Map<string, StoredColumn | undefined>()
  const names = once(() => new Set(loader.names()))
  const get = (name: string): StoredColumn | undefined => {
    if (!names().has(name)) return undefined
    if (!known.has(name)) {
      const column = loader.load(name)
      known.set(name, column && keep(column))
    }
    return known.get(name)
  }
  return {
    get,
    names: () => loader.names(),
    mayHold: (name: string, value: string | number): boolean =>
      names().has(name) && (known.has(name) || loader.mayHold === undefined || loader.mayHold(name, value)),
    need: (name: string): StoredColumn => get(name) ?? { ...EMPTY_COLUMN, codes: new Uint8Array(rows) },
  }
}

/** What a column takes beside its codes: texts take their length; a value and its place in the lists some 48 bytes. */
function sizeOf({ values }: StoredColumn): number {
  let bytes = values.length * 48
  for (const value of values) if (typeof value === 'string') bytes += value.length
  return bytes
}

/** Attributes of resources and scopes are few and shared: a column is made by spreading them over the rows. */
function ownerColumns(owners: readonly OwnerRecord[], ownerOf: () => Codes, keep: Keep) {
  const names = [...new Set(owners.flatMap((owner) => owner.attributes.keys.slice(0, owner.attributes.count)))]
  const loader: ColumnLoader = {
    names: () => names,
    load: (name) =>
      spread(owners, ownerOf, (owner, dictionary) => {
        const { attributes } = owner
        for (let i = attributes.count - 1; i >= 0; i--) {
          const value = attributes.values[i]
          if (attributes.keys[i] === name && value !== undefined) return dictionary.code(attributes.types[i]!, value)
        }
        return 0
      }),
  }
  return remembered(loader, 0, keep)
}

function ownerText(owners: readonly OwnerRecord[], ownerOf: () => Codes, field: 'name' | 'version'): StoredColumn {
  return spread(owners, ownerOf, (owner, dictionary) =>
    owner[field] === '' ? 0 : dictionary.code(TYPE.string, owner[field]),
  )
}

function spread(
  owners: readonly OwnerRecord[],
  ownerOf: () => Codes,
  code: (owner: OwnerRecord, dictionary: Dictionary) => number,
): StoredColumn {
  const dictionary = new Dictionary()
  const codeOf = owners.map((owner) => code(owner, dictionary))
  const codes = once(() => {
    const owner = ownerOf()
    const spreadOut = codeArray(owner.length, dictionary.values.length)
    for (let row = 0; row < spreadOut.length; row++) spreadOut[row] = codeOf[owner[row]!]!
    return spreadOut
  })
  return storedColumn(codes, dictionary.values, Uint8Array.from(dictionary.types))
}
