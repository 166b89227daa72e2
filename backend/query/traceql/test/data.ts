/** Six traces that have a little of everything TraceQL can ask for. Answers in the verdict tables were worked out on them. */
import type { PlainAttributes, PlainSpan } from './spans.ts'

const MS = 1_000_000

/** A successful purchase, a refused one, a slow batch job, a trace whose root never came, and two of odd values. */
export function exampleSpans(baseNs: bigint): PlainSpan[] {
  return [
    ...purchase(baseNs),
    ...refusal(baseNs),
    ...batch(baseNs),
    ...orphans(baseNs),
    ...oddities(baseNs),
    ...types(baseNs),
  ]
}

/** The sixth starts with zeros, which search results leave out. */
export function exampleTraceId(trace: number): string {
  return trace === 6 ? 'f6'.padStart(32, '0') : trace.toString(16).padStart(32, 'a0')
}

type Given = Omit<PlainSpan, 'traceId' | 'spanId' | 'parentSpanId' | 'startNs' | 'durationNs'> & {
  readonly id: number
  readonly parent?: number
  readonly startMs: number
  readonly ms: number
}

function span(baseNs: bigint, trace: number, given: Given): PlainSpan {
  const { id, parent, startMs, ms, ...rest } = given
  return {
    ...rest,
    traceId: exampleTraceId(trace),
    spanId: spanId(trace, id),
    parentSpanId: parent === undefined ? '' : spanId(trace, parent),
    startNs: baseNs + BigInt(Math.round(startMs * MS)),
    durationNs: Math.round(ms * MS),
  }
}

function spanId(trace: number, id: number): string {
  return (trace * 256 + id).toString(16).padStart(16, 'b0')
}

function service(name: string, version?: string): PlainAttributes {
  return {
    'service.name': name,
    'service.namespace': 'shop',
    ...(version === undefined ? {} : { 'service.version': version }),
  }
}

const GATEWAY = service('gateway')
const USER = service('user-service', '1.4.0')
const ORDER = service('order-service', '1.4.0')
const AUDIT = service('audit-service', '1.3.0')
const HTTP = { name: '@opentelemetry/instrumentation-http', version: '0.201.0', attributes: { language: 'js' } }
const PG = { name: '@opentelemetry/instrumentation-pg', version: '0.56.0' }

function purchase(base: bigint): PlainSpan[] {
  const at = (given: Given) => span(base, 1, given)
  const route = 'POST /api/v1/process'
  return [
    at({
      ...{ id: 1, name: route, kind: 'server', startMs: 0, ms: 120, resource: GATEWAY },
      attributes: {
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'url.path': '/api/v1/process',
        retry: false,
      },
    }),
    at({
      ...{ id: 2, parent: 1, name: route, kind: 'server', status: 'ok', startMs: 5, ms: 110, resource: USER },
      instrumentation: HTTP,
      attributes: { 'http.request.method': 'POST', 'http.response.status_code': 200, 'user.id': 1001, cached: true },
      events: [
        { name: 'user.validated', timeSinceStartNs: 2 * MS, attributes: { 'user.tier': 'gold' } },
        { name: 'order.sent', timeSinceStartNs: 20 * MS, attributes: { attempt: 1 } },
      ],
    }),
    at({
      ...{ id: 3, parent: 2, name: 'validate_user', kind: 'internal', startMs: 6, ms: 4, resource: USER },
      attributes: { 'user.id': 1001, score: 0.75 },
    }),
    at({
      ...{ id: 4, parent: 2, name: 'POST', kind: 'client', startMs: 20, ms: 90, resource: USER, instrumentation: HTTP },
      attributes: { 'http.request.method': 'POST', 'server.address': 'localhost', 'http.response.status_code': 200 },
    }),
    at({
      ...{
        id: 5,
        parent: 4,
        name: 'POST /orders',
        kind: 'server',
        startMs: 25,
        ms: 80,
        resource: ORDER,
        instrumentation: HTTP,
      },
      attributes: {
        'http.request.method': 'POST',
        'http.response.status_code': 201,
        'order.items': ['book', 'lamp'],
        total: 42.5,
      },
    }),
    at({
      ...{
        id: 6,
        parent: 5,
        name: 'SELECT inventory',
        kind: 'client',
        startMs: 30,
        ms: 8,
        resource: ORDER,
        instrumentation: PG,
      },
      attributes: { 'db.system.name': 'postgresql', 'db.query.text': 'SELECT * FROM inventory WHERE id = $1', rows: 2 },
    }),
    at({
      ...{
        id: 7,
        parent: 5,
        name: 'INSERT orders',
        kind: 'client',
        startMs: 40,
        ms: 16,
        resource: ORDER,
        instrumentation: PG,
      },
      attributes: { 'db.system.name': 'postgresql', 'db.query.text': 'INSERT INTO orders VALUES ($1)', rows: 1 },
    }),
    at({
      ...{ id: 8, parent: 5, name: 'record_audit', kind: 'producer', startMs: 60, ms: 30, resource: AUDIT },
      attributes: { 'audit.id': 77, 'service.name': 'not-the-resource' },
      links: [{ traceId: exampleTraceId(3), spanId: spanId(3, 1), attributes: { reason: 'batch' } }],
    }),
  ]
}

