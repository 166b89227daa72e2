import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import { errorAnswer } from '../../http.ts'
import { LOKI_PUSH_SCOPE } from '../../store/signal-store.ts'
import { pushBytes, snappyOf } from '../../test/loki-push.ts'
import { createLokiPush } from './index.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const PROTOBUF_TYPE = { 'content-type': 'application/x-protobuf' }
const LIMIT = 100_000

async function push(body: unknown, headers: Record<string, string> = JSON_TYPE) {
  const taken: Uint8Array[] = []
  const handler = createLokiPush({ ingestLogs: async (bytes) => taken.push(bytes), maxBodyBytes: LIMIT })
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  const query = new URLSearchParams()
  const request = { method: 'POST', path: '/loki/api/v1/push', query, headers, body: Buffer.from(text as string) }
  // As the port does it: what is refused is told by its status.
  const response = await Promise.resolve(handler(request, () => {})).catch((error) =>
    errorAnswer(error, assert.ifError),
  )
  return { response, taken }
}

const pairs = (list: { key: string; value?: { value: { value?: unknown } } }[]) =>
  list.map(({ key, value }) => [key, value?.value.value])

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
  assert.deepEqual(pairs(resource!.resource!.attributes), [
    ['app', 'a'],
    ['level', 'warn'],
    ['service_name', 'a'],
  ])
  const [scope] = resource!.scopeLogs
  assert.equal(scope!.scope!.name, LOKI_PUSH_SCOPE)
  const [first, second] = scope!.logRecords
  assert.equal(first!.timeUnixNano, 1_700_000_000_000_000_001n)
  assert.equal(first!.body!.value.value, 'hello')
  assert.deepEqual(pairs(first!.attributes), [
    ['trace_id', 't'],
    ['detected_level', 'warn'],
  ])
  assert.equal(second!.timeUnixNano, 2n)
})

test('what is no push is refused with its first fault, and nothing is stored', async () => {
  const cases: [unknown, RegExp][] = [
    ['{', /the body is no JSON/],
    [null, /^body: a push is an object with a list of streams\n$/],
    [{}, /^streams: streams is a list\n$/],
    [{ streams: [1] }, /^streams\.0: a stream is an object with its labels as stream, and values\n$/],
    [{ streams: [{ labels: '{a="b"}', entries: [] }] }, /^streams\.0\.stream: the labels of a stream are an object\n$/],
    [{ streams: [{ stream: { a: 'b' } }] }, /^streams\.0\.values: the values of a stream are a list of entries\n$/],
    [
      { streams: [{ stream: { a: 'b' }, values: [['1', 'x', 1]] }] },
      /^streams\.0\.values\.0\.2: the metadata of an entry is an object\n$/,
    ],
    [{ streams: [{ stream: {}, values: [] }] }, /streams\.0\.stream: a stream needs at least one label/],
    [{ streams: [{ stream: { 'a.b': 'c' }, values: [] }] }, /label names are letters/],
    [{ streams: [{ stream: { a: 'b' }, values: [['now', 'x']] }] }, /^streams\.0\.values\.0\.0: the time is a string/],
    [{ streams: [{ stream: { a: 'b' }, values: [[1, 'x']] }] }, /^streams\.0\.values\.0\.0: the time is a string/],
    [{ streams: [{ stream: { a: 'b' }, values: [['1', {}]] }] }, /^streams\.0\.values\.0\.1: the line is a string/],
    [
      { streams: [{ stream: { a: 'b' }, values: [['1']] }] },
      /^streams\.0\.values\.0: an entry is a list of time, line/,
    ],
    [
      { streams: [{ stream: { a: 'b' }, values: [['1', 'x', { n: 1 }]] }] },
      /^streams\.0\.values\.0\.2\.n: the value of/,
    ],
    [{ streams: [{ stream: { a: 1 }, values: [] }] }, /^streams\.0\.stream\.a: the value of a label is a string/],
  ]
  for (const [body, message] of cases) {
    const { response, taken } = await push(body)
    assert.equal(response.status, 400)
    assert.match(String(response.body), message)
    assert.deepEqual(taken, [])
  }
  const xml = await push('<a/>', { 'content-type': 'text/xml' })
  assert.equal(xml.response.status, 415)
  assert.match(String(xml.response.body), /text\/xml is not supported: send application\/json/)
})

test('agents send protobuf with snappy', async () => {
  const streams = [
    {
      labels: '{app="a\\"b", level="warn"}',
      entries: [{ timeNs: 1_700_000_000_000_000_001n, line: 'hello', metadata: { 'trace.id': 't' } }],
    },
    { labels: '{app="empty"}', entries: [] },
  ]
  for (const headers of [PROTOBUF_TYPE, { ...PROTOBUF_TYPE, 'content-encoding': 'snappy' }, {}]) {
    const { response, taken } = await push(snappyOf(pushBytes(streams)), headers)
    assert.equal(response.status, 204, String(response.body))
    const { resourceLogs } = fromBinary(ExportLogsServiceRequestSchema, taken[0]!)
    assert.equal(resourceLogs.length, 1)
    const [resource] = resourceLogs
    assert.deepEqual(pairs(resource!.resource!.attributes), [
      ['app', 'a"b'],
      ['level', 'warn'],
      ['service_name', 'a"b'],
    ])
    const [record] = resource!.scopeLogs[0]!.logRecords
    assert.equal(record!.timeUnixNano, 1_700_000_000_000_000_001n)
    assert.equal(record!.body!.value.value, 'hello')
    assert.deepEqual(pairs(record!.attributes), [
      ['trace.id', 't'],
      ['detected_level', 'warn'],
    ])
  }
})

