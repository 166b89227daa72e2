/** Main thread. What the service graph and the span metrics keep of a span until its batch is on disk. */
import { adjustedCount } from '@sightline/service-kit/consistent-sampling'
import { randomBits } from '../otlp/random-bits.ts'
import type { OwnerRecord, SpanRecord } from '../otlp/traces.ts'
import type { AttributeList } from '../otlp/wire.ts'

/** OTLP's SpanKind and StatusCode. */
export const KIND = { unspecified: 0, internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const
const STATUS = { unset: 0, ok: 1, error: 2 } as const

export interface GraphSpan {
  readonly service: string
  readonly name: string
  readonly kind: number
  readonly failed: boolean
  readonly status: number
  readonly seconds: number
  /** As it was sent. */
  readonly bytes: number
  /** What the share of traces that is kept is decided by. */
  readonly randomBits: number
  /** For how many spans it stands: more than 1 where who sent it has kept a share and says which. */
  readonly count: number
  /** Raw ids as one character per byte: cheap keys. Span ids are '' for spans that can't be an edge's end. */
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string
  /** The other side by name, where the span says it: peer.service, a database, a message broker. */
  readonly peer: string
  readonly connection: '' | 'database' | 'messaging_system'
  /** `host:port` of the other side, '' when unknown. */
  readonly address: string
  /** http.response.status_code, '' for what has none. */
  readonly httpStatus: string
}

/** The only span attributes that the graph reads; both generations of the semantic conventions. */
const NAMES = [
  'peer.service',
  'db.system.name',
  'db.system',
  'db.namespace',
  'db.name',
  'messaging.system',
  'server.address',
  'server.port',
  'net.peer.name',
  'net.peer.port',
  'http.response.status_code',
] as const
export const GRAPH_ATTRIBUTES: ReadonlySet<string> = new Set(NAMES)

/** Copies what is needed: the record is reused for the next span. */
export function graphSpan(span: SpanRecord): GraphSpan {
  const { bytes, kind } = span
  const edgeEnd = kind >= KIND.server
  const [
    peer,
    dbSystemName,
    dbSystem,
    dbNamespace,
    dbName,
    broker,
    serverHost,
    serverPort,
    peerHost,
    peerPort,
    status,
  ] = edgeEnd ? read(span.attributes) : NONE
  const database = dbSystemName || dbSystem || ''
  const host = serverHost || peerHost || ''
  const port = serverPort || peerPort || ''
  const elapsed = (span.endHi - span.startHi) * 0x1_0000_0000 + (span.endLo - span.startLo)
  return {
    service: serviceOf(span.resource),
    name: span.name,
    kind,
    failed: span.status === STATUS.error,
    status: span.status,
    seconds: Math.max(0, elapsed) / 1e9,
    bytes: span.size,
    randomBits: randomBits(span),
    count: adjustedCount(span.traceState),
    traceId: traceIdText(bytes, span.traceIdAt),
    spanId: edgeEnd ? bytes.toString('latin1', span.spanIdAt, span.spanIdAt + 8) : '',
    parentId:
      edgeEnd && span.parentSpanIdAt >= 0 ? bytes.toString('latin1', span.parentSpanIdAt, span.parentSpanIdAt + 8) : '',
    // A database is a node of its own even when it runs on localhost, so its address is never its name.
    peer: peer || database || dbNamespace || dbName || broker!,
    connection: database ? 'database' : broker ? 'messaging_system' : '',
    address: host === '' ? '' : port === '' ? host : `${host}:${port}`,
    httpStatus: status!,
  }
}

let lastTraceId = ''

/** Spans of one trace tend to stand together: most of the time the text is there already. */
function traceIdText(bytes: Buffer, at: number): string {
  let same = lastTraceId.length === 16
  for (let i = 0; same && i < 16; i++) same = lastTraceId.charCodeAt(i) === bytes[at + i]
  if (!same) lastTraceId = bytes.toString('latin1', at, at + 16)
  return lastTraceId
}

const NONE: readonly string[] = NAMES.map(() => '')
const placeOf: ReadonlyMap<string, number> = new Map(NAMES.map((name, place) => [name, place]))

/** The values of `NAMES`, '' for what is absent. */
function read(list: AttributeList): readonly string[] {
  if (list.count === 0) return NONE
  const values = NONE.slice()
  for (let i = 0; i < list.count; i++) {
    const value = list.values[i]
    const place = value === undefined || value === '' ? undefined : placeOf.get(list.keys[i]!)
    if (place !== undefined) values[place] = typeof value === 'string' ? value : String(value)
  }
  return values
}

const services = new WeakMap<OwnerRecord, string>()

function serviceOf(resource: OwnerRecord): string {
  let service = services.get(resource)
  if (service === undefined) {
    const at = resource.attributes.keys.indexOf('service.name')
    service = at < 0 ? 'unknown_service' : String(resource.attributes.values[at])
    services.set(resource, service)
  }
  return service
}
