/**
 * Main thread. Zipkin's JSON of version 2 (https://github.com/openzipkin/zipkin-api/blob/master/zipkin2-api.yaml) as OTLP: what
 * OpenTelemetry says of the way to Zipkin (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/ and
 * .../common/mapping-to-non-otlp/), read the other way round.
 */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema, type KeyValueSchema, type SpanSchema } from '@sightline/otlp-messages'
import { z } from 'zod'
import { httpError } from '../http.ts'
import { MAX_ATTRIBUTES } from '../otlp/traces.ts'
import { isBoundedJson, readJson } from './otlp-json.ts'

export interface TranslatedSpans {
  /** An ExportTraceServiceRequest. A span that can't be read stands in it without ids: it is refused and counted as all such are. */
  readonly bytes: Uint8Array
  /** The first fault and where it is; '' when there is none. */
  readonly problem: string
}

const digits = (count: number, what: string) => z.string(what).regex(new RegExp(`^[0-9a-fA-F]{1,${count}}$`), what)
const notZero = (id: string) => /[^0]/.test(id)
const SPAN_ID = 'is 1 to 16 hexadecimal digits, not all zero'
const TRACE_ID = 'is 1 to 32 hexadecimal digits, not all zero'
const TIME = 'is a number of microseconds since 1970, at most 1.8e16'
const TEXT = 'is a string'
/** In microseconds: its nanoseconds fit into 64 bits. */
const LATEST = 1.8e16
const micros = z.number(TIME).min(0, TIME).max(LATEST, TIME).transform(Math.floor)
/** Clients write tags that are no strings, too. */
const tagValue = z.union([z.string(), z.number(), z.boolean()], 'must be a string').transform(String)

const endpoint = z.object(
  {
    serviceName: z.string(TEXT).nullish(),
    ipv4: z.string(TEXT).nullish(),
    ipv6: z.string(TEXT).nullish(),
    port: z.number('is a number').int('is a whole number').min(0, 'is a port').max(65_535, 'is a port').nullish(),
  },
  'is an object',
)
const annotation = z.object({ timestamp: micros, value: z.string(TEXT) }, 'is an object of timestamp and value')
type Entry<T> = readonly [place: string | number, value: T]

/** Each value as `schema` reads it. It stops at the first fault: zod's own lists and records collect those of a million values. */
function readEach<T>(entries: Iterable<Entry<unknown>>, schema: z.ZodType<T>, context: z.RefinementCtx): Entry<T>[] {
  const read: Entry<T>[] = []
  for (const [place, value] of entries) {
    const checked = schema.safeParse(value)
    if (!checked.success) {
      const { message, path } = checked.error.issues[0]!
      context.addIssue({ code: 'custom', message, path: [place, ...path] })
      break
    }
    read.push([place, checked.data])
  }
  return read
}

const annotations = z
  .array(z.unknown(), 'is a list')
  .transform((list, context) => readEach(list.entries(), annotation, context).map(([, value]) => value))
const tags = z.record(z.string(), z.unknown(), 'is an object').transform((all, context) => {
  const given = Object.entries(all).filter(([, value]) => value !== null)
  if (given.length > MAX_ATTRIBUTES) {
    context.addIssue({ code: 'custom', message: `are more than ${MAX_ATTRIBUTES}` })
    return {}
  }
  return Object.fromEntries(readEach(given, tagValue, context))
})

/** Whatever is absent may be null. */
const zipkinSpan = z.object(
  {
    traceId: digits(32, TRACE_ID).refine(notZero, TRACE_ID),
    id: digits(16, SPAN_ID).refine(notZero, SPAN_ID),
    parentId: digits(16, SPAN_ID).nullish(),
    name: z.string(TEXT).nullish(),
    kind: z.enum(['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER'], 'is CLIENT, SERVER, PRODUCER or CONSUMER').nullish(),
    timestamp: micros.nullish(),
    duration: micros.nullish(),
    shared: z.boolean('is true or false').nullish(),
    localEndpoint: endpoint.nullish(),
    remoteEndpoint: endpoint.nullish(),
    annotations: annotations.nullish(),
    tags: tags.nullish(),
  },
  'is an object',
)
type ZipkinSpan = z.infer<typeof zipkinSpan>

/** With more spans that can't be read a body is refused as a whole: to tell what is wrong with each takes time. */
const MOST_FAULTS = 1_000

