/** Bodies as they come over a real connection: what is read, and what each refusal says. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BODY_LIMIT, readJson } from './body.ts'
import { type HttpServer, listen } from './listen.ts'
import { asProblem } from './problems.ts'

let server: HttpServer
/** What became of the last body. */
let outcome: PromiseWithResolvers<unknown>
before(async () => {
  server = await listen(
    async (request, response) => {
      const read = await readJson(request).catch(asProblem)
      outcome.resolve(read)
      response.end()
    },
    '127.0.0.1',
    0,
  )
})
after(() => server?.close(0, 0))

async function read(body: string | Uint8Array | AsyncIterable<Uint8Array>, headers: Record<string, string> = {}) {
  outcome = Promise.withResolvers()
  const streamed = typeof body !== 'string' && !(body instanceof Uint8Array)
  await fetch(`http://127.0.0.1:${server.port}`, {
    method: 'POST',
    body: body as RequestInit['body'],
    headers: { 'content-type': 'application/json', ...headers },
    ...(streamed ? { duplex: 'half' } : {}),
  }).catch((error: Error) => assert.ok(streamed, `only a refused stream breaks off: ${error}`))
  return refusal(await outcome.promise)
}

/** A problem as `status detail`, anything else as it is. */
function refusal(read: unknown): unknown {
  const { details } = (read ?? {}) as { details?: { status: number; detail: string } }
  return details ? `${details.status} ${details.detail}` : read
}

test('any JSON value is read, in UTF-8 whatever the type says about its charset', async () => {
  for (const [text, value] of [
    ['{"name":"Zoë 🙂"}', { name: 'Zoë 🙂' }],
    [' [1]\n', [1]],
    ['null', null],
  ] as const) {
    assert.deepEqual(await read(text), value)
  }
  for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"', 'application/json ']) {
    assert.deepEqual(await read('{}', { 'content-type': type }), {}, type)
  }
  assert.deepEqual(await read('{}', { 'content-encoding': 'identity' }), {})
})

test('another type, charset or encoding is 415 and says what to send', async () => {
  const says = (got: string) => `415 The content type is ${got}; send application/json in UTF-8.`
  for (const type of [
    'text/plain',
    'application/json; charset=latin1',
    'application/jsonp',
    'application/json, text/html',
  ]) {
    assert.equal(await read('{}', { 'content-type': type }), says(`"${type}"`))
  }
  const long = `text/${'x'.repeat(200)}`
  assert.equal(await read('{}', { 'content-type': long }), says(`"${long.slice(0, 100)}"`))
  const zipped = await read(gzipSync('{}'), { 'content-encoding': 'gzip' })
  assert.equal(zipped, says('JSON in content encoding "gzip"'))
  assert.equal(await raw('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'), says('absent'))
})

test('exactly the limit is read, one byte more is 413, with and without a stated length', async () => {
  const ofSize = (size: number) => JSON.stringify('x'.repeat(size - 2))
  const tooLarge = `413 The body is larger than ${BODY_LIMIT} bytes; send less.`
  assert.equal((await read(ofSize(BODY_LIMIT))) as string, 'x'.repeat(BODY_LIMIT - 2))
  assert.equal(await read(ofSize(BODY_LIMIT + 1)), tooLarge)
  assert.equal(await read(inChunks(ofSize(BODY_LIMIT))), 'x'.repeat(BODY_LIMIT - 2))
  assert.equal(await read(inChunks(ofSize(BODY_LIMIT + 1))), tooLarge)
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY_LIMIT + 1}\r\n\r\n`
  assert.equal(await raw(head), tooLarge, 'a stated length is refused before a byte of it has come')
})

async function* inChunks(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += 10_000) yield bytes.subarray(start, start + 10_000)
}

test('what is not JSON is 400 with the place, and quotes nothing of the body', async () => {
  assert.equal(await read(''), '400 The body is empty; send a JSON object.')
  assert.equal(await read(' \n'), '400 The body is empty; send a JSON object.')
  assert.equal(await read(Buffer.from([0x22, 0xff, 0x22])), '400 The body is not UTF-8.')
  assert.equal(await read('{"name":"John Doe",}'), '400 The body is not JSON at position 19 (line 1 column 20).')
  for (const broken of ['{"name":"John', 'John Doe', '{"John": 1']) {
    const said = String(await read(broken))
    assert.match(said, /^400 The body is not JSON/)
    assert.doesNotMatch(said, /John|name/)
  }
})

test('a client that goes away in the middle of its body is no failure of this service', async () => {
  outcome = Promise.withResolvers()
  const socket = connect(server.port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a"')
  await once(socket, 'connect')
  socket.destroySoon()
  assert.equal(refusal(await outcome.promise), '400 The body ended early.')
})

/** One request as bytes. */
async function raw(text: string): Promise<unknown> {
  outcome = Promise.withResolvers()
  const socket = connect(server.port, '127.0.0.1')
  socket.write(text)
  const read = refusal(await outcome.promise)
  socket.destroy()
  return read
}
