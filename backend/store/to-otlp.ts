/** Worker thread. A stored trace as OTLP again. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type AnyValue,
  AnyValueSchema,
  type KeyValue,
  KeyValueSchema,
  type ResourceSpans,
  ResourceSpansSchema,
  type Span_SpanKind,
  type SpanSchema,
  type Status_StatusCode,
  type Trace,
  TraceSchema,
} from '@sightline/otlp-messages'
import type { OwnerRecord } from '../otlp/traces.ts'
import { type AttributeValue, TYPE } from '../otlp/values.ts'
import type { AttributeList } from '../otlp/wire.ts'
import type { StoredColumn } from './columns.ts'
import type { StoredEvents, StoredLinks, StoredSpans } from './stored-spans.ts'
import { entryValue, UNCOLUMNED, uncolumnedOf } from './uncolumned-attributes.ts'

type Init<T> = T extends { $typeName: string } ? Omit<Partial<T>, '$typeName' | '$unknown'> : never

/** Spans grouped by resource and scope, in order of start within a scope. */
export function toOtlp(table: StoredSpans): Trace {
  const read = spanReader(table)
  const groups = new Map<string, { resource: OwnerRecord; scope: OwnerRecord; rows: number[] }>()
  for (let row = 0; row < table.rows; row++) {
    const key = `${table.resourceOf[row]}/${table.scopeOf[row]}`
    let group = groups.get(key)
    if (group === undefined) {
      group = {
        resource: table.resources[table.resourceOf[row]!]!,
        scope: table.scopes[table.scopeOf[row]!]!,
        rows: [],
      }
      groups.set(key, group)
    }
    group.rows.push(row)
  }
  const byResource = new Map<OwnerRecord, ResourceSpans>()
  for (const { resource, scope, rows } of groups.values()) {
    let target = byResource.get(resource)
    if (target === undefined) {
      const { attributes, droppedAttributes, schemaUrl } = resource
      const fields = { attributes: keyValues(attributes), droppedAttributesCount: droppedAttributes }
      target = create(ResourceSpansSchema, { resource: fields, schemaUrl })
      byResource.set(resource, target)
    }
    const { name, version, attributes, droppedAttributes, schemaUrl } = scope
    const fields = { name, version, attributes: keyValues(attributes), droppedAttributesCount: droppedAttributes }
    const scopeSpans = { scope: fields, spans: rows.map(read), schemaUrl }
    target.scopeSpans.push(create(ResourceSpansSchema, { scopeSpans: [scopeSpans] }).scopeSpans[0]!)
  }
  return create(TraceSchema, { resourceSpans: [...byResource.values()] })
}

function spanReader(table: StoredSpans) {
  const attributes = table.columnNames('span').map((name) => [name, table.column('span', name)!] as const)
  const text = textOf(table)
  const number = numberOf(table)
  const events = childrenOf(table.events, table.rows)
  const links = childrenOf(table.links, table.rows)
  return (row: number): MessageInitShape<typeof SpanSchema> => {
    const start = table.baseNs + BigInt(table.startOffset[row]!)
    return {
      traceId: table.traceIds.subarray(0, 16),
      spanId: table.spanIds.subarray(row * 8, row * 8 + 8),
      parentSpanId: table.parentSpanId(row) === '' ? new Uint8Array() : table.parentIds.subarray(row * 8, row * 8 + 8),
      name: text('name', row),
      kind: table.kind[row] as Span_SpanKind,
      startTimeUnixNano: uint64(start),
      endTimeUnixNano: uint64(start + BigInt(table.duration[row]!)),
      attributes: rowAttributes(attributes, table.meta(UNCOLUMNED), row),
      droppedAttributesCount: number('droppedAttributes', row),
      droppedEventsCount: number('droppedEvents', row),
      droppedLinksCount: number('droppedLinks', row),
      traceState: text('traceState', row),
      flags: number('flags', row),
      status: { code: table.status[row] as Status_StatusCode, message: text('statusMessage', row) },
      events: events(row, (child, list) => ({
        name: String(table.events.name.values[table.events.name.codes[child]!] ?? ''),
        timeUnixNano: uint64(start + BigInt(table.events.timeSinceStart[child]!)),
        attributes: list,
        droppedAttributesCount: childNumber(table.events, 'dropped', child),
      })),
      links: links(row, (child, list) => ({
        traceId: Buffer.from(String(table.links.traceId.values[table.links.traceId.codes[child]!]), 'hex'),
        spanId: Buffer.from(String(table.links.spanId.values[table.links.spanId.codes[child]!]), 'hex'),
        traceState: childText(table.links, 'traceState', child),
        flags: childNumber(table.links, 'flags', child),
        attributes: list,
        droppedAttributesCount: childNumber(table.links, 'dropped', child),
      })),
    }
  }
}

/** Times at the ends of the range are rounded, and may be rounded out of it. */
function uint64(time: bigint): bigint {
  return time < 0n ? 0n : time > MAX_UINT64 ? MAX_UINT64 : time
}

const MAX_UINT64 = 2n ** 64n - 1n

