/** The server span over real connections: its attributes, when it ends, and what it says when nobody got an answer. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { hrTimeToMicroseconds } from '@opentelemetry/core'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import log4js from 'log4js'
import { z } from 'zod'
import { allowedHosts } from './allowed-hosts.ts'
import { createHttpApp } from './http-server.ts'
import { type HttpServer, listen } from './listen.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { until } from './poll.ts'
import { unavailable } from './problems.ts'
import { inSpan } from './spans.ts'
import { telemetry } from './telemetry/state.ts'
import { KIT_METRICS } from './test/catalogue.ts'
import { call, sample } from './test/index.ts'
import { type MemoryTelemetry, startMemoryTelemetry } from './test/memory-telemetry.ts'

let memory: MemoryTelemetry
let metrics: Metrics
let server: HttpServer
/** The slow handlers wait for it; they say when they have begun. */
const release = () => {
  for (const go of held.splice(0)) go()
}
const held: Array<() => void> = []
let begun: () => void
/** Called when the server knows that a connection is closed, or its answer sent. */
let closed: () => void

/** What a log line of the last handler would have for its trace. */
let traceInHandler: string | undefined

/** Server spans that have ended so far. */
const endings = () => memory.spans().filter(({ kind }) => kind === SpanKind.SERVER).length

before(async () => {
  memory = startMemoryTelemetry()
  log4js.configure({
    appenders: { kept: { type: log4js.recording() } },
    categories: { default: { appenders: ['kept'], level: 'debug' } },
  })
  metrics = createMetrics({ name: 'served', version: '1' }, KIT_METRICS)
  server = await start()
})
after(async () => {
  await server?.close(0, 0)
  await memory?.[Symbol.asyncDispose]()
})
beforeEach(() => {
  log4js.recording().reset()
  memory.reset()
  closed = () => {}
})

function start(): Promise<HttpServer> {
  const options = {
    logger: log4js.getLogger('served'),
    metrics,
    config: { REQUEST_BUDGET_MS: 10_000, SIGHTLINE_ALLOWED_HOSTS: allowedHosts() },
  }
  const app = createHttpApp(options, (routes) => {
    const slow = (answer: () => { status: number; body: unknown }) => () =>
      inSpan('work', {}, async () => {
        const released = new Promise<void>((resolve) => {
          held.push(resolve)
        })
        begun()
        await released
        return answer()
      })
    const body = z.strictObject({})
    routes.add({ method: 'get', path: '/things/{id}' }, () => {
      traceInHandler = trace.getSpanContext(context.active())?.traceId
      return { status: 200, body: {} }
    })
    routes.add({ method: 'post', path: '/bodies', body }, () => ({ status: 200, body: {} }))
    routes.add(
      { method: 'get', path: '/slow' },
      slow(() => ({ status: 201, body: {} })),
    )
    routes.add(
      { method: 'get', path: '/failing' },
      slow(() => {
        throw unavailable('database-unavailable', 'away', 1)
      }),
    )
  })
  const handler = app.callback()
  return listen(
    (request, response) => {
      response.once('close', () => closed())
      void handler(request, response)
    },
    '127.0.0.1',
    0,
  )
}

const serverSpan = (): ReadableSpan | undefined => memory.spans().find(({ kind }) => kind === SpanKind.SERVER)
const ended = () => until('the server span has ended', 10, serverSpan)
const counted = async (route: string, status: string, errorType: string) => {
  const labels = `http_request_method="GET",http_route="${route}",http_response_status_code="${status}",error_type="${errorType}"`
  return sample((await metrics.scrape()).body, `http_server_request_duration_seconds_count{${labels}}`) ?? 0
}
const lastLine = () => {
  const { level, data } = log4js.recording().replay().at(-1)!
  return { level: level.levelStr, message: data[0], fields: data[1] }
}

/** A client on a connection of its own whose request has reached its handler. */
async function begin(path: string, port = server.port): Promise<Socket> {
  const reached = new Promise<void>((resolve) => {
    begun = resolve
  })
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await reached
  return socket
}

/** As its server notices it: the client's own close says nothing of that. */
async function goAway(socket: Socket): Promise<void> {
  const known = new Promise<void>((resolve) => {
    closed = resolve
  })
  socket.destroy()
  await known
}

test('a request, by the HTTP conventions', async () => {
  const headers = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'user-agent': 'a test',
    'x-forwarded-host': 'shop.example:8080',
    'x-forwarded-for': '192.0.2.7',
  }
  await call(`http://127.0.0.1:${server.port}`, 'GET', '/things/7?limit=3', undefined, headers)
  const span = await ended()
  const { 'network.peer.port': peerPort, ...attributes } = span.attributes
  assert.ok(Number(peerPort) > 0)
  assert.match(String(attributes['request.id']), /^[0-9a-f-]{36}$/)
  assert.ok(Number(attributes['deadline.remaining_ms']) > 0)
  delete attributes['request.id']
  delete attributes['deadline.remaining_ms']
  assert.deepEqual(attributes, {
    'http.request.method': 'GET',
    'http.route': '/things/{id}',
    'http.response.status_code': 200,
    'url.scheme': 'http',
    'url.path': '/things/7',
    'url.query': 'limit=3',
    'server.address': 'shop.example',
    'server.port': 8080,
    'client.address': '192.0.2.7',
    'network.peer.address': '127.0.0.1',
    'network.protocol.version': '1.1',
    'user_agent.original': 'a test',
  })
  assert.deepEqual([span.name, span.status.code], ['GET /things/{id}', SpanStatusCode.UNSET])
  assert.equal(span.spanContext().traceId, '0af7651916cd43dd8448eb211c80319c')
  assert.equal(span.parentSpanContext?.spanId, 'b7ad6b7169203331')
})

