import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema, type KeyValue, type Span } from '@sightline/otlp-messages'
import { startTraceReceiver } from './test/trace-receiver.ts'
import { zipkinToProtobuf } from './zipkin.ts'

const pairs = (attributes: readonly KeyValue[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value?.value.value]))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function translated(spans: unknown): { service: unknown; scope: string; span: Span }[] {
  const { bytes, problem } = zipkinToProtobuf(Buffer.from(JSON.stringify(spans)))
  assert.equal(problem, '')
  return fromBinary(ExportTraceServiceRequestSchema, bytes).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        service: pairs(resource!.attributes)['service.name'],
        scope: `${scope!.name} ${scope!.version}`,
        span,
      })),
    ),
  )
}

/** What `zipkin` 0.22.0 for Node sends of two services that join spans: both sides of the call have the same id. */
const SHOP = `[
  {"traceId":"8ea82ec894b61d20","parentId":"8ea82ec894b61d20","id":"5fe959f942cad529","name":"get","kind":"CLIENT","timestamp":1795972109081702,"duration":693,"localEndpoint":{"serviceName":"shop"},"remoteEndpoint":{"serviceName":"stock","ipv4":"10.1.2.3","port":8080}},
  {"traceId":"8ea82ec894b61d20","id":"8ea82ec894b61d20","name":"get /cart","kind":"SERVER","timestamp":1795972109081512,"duration":897,"localEndpoint":{"serviceName":"shop"},"tags":{"http.path":"/cart"}}]`
const STOCK = `[
  {"traceId":"8ea82ec894b61d20","parentId":"5fe959f942cad529","id":"3f22264ae54a97e8","name":"read shelf","timestamp":1795972109083058,"duration":50,"localEndpoint":{"serviceName":"stock"},"annotations":[{"timestamp":1795972109083077,"value":"cache miss"}]},
  {"traceId":"8ea82ec894b61d20","parentId":"8ea82ec894b61d20","id":"5fe959f942cad529","name":"get /stock","kind":"SERVER","timestamp":1795972109083002,"duration":304,"localEndpoint":{"serviceName":"stock"},"tags":{"http.status_code":"500","error":"no such shelf"},"shared":true}]`

test('what a client sends becomes a tree of spans with the fields of OTLP', () => {
  const [client, root] = translated(JSON.parse(SHOP))
  const [inner, server] = translated(JSON.parse(STOCK))
  assert.equal(hex(root!.span.traceId), '00000000000000008ea82ec894b61d20')
  assert.deepEqual([root!.service, server!.service], ['shop', 'stock'])
  assert.deepEqual(
    [root, client, server, inner].map((one) => [
      one!.span.name,
      one!.span.kind,
      hex(one!.span.spanId),
      hex(one!.span.parentSpanId),
    ]),
    [
      ['get /cart', 2, '8ea82ec894b61d20', ''],
      ['get', 3, '5fe959f942cad529', '8ea82ec894b61d20'],
      ['get /stock', 2, 'dfe959f942cad529', '5fe959f942cad529'],
      ['read shelf', 1, '3f22264ae54a97e8', 'dfe959f942cad529'],
    ],
  )
  assert.deepEqual(
    [client!.span.startTimeUnixNano, client!.span.endTimeUnixNano],
    [1_795_972_109_081_702_000n, 1_795_972_109_082_395_000n],
  )
  assert.deepEqual(pairs(client!.span.attributes), {
    'peer.service': 'stock',
    'network.peer.address': '10.1.2.3',
    'network.peer.port': 8080n,
  })
  assert.deepEqual(pairs(root!.span.attributes), { 'http.path': '/cart' })
  assert.deepEqual(pairs(server!.span.attributes), { 'http.status_code': '500' })
  assert.deepEqual([server!.span.status!.code, server!.span.status!.message], [2, 'no such shelf'])
  assert.deepEqual(
    inner!.span.events.map(({ name, timeUnixNano }) => [name, timeUnixNano]),
    [['cache miss', 1_795_972_109_083_077_000n]],
  )
})

const bare = { traceId: '4e441824ec2b6a44ffdc9bb9a6453df3', id: 'ffdc9bb9a6453df3', timestamp: 1_000_000 }
const bareEvent = { timestamp: 1, value: 'x' }
const only = (more: object) => translated([{ ...bare, ...more }])[0]!

