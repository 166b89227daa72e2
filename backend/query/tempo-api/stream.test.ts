import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, before, test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import {
  QueryRangeRequestSchema,
  SearchRequestSchema,
  SearchResponseSchema,
  SearchTagValuesRequestSchema,
} from '@sightline/otlp-messages/tempo'
import { type ApiRequest, type ApiResponse, httpError, json, text } from '../../http.ts'
import { protobuf } from './answers.ts'
import { attachStreaming } from './stream.ts'

let server: Server
let detach: () => void
let client: Client
let asked: ApiRequest[] = []
let answer: () => ApiResponse | Promise<ApiResponse>
const errors: unknown[] = []
const port = () => (server.address() as AddressInfo).port

before(async () => {
  server = createServer((req, res) => res.end(`${req.method} ${req.url}`))
  const tempo = (question: ApiRequest) => {
    asked.push(question)
    return answer()
  }
  detach = attachStreaming(server, { tempo, onError: (error) => errors.push(error) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = new Client(`127.0.0.1:${port()}`, credentials.createInsecure())
})
after(async () => {
  // With a connection of the client open, and one that has said nothing: both end.
  const silent = connect(port(), '127.0.0.1')
  await once(silent, 'connect')
  const closed = once(server, 'close')
  detach()
  server.close()
  await closed
  client.close()
})

const found = toBinary(SearchResponseSchema, create(SearchResponseSchema, { traces: [{ traceId: 'ab' }] }))

function call(name: string, message: Uint8Array): Promise<Buffer[]> {
  const same = (bytes: Buffer) => bytes
  asked = []
  const stream = client.makeServerStreamRequest(`/tempopb.StreamingQuerier/${name}`, same, same, Buffer.from(message))
  const messages: Buffer[] = []
  return new Promise((resolve, reject) => {
    stream.on('data', (bytes: Buffer) => messages.push(bytes)).once('error', reject)
    stream.once('end', () => resolve(messages))
  })
}

test('a call is a question to the HTTP API, and its answer the one message; HTTP/1 is served on the same port', async () => {
  answer = () => protobuf(found)
  const search = create(SearchRequestSchema, {
    query: '{ status = error }',
    limit: 7,
    spansPerSpanSet: 2,
    start: 1_700_000_000,
    end: 1_700_000_100,
    tags: { 'a b': 'say "x"' },
    minDurationMs: 5,
  })
  const messages = await call('Search', toBinary(SearchRequestSchema, search))
  assert.deepEqual(
    messages.map((bytes) => fromBinary(SearchResponseSchema, bytes).traces[0]!.traceId),
    ['ab'],
  )
  const [question] = asked
  assert.equal(question!.path, '/api/search')
  assert.equal(question!.headers.accept, 'application/protobuf')
  assert.deepEqual(Object.fromEntries(question!.query), {
    q: '{ status = error }',
    tags: 'a b="say \\"x\\""',
    minDuration: '5ms',
    limit: '7',
    spss: '2',
    start: '1700000000',
    end: '1700000100',
  })
  const metrics = create(QueryRangeRequestSchema, { query: '{} | rate()', start: 1n, step: 60_000_000_000n })
  await call('MetricsQueryRange', toBinary(QueryRangeRequestSchema, metrics))
  assert.deepEqual(
    [asked[0]!.path, Object.fromEntries(asked[0]!.query)],
    ['/api/metrics/query_range', { q: '{} | rate()', step: '60000000000ns', start: '1' }],
  )
  const values = create(SearchTagValuesRequestSchema, { tagName: 'span.a/b' })
  await call('SearchTagValuesV2', toBinary(SearchTagValuesRequestSchema, values))
  assert.equal(asked[0]!.path, '/api/v2/search/tag/span.a%2Fb/values')
  assert.equal(await (await fetch(`http://127.0.0.1:${port()}/plain?x=1`)).text(), 'GET /plain?x=1')
})

test('what is refused over HTTP is over gRPC, and what can’t be read', async () => {
  const refusals: [() => ApiResponse, status, RegExp][] = [
    [() => text(400, 'parse error\n'), status.INVALID_ARGUMENT, /^parse error$/],
    [() => text(503, 'starting'), status.UNAVAILABLE, /^starting$/],
    [() => json(500, {}), status.INTERNAL, /./],
    [
      () => {
        throw httpError(500, 'secret')
      },
      status.INTERNAL,
      /^internal error$/,
    ],
  ]
  for (const [refusal, code, details] of refusals) {
    answer = refusal
    await assert.rejects(call('Search', new Uint8Array()), (error: ServiceError) => {
      assert.equal(error.code, code)
      assert.match(error.details, details)
      return true
    })
  }
  assert.equal(errors.length, 1)
  answer = () => protobuf(found)
  await assert.rejects(call('Search', Buffer.from([0xff])), { code: status.INVALID_ARGUMENT })
  await assert.rejects(call('Nothing', new Uint8Array()), { code: status.UNIMPLEMENTED })
  await assert.rejects(call('Search', Buffer.alloc(2 << 20)), { code: status.RESOURCE_EXHAUSTED })
})

test('bytes that come one by one, many requests on a connection, and one that only begins', async () => {
  const lines =
    'GET /a HTTP/1.1\r\nhost: x\r\n\r\nPATCH /b HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'
  const socket = connect(port(), '127.0.0.1').setNoDelay()
  let got = ''
  socket.on('data', (chunk) => (got += chunk))
  for (const byte of lines.slice(0, 8)) {
    socket.write(byte)
    await new Promise(setImmediate)
  }
  socket.write(lines.slice(8))
  await once(socket, 'close')
  assert.match(got, /GET \/a[\s\S]*PATCH \/b/)
  // A body that arrives with the first bytes, and after them.
  const body = request({ port: port(), host: '127.0.0.1', method: 'POST', path: '/c', agent: false })
  body.end('x'.repeat(200_000))
  const [response] = await once(body, 'response')
  assert.equal(response.statusCode, 200)
  response.resume()
  const begun = connect(port(), '127.0.0.1')
  begun.write('PR')
  begun.end()
  await once(begun.resume(), 'close')
  answer = () => protobuf(found)
  assert.equal((await call('Search', new Uint8Array())).length, 1)
})