function textOf(table: StoredSpans) {
  return (name: string, row: number): string => {
    const column = name === 'name' ? table.name : name === 'statusMessage' ? table.statusMessage : table.meta(name)
    return column === undefined ? '' : String(column.values[column.codes[row]!] ?? '')
  }
}

function numberOf(table: StoredSpans) {
  return (name: string, row: number): number => cellNumber(table.meta(name), row)
}

const cellNumber = (column: StoredColumn | undefined, row: number) =>
  column === undefined ? 0 : Number(column.values[column.codes[row]!] ?? 0)

const childNumber = (table: StoredEvents | StoredLinks, name: string, row: number) => cellNumber(table.meta(name), row)

function childText(table: StoredLinks, name: string, row: number): string {
  const column = table.meta(name)
  return column === undefined ? '' : String(column.values[column.codes[row]!] ?? '')
}

/** Children stand in the order of their spans, and spans are asked for in any order. */
function childrenOf(table: StoredEvents | StoredLinks, spans: number) {
  const first = firstChildren(table, spans)
  const attributes = table.columnNames().map((name) => [name, table.column(name)!] as const)
  return <T>(row: number, make: (child: number, attributes: KeyValue[]) => T): T[] => {
    const made: T[] = []
    for (let child = first[row]!; child < first[row + 1]!; child++) {
      made.push(make(child, rowAttributes(attributes, table.meta(UNCOLUMNED), child)))
    }
    return made
  }
}

/** Per span its first child; one more at the end, so that each span's children end where the next one's begin. */
function firstChildren({ rows, span }: StoredEvents | StoredLinks, spans: number): Uint32Array {
  const first = new Uint32Array(spans + 1)
  for (let child = 0; child < rows; child++) first[span[child]! + 1]!++
  for (let row = 0; row < spans; row++) first[row + 1]! += first[row]!
  return first
}

function rowAttributes(
  columns: readonly (readonly [string, StoredColumn])[],
  uncolumned: StoredColumn | undefined,
  row: number,
): KeyValue[] {
  const list: KeyValue[] = []
  for (const [key, column] of columns) {
    const code = column.codes[row]!
    if (code !== 0) list.push(keyValue(key, column.otlpTypes[code]!, column.values[code]))
  }
  for (const entry of uncolumnedOf(uncolumned, row)) list.push(keyValue(entry[0], entry[1], entryValue(entry)))
  return list
}

function keyValues(list: AttributeList): KeyValue[] {
  return Array.from({ length: list.count }, (_, i) => keyValue(list.keys[i]!, list.types[i]!, list.values[i]))
}

const keyValue = (key: string, type: number, value: AttributeValue | undefined): KeyValue =>
  create(KeyValueSchema, { key, value: anyValue(type, value) })

function anyValue(type: number, value: AttributeValue | undefined): AnyValue {
  if (type === TYPE.kvlist) return fromJsonText(parseJson(value as string))
  if (type === TYPE.bytes) return any({ case: 'bytesValue', value: Buffer.from(value as string, 'base64') })
  if (type === TYPE.int) return any({ case: 'intValue', value: BigInt(value as number | bigint) })
  if (type === TYPE.floats) {
    const values = (value as number[]).map((item) => any({ case: 'doubleValue', value: item }))
    return any({ case: 'arrayValue', value: { $typeName: 'sightline.otlp.ArrayValue', values } })
  }
  if (type === TYPE.float) return any({ case: 'doubleValue', value: value as number })
  return fromJsonText(value)
}

const MAX_INT64 = 2n ** 63n - 1n

/** Integers that a double can't hold come as bigints. */
function parseJson(text: string): unknown {
  const exact = (_key: string, value: unknown, { source = '' }: { source?: string } = {}) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return value
    const int = BigInt(source)
    return int >= -MAX_INT64 - 1n && int <= MAX_INT64 ? int : value
  }
  return JSON.parse(text, exact)
}

const any = (value: Init<AnyValue>['value']): AnyValue => create(AnyValueSchema, { value })

/** From plain values, where a number's type is told by its look: inside lists and maps OTLP's own type isn't kept. */
function fromJsonText(value: unknown): AnyValue {
  if (typeof value === 'string') return any({ case: 'stringValue', value })
  if (typeof value === 'boolean') return any({ case: 'boolValue', value })
  if (typeof value === 'bigint') return any({ case: 'intValue', value })
  if (typeof value === 'number') {
    return Number.isSafeInteger(value)
      ? any({ case: 'intValue', value: BigInt(value) })
      : any({ case: 'doubleValue', value })
  }
  if (Array.isArray(value))
    return any({
      case: 'arrayValue',
      value: { $typeName: 'sightline.otlp.ArrayValue', values: value.map(fromJsonText) },
    })
  if (value === null || value === undefined) return create(AnyValueSchema)
  const values = Object.entries(value).map(([key, item]) => create(KeyValueSchema, { key, value: fromJsonText(item) }))
  return any({ case: 'kvlistValue', value: { $typeName: 'sightline.otlp.KeyValueList', values } })
}