test('a request that a sampling rule leaves out makes no span, and its lines keep the trace that it belongs to', async (t) => {
  t.after(() => {
    telemetry.untraced = undefined
  })
  telemetry.untraced = /^\/things\//
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
  const before = endings()
  await call(`http://127.0.0.1:${server.port}`, 'GET', '/things/7', undefined, headers)
  assert.equal(traceInHandler, traceId)
  assert.equal(endings(), before)
  telemetry.untraced = undefined
  await call(`http://127.0.0.1:${server.port}`, 'GET', '/things/7', undefined, headers)
  await ended()
  assert.equal(endings(), before + 1)
})

test('a method that HTTP does not know names nothing, and a path without a route neither', async () => {
  await call(`http://127.0.0.1:${server.port}`, 'PROPFIND', '/nowhere')
  const { name, attributes } = await ended()
  assert.equal(name, 'HTTP')
  assert.deepEqual(
    [attributes['http.request.method'], attributes['http.request.method_original']],
    ['_OTHER', 'PROPFIND'],
  )
  assert.equal(attributes['http.route'], undefined)
})

test('it ends before its client has the answer, and not before the work that it holds', async () => {
  const socket = await begin('/slow')
  const before = endings()
  let endedFirst: boolean | undefined
  socket.once('data', () => {
    endedFirst = endings() > before
  })
  release()
  await once(socket, 'data')
  assert.equal(endedFirst, true)
  socket.destroy()
  const outer = await ended()
  const inner = memory.span('work')
  assert.ok(hrTimeToMicroseconds(inner.endTime) <= hrTimeToMicroseconds(outer.endTime))
})

for (const path of ['/slow', '/failing'])
  test(`${path}: a client that gives up leaves no status anywhere, and error.type says that it went`, async () => {
    const before = await counted(path, '', 'client_closed_request')
    const answers = () => Promise.all(['200', '201', '404', '503'].map((status) => counted(path, status, '')))
    const answered = await answers()
    await goAway(await begin(path))
    assert.equal(serverSpan(), undefined, 'the work goes on')
    release()
    const span = await ended()
    assert.equal('http.response.status_code' in span.attributes, false)
    assert.equal(span.attributes['error.type'], 'client_closed_request')
    // A failure of its own marks the span in which it happened, which is this one only where no router has one.
    assert.equal(span.status.code, path === '/slow' ? SpanStatusCode.UNSET : SpanStatusCode.ERROR)
    assert.equal(await counted(path, '', 'client_closed_request'), before + 1)
    assert.deepEqual(await answers(), answered)
    const { level, message, fields } = lastLine()
    assert.deepEqual([level, message], ['WARN', `GET ${path} not answered`])
    const { duration_ms, ...others } = fields
    assert.ok(duration_ms > 0)
    assert.deepEqual(others, { method: 'GET', route: path, error_type: 'client_closed_request' })
    assert.equal(sample((await metrics.scrape()).body, 'http_server_active_requests'), 0)
  })

test('of two requests on one connection, sent at once, neither has a status when their client is gone', async () => {
  const socket = await begin('/slow')
  const reached = new Promise<void>((resolve) => {
    begun = resolve
  })
  socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await reached
  await goAway(socket)
  release()
  const servers = () => memory.spans().filter(({ kind }) => kind === SpanKind.SERVER)
  await until('both server spans have ended', 10, () => servers().length === 2)
  assert.deepEqual(
    servers().map(({ attributes }) => [attributes['http.response.status_code'], attributes['error.type']]),
    Array(2).fill([undefined, 'client_closed_request']),
  )
})

test('a server that stops before its work is done says that of itself', async () => {
  const stopping = await start()
  const socket = await begin('/slow', stopping.port)
  const gone = once(socket, 'close')
  await stopping.close(0, 0)
  await gone
  release()
  const { attributes } = await ended()
  assert.deepEqual([attributes['error.type'], attributes['http.response.status_code']], ['server_stopped', undefined])
})

test('a body that is not read to its end: the refusal is sent, and the span has its status', async () => {
  const body = new ReadableStream({
    start(stream) {
      for (let sent = 0; sent < 70; sent++) stream.enqueue(new Uint8Array(1024))
      stream.close()
    },
  })
  const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' }
  const answer = await fetch(`http://127.0.0.1:${server.port}/bodies`, options as RequestInit)
  assert.equal(answer.status, 413)
  const { attributes } = await ended()
  assert.deepEqual([attributes['http.response.status_code'], attributes['error.type']], [413, 'body_too_large'])
})

test('a body that can not be read as HTTP: the status is the one that was written on the connection', async () => {
  const socket = connect(server.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  const head =
    'POST /bodies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
  socket.write(`${head}not a length\r\n`)
  await once(socket, 'close')
  assert.match(text, /^HTTP\/1\.1 400 /)
  const { attributes } = await ended()
  assert.deepEqual([attributes['http.response.status_code'], attributes['error.type']], [400, 'malformed_request'])
})
