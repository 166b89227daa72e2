/** Builds a `SpanTable` in memory from plain objects: for tests of the language and of stores that must agree with it. */
import { inspect } from 'node:util'
import type {
  AttributeValue,
  ChildTable,
  Column,
  EventTable,
  LinkTable,
  Scalar,
  SpanSource,
  SpanTable,
  TimeRange,
  ValueType,
} from '../span-table.ts'

/** A whole number is an int, any other number a float; `{ double: 3 }` is the float 3. */
export type PlainValue = Scalar | readonly Scalar[] | { readonly double: number }
export type PlainAttributes = Readonly<Record<string, PlainValue>>

/** By OTLP number. */
export const SPAN_KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const
/** By OTLP number. */
export const STATUSES = ['unset', 'ok', 'error'] as const

export interface PlainSpan {
  readonly traceId: string
  readonly spanId: string
  /** Absent or '' for a root. */
  readonly parentSpanId?: string
  readonly name: string
  readonly kind?: (typeof SPAN_KINDS)[number]
  readonly status?: (typeof STATUSES)[number]
  readonly statusMessage?: string
  /** Nanoseconds since the Unix epoch. */
  readonly startNs: bigint
  readonly durationNs: number
  readonly resource?: PlainAttributes
  readonly attributes?: PlainAttributes
  readonly instrumentation?: {
    readonly name?: string
    readonly version?: string
    readonly attributes?: PlainAttributes
  }
  readonly events?: readonly {
    readonly name: string
    readonly timeSinceStartNs: number
    readonly attributes?: PlainAttributes
  }[]
  readonly links?: readonly {
    readonly traceId: string
    readonly spanId: string
    readonly attributes?: PlainAttributes
  }[]
}

/** A source with one table per list of spans, in the order given; the caller puts the newest first. */
export function plainSource(...tables: readonly (readonly PlainSpan[])[]): SpanSource {
  const built = tables.map((spans) => plainTable(spans))
  return {
    tables: (range: TimeRange) => built.filter((table) => overlaps(table, range)),
  }
}

/** Spans in any order; those of one trace are put together, traces in order of first appearance. */
export function plainTable(given: readonly PlainSpan[]): SpanTable {
  const byTrace = Map.groupBy(given, (span) => span.traceId)
  const spans = [...byTrace.values()].flat()
  const traceIds = [...byTrace.keys()]
  const traceStart = new Uint32Array(traceIds.length + 1)
  const parent = new Int32Array(spans.length).fill(-1)
  let row = 0
  for (const [t, members] of [...byTrace.values()].entries()) {
    traceStart[t] = row
    const rowOf = new Map(members.map((span, i) => [span.spanId, row + i]))
    for (const [i, span] of members.entries()) parent[row + i] = rowOf.get(span.parentSpanId ?? '') ?? -1
    row += members.length
    traceStart[t + 1] = row
  }
  let baseNs = spans[0]?.startNs ?? 0n
  for (const { startNs } of spans) if (startNs < baseNs) baseNs = startNs
  const bags = {
    resource: columnsOf(spans.map((span) => span.resource)),
    span: columnsOf(spans.map((span) => span.attributes)),
    instrumentation: columnsOf(spans.map((span) => span.instrumentation?.attributes)),
  }
  return {
    rows: spans.length,
    traces: traceIds.length,
    traceStart,
    parent,
    baseNs,
    startOffset: Float64Array.from(spans, (span) => Number(span.startNs - baseNs)),
    duration: Float64Array.from(spans, (span) => span.durationNs),
    kind: Uint8Array.from(spans, (span) => SPAN_KINDS.indexOf(span.kind ?? 'unspecified')),
    status: Uint8Array.from(spans, (span) => STATUSES.indexOf(span.status ?? 'unset')),
    name: column(spans.map((span) => span.name)),
    statusMessage: column(spans.map((span) => span.statusMessage)),
    instrumentationName: column(spans.map((span) => span.instrumentation?.name)),
    instrumentationVersion: column(spans.map((span) => span.instrumentation?.version)),
    traceId: (trace) => traceIds[trace]!,
    spanId: (i) => spans[i]!.spanId,
    parentSpanId: (i) => spans[i]!.parentSpanId ?? '',
    column: (scope, name) => bags[scope].get(name),
    columnNames: (scope) => [...bags[scope].keys()],
    events: eventTable(spans),
    links: linkTable(spans),
  }
}

function eventTable(spans: readonly PlainSpan[]): EventTable {
  const events = spans.flatMap((span, row) => (span.events ?? []).map((event) => ({ ...event, row })))
  return {
    ...childTable(events),
    name: column(events.map((event) => event.name)),
    timeSinceStart: Float64Array.from(events, (event) => event.timeSinceStartNs),
  }
}

function linkTable(spans: readonly PlainSpan[]): LinkTable {
  const links = spans.flatMap((span, row) => (span.links ?? []).map((link) => ({ ...link, row })))
  return {
    ...childTable(links),
    traceId: column(links.map((link) => link.traceId)),
    spanId: column(links.map((link) => link.spanId)),
  }
}

function childTable(children: readonly { row: number; attributes?: PlainAttributes }[]): ChildTable {
  const columns = columnsOf(children.map((child) => child.attributes))
  return {
    rows: children.length,
    span: Uint32Array.from(children, (child) => child.row),
    column: (name) => columns.get(name),
    columnNames: () => [...columns.keys()],
  }
}

function columnsOf(bags: readonly (PlainAttributes | undefined)[]): Map<string, Column> {
  const names = new Set(bags.flatMap((bag) => Object.keys(bag ?? {})))
  return new Map([...names].map((name) => [name, column(bags.map((bag) => bag?.[name]))]))
}

function column(plain: readonly (PlainValue | undefined)[]): Column {
  const values: (AttributeValue | undefined)[] = [undefined]
  const types: ValueType[] = ['string']
  const codeOf = new Map<string, number>()
  const codes = Uint32Array.from(plain, (item) => {
    if (item === undefined) return 0
    const { type, value } = typed(item)
    const key = inspect([type, value])
    const known = codeOf.get(key)
    if (known !== undefined) return known
    codeOf.set(key, values.length)
    types.push(type)
    return values.push(value) - 1
  })
  return { codes, values, types }
}

function typed(item: PlainValue): { type: ValueType; value: AttributeValue } {
  if (typeof item === 'string') return { type: 'string', value: item }
  if (typeof item === 'boolean') return { type: 'bool', value: item }
  if (typeof item === 'bigint') return { type: 'int', value: item }
  if (typeof item === 'number') return { type: Number.isInteger(item) ? 'int' : 'float', value: item }
  if ('double' in item) return { type: 'float', value: item.double }
  return { type: 'array', value: item }
}

function overlaps(table: SpanTable, { startNs, endNs }: TimeRange): boolean {
  for (let row = 0; row < table.rows; row++) {
    const start = table.baseNs + BigInt(table.startOffset[row]!)
    const end = start + BigInt(table.duration[row]!)
    if ((endNs === undefined || start < endNs) && (startNs === undefined || end >= startNs)) return true
  }
  return false
}
