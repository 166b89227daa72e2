/**
 * OTLP requests shaped like what our own services send: one trace has 14 spans of gateway, user, order and audit with
 * their PostgreSQL calls, about 16 attributes each; one request carries one service's spans of 100 traces.
 *
 * A template is encoded once and its ids, times and unique texts are overwritten in place for each round, so that the
 * generator costs far less than what it measures and no two traces are equal.
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  ExportLogsServiceRequestSchema,
  ExportTraceServiceRequestSchema,
  type KeyValueSchema,
  type Span_SpanKind,
  type SpanSchema,
} from '@sightline/otlp-messages'
import { VERSION } from '../../backend/version.ts'

export const SPANS_PER_TRACE = 14
export const TRACES_PER_ROUND = 100

type Attribute = MessageInitShape<typeof KeyValueSchema>
type SpanInit = MessageInitShape<typeof SpanSchema>

interface Planned {
  readonly service: string
  readonly name: string
  readonly kind: number
  /** Ordinal of the parent in the plan, -1 for the root. */
  readonly parent: number
  /** Share of the trace's time at which it starts and ends. */
  readonly from: number
  readonly to: number
  readonly attributes: Record<string, string | number>
}

const http = (method: string, route: string, port: number) => ({
  'http.request.method': method,
  'http.route': route,
  'http.response.status_code': 200,
  'url.path': route,
  'url.scheme': 'http',
  'server.address': '127.0.0.1',
  'server.port': port,
  'network.protocol.version': '1.1',
  'network.peer.address': '127.0.0.1',
  'network.peer.port': 48_000,
  'client.address': '127.0.0.1',
  'user_agent.original': 'undici',
})

const pg = (operation: string, table: string, text: string) => ({
  'db.system.name': 'postgresql',
  'db.namespace': 'sightline',
  'db.operation.name': operation,
  'db.collection.name': table,
  'db.query.text': text,
  'server.address': 'localhost',
  'server.port': 5432,
  'db.user': 'sightline',
  'network.transport': 'tcp',
})

const business = (module: string) => ({
  'code.function.name': module,
  'thread.id': 1,
  'item.count': 3,
  'order.total': 12_999,
})

const PLAN: readonly Planned[] = [
  {
    service: 'gateway',
    name: 'POST /api/v1/process',
    kind: 2,
    parent: -1,
    from: 0,
    to: 1,
    attributes: http('POST', '/api/v1/process', 8080),
  },
  {
    service: 'user-service',
    name: 'POST /process',
    kind: 2,
    parent: 0,
    from: 0.02,
    to: 0.98,
    attributes: http('POST', '/process', 5001),
  },
  {
    service: 'user-service',
    name: 'validate_user',
    kind: 1,
    parent: 1,
    from: 0.05,
    to: 0.2,
    attributes: business('validateUser'),
  },
  {
    service: 'user-service',
    name: 'SELECT users',
    kind: 3,
    parent: 2,
    from: 0.06,
    to: 0.18,
    attributes: pg('SELECT', 'users', 'select id, name, email, tier from users where id = $1'),
  },
  {
    service: 'user-service',
    name: 'POST',
    kind: 3,
    parent: 1,
    from: 0.22,
    to: 0.96,
    attributes: http('POST', '/process', 5002),
  },
  {
    service: 'order-service',
    name: 'POST /process',
    kind: 2,
    parent: 4,
    from: 0.25,
    to: 0.94,
    attributes: http('POST', '/process', 5002),
  },
  {
    service: 'order-service',
    name: 'create_order',
    kind: 1,
    parent: 5,
    from: 0.27,
    to: 0.7,
    attributes: business('placeOrder'),
  },
  {
    service: 'order-service',
    name: 'UPDATE inventory',
    kind: 3,
    parent: 6,
    from: 0.3,
    to: 0.45,
    attributes: pg(
      'UPDATE',
      'inventory',
      'update inventory set reserved = reserved + $2 where product_id = $1 and stock - reserved >= $2 returning *',
    ),
  },
  {
    service: 'order-service',
    name: 'INSERT orders',
    kind: 3,
    parent: 6,
    from: 0.46,
    to: 0.66,
    attributes: pg(
      'INSERT',
      'orders',
      'insert into orders (user_id, total_cents, currency) values ($1, $2, $3) returning id, created_at',
    ),
  },
  {
    service: 'order-service',
    name: 'POST',
    kind: 3,
    parent: 5,
    from: 0.72,
    to: 0.92,
    attributes: http('POST', '/process', 5003),
  },
  {
    service: 'audit-service',
    name: 'POST /process',
    kind: 2,
    parent: 9,
    from: 0.75,
    to: 0.9,
    attributes: http('POST', '/process', 5003),
  },
  {
    service: 'audit-service',
    name: 'record_audit',
    kind: 1,
    parent: 10,
    from: 0.77,
    to: 0.88,
    attributes: business('recordAudit'),
  },
  {
    service: 'audit-service',
    name: 'BEGIN',
    kind: 3,
    parent: 11,
    from: 0.78,
    to: 0.79,
    attributes: pg('BEGIN', '', 'begin'),
  },
  {
    service: 'audit-service',
    name: 'INSERT audit_logs',
    kind: 3,
    parent: 11,
    from: 0.8,
    to: 0.87,
    attributes: pg(
      'INSERT',
      'audit_logs',
      'insert into audit_logs (event_id, order_id, action) values ($1, $2, $3) on conflict do nothing',
    ),
  },
]

