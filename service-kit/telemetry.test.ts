/** Telemetry of a whole process: a backend that fails, and the standard switches. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { withClient } from '@sightline/db/with-client'
import { until } from './poll.ts'
import { type OtlpSink, type SinkSpan, sample, startOtlpSink, startProcess, type TestProcess } from './test/index.ts'

let cluster: TestCluster
let database: TestDatabase

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
})

after(async () => {
  await database?.drop()
  await cluster?.stop()
})

function startUser(env: Record<string, string>) {
  return startProcess('user-service', database.connection('user_service'), env)
}

describe('one process and its backend', { concurrency: false }, () => {
  let sink: OtlpSink
  let user: TestProcess
  before(async () => {
    sink = await startOtlpSink()
    user = await startUser({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url })
  })
  after(async () => {
    await user?.stop()
    await sink?.close()
  })

  test('a backend that answers 500 costs nothing but its spans, which are counted; when it recovers, spans arrive', async () => {
    sink.status = 500
    for (let i = 0; i < 20; i++) assert.equal((await user.call('GET', '/users')).status, 200)
    await until('drops are counted', 10, async () => {
      const { text } = await user.call('GET', '/metrics')
      const lost = (signal: string) =>
        sample(text, `telemetry_dropped_total{signal="${signal}",reason="export_failed"}`) ?? 0
      return lost('traces') >= 60 && lost('logs') >= 20
    })
    sink.status = 200
    const { headers } = await user.call('GET', '/users')
    const traceId = headers.get('x-trace-id')
    const arrived = () => sink.spans.some((span) => span.traceId === traceId && span.kind === 'server')
    await until('new spans arrive', 10, arrived)
    assert.deepEqual(user.stray, [], 'no unhandled rejection')
  })

  test('while a statement waits PostgreSQL names the span of that statement', async () => {
    const name = await withClient(database.connection(), async (client) => {
      await client.query('begin; lock table users')
      const answering = user.call('GET', '/users')
      // Not by the one that holds: within its transaction the sessions are those of its first look.
      const ask = `select application_name as name from pg_stat_activity where wait_event_type = 'Lock'`
      const waiting = await until('it waits', 15, async () => (await database.query<{ name: string }>(ask))[0])
      await client.query('rollback')
      assert.equal((await answering).status, 200)
      return waiting.name
    })
    const [, traceId, spanId, flags] = name.split('-')
    const statement = await until('its span', 15, () => sink.spans.find((span) => span.spanId === spanId))
    assert.deepEqual([statement.traceId, statement.scope, flags], [traceId, '@opentelemetry/instrumentation-pg', '01'])
  })

  test('scrapes and probes make no trace of their own, and belong to one that they carry', async () => {
    const earlier = sink.spans.length
    const paths = ['/ready', '/health', '/metrics']
    for (const path of paths) await user.call('GET', path)
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
    for (const path of paths) await user.call('GET', path, undefined, headers)
    await user.stop()
    const servers = sink.spans.slice(earlier).filter(({ kind }) => kind === 'server')
    assert.deepEqual(
      servers.map(({ name, traceId }) => `${name} ${traceId}`),
      paths.map((path) => `GET ${path} ${traceId}`),
    )
  })
})

test('a backend that hangs or is away does not slow requests down, nor the end of the process', async () => {
  await using sink = await startOtlpSink()
  sink.status = 0
  for (const endpoint of [sink.url, 'http://127.0.0.1:1']) {
    await using user = await startUser({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_MAX_QUEUE_SIZE: '50' })
    for (let i = 0; i < 100; i++) assert.equal((await user.call('GET', '/users')).status, 200)
    await until('the full queue is seen', 10, async () => {
      const { text } = await user.call('GET', '/metrics')
      return (sample(text, 'telemetry_dropped_total{signal="traces",reason="queue_full"}') ?? 0) > 0
    })
    const { code, seconds } = await user.stop()
    assert.equal(code, 0)
    assert.ok(seconds < 10, `${seconds} s`)
    assert.deepEqual(user.stray, [])
  }
})

test('OTEL_TRACES_EXPORTER=none: ids still reach logs and answers, and nothing is sent', async () => {
  await using sink = await startOtlpSink()
  const none = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }
  await using user = await startUser(none)
  const { headers } = await user.call('GET', '/users')
  const line = await until('the log line', 15, () => user.lines.find((one) => one.message === 'GET /users 200'))
  assert.equal(line.trace_id, headers.get('x-trace-id'))
  await user.stop()
  assert.deepEqual([sink.spans.length, sink.logs.length], [0, 0])
})

test('OTEL_TRACES_EXPORTER=console prints spans; OTEL_TRACES_SAMPLER and OTEL_SDK_DISABLED are obeyed', async () => {
  await using printing = await startUser({ OTEL_TRACES_EXPORTER: 'console', OTEL_LOGS_EXPORTER: 'none' })
  await printing.call('GET', '/users')
  await until('a printed span', 15, () => printing.stray.some((line) => line.includes("name: 'GET /users'")))
  await using sink = await startOtlpSink()
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }
  for (const [name, value] of [
    ['OTEL_TRACES_SAMPLER', 'always_off'],
    ['OTEL_SDK_DISABLED', 'true'],
  ] as const) {
    await using user = await startUser({ ...endpoint, [name]: value })
    const answer = await user.call('GET', '/users')
    assert.match(answer.headers.get('x-trace-id')!, /^[0-9a-f]{32}$/)
    await user.stop()
  }
  assert.equal(sink.spans.length, 0)
})

/** Requests that end well and badly, each in a trace of its own: here, in the database and at the next service. */
const REQUESTS: readonly [method: string, path: string, body?: unknown, headers?: Record<string, string>][] = [
  ['GET', '/users?limit=2'],
  ['GET', '/nowhere'],
  ['POST', '/process', { user_id: 'none' }],
  ...['answer', 'refuse', 'fail', 'hang_up'].map((action) => order(action)),
  order('be_silent', { 'x-request-deadline': '4000' }),
  order('be_away'),
]