test('JSON and protobuf may be compressed', async () => {
  const json = Buffer.from(JSON.stringify({ streams: [{ stream: { app: 'x' }, values: [['1', 'line']] }] }))
  const bytes = snappyOf(pushBytes([{ labels: '{app="x"}', entries: [{ timeNs: 1n, line: 'line' }] }]))
  const codings = { gzip: gzipSync, deflate: deflateSync, identity: (body: Buffer) => body }
  for (const [coding, compress] of [...Object.entries(codings), ['deflate', deflateRawSync] as const]) {
    for (const [body, type] of [[json, JSON_TYPE] as const, [bytes, PROTOBUF_TYPE] as const]) {
      const { response, taken } = await push(compress(body), { ...type, 'content-encoding': coding })
      assert.deepEqual([response.status, taken.length], [204, 1], `${coding} ${type['content-type']} ${response.body}`)
    }
  }
})

test('a protobuf body that is none is refused with what is wrong, and nothing is stored', async () => {
  const one = (labels: string, timeNs = 1n) => pushBytes([{ labels, entries: [{ timeNs, line: 'x' }] }])
  const cases: [Uint8Array, number, RegExp][] = [
    [Buffer.from('{"streams": []}'), 400, /^The body is no snappy block: /],
    [new Uint8Array(), 400, /^The body is no snappy block: it ends inside its length/],
    [snappyOf(Buffer.from('hello')), 400, /^the body is no push request: /],
    [snappyOf(one('{a="b"}').subarray(0, -2)), 400, /^the body is no push request: the message ends inside a field/],
    [snappyOf(one('')), 400, /^streams\.0\.labels: a stream needs at least one label/],
    [snappyOf(one('{}')), 400, /^streams\.0\.labels: a stream needs at least one label/],
    [snappyOf(one('{a="b"')), 400, /^streams\.0\.labels: parse error at line 1, col 7/],
    [snappyOf(one('{a=~"b"}')), 400, /^streams\.0\.labels: labels are \{name="value"/],
    [snappyOf(one('{a="b"} |= "c"')), 400, /^streams\.0\.labels: labels are \{name="value"/],
    [snappyOf(one('sum(rate({a="b"}[1m]))')), 400, /^streams\.0\.labels: labels are \{name="value"/],
    [snappyOf(one('{a="b", a="c"}')), 400, /^streams\.0\.labels: a is there twice/],
    [snappyOf(one('{a="b"}', -1_000_000_000n)), 400, /^streams\.0\.entries\.0: the time is before 1970/],
    [snappyOf(one(`{a="${'b'.repeat(LIMIT)}"}`)), 413, /larger than 100000 bytes when decompressed/],
  ]
  for (const [body, status, message] of cases) {
    const { response, taken } = await push(body, PROTOBUF_TYPE)
    assert.match(String(response.body), message)
    assert.equal(response.status, status)
    assert.deepEqual(taken, [])
  }
  const bomb = await push(gzipSync(Buffer.alloc(LIMIT + 1)), { ...JSON_TYPE, 'content-encoding': 'gzip' })
  assert.equal(bomb.response.status, 413)
  const unknown = await push('{}', { ...JSON_TYPE, 'content-encoding': 'snappy' })
  assert.equal(unknown.response.status, 415)
})

test('more metadata or labels than the store keeps is refused', async () => {
  const many = Object.fromEntries(Array.from({ length: 2049 }, (_, i) => [`k${i}`, 'v']))
  const lines = await push({ streams: [{ stream: { app: 'x' }, values: [['1', 'x', many]] }] })
  assert.equal(lines.response.status, 400)
  assert.match(String(lines.response.body), /an entry has metadata of 2050 names/)
  const labels = await push({ streams: [{ stream: many, values: [['1', 'x']] }] })
  assert.equal(labels.response.status, 400)
  assert.match(String(labels.response.body), /a stream has labels of 2050 names/)
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

test('a stream without service_name gets one of its labels, a line without a level what is found of one', async () => {
  const found = async (stream: Record<string, string>, line: string, metadata: Record<string, string> = {}) => {
    const { response, taken } = await push({ streams: [{ stream, values: [['1', line, metadata]] }] })
    assert.equal(response.status, 204)
    const [resource] = fromBinary(ExportLogsServiceRequestSchema, taken[0]!).resourceLogs
    const labels = Object.fromEntries(pairs(resource!.resource!.attributes))
    const more = Object.fromEntries(pairs(resource!.scopeLogs[0]!.logRecords[0]!.attributes))
    return [labels.service_name, more.detected_level]
  }
  assert.deepEqual(await found({ job: 'j', app: 'a', container: 'c' }, 'x'), ['a', 'unknown'])
  assert.deepEqual(await found({ k8s_job_name: 'k', service: '' }, '{"level":"ERROR"}'), ['k', 'error'])
  assert.deepEqual(await found({ host: 'h' }, 'level=debug'), ['unknown_service', 'debug'])
  assert.deepEqual(await found({ service_name: 's', app: 'a', level: 'WARNING' }, 'level=debug'), ['s', 'warn'])
  assert.deepEqual(await found({ app: 'a' }, 'level=debug', { severity: 'fatal' }), ['a', 'fatal'])
  assert.deepEqual(await found({ app: 'a', level: 'info' }, 'x', { detected_level: 'ERR' }), ['a', 'error'])
})