test('tags of OpenTelemetry’s exporters are the fields they came from', () => {
  const { scope, span } = only({
    tags: {
      'otel.scope.name': 'lib',
      'otel.scope.version': '1.2',
      'otel.status_code': 'ERROR',
      error: 'bad',
      'otel.dropped_events_count': '3',
      'service.namespace': 'shop',
    },
    annotations: [{ timestamp: 1_000_001, value: '"retry": { "attempt": 2, "why": "timeout", "all": [1] }' }],
  })
  assert.equal(scope, 'lib 1.2')
  assert.deepEqual([span.status!.code, span.status!.message, span.droppedEventsCount], [2, 'bad', 3])
  assert.deepEqual(pairs(span.attributes), { 'service.namespace': 'shop' })
  assert.equal(span.events[0]!.name, 'retry')
  assert.deepEqual(pairs(span.events[0]!.attributes), { attempt: 2n, why: 'timeout', all: '[1]' })
})

test('an annotation is an event with attributes, or its whole text is the name', () => {
  const event = (value: string) => {
    const { name, attributes } = only({ annotations: [{ timestamp: 1, value }] }).span.events[0]!
    return [name, pairs(attributes)]
  }
  const nested = (depth: number) => `"e": {"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  const keys = (count: number) => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [i, i])))
  assert.deepEqual(event('"e": {"a":{"b":1}}'), ['e', { a: '{"b":1}' }])
  assert.deepEqual(event('"e":{"a":null,"b":[{"c":"}"}],"d":0.5}'), ['e', { a: 'null', b: '[{"c":"}"}]', d: 0.5 }])
  assert.deepEqual(event('"retry": {"cause":"x\\": {"}'), ['retry', { cause: 'x": {' }])
  assert.deepEqual(event('"": {}'), ['', {}])
  assert.deepEqual(event(nested(100)), ['e', { a: nested(100).slice(10, -1) }])
  assert.deepEqual(Object.keys(event(`"e": ${keys(2048)}`)[1]!).length, 2048)
  const names = ['":{}', '"e": {"a":1} ', '"e": 1}', '"e": {"a"}', '"e" {}', 'e": {}', nested(101), nested(10_000)]
  for (const name of [...names, `"e": ${keys(2049)}`, `"${'":{'.repeat(100_000)}`, `"${'":{'.repeat(100_000)}}`])
    assert.deepEqual(event(name), [name, {}])
})

test('an error tag fails a span, but for the text false', () => {
  const status = (tags: object) => {
    const { status } = only({ tags }).span
    return status && [status.code, status.message]
  }
  assert.deepEqual(status({ error: '' }), [2, ''])
  assert.deepEqual(status({ error: true }), [2, ''])
  assert.deepEqual(status({ error: 'timeout' }), [2, 'timeout'])
  assert.equal(status({ error: false }), undefined)
  assert.equal(status({}), undefined)
  assert.deepEqual(status({ 'otel.status_code': 'OK' }), [1, ''])
})

test('what is absent or null has a default, what tags say goes before the endpoints', () => {
  const { service, span } = only({
    parentId: null,
    name: null,
    kind: null,
    duration: null,
    tags: { 'peer.service': 'mine', n: 5, none: null },
    annotations: null,
    localEndpoint: { ipv6: '2001:db8::c001', port: 80 },
    remoteEndpoint: { serviceName: 'theirs', ipv4: null },
  })
  assert.equal(service, 'unknown_service')
  assert.deepEqual([span.name, span.kind, span.endTimeUnixNano], ['', 1, span.startTimeUnixNano])
  assert.deepEqual(pairs(span.attributes), {
    'peer.service': 'mine',
    n: '5',
    'network.local.address': '2001:db8::c001',
    'network.local.port': 80n,
  })
  const annotations = [3, 2].map((timestamp) => ({ timestamp, value: 'x' }))
  assert.equal(only({ timestamp: undefined, annotations }).span.startTimeUnixNano, 2000n)
  assert.equal(only({ parentId: '0000000000000000' }).span.parentSpanId.length, 0)
  assert.equal(only({ parentId: bare.id }).span.parentSpanId.length, 0)
  assert.equal(hex(only({ traceId: 'A1', id: '2', parentId: '1' }).span.parentSpanId), '0000000000000001')
  assert.equal(only({ timestamp: 1.8e16, duration: 1.8e16 }).span.endTimeUnixNano, 18n * 10n ** 18n)
  assert.equal(only({ name: 'cut \ud83d', tags: { 'k\ud83d': '\udc00' } }).span.name, 'cut \ufffd')
})

async function receiver(t: TestContext) {
  const { taken, post } = await startTraceReceiver(t, '/api/v2/spans')
  return {
    taken,
    post: (body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}) =>
      post(body, { 'content-type': 'application/json', ...headers }),
  }
}