/** Throws an HttpError: 400 for what is no list of objects in JSON, 413 for one of more than a million. */
export function zipkinToProtobuf(body: Buffer): TranslatedSpans {
  const list = readJson(body)
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'object' && item !== null))
    throw httpError(400, 'The body is not a list of spans as Zipkin v2 has it.')
  let problem = ''
  let faults = 0
  const spans = list.map((item, at) => {
    const { span, fault } = readSpan(item)
    if (fault !== undefined) {
      problem ||= `[${at}]${fault}`
      if (++faults > MOST_FAULTS) throw httpError(400, `More than ${MOST_FAULTS} spans can't be stored: ${problem}`)
    }
    return span
  })
  return { bytes: toRequest(spans), problem }
}

function readSpan(item: object): { span?: ZipkinSpan; fault?: string } {
  const checked = zipkinSpan.safeParse(item)
  if (!checked.success) return { fault: faultIn(checked.error) }
  return startOf(checked.data) === undefined ? { fault: '.timestamp is missing' } : { span: checked.data }
}

function faultIn({ issues: [issue] }: z.ZodError): string {
  const place = issue!.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
  return `${place} ${issue!.message}`
}

/** Microseconds. Where a span has none, its first annotation tells. */
function startOf({ timestamp, annotations }: ZipkinSpan): number | undefined {
  if (timestamp) return timestamp
  const [first, ...more] = annotations ?? []
  return first && more.reduce((earliest, one) => Math.min(earliest, one.timestamp), first.timestamp)
}

/** Spans by the resource and the scope that they are of. */
function toRequest(spans: readonly (ZipkinSpan | undefined)[]): Uint8Array {
  const joined = joinedSpans(spans)
  const groups = Map.groupBy(spans, (span) => JSON.stringify([serviceOf(span), scopeOf(span)]))
  const resourceSpans = [...groups.values()].map((members) => ({
    resource: { attributes: [keyValue('service.name', serviceOf(members[0]))] },
    scopeSpans: [{ scope: scopeOf(members[0]), spans: members.map((span) => (span ? toSpan(span, joined) : {})) }],
  }))
  return toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, { resourceSpans }))
}

/** Without one it has OpenTelemetry's default. */
const serviceOf = (span: ZipkinSpan | undefined) => span?.localEndpoint?.serviceName || 'unknown_service'

function scopeOf(span: ZipkinSpan | undefined) {
  const tag = (name: string) => span?.tags?.[`otel.scope.${name}`] ?? span?.tags?.[`otel.library.${name}`] ?? ''
  return { name: tag('name').toWellFormed(), version: tag('version').toWellFormed() }
}

/**
 * In Zipkin both sides of a call may share an id. In OTLP the server's span has one of its own, below the client's: the id with its
 * highest bit turned. Here are those that need it, with their services: spans of such a service are below the server's, as far
 * as they come together with it.
 */
type JoinedSpans = ReadonlyMap<string, string>

const isJoined = ({ shared, kind }: ZipkinSpan) => shared === true && kind === 'SERVER'

function joinedSpans(spans: readonly (ZipkinSpan | undefined)[]): JoinedSpans {
  const joined = spans.filter((span) => span !== undefined).filter(isJoined)
  return new Map(joined.map((span) => [`${traceId(span.traceId)} ${spanId(span.id)}`, serviceOf(span)]))
}

const traceId = (hex: string) => hex.toLowerCase().padStart(32, '0')
const spanId = (hex: string) => hex.toLowerCase().padStart(16, '0')
const serverId = (hex: string) => (BigInt(`0x${hex}`) ^ (1n << 63n)).toString(16).padStart(16, '0')

function parentOf(span: ZipkinSpan, joined: JoinedSpans): string | undefined {
  if (isJoined(span)) return spanId(span.id)
  if (!span.parentId || !notZero(span.parentId) || spanId(span.parentId) === spanId(span.id)) return undefined
  const parent = spanId(span.parentId)
  return joined.get(`${traceId(span.traceId)} ${parent}`) === serviceOf(span) ? serverId(parent) : parent
}

const KINDS = { SERVER: 2, CLIENT: 3, PRODUCER: 4, CONSUMER: 5 } as const
const INTERNAL = 1

