import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import { errorAnswer } from '../http.ts'
import { LOKI_PUSH_SCOPE } from '../store/signal-store.ts'
import { createLokiPush } from './loki-push.ts'

async function push(body: unknown, headers: Record<string, string> = { 'content-type': 'application/json' }) {
  const taken: Uint8Array[] = []
  const handler = createLokiPush({ ingestLogs: async (bytes) => taken.push(bytes) })
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const query = new URLSearchParams()
  const request = { method: 'POST', path: '/loki/api/v1/push', query, headers, body: Buffer.from(text) }
  // As the port does it: what is refused is told by its status.
  const response = await Promise.resolve(handler(request)).catch((error) => errorAnswer(error, assert.ifError))
  return { response, taken }
}

test('pushed lines become OTLP with the labels on the resource and the metadata on the record', async () => {
  const { response, taken } = await push({
    streams: [
      {
        stream: { app: 'a', level: 'warn' },
        values: [
          ['1700000000000000001', 'hello', { trace_id: 't' }],
          ['2', 'x'],
        ],
      },
    ],
  })
  assert.equal(response.status, 204)
  const [resource] = fromBinary(ExportLogsServiceRequestSchema, taken[0]!).resourceLogs
  const pairs = (list: { key: string; value?: { value: { value?: unknown } } }[]) =>
    list.map(({ key, value }) => [key, value?.value.value])
  assert.deepEqual(pairs(resource!.resource!.attributes), [
    ['app', 'a'],
    ['level', 'warn'],
  ])
  const [scope] = resource!.scopeLogs
  assert.equal(scope!.scope!.name, LOKI_PUSH_SCOPE)
  const [first, second] = scope!.logRecords
  assert.equal(first!.timeUnixNano, 1_700_000_000_000_000_001n)
  assert.equal(first!.body!.value.value, 'hello')
  assert.deepEqual(pairs(first!.attributes), [['trace_id', 't']])
  assert.equal(second!.timeUnixNano, 2n)
})

test('what is no push is refused with its first fault, and nothing is stored', async () => {
  const cases: [unknown, RegExp][] = [
    ['{', /the body is no JSON/],
    [{}, /^streams: /],
    [{ streams: [{ stream: {}, values: [] }] }, /streams\.0\.stream: a stream needs at least one label/],
    [{ streams: [{ stream: { 'a.b': 'c' }, values: [] }] }, /label names are letters/],
    [{ streams: [{ stream: { a: 'b' }, values: [['now', 'x']] }] }, /^streams\.0\.values\.0/],
  ]
  for (const [body, message] of cases) {
    const { response, taken } = await push(body)
    assert.equal(response.status, 400)
    assert.match(String(response.body), message)
    assert.deepEqual(taken, [])
  }
  const protobuf = await push('', { 'content-type': 'application/x-protobuf' })
  assert.equal(protobuf.response.status, 415)
  assert.match(String(protobuf.response.body), /send application\/json/)
})

test('half a character pair in lines, labels and metadata is U+FFFD, not the end of the push', async () => {
  const values = [['1', 'cut \ud83d', { 'k\ud83d': '\udc00' }]]
  const { response, taken } = await push({ streams: [{ stream: { app: '\ud83dx' }, values }] })
  assert.equal(response.status, 204)
  const [resource] = fromBinary(ExportLogsServiceRequestSchema, taken[0]!).resourceLogs
  assert.equal(resource!.resource!.attributes[0]!.value!.value.value, '\ufffdx')
  const [record] = resource!.scopeLogs[0]!.logRecords
  assert.equal(record!.body!.value.value, 'cut \ufffd')
  assert.deepEqual([record!.attributes[0]!.key, record!.attributes[0]!.value!.value.value], ['k\ufffd', '\ufffd'])
})

test('a time beyond 64 bits is refused', async () => {
  const { response } = await push({ streams: [{ stream: { app: 'x' }, values: [['9'.repeat(20), 'x']] }] })
  assert.equal(response.status, 400)
})
