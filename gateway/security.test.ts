/** What a stranger may try at the gateway: on a real Nginx with a key and short patience, before a service that repeats. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findNginx, freePort, freePorts, prepareGateway, type RunningComponent, startComponent } from '@sightline/local'
import { readSettings } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'

const KEY = 'Correct-Horse_Battery-Staple-1'
const ROUTE = '/api/v1/users'
const home = mkdtempSync(join(tmpdir(), 'sightline-gateway-security-'))
const lastHeaders: IncomingHttpHeaders[] = []
let service: Server
let gateway: RunningComponent
let url: string
let port: number
let accessLog: string

before(async () => {
  const ports = await freePorts()
  const env = { ...process.env, GATEWAY_API_KEY: KEY, GATEWAY_CLIENT_TIMEOUT: '1s', GATEWAY_MAX_CONNECTIONS: '300' }
  const settings = readSettings({ home, ports, env })
  service = createServer((request, response) => {
    lastHeaders.push(request.headers)
    request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((listening) => service.listen(ports.USER_SERVICE_PORT, '127.0.0.1', listening))
  const prepared = prepareGateway(settings, await findNginx(), await freePort(ports))
  gateway = await startComponent(prepared.spec, home)
  port = ports.GATEWAY_PORT
  url = `http://127.0.0.1:${port}`
  accessLog = prepared.accessLog
})
after(async () => {
  await gateway?.stop()
  service?.close()
  service?.closeAllConnections()
  rmSync(home, { recursive: true, force: true })
})

const status = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url + path, { headers })
  await response.arrayBuffer()
  return response.status
}

test('with a key set, nothing but the whole key opens anything but /health', async () => {
  const refused: Record<string, string>[] = [
    {},
    { 'x-api-key': '' },
    { 'x-api-key': KEY.slice(0, -1) },
    { 'x-api-key': `${KEY}1` },
    { 'x-api-key': KEY.toUpperCase() },
    { 'x-api-key': `${KEY}:${KEY}` },
    { 'x-api-key': `:${KEY}` },
    { 'x-api-key': '.{30}' },
    { authorization: KEY },
    { authorization: `Basic ${KEY}` },
    { authorization: `Bearer ${KEY}x` },
    { authorization: `Bearer ${KEY}`, 'x-api-key': 'another-key-that-is-wrong' },
  ]
  for (const headers of refused) assert.equal(await status(ROUTE, headers), 401, JSON.stringify(headers))
  for (const path of [
    '/',
    '/nowhere',
    '/HEALTH',
    '/health/',
    '/api/v1/user-service/health',
    `/api/v1/users/1:/health`,
  ]) {
    assert.equal(await status(path), 401, path)
  }
  for (const headers of [
    { 'x-api-key': KEY },
    { authorization: `Bearer ${KEY}` },
    { authorization: `bearer ${KEY}` },
    { authorization: `BEARER  ${KEY}` },
  ]) {
    assert.equal(await status(ROUTE, headers as unknown as Record<string, string>), 200)
  }
  assert.equal(await status('/health'), 200)
})

test('the refusal is a problem that says what to send, and names no key', async () => {
  const response = await fetch(url + ROUTE, { method: 'POST', body: '{}' })
  const text = await response.text()
  assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="sightline"')
  assert.match(response.headers.get('content-type')!, /^application\/problem\+json/)
  const body = JSON.parse(text)
  assert.deepEqual([body.status, body.type, body.title], [401, '/problems/unauthorized', 'Unauthorized'])
  assert.equal(body.trace_id, response.headers.get('x-trace-id'))
  assert.equal(text.includes(KEY), false)
})

test('what a refusal means can be read without the key, and nothing else under that path', async () => {
  const refused = await fetch(url + ROUTE)
  const { type } = (await refused.json()) as { type: string }
  assert.equal(await status(type), 200)
  assert.equal(await status('/problems/no-such'), 404)
  for (const path of ['/problems', '/problems/', `${type}/`, `${type}/..%2f..${ROUTE}`, `${type}x/users/1`])
    assert.equal(await status(path), 401, path)
})

test('the key goes no further than the gateway, and into no log', async () => {
  lastHeaders.length = 0
  assert.equal(await status(`${ROUTE}?key-goes-nowhere`, { authorization: `Bearer ${KEY}` }), 200)
  assert.equal(await status(ROUTE, { 'x-api-key': KEY }), 200)
  assert.equal(lastHeaders.length, 2)
  assert.equal(JSON.stringify(lastHeaders).includes(KEY), false)
  await until(
    'the record of the refused request',
    5,
    () => readFileSync(accessLog, 'utf8'),
    (log) => assert.match(log, /key-goes-nowhere/),
  )
  assert.equal(readFileSync(accessLog, 'utf8').includes(KEY), false)
})

test('a key that the template could misread is refused at the start', async () => {
  const nginx = await findNginx()
  for (const key of [
    'short',
    'x'.repeat(129),
    'with a blank in the middle',
    'with.a.dot.in.the.middle',
    '^$(){}[]|*+?\\'.repeat(2),
  ]) {
    const settings = readSettings({ home, ports: await freePorts(), env: { GATEWAY_API_KEY: key } })
    assert.throws(() => prepareGateway(settings, nginx, 1), /GATEWAY_API_KEY must be 16 to 128/)
  }
})

test('a hundred clients that send a byte now and then hold up nobody, and are shown the door', async () => {
  const slow: Socket[] = []
  let closed = 0
  for (let n = 0; n < 100; n++) {
    const socket = connect(port, '127.0.0.1', () => socket.write(n % 2 ? 'GET /health HTTP/1.1\r\nX-Slow: ' : posting))
    socket.on('error', () => undefined)
    socket.once('close', () => {
      closed++
    })
    socket.resume()
    slow.push(socket)
  }
  const dribble = setInterval(() => {
    for (const [n, socket] of slow.entries()) if (n % 2 && socket.writable) socket.write('x')
  }, 100)
  try {
    const began = performance.now()
    for (let n = 0; n < 20; n++) assert.equal(await status('/health'), 200)
    assert.ok(performance.now() - began < 5_000, 'twenty answers while they dribble')
    await until('all slow connections are closed', 15, () => closed === slow.length)
  } finally {
    clearInterval(dribble)
    for (const socket of slow) socket.destroy()
  }
})
/** Promises a body and never sends it. */
const posting = `POST /api/v1/process HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`

