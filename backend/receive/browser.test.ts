/** Spans from browsers are a browser's whatever they say, and say nothing but what is listed. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { BROWSER } from '@sightline/contracts/telemetry-names'
import { ExportTraceServiceRequestSchema, type KeyValue } from '@sightline/otlp-messages'
import { browserSpans, MOST_BROWSER_BYTES } from './browser.ts'
import { startTraceReceiver } from './test/trace-receiver.ts'

const written = (request: MessageInitShape<typeof ExportTraceServiceRequestSchema>) =>
  toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, request))
const read = (bytes: Uint8Array) => fromBinary(ExportTraceServiceRequestSchema, bytes)
const text = (key: string, value: string) => ({ key, value: { value: { case: 'stringValue' as const, value } } })
const int = (key: string, value: bigint) => ({ key, value: { value: { case: 'intValue' as const, value } } })
const plain = (attributes: KeyValue[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value?.value.value]))

const ids = { traceId: new Uint8Array(16).fill(1), spanId: new Uint8Array(8).fill(2), startTimeUnixNano: 1n }
const forged = {
  resourceSpans: [
    {
      resource: { attributes: [text('service.name', 'audit-service'), text('host.name', 'of a person')] },
      scopeSpans: [
        {
          scope: { name: '@opentelemetry/instrumentation-fetch', attributes: [text('user', 'Ann')] },
          spans: [
            {
              ...ids,
              name: 'POST',
              kind: 3 as const,
              traceState: 'user=ann',
              endTimeUnixNano: 5n,
              status: { code: 2 as const, message: 'for ann@example.com' },
              attributes: [
                text('http.request.method', 'POST'),
                int('http.response.status_code', 503n),
                text('url.full', 'http://ann:pw@localhost:8080/api/v1/users/ann@example.com?key=secret#ann'),
                text('server.address', 'node-of-my-own'),
                text('peer.service', 'audit-service'),
                text('db.system.name', 'postgresql'),
                text('user_agent.original', 'Mozilla/5.0 (a very special one)'),
                { key: 'error.type', value: { value: { case: 'arrayValue' as const, value: { values: [] } } } },
              ],
              events: [
                {
                  name: 'exception',
                  attributes: [text('exception.message', 'no ann@example.com'), text('email', 'a')],
                },
                { name: 'ann@example.com' },
              ],
              links: [{ ...ids, attributes: [text('a', 'b')] }],
            },
            {
              ...ids,
              name: 'GET /of/somebody/else',
              kind: 2 as const,
              attributes: [int('http.response.status_code', 7n)],
            },
            { ...ids, name: 'constructor', kind: 5 as const, attributes: [text('browser.element', 'x'.repeat(2000))] },
          ],
        },
      ],
    },
  ],
}

test('a forged span is a browser’s, without what is not listed, and without personal data', () => {
  const [owner] = read(browserSpans(written(forged))).resourceSpans
  assert.deepEqual(plain(owner!.resource!.attributes), { 'service.name': 'browser', 'service.namespace': 'sightline' })
  const [{ scope, spans }] = owner!.scopeSpans as [(typeof owner & object)['scopeSpans'][number]]
  assert.deepEqual([scope!.name, scope!.attributes], ['@opentelemetry/instrumentation-fetch', []])
  const [post, other, third] = spans
  assert.deepEqual(plain(post!.attributes), {
    'http.request.method': 'POST',
    'http.response.status_code': 503n,
    'url.full': 'http://***/api/v1/users/***',
  })
  assert.deepEqual([post!.name, post!.kind, post!.endTimeUnixNano], ['POST', 3, 5n])
  assert.deepEqual([post!.traceState, post!.links, post!.status!.code, post!.status!.message], ['', [], 2, ''])
  assert.deepEqual(
    post!.events.map((event) => [event.name, plain(event.attributes)]),
    [['exception', { 'exception.message': 'no a***@example.com' }]],
  )
  assert.deepEqual([other!.name, other!.kind, other!.attributes], ['other', 1, []])
  assert.deepEqual([third!.name, third!.kind], ['other', 1])
  assert.equal(String(plain(third!.attributes)['browser.element']).length, 512)
})

test('what the page sends stays as it is', () => {
  const spans = Object.keys(BROWSER.spans).map((name) => ({
    ...ids,
    name,
    kind: 1 as const,
    attributes: [text('url.full', 'http://localhost:8080/shop'), text('browser.web_vital.name', 'LCP')],
    events: [{ name: 'fetchStart' }],
  }))
  const sent = { resourceSpans: [{ scopeSpans: [{ spans }] }] }
  assert.deepEqual(
    read(browserSpans(written(sent))).resourceSpans[0]!.scopeSpans,
    read(written(sent)).resourceSpans[0]!.scopeSpans,
  )
})

async function receiver(t: TestContext) {
  const { taken, post } = await startTraceReceiver(t, '/browser/v1/traces')
  return {
    taken,
    post: (body: string | Uint8Array<ArrayBuffer>, type: string) => post(body, { 'content-type': type }),
  }
}

test('POST /browser/v1/traces takes JSON and protobuf, and no more than a page sends', async (t) => {
  const { taken, post } = await receiver(t)
  assert.equal((await post(written(forged) as Uint8Array<ArrayBuffer>, 'application/x-protobuf'))[0], 200)
  const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', name: 'click', kind: 1 }
  const times = { startTimeUnixNano: '1', endTimeUnixNano: '2' }
  const json = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, ...times }] }] }] })
  assert.deepEqual(await post(json, 'application/json'), [200, '{}'])
  assert.deepEqual(
    taken.map((bytes) => plain(read(bytes).resourceSpans[0]!.resource!.attributes)['service.name']),
    ['browser', 'browser'],
  )
  assert.equal((await post(new Uint8Array([0x0a, 0xff]), 'application/x-protobuf'))[0], 400)
  const deep = new Uint8Array(MOST_BROWSER_BYTES).fill(0x0b)
  assert.equal((await post(deep, 'application/x-protobuf'))[0], 400)
  assert.equal((await post(' '.repeat(MOST_BROWSER_BYTES + 1), 'application/json'))[0], 413)
  assert.equal(taken.length, 2)
})