function order(action: string, headers = {}): [string, string, unknown, Record<string, string>] {
  return ['POST', '/process', { user_id: 1001, action }, headers]
}

/** Of the variables those that the file refers to are obeyed; these would leave nothing of any span. */
const BY_FILE = {
  OTEL_CONFIG_FILE: 'observability/otel-config.yaml',
  OTEL_SDK_DISABLED: 'true',
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '1',
  OTEL_TRACES_SAMPLER: 'always_off',
}

test('SIGHTLINE_INSTRUMENTATION=official and OTEL_CONFIG_FILE: SDK, instrumentations and a file of settings make the same spans', async () => {
  // Side by side: each waits for a hop that says nothing.
  const [own, official, byFile] = await Promise.all([
    spansOf({}),
    spansOf({ SIGHTLINE_INSTRUMENTATION: 'official' }),
    spansOf(BY_FILE, (lines) => {
      const [said] = lines.filter(({ logger }) => logger === 'opentelemetry')
      const ignored = 'OTEL_SDK_DISABLED, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_TRACES_SAMPLER'
      assert.match(String(said?.message), new RegExp(`otel-config.yaml is obeyed. .* ignored for it: ${ignored}$`))
    }),
  ])
  assert.deepEqual(own, official)
  assert.deepEqual(own, byFile)
  const hops = own.flat().filter(({ kind, attributes }) => kind === 'client' && attributes?.['url.full'])
  const ends = new Set(hops.map(({ attributes }) => String(attributes?.['error.type'])))
  assert.deepEqual(ends, new Set(['undefined', '404', '500', 'UND_ERR_SOCKET', 'HopTimeout', 'ECONNREFUSED']))
  assert.ok(
    own.flat().some(({ status, events }) => status === 'error' && events?.length),
    'errors are recorded',
  )
})

/** The spans of each request, by name, without what is never the same twice. */
async function spansOf(
  env: Record<string, string>,
  check = (_: TestProcess['lines']) => {},
): Promise<Partial<SinkSpan>[][]> {
  await using sink = await startOtlpSink()
  await using next = await startObedientService()
  await using user = await startUser({
    ...env,
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    NEXT_SERVICE_URL: `http://127.0.0.1:${next.port}/base`,
  })
  for (const [n, [method, path, body, headers]] of REQUESTS.entries()) {
    if (n === REQUESTS.length - 1) await next[Symbol.asyncDispose]()
    const traceparent = `00-${traceOf(n)}-b7ad6b7169203331-01`
    const ids = { traceparent, 'x-request-id': `request-${n}`, baggage: 'order.id=9' }
    await user.call(method, path, body, { ...ids, ...headers })
  }
  await user.stop()
  check(user.lines)
  const told = next.taken.map(({ traceparent, baggage }) => {
    const sender = sink.spans.find(({ spanId }) => spanId === String(traceparent).slice(36, 52))
    return [sender?.kind, sender?.traceId === String(traceparent).slice(3, 35), baggage]
  })
  assert.deepEqual(
    told,
    REQUESTS.map((_, n) => ['client', true, `order.id=9,request.id=request-${n},user.id=1001`]).slice(3, -1),
  )
  return REQUESTS.map((_, n) =>
    sink.spans
      .filter(({ traceId }) => traceId === traceOf(n))
      .map(({ spanId, startNs, endNs, parentId, scope, attributes, events, message, ...rest }) => {
        assert.ok(endNs >= startNs)
        const parent = sink.spans.find((one) => one.spanId === parentId)?.name ?? parentId
        const steady = Object.entries(attributes).map(([key, value]) => [key, VARYING.has(key) ? typeof value : value])
        const span = { ...rest, scope: SCOPES[scope] ?? scope, attributes: Object.fromEntries(steady), events, message }
        return { ...steadyTexts(span, next.port), parentId: parent }
      })
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  )
}

/** A next service that does what an order's action says, and keeps the headers it was sent. */
async function startObedientService() {
  const taken: IncomingHttpHeaders[] = []
  const server = createServer(async (request, response) => {
    taken.push(request.headers)
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const { action } = JSON.parse(body) as { action: string }
    if (action === 'hang_up') request.socket.destroy()
    else if (action !== 'be_silent') {
      response.statusCode = { refuse: 404, fail: 500 }[action] ?? 200
      response.setHeader('content-type', 'application/json').end('{}')
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    taken,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function steadyTexts<T>(value: T, port: number): T {
  const text = JSON.stringify(value).replaceAll(`127.0.0.1:${port}`, '127.0.0.1:PORT')
  return JSON.parse(text.replaceAll(/within \d+ ms/g, 'within N ms'))
}

/** Who makes a span is what is different. */
const SCOPES: Record<string, string> = { '@opentelemetry/instrumentation-undici': '@sightline/service-kit' }
const VARYING = new Set([
  'server.port',
  'network.peer.port',
  'deadline.remaining_ms',
  'exception.stacktrace',
  'postgresql.duration_ms',
])
const traceOf = (n: number) => `0af7651916cd43dd8448eb211c80319${n}`
