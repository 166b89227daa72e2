/** What spans and log records have in common as OTLP: attributes, and the resources and scopes they come from. */
import type { Attributes } from '@opentelemetry/api'
import type { InstrumentationScope } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import { ProtobufWriter, tag } from './protobuf-writer.ts'

const TWO_TO_63 = 2 ** 63
const KEY = tag.sized(1)
const VALUE = tag.sized(2)
const STRING = tag.sized(1)
const BOOLEAN = tag.varint(2)
const INTEGER = tag.varint(3)
const DOUBLE = tag.fixed64(4)
const ARRAY = tag.sized(5)
const MAP = tag.sized(6)
const BYTES = tag.sized(7)
const ITEM = tag.sized(1)

/** Each as a KeyValue in the field that `field` is the tag of. */
export function writeAttributes(writer: ProtobufWriter, field: number, attributes: object): void {
  for (const key in attributes) {
    if (!Object.hasOwn(attributes, key)) continue
    writer.uint32(field)
    const begin = writer.begin(1)
    writer.uint32(KEY)
    writer.text(key)
    writer.uint32(VALUE)
    writeValue(writer, (attributes as Attributes)[key])
    writer.end(begin, 1)
  }
}

/** An AnyValue with its length before it: without a value for null, undefined and what OTLP has no kind for. */
export function writeValue(writer: ProtobufWriter, value: unknown): void {
  const begin = writer.begin(1)
  if (typeof value === 'string') {
    writer.uint32(STRING)
    writer.text(value)
  } else if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= -TWO_TO_63 && value < TWO_TO_63) {
      writer.uint32(INTEGER)
      writer.int64(value)
    } else {
      writer.uint32(DOUBLE)
      writer.double(value)
    }
  } else if (typeof value === 'boolean') {
    writer.uint32(BOOLEAN)
    writer.uint32(value ? 1 : 0)
  } else if (value instanceof Uint8Array) {
    writer.uint32(BYTES)
    writer.data(value)
  } else if (typeof value === 'object' && value !== null) {
    writer.uint32(Array.isArray(value) ? ARRAY : MAP)
    writeItems(writer, value)
  }
  writer.end(begin, 1)
}

/** An ArrayValue or a KeyValueList. */
function writeItems(writer: ProtobufWriter, value: object): void {
  const begin = writer.begin(1)
  if (Array.isArray(value)) {
    for (const item of value) {
      writer.uint32(ITEM)
      writeValue(writer, item)
    }
  } else {
    writeAttributes(writer, ITEM, value)
  }
  writer.end(begin, 1)
}

/** What a batch is made of; a log record's scope can have attributes. */
interface Item {
  resource: Resource
  instrumentationScope: InstrumentationScope & { attributes?: Attributes; droppedAttributesCount?: number }
}

/** Bytes that one item takes, roughly. */
const ITEM_BYTES = 512
/** Bytes for the length of what holds the items. */
const RESERVED = 3

/**
 * The request that carries `items`, below their resources and scopes; `write` writes one with its length before it. Traces
 * and logs have the same fields here: `ResourceSpans` and `ResourceLogs`, `ScopeSpans` and `ScopeLogs`.
 */
export function encodeRequest<T extends Item>(
  items: readonly T[],
  write: (writer: ProtobufWriter, item: T) => void,
): Uint8Array {
  const writer = new ProtobufWriter((items.length + 1) * ITEM_BYTES)
  for (const [resource, inResource] of Map.groupBy(items, (item) => item.resource)) {
    writer.uint32(tag.sized(1))
    const begin = writer.begin(RESERVED)
    writeResource(writer, resource)
    for (const [scope, inScope] of Map.groupBy(inResource, (item) => item.instrumentationScope)) {
      writer.uint32(tag.sized(2))
      const scopeBegin = writer.begin(RESERVED)
      writeScope(writer, scope)
      for (const item of inScope) {
        writer.uint32(tag.sized(2))
        write(writer, item)
      }
      writeText(writer, tag.sized(3), scope.schemaUrl)
      writer.end(scopeBegin, RESERVED)
    }
    writeText(writer, tag.sized(3), resource.schemaUrl)
    writer.end(begin, RESERVED)
  }
  return writer.written()
}

function writeResource(writer: ProtobufWriter, { attributes }: Resource): void {
  writer.uint32(tag.sized(1))
  const begin = writer.begin(2)
  writeAttributes(writer, tag.sized(1), attributes)
  writer.end(begin, 2)
}

function writeScope(writer: ProtobufWriter, scope: Item['instrumentationScope']): void {
  writer.uint32(tag.sized(1))
  const begin = writer.begin(1)
  writeText(writer, tag.sized(1), scope.name)
  writeText(writer, tag.sized(2), scope.version)
  if (scope.attributes) writeAttributes(writer, tag.sized(3), scope.attributes)
  writeCount(writer, tag.varint(4), scope.droppedAttributesCount)
  writer.end(begin, 1)
}

/** A number of things left out; none needs no field. */
export function writeCount(writer: ProtobufWriter, field: number, count: number | undefined): void {
  if (!count) return
  writer.uint32(field)
  writer.uint32(count)
}

/** An empty text needs no field either. */
export function writeText(writer: ProtobufWriter, field: number, text: string | undefined): void {
  if (!text) return
  writer.uint32(field)
  writer.text(text)
}