const SERVICES = [...new Set(PLAN.map((span) => span.service))]

/** One service's request of a round. */
export interface Request {
  readonly service: string
  readonly body: Buffer
  readonly spans: number
}

export interface Round {
  /** The same buffers are used by the next round: send them first. */
  readonly requests: readonly Request[]
  readonly traceIds: readonly string[]
}

export interface GeneratorOptions {
  /** Start of the first trace, and time between traces. */
  readonly startNs: bigint
  readonly stepNs: bigint
}

/** Endless rounds of `TRACES_PER_ROUND` traces. 1 trace of 100 has an error with an exception event; 1 of ~10,000 the attribute `rare.flag`. */
export function* rounds({ startNs, stepNs }: GeneratorOptions): Generator<Round> {
  const plain = template(false)
  const rare = template(true)
  for (let round = 0; ; round++) {
    const chosen = round % 100 === 40 ? rare : plain
    yield fill(chosen, startNs + BigInt(round * TRACES_PER_ROUND) * stepNs, stepNs)
  }
}

interface Place {
  readonly buffer: Buffer
  readonly at: number
}

interface Template {
  readonly requests: Request[]
  /** Per trace: where its id, its unique texts and each span's id and times stand. */
  readonly traces: { id: Place[]; requestId: Place[]; spans: { id: Place[]; start: Place[]; end: Place[] }[] }[]
}

function template(withRare: boolean): Template {
  const marks = Array.from({ length: TRACES_PER_ROUND }, () => ({
    id: randomBytes(16),
    requestId: randomBytes(16).toString('hex'),
    spans: PLAN.map(() => ({
      id: randomBytes(8),
      start: randomBytes(8).readBigUInt64LE(),
      end: randomBytes(8).readBigUInt64LE(),
    })),
  }))
  const requests = SERVICES.map((service) => {
    const spans: SpanInit[] = marks.flatMap((trace, t) =>
      PLAN.flatMap((planned, i) => (planned.service === service ? [spanOf(planned, i, t, trace, withRare)] : [])),
    )
    const message = create(ExportTraceServiceRequestSchema, {
      resourceSpans: [
        {
          resource: { attributes: attributes(resourceOf(service)) },
          scopeSpans: [{ scope: { name: '@opentelemetry/instrumentation-http', version: '0.300.0' }, spans }],
        },
      ],
    })
    return { service, body: Buffer.from(toBinary(ExportTraceServiceRequestSchema, message)), spans: spans.length }
  })
  const buffers = requests.map(({ body }) => body)
  const traces = marks.map((trace) => ({
    id: places(buffers, trace.id),
    requestId: places(buffers, Buffer.from(trace.requestId)),
    spans: trace.spans.map((span) => ({
      id: places(buffers, span.id),
      start: places(buffers, number(span.start)),
      end: places(buffers, number(span.end)),
    })),
  }))
  return { requests, traces }
}

const resourceOf = (service: string) => ({
  'service.name': service,
  'service.namespace': 'sightline',
  'service.version': VERSION,
  'service.instance.id': `${service}-1`,
  'deployment.environment.name': 'bench',
  'host.name': 'bench',
  'process.pid': 4711,
  'telemetry.sdk.language': 'nodejs',
})

type Mark = { id: Buffer; requestId: string; spans: { id: Buffer; start: bigint; end: bigint }[] }

