/**
 * OTLP traces, span by span: what the store and the service graph read. Meanings of the fields are those of
 * opentelemetry/proto/trace/v1/trace.proto; times are Unix nanoseconds in two halves of 32 bits.
 */
import { fixed32, fixed64, GROUP, REQUEST, sized, varint } from './tags.ts'
import { type AttributeList, attributeList, type Wanted, WireReader, wireError } from './wire.ts'

/** A resource (or an instrumentation scope: then `name` and `version` are set) with everything that came with it. */
export interface OwnerRecord {
  readonly attributes: AttributeList
  readonly name: string
  readonly version: string
  readonly droppedAttributes: number
  readonly schemaUrl: string
}

export interface EventRecord {
  readonly name: string
  readonly timeHi: number
  readonly timeLo: number
  readonly attributes: AttributeList
  readonly droppedAttributes: number
}

export interface LinkRecord {
  /** Lower-case hex. */
  readonly traceId: string
  readonly spanId: string
  readonly traceState: string
  readonly attributes: AttributeList
  readonly droppedAttributes: number
  readonly flags: number
}

/** One span. The object and its lists are reused for the next span: copy what you keep. */
export interface SpanRecord {
  /** Buffer that the `...At` offsets point into. */
  bytes: Buffer
  /** Length of the span's message. */
  size: number
  /** 16 bytes, or -1 with a length that is wrong. */
  traceIdAt: number
  /** 8 bytes. */
  spanIdAt: number
  /** 8 bytes, -1 for a root. */
  parentSpanIdAt: number
  startHi: number
  startLo: number
  endHi: number
  endLo: number
  name: string
  kind: number
  status: number
  statusMessage: string
  traceState: string
  flags: number
  droppedAttributes: number
  droppedEvents: number
  droppedLinks: number
  readonly attributes: AttributeList
  readonly events: EventRecord[]
  readonly links: LinkRecord[]
  resource: OwnerRecord
  scope: OwnerRecord
}

export interface TraceReadOptions {
  /** Only these span attributes are kept; all by default. */
  readonly wanted?: Wanted
  /** Events and links are checked but not kept. */
  readonly skipChildren?: boolean
}

export interface ReadCounts {
  accepted: number
  rejected: number
  /** Why the first one was rejected. */
  reason: string
}

// The tags of OTLP's messages for traces.
const RESOURCE = { attributes: sized(1), droppedAttributes: varint(2) } as const
const SCOPE = { name: sized(1), version: sized(2), attributes: sized(3), droppedAttributes: varint(4) } as const
const SPAN = {
  traceId: sized(1),
  spanId: sized(2),
  traceState: sized(3),
  parentSpanId: sized(4),
  name: sized(5),
  kind: varint(6),
  start: fixed64(7),
  end: fixed64(8),
  attributes: sized(9),
  droppedAttributes: varint(10),
  events: sized(11),
  droppedEvents: varint(12),
  links: sized(13),
  droppedLinks: varint(14),
  status: sized(15),
  flags: fixed32(16),
} as const
const STATUS = { message: sized(2), code: varint(3) } as const
const EVENT = { time: fixed64(1), name: sized(2), attributes: sized(3), droppedAttributes: varint(4) } as const
const LINK = {
  traceId: sized(1),
  spanId: sized(2),
  traceState: sized(3),
  attributes: sized(4),
  droppedAttributes: varint(5),
  flags: fixed32(6),
} as const

/** More would be a bomb, not a span: OpenTelemetry SDKs stop at 128. */
export const MAX_ATTRIBUTES = 2048

const NO_OWNER: OwnerRecord = {
  attributes: attributeList(),
  name: '',
  version: '',
  droppedAttributes: 0,
  schemaUrl: '',
}

/**
 * Calls `onSpan` for every span of an ExportTraceServiceRequest. Spans that can't be stored (ids of the wrong length or
 * all zero, too many attributes) are counted as rejected. Throws a WireError when the bytes are not such a message.
 */
export function readTraces(
  bytes: Uint8Array,
  onSpan: (span: SpanRecord) => void,
  options: TraceReadOptions = {},
): ReadCounts {
  const reader = new WireReader(bytes)
  const span = emptySpan(reader.bytes)
  const counts: ReadCounts = { accepted: 0, rejected: 0, reason: '' }
  const limit = bytes.length
  while (reader.pos < limit) {
    const tag = reader.tag()
    if (tag === REQUEST.resources) resourceSpans(reader, reader.end(limit), span, onSpan, counts, options)
    else reader.skip(tag, limit)
  }
  reader.finish(limit)
  return counts
}