test('oversized and too many headers are refused with a problem', async () => {
  const big = await raw(`GET ${ROUTE} HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'x'.repeat(9_000)}\r\n\r\n`)
  assert.match(big, /^HTTP\/1\.1 431 [\s\S]*application\/problem\+json[\s\S]*"type":"\/problems\/headers-too-large"/)
  const many = await raw(
    `GET ${ROUTE} HTTP/1.1\r\nHost: localhost\r\n${`X-Many: ${'x'.repeat(4_000)}\r\n`.repeat(12)}\r\n`,
  )
  assert.match(many, /^HTTP\/1\.1 431 [\s\S]*"status":431/)
})

test('two readings of one request are refused: smuggling', async () => {
  const start = `POST /api/v1/process HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\n`
  const smuggled = `0\r\n\r\nGET /api/v1/users/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`
  for (const headers of [
    `Content-Length: ${smuggled.length}\r\nTransfer-Encoding: chunked\r\n`,
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Content-Length: -1\r\n',
  ]) {
    assert.match(await raw(`${start}${headers}\r\n${smuggled}`), /^HTTP\/1\.1 (400|501) /, headers)
  }
})

test('what is in headers and paths can not become a line or a field of the access record', async () => {
  const evil = '","status":"200","x":"\\" \u0001\u001b[31m'
  const requestId = 'log-injection'
  const path = '/api/v1/users/%0d%0a%7B%22status%22:%22500%22%7D?a="},{"b":"'
  await raw(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${evil}\r\nX-Request-ID: ${requestId}\r\nX-API-Key: ${KEY}\r\nConnection: close\r\n\r\n`,
  )
  const line = await until('one access record', 5, () => {
    const found = readFileSync(accessLog, 'utf8')
      .split('\n')
      .filter((one) => one.includes(requestId))
    return found.length === 1 && found[0]
  })
  assert.equal(
    [...line].some((character) => character < ' '),
    false,
  )
  const record = JSON.parse(line) as Record<string, string>
  assert.equal(record.user_agent, evil)
  assert.equal(record.request_id, requestId)
  assert.equal('x' in record, false)
})

test('TRACE, which would repeat a request with its key, is refused with what is allowed', async () => {
  const answer = await raw(
    `TRACE ${ROUTE} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\nConnection: close\r\n\r\n`,
  )
  assert.match(answer, /^HTTP\/1\.1 405 /)
  assert.match(answer, /\r\nAllow: GET, HEAD, POST\r\n/)
  assert.equal(answer.includes(KEY), false)
})

test('no answer header can be written by a client', async () => {
  for (const text of [
    `GET /api/v1/users/a%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\nConnection: close\r\n\r\n`,
    `GET /nowhere%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\nX-Request-ID: a%0d%0aX-Evil: 1\r\nConnection: close\r\n\r\n`,
    `GET /nowhere HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\ntraceparent: 00-x\rX-Evil: 1\r\nConnection: close\r\n\r\n`,
  ]) {
    const [headers] = (await raw(text)).split('\r\n\r\n')
    assert.match(headers!, /^HTTP\/1\.1 [24]/)
    assert.doesNotMatch(headers!, /^X-Evil/im)
  }
})

/** Sends bytes as they are, and reads until the gateway closes or has nothing more to say. */
function raw(text: string): Promise<string> {
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
      void delay(100).then(() => socket.end())
    })
    socket.once('close', () => done(answer))
    socket.once('error', (error) => (answer === '' ? failed(error) : done(answer)))
    socket.setTimeout(5_000, () => socket.destroy())
  })
}