function spanOf(planned: Planned, i: number, t: number, trace: Mark, withRare: boolean): SpanInit {
  const mark = trace.spans[i]!
  const failed = t === 7 && planned.service === 'order-service'
  return {
    traceId: trace.id,
    spanId: mark.id,
    ...(planned.parent >= 0 && { parentSpanId: trace.spans[planned.parent]!.id }),
    name: planned.name,
    kind: planned.kind as Span_SpanKind,
    startTimeUnixNano: mark.start,
    endTimeUnixNano: mark.end,
    flags: 0x101,
    attributes: attributes({
      ...planned.attributes,
      'request.id': trace.requestId,
      'user.id': 1000 + ((t * 37) % 500),
      'order.id': `ord-${trace.requestId}`,
      'sightline.step': i,
      ...(withRare && t === 11 && i === 6 && { 'rare.flag': 'yes' }),
    }),
    ...(failed && {
      status: { code: 2 as const, message: 'out of stock' },
      events: [
        {
          timeUnixNano: mark.start,
          name: 'exception',
          attributes: attributes({
            'exception.type': 'OutOfStock',
            'exception.message': 'not enough stock',
            'exception.stacktrace':
              'OutOfStock: not enough stock\n    at reserve (inventory.ts:41:11)\n    at placeOrder (place-order.ts:27:9)',
          }),
        },
      ],
    }),
  }
}

const attributes = (values: Record<string, string | number>): Attribute[] =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: {
      value:
        typeof value === 'string'
          ? { case: 'stringValue' as const, value }
          : { case: 'intValue' as const, value: BigInt(value) },
    },
  }))

function number(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

function places(buffers: readonly Buffer[], mark: Buffer): Place[] {
  const found: Place[] = []
  for (const buffer of buffers) {
    for (let at = buffer.indexOf(mark); at >= 0; at = buffer.indexOf(mark, at + mark.length)) found.push({ buffer, at })
  }
  return found
}

const random = Buffer.alloc(TRACES_PER_ROUND * (32 + SPANS_PER_TRACE * 8))

function fill({ requests, traces }: Template, startNs: bigint, stepNs: bigint): Round {
  randomFillSync(random)
  let at = 0
  const traceIds: string[] = []
  for (const [t, trace] of traces.entries()) {
    traceIds.push(random.toString('hex', at, at + 16))
    for (const place of trace.id) random.copy(place.buffer, place.at, at, at + 16)
    at += 16
    for (const place of trace.requestId) place.buffer.write(random.toString('hex', at, at + 16), place.at, 'latin1')
    at += 16
    const traceStart = startNs + BigInt(t) * stepNs
    // 8 to 60 ms, and one in 64 ten times as long: a tail for the quantiles.
    const length = (8e6 + random.readUInt16LE(at) * 800) * ((random[at + 2]! & 63) === 0 ? 10 : 1)
    for (const [i, span] of trace.spans.entries()) {
      for (const place of span.id) random.copy(place.buffer, place.at, at, at + 8)
      at += 8
      const planned = PLAN[i]!
      const jitter = (random[at - 1]! / 255) * 0.009
      const start = traceStart + BigInt(Math.round(length * (planned.from + (i === 0 ? 0 : jitter))))
      const end = traceStart + BigInt(Math.round(length * (planned.to - (i === 0 ? 0 : jitter))))
      for (const place of span.start) place.buffer.writeBigUInt64LE(start, place.at)
      for (const place of span.end) place.buffer.writeBigUInt64LE(end, place.at)
    }
  }
  return { requests, traceIds }
}

/** A logs request of `lines` JSON lines, every 8 of which belong to one trace. */
export function logRequest(lines: number, startNs: bigint, stepNs: bigint): { body: Buffer; traceIds: string[] } {
  let traceId = randomBytes(16)
  const traceIds: string[] = []
  const logRecords = Array.from({ length: lines }, (_, i) => {
    if (i % 8 === 0) traceId = randomBytes(16)
    const trace = traceId.toString('hex')
    if (i % 8 === 0) traceIds.push(trace)
    const message = {
      msg: i % 8 === 3 ? 'order placed' : 'request handled',
      route: '/process',
      status: 200,
      duration_ms: i % 90,
      trace_id: trace,
    }
    return {
      timeUnixNano: startNs + BigInt(i) * stepNs,
      severityNumber: i % 50 === 0 ? (17 as const) : (9 as const),
      severityText: i % 50 === 0 ? 'ERROR' : 'INFO',
      body: { value: { case: 'stringValue' as const, value: JSON.stringify(message) } },
      traceId,
      spanId: randomBytes(8),
      attributes: attributes({ 'request.id': trace, logger: 'http' }),
    }
  })
  const message = create(ExportLogsServiceRequestSchema, {
    resourceLogs: [
      {
        resource: { attributes: attributes(resourceOf('order-service')) },
        scopeLogs: [{ scope: { name: 'log4js' }, logRecords }],
      },
    ],
  })
  return { body: Buffer.from(toBinary(ExportLogsServiceRequestSchema, message)), traceIds }
}