function toSpan(span: ZipkinSpan, joined: JoinedSpans): MessageInitShape<typeof SpanSchema> {
  const start = startOf(span)!
  const { name, kind, duration, tags, annotations } = span
  const id = spanId(span.id)
  const parent = parentOf(span, joined)
  return {
    traceId: Buffer.from(traceId(span.traceId), 'hex'),
    spanId: Buffer.from(isJoined(span) ? serverId(id) : id, 'hex'),
    ...(parent !== undefined && { parentSpanId: Buffer.from(parent, 'hex') }),
    name: (name ?? '').toWellFormed(),
    kind: kind ? KINDS[kind] : INTERNAL,
    startTimeUnixNano: nanos(start),
    endTimeUnixNano: nanos(Math.min(start + (duration ?? 0), LATEST)),
    attributes: attributesOf(span),
    events: (annotations ?? []).map(toEvent),
    droppedAttributesCount: droppedCount(tags, 'attributes'),
    droppedEventsCount: droppedCount(tags, 'events'),
    droppedLinksCount: droppedCount(tags, 'links'),
    ...statusOf(tags ?? {}),
  }
}

const nanos = (microseconds: number) => BigInt(microseconds) * 1000n

type Tags = NonNullable<ZipkinSpan['tags']>
type KeyValue = MessageInitShape<typeof KeyValueSchema>

/** Tags that are fields in OTLP. */
const FIELD =
  /^(?:error|otel\.(?:status_code|(?:scope|library)\.(?:name|version)|dropped_(?:attributes|events|links)_count))$/

/** What the tags say goes before what the ends of the connection say. */
function attributesOf({ tags, localEndpoint, remoteEndpoint }: ZipkinSpan): KeyValue[] {
  const ends = {
    'peer.service': remoteEndpoint?.serviceName,
    'network.peer.address': remoteEndpoint?.ipv4 || remoteEndpoint?.ipv6,
    'network.peer.port': remoteEndpoint?.port,
    'network.local.address': localEndpoint?.ipv4 || localEndpoint?.ipv6,
    'network.local.port': localEndpoint?.port,
  }
  const told = Object.entries(ends).filter(([, value]) => value)
  const given = Object.entries(tags ?? {}).filter(([key]) => !FIELD.test(key))
  return Object.entries(Object.fromEntries([...told, ...given])).map(([key, value]) => keyValue(key, value!))
}

function keyValue(key: string, value: string | number | boolean): KeyValue {
  return { key: key.toWellFormed(), value: { value: valueCase(value) } }
}

function valueCase(value: string | number | boolean) {
  if (typeof value === 'string') return { case: 'stringValue' as const, value: value.toWellFormed() }
  if (typeof value === 'boolean') return { case: 'boolValue' as const, value }
  return Number.isSafeInteger(value)
    ? { case: 'intValue' as const, value: BigInt(value) }
    : { case: 'doubleValue' as const, value }
}

function toEvent({ timestamp, value }: z.infer<typeof annotation>) {
  const { name, attributes } = eventIn(value) ?? { name: value, attributes: [] }
  return {
    timeUnixNano: nanos(timestamp),
    name: name.toWellFormed(),
    attributes: attributes.map(([key, one]) => keyValue(key, isScalar(one) ? one : JSON.stringify(one))),
  }
}

/**
 * OpenTelemetry's exporters write an event's attributes into the text: `"name": {"key": "value"}`. Undefined for every other text, and
 * for one with more or deeper attributes than an event may have: then all of it is the name.
 */
function eventIn(text: string): { name: string; attributes: [string, unknown][] } | undefined {
  const end = text.startsWith('"') && text.endsWith('}') ? text.indexOf('":', 1) : -1
  if (end < 0) return undefined
  const attributes = objectIn(text.slice(end + 2))
  return attributes && { name: text.slice(1, end), attributes }
}

/** The object's pairs. `json` ends with a brace. */
function objectIn(json: string): [string, unknown][] | undefined {
  if (!isBoundedJson(Buffer.from(json))) return undefined
  try {
    const pairs = Object.entries(JSON.parse(json) as object)
    return pairs.length > MAX_ATTRIBUTES ? undefined : pairs
  } catch {
    // A text that only looks like it: then all of it is the name.
    return undefined
  }
}

const isScalar = (value: unknown): value is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof value)

function droppedCount(tags: ZipkinSpan['tags'], what: string): number {
  const count = Number(tags?.[`otel.dropped_${what}_count`] ?? 0)
  return Number.isInteger(count) && count > 0 && count < 2 ** 32 ? count : 0
}

/** Every tag `error` is a failure to Zipkin, but for the text "false"; what it says is the message. */
function statusOf(tags: Tags): MessageInitShape<typeof SpanSchema> {
  const { error, 'otel.status_code': code } = tags
  if (code === 'OK') return { status: { code: 1 } }
  const failed = code === 'ERROR' || (error !== undefined && error !== 'false')
  if (!failed) return {}
  return { status: { code: 2, message: error === undefined || error === 'true' ? '' : error.toWellFormed() } }
}