function refusal(base: bigint): PlainSpan[] {
  const at = (given: Given) => span(base, 2, given)
  return [
    at({
      ...{ id: 1, name: 'POST /api/v1/process', kind: 'server', startMs: 1000, ms: 50, resource: GATEWAY },
      attributes: { 'http.request.method': 'POST', 'http.response.status_code': 409, 'url.path': '/api/v1/process' },
    }),
    at({
      ...{
        id: 2,
        parent: 1,
        name: 'POST /api/v1/process',
        kind: 'server',
        status: 'error',
        startMs: 1005,
        ms: 40,
        resource: USER,
      },
      statusMessage: 'order refused',
      attributes: { 'http.request.method': 'POST', 'http.response.status_code': 409, 'user.id': 1002, cached: false },
    }),
    at({
      ...{
        id: 3,
        parent: 2,
        name: 'reserve_inventory',
        kind: 'internal',
        status: 'error',
        startMs: 1010,
        ms: 20,
        resource: ORDER,
      },
      statusMessage: 'out of stock',
      attributes: { 'error.type': 'OutOfStock', rows: 0 },
      events: [
        {
          name: 'exception',
          timeSinceStartNs: 15 * MS,
          attributes: { 'exception.type': 'OutOfStock', 'exception.message': 'only 3 lamps left' },
        },
      ],
    }),
    at({ id: 4, parent: 2, name: 'rollback', kind: 'internal', startMs: 1031, ms: 2, resource: ORDER }),
  ]
}

function batch(base: bigint): PlainSpan[] {
  const at = (given: Given) => span(base, 3, given)
  const job = { id: 1, name: 'nightly', kind: 'consumer', startMs: 2000, ms: 5000, resource: service('batch') } as const
  return [
    at({ ...job, attributes: { rows: 1000, 'batch.sizes': [100, 900] } }),
    ...[0, 1, 2].map((i) =>
      at({
        ...{
          id: 2 + i,
          parent: 1,
          name: 'chunk',
          startMs: 2000 + i * 1500,
          ms: 1000 + i * 400,
          resource: service('batch'),
        },
        attributes: { chunk: i, rows: 250 + i * 125 },
      }),
    ),
  ]
}

function orphans(base: bigint): PlainSpan[] {
  const at = (given: Given) => span(base, 4, given)
  return [
    at({ id: 2, parent: 1, name: 'late', kind: 'server', status: 'error', startMs: 3000, ms: 10, resource: AUDIT }),
    at({ id: 3, parent: 2, name: 'late child', kind: 'internal', startMs: 3002, ms: 3, resource: AUDIT }),
    at({ id: 4, parent: 1, name: 'late sibling', kind: 'internal', startMs: 3005, ms: 3, resource: AUDIT }),
  ]
}

function oddities(base: bigint): PlainSpan[] {
  const at = (given: Given) => span(base, 5, given)
  const odd = { startMs: 4000, ms: 1, resource: { 'service.name': 'odd', mixed: 'resource', shared: 7 } }
  return [
    at({
      ...odd,
      id: 1,
      name: 'odd root',
      attributes: { 'http.response.status_code': '200', mixed: 1, 'with space': 'yes' },
    }),
    at({
      ...odd,
      id: 2,
      parent: 1,
      name: 'odd a',
      attributes: { mixed: { double: 1 }, 'quo"te': 'q', limit: 9_223_372_036_854_775_807n },
    }),
    at({ ...odd, id: 3, parent: 1, name: 'odd b', attributes: { mixed: true, negative: -5, 'a-b': 'dash' } }),
    at({ ...odd, id: 4, parent: 1, name: 'odd c', attributes: { mixed: 'one', empty: '', flags: [true, false] } }),
    at({
      ...odd,
      id: 5,
      parent: 4,
      name: '',
      startMs: 4000.5,
      ms: 0,
      attributes: { ratio: 2.5, tags: ['one', 'two', 'one'] },
    }),
  ]
}

function types(base: bigint): PlainSpan[] {
  const at = (id: number, attributes: PlainAttributes, more: Partial<PlainSpan> = {}) =>
    span(base, 6, {
      ...{ id, name: `t${id}`, startMs: 4500 + id, ms: 0.001, resource: { 'service.name': 'types' }, attributes },
      ...(id === 1 ? {} : { parent: 1 }),
      ...more,
    })
  const event = (name: string, ns: number, attributes: PlainAttributes) => ({ name, timeSinceStartNs: ns, attributes })
  return [
    at(1, { arr1: ['one'], i: 4, f: { double: 4 }, d: 2_000_000_000, neg: -4 }),
    at(2, { ints: [1, 2], i: 2, f: 2.5, both: 1 }),
    at(3, { floats: [1.5, 2.5], same: 'x', other: 'x' }),
    at(4, { bools: [true], none: [] }),
    at(5, {}, { events: [event('a', 10, { x: 1 }), event('b', 20, { x: 2, y: 2 }), event('c', 30, { y: 3 })] }),
    at(
      6,
      {},
      {
        links: [
          { traceId: exampleTraceId(6), spanId: spanId(6, 1), attributes: { k: 1 } },
          { traceId: exampleTraceId(6), spanId: spanId(6, 2), attributes: { k: 2 } },
        ],
      },
    ),
  ]
}