function emptySpan(bytes: Buffer): SpanRecord {
  return {
    bytes,
    size: 0,
    traceIdAt: -1,
    spanIdAt: -1,
    parentSpanIdAt: -1,
    startHi: 0,
    startLo: 0,
    endHi: 0,
    endLo: 0,
    name: '',
    kind: 0,
    status: 0,
    statusMessage: '',
    traceState: '',
    flags: 0,
    droppedAttributes: 0,
    droppedEvents: 0,
    droppedLinks: 0,
    attributes: attributeList(),
    events: [],
    links: [],
    resource: NO_OWNER,
    scope: NO_OWNER,
  }
}

/**
 * The resource (or, with `scope`, the instrumentation scope) of the group that ends at `end`, the reader left where it
 * was: protobuf allows the fields in any order, so these are looked for before the members are read.
 */
export function ownerAndSchema(reader: WireReader, end: number, scope: boolean): OwnerRecord {
  const start = reader.pos
  let owner = NO_OWNER
  let schemaUrl = ''
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === GROUP.owner) owner = readOwner(reader, reader.end(end), scope)
    else if (tag === GROUP.schemaUrl) schemaUrl = reader.string(end)
    else reader.skip(tag, end)
  }
  reader.finish(end)
  reader.pos = start
  return schemaUrl === '' ? owner : { ...owner, schemaUrl }
}

function readOwner(reader: WireReader, end: number, scope: boolean): OwnerRecord {
  const attributes = attributeList()
  const tags = scope ? SCOPE : RESOURCE
  let name = ''
  let version = ''
  let droppedAttributes = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === tags.attributes) reader.keyValue(attributes, end)
    else if (tag === tags.droppedAttributes) droppedAttributes = reader.varint32()
    else if (scope && tag === SCOPE.name) name = reader.string(end)
    else if (scope && tag === SCOPE.version) version = reader.string(end)
    else reader.skip(tag, end)
  }
  reader.finish(end)
  if (attributes.count > MAX_ATTRIBUTES) {
    throw wireError(
      `a ${scope ? 'scope' : 'resource'} has ${attributes.count} attributes; at most ${MAX_ATTRIBUTES} are accepted`,
    )
  }
  return { attributes, name, version, droppedAttributes, schemaUrl: '' }
}

function resourceSpans(
  reader: WireReader,
  end: number,
  span: SpanRecord,
  onSpan: (span: SpanRecord) => void,
  counts: ReadCounts,
  options: TraceReadOptions,
): void {
  span.resource = ownerAndSchema(reader, end, false)
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === GROUP.members) scopeSpans(reader, reader.end(end), span, onSpan, counts, options)
    else reader.skip(tag, end)
  }
}

function scopeSpans(
  reader: WireReader,
  end: number,
  span: SpanRecord,
  onSpan: (span: SpanRecord) => void,
  counts: ReadCounts,
  options: TraceReadOptions,
): void {
  span.scope = ownerAndSchema(reader, end, true)
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag !== GROUP.members) {
      reader.skip(tag, end)
      continue
    }
    const problem = readSpan(reader, reader.end(end), span, options)
    if (problem === undefined) {
      counts.accepted++
      onSpan(span)
    } else {
      counts.rejected++
      counts.reason ||= problem
    }
  }
}