test('POST /api/v2/spans answers 202 as Zipkin does, and says what it left out', async (t) => {
  const { taken, post } = await receiver(t)
  assert.deepEqual(await post(SHOP), [202, ''])
  assert.deepEqual(await post(gzipSync(STOCK), { 'content-encoding': 'gzip' }), [202, ''])
  assert.equal(taken.length, 2)
  assert.deepEqual(await post('[]'), [202, ''])
  assert.equal(taken.length, 2)
  const tags = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, 'v']))
  const cases: [object, RegExp][] = [
    [{ traceId: '0000000000000000' }, /1 rejected: \[1\]\.traceId is 1 to 32 hexadecimal digits, not all zero/],
    [{ id: 'x' }, /\[1\]\.id is 1 to 16 hexadecimal digits/],
    [{ kind: 'LOCAL' }, /\[1\]\.kind is CLIENT, SERVER, PRODUCER or CONSUMER/],
    [{ timestamp: undefined }, /\[1\]\.timestamp is missing/],
    [{ timestamp: '5' }, /\[1\]\.timestamp is a number of microseconds/],
    [{ duration: -1 }, /\[1\]\.duration is a number of microseconds/],
    [{ tags: { a: {} } }, /\[1\]\.tags\.a must be a string/],
    [{ tags: [] }, /\[1\]\.tags is an object/],
    [{ annotations: {} }, /\[1\]\.annotations is a list/],
    [{ annotations: [{ value: 'x' }] }, /\[1\]\.annotations\[0\]\.timestamp is a number/],
    [{ annotations: [bareEvent, 1, {}] }, /\[1\]\.annotations\[1\] is an object of timestamp and value/],
    [{ tags }, /\[1\]\.tags are more than 2048/],
  ]
  for (const [fault, message] of cases) {
    const [status, body] = await post(JSON.stringify([bare, { ...bare, ...fault }]))
    assert.deepEqual([status, JSON.parse(body).partialSuccess.rejectedSpans], [202, '1'], body)
    assert.match(body, message)
  }
})

test('the check of a span ends with the first fault of its annotations', (t) => {
  let looked = 0
  const faulty = {
    get timestamp() {
      looked++
      return undefined
    },
  }
  t.mock.method(JSON, 'parse', () => [
    { ...bare, annotations: [bareEvent, ...Array.from({ length: 1000 }, () => faulty)] },
  ])
  const { problem } = zipkinToProtobuf(Buffer.from('[]'))
  assert.match(problem, /^\[0\]\.annotations\[1\]\.timestamp is a number of microseconds/)
  assert.equal(looked, 1)
})

test('a body with nothing to store is refused with its first fault', async (t) => {
  const { post } = await receiver(t)
  const cases: [string, number, RegExp][] = [
    ['{}', 400, /The body is not a list of spans/],
    ['[', 400, /The body is not JSON/],
    ['[{}, 1]', 400, /The body is not a list of spans/],
    [`[${'{},'.repeat(1000)}{}]`, 400, /More than 1000 spans can't be stored: \[0\]\.traceId is 1 to 32/],
    ['[[]]', 400, /The body has no span that can be stored: \[0\] is an object/],
    [`[{"tags":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}]`, 400, /nested deeper/],
    [`[${'0,'.repeat(600_000)}0]`, 413, /larger than/],
  ]
  for (const [body, wanted, message] of cases) {
    const [status, answer] = await post(body)
    assert.match(answer, message)
    assert.equal(status, wanted)
  }
  assert.equal((await post('x', { 'content-type': 'application/x-protobuf' }))[0], 415)
})