/** Fills `span`; returns why it can't be stored, if so. */
function readSpan(reader: WireReader, end: number, span: SpanRecord, options: TraceReadOptions): string | undefined {
  let lostLinks = 0
  span.size = end - reader.pos
  span.traceIdAt = span.spanIdAt = span.parentSpanIdAt = -1
  span.startHi = span.startLo = span.endHi = span.endLo = 0
  span.kind = span.status = span.flags = 0
  span.droppedAttributes = span.droppedEvents = span.droppedLinks = 0
  span.name = span.statusMessage = span.traceState = ''
  span.attributes.count = span.attributes.seen = 0
  // Setting a length costs more than reading one.
  if (span.events.length > 0) span.events.length = 0
  if (span.links.length > 0) span.links.length = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    switch (tag) {
      case SPAN.traceId:
        span.traceIdAt = readId(reader, end, 16)
        break
      case SPAN.spanId:
        span.spanIdAt = readId(reader, end, 8)
        break
      case SPAN.traceState:
        span.traceState = reader.string(end)
        break
      case SPAN.parentSpanId:
        span.parentSpanIdAt = readId(reader, end, 8)
        break
      case SPAN.name:
        span.name = reader.string(end)
        break
      case SPAN.kind:
        span.kind = reader.varint32()
        break
      case SPAN.start:
        reader.fixed64()
        span.startHi = reader.hi
        span.startLo = reader.lo
        break
      case SPAN.end:
        reader.fixed64()
        span.endHi = reader.hi
        span.endLo = reader.lo
        break
      case SPAN.attributes:
        reader.keyValue(span.attributes, end, options.wanted)
        break
      case SPAN.droppedAttributes:
        span.droppedAttributes = reader.varint32()
        break
      case SPAN.events: {
        const event = readEvent(reader, reader.end(end))
        if (!options.skipChildren) span.events.push(event)
        break
      }
      case SPAN.droppedEvents:
        span.droppedEvents = reader.varint32()
        break
      case SPAN.links: {
        const link = readLink(reader, reader.end(end))
        if (link === undefined) lostLinks++
        else if (!options.skipChildren) span.links.push(link)
        break
      }
      case SPAN.droppedLinks:
        span.droppedLinks = reader.varint32()
        break
      case SPAN.status:
        readStatus(reader, reader.end(end), span)
        break
      case SPAN.flags:
        span.flags = reader.fixed32()
        break
      default:
        reader.skip(tag, end)
    }
  }
  reader.finish(end)
  span.droppedLinks += lostLinks
  if (span.kind > 5) span.kind = 0
  if (span.status > 2) span.status = 0
  if (span.traceIdAt < 0) return 'trace_id must be 16 bytes, not all zero'
  if (span.spanIdAt < 0) return 'span_id must be 8 bytes, not all zero'
  if (span.attributes.seen > MAX_ATTRIBUTES) return `a span has more than ${MAX_ATTRIBUTES} attributes`
  return undefined
}

/** Offset of an id of `size` bytes, or -1 when it has another size or is all zero. */
export function readId(reader: WireReader, limit: number, size: number): number {
  const end = reader.end(limit)
  const start = reader.pos
  reader.pos = end
  if (end - start !== size) return -1
  for (let i = start; i < end; i++) if (reader.bytes[i] !== 0) return start
  return -1
}

function readStatus(reader: WireReader, end: number, span: SpanRecord): void {
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === STATUS.message) span.statusMessage = reader.string(end)
    else if (tag === STATUS.code) span.status = reader.varint32()
    else reader.skip(tag, end)
  }
  reader.finish(end)
}

function readEvent(reader: WireReader, end: number): EventRecord {
  const attributes = attributeList()
  let name = ''
  let timeHi = 0
  let timeLo = 0
  let droppedAttributes = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === EVENT.time) {
      reader.fixed64()
      timeHi = reader.hi
      timeLo = reader.lo
    } else if (tag === EVENT.name) name = reader.string(end)
    else if (tag === EVENT.attributes) reader.keyValue(attributes, end)
    else if (tag === EVENT.droppedAttributes) droppedAttributes = reader.varint32()
    else reader.skip(tag, end)
  }
  reader.finish(end)
  return { name, timeHi, timeLo, attributes, droppedAttributes }
}

/** A link that leads nowhere (ids of the wrong length or all zero) is undefined: its span is worth keeping. */
function readLink(reader: WireReader, end: number): LinkRecord | undefined {
  const attributes = attributeList()
  let traceIdAt = -1
  let spanIdAt = -1
  let traceState = ''
  let droppedAttributes = 0
  let flags = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === LINK.traceId) traceIdAt = readId(reader, end, 16)
    else if (tag === LINK.spanId) spanIdAt = readId(reader, end, 8)
    else if (tag === LINK.traceState) traceState = reader.string(end)
    else if (tag === LINK.attributes) reader.keyValue(attributes, end)
    else if (tag === LINK.droppedAttributes) droppedAttributes = reader.varint32()
    else if (tag === LINK.flags) flags = reader.fixed32()
    else reader.skip(tag, end)
  }
  reader.finish(end)
  if (traceIdAt < 0 || spanIdAt < 0) return undefined
  const traceId = reader.bytes.toString('hex', traceIdAt, traceIdAt + 16)
  const spanId = reader.bytes.toString('hex', spanIdAt, spanIdAt + 8)
  return { traceId, spanId, traceState, attributes, droppedAttributes, flags }
}
