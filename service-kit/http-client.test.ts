/** The call of the next service against real servers that answer, refuse, break and hang. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { after, before, test } from 'node:test'
import { context, INVALID_SPAN_CONTEXT, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import log4js from 'log4js'
import { z } from 'zod'
import { createServiceClient, isRefusal, type ServiceClient } from './http-client.ts'
import { createMetrics } from './metrics.ts'
import { until } from './poll.ts'
import { type ProblemDetails, ProblemError } from './problems.ts'
import { runInRequest } from './request-context.ts'
import { inSpan, withBaggage } from './spans.ts'
import { telemetry as state } from './telemetry/state.ts'
import { sample } from './test/index.ts'
import { type MemoryTelemetry, startMemoryTelemetry } from './test/memory-telemetry.ts'

let telemetry: MemoryTelemetry
before(() => {
  telemetry = startMemoryTelemetry()
})
after(() => telemetry?.[Symbol.asyncDispose]())

const catalogue = Object.fromEntries(
  [
    [
      'http_client_request_duration_seconds',
      'histogram',
      ['http_request_method', 'peer_service', 'http_response_status_code', 'error_type'],
    ],
    ['http_client_retries_total', 'counter', ['peer_service', 'reason']],
    ['http_client_circuit_state', 'gauge', ['peer_service']],
    ['telemetry_queue_size', 'gauge', ['signal']],
    ['telemetry_queue_capacity', 'gauge', ['signal']],
    ['telemetry_exported_total', 'counter', ['signal']],
    ['telemetry_exported_bytes_total', 'counter', ['signal']],
    ['telemetry_dropped_total', 'counter', ['signal', 'reason']],
    ['telemetry_export_duration_seconds', 'histogram', ['signal']],
    ['service_build_info', 'gauge', ['service_name', 'service_version', 'node_version']],
  ].map(([name, type, labels]) => [name, { type: type as string, labels: labels as string[], help: 'For a test.' }]),
)

interface Taken {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}
type Handler = (response: ServerResponse, request: IncomingMessage, count: number) => void

interface Peer extends AsyncDisposable {
  client: ServiceClient
  /** Requests that arrived, whole. */
  taken: Taken[]
  scrape(): Promise<string>
}

/** A server on a free port that answers as told, and a client of it with metrics of its own. */
async function startPeer(handler: Handler, options: { timeoutMs?: number; path?: string } = {}): Promise<Peer> {
  const taken: Taken[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    taken.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() })
    handler(response, request, taken.length)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const asking = startClient(`http://127.0.0.1:${port}${options.path ?? ''}`, options.timeoutMs)
  return {
    ...asking,
    taken,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await asking.client.close()
    },
  }
}

function startClient(url: string, timeoutMs?: number) {
  const metrics = createMetrics({ name: 'asking', version: '1' }, catalogue)
  const client = createServiceClient({
    url,
    peer: 'next',
    metrics,
    logger: log4js.getLogger('next'),
    ...(timeoutMs ? { timeoutMs } : {}),
  })
  return { client, scrape: async () => (await metrics.scrape()).body }
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
const sum = z.object({ sum: z.int() })
const call = { path: '/add', body: { a: 1, b: 2 }, answer: sum, idempotent: false }
const safeCall = { ...call, idempotent: true }

async function problemOf(answer: Promise<unknown>): Promise<ProblemDetails> {
  const error = await answer.then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ProblemError, String(error))
  return error.details
}

/** Inside of a request whose caller waits `budgetMs` longer. */
function inRequest<T>(budgetMs: number, work: () => T): T {
  const startedAt = performance.now()
  return runInRequest({ requestId: 'r-1', traceId: 'a'.repeat(32), startedAt, deadlineAt: startedAt + budgetMs }, work)
}

test('the answer is what the schema makes of the body, and the request is JSON below the base path', async () => {
  await using peer = await startPeer((response) => json(response, 201, { sum: 3, more: true }), { path: '/api/' })
  const answer: { sum: number } = await peer.client.post(call)
  assert.deepEqual(answer, { sum: 3 })
  const [{ method, path, headers, body }] = peer.taken as [Taken]
  assert.deepEqual([method, path, JSON.parse(body)], ['POST', '/api/add', { a: 1, b: 2 }])
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['x-request-deadline'], undefined, 'outside of a request nobody waits')
  assert.match(
    await peer.scrape(),
    /http_client_request_duration_seconds_count\{http_request_method="POST",peer_service="next",http_response_status_code="201",error_type=""\} 1\n/,
  )
})

test('the budget that is left travels on, less what this service needs itself and never more than one call may take', async () => {
  await using peer = await startPeer((response) => json(response, 200, { sum: 3 }))
  await inRequest(2_000, () => peer.client.post(call))
  await using hasty = await startPeer((response) => json(response, 200, { sum: 3 }), { timeoutMs: 1_000 })
  await inRequest(5_000, () => hasty.client.post(call))
  const left = [peer, hasty].map(({ taken }) => Number(taken[0]!.headers['x-request-deadline']))
  assert.ok(left[0]! > 0 && left[0]! <= 1_950, `${left[0]} ms`)
  assert.ok(left[1]! > 0 && left[1]! <= 1_000, `${left[1]} ms`)
  assert.equal(peer.taken[0]!.headers['x-request-id'], 'r-1')
})

test('where nothing is instrumented the client sends the trace context on, as it is and once', async () => {
  await using peer = await startPeer((response) => json(response, 200, { sum: 3 }))
  const spanContext = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: TraceFlags.SAMPLED }
  const caller = trace.setSpanContext(ROOT_CONTEXT, spanContext)
  state.onlyPassesOn = true
  try {
    await context.with(caller, () => withBaggage({ 'user.id': 7 }, () => peer.client.post(call)))
    await context.with(suppressTracing(caller), () => peer.client.post(call))
    await context.with(trace.setSpanContext(ROOT_CONTEXT, INVALID_SPAN_CONTEXT), () => peer.client.post(call))
    await peer.client.post(call)
  } finally {
    state.onlyPassesOn = false
  }
  await context.with(caller, () => peer.client.post(call))
  assert.deepEqual(
    peer.taken.map(({ headers }) => [headers.traceparent, headers.baggage]),
    [[`00-${spanContext.traceId}-${spanContext.spanId}-01`, 'user.id=7'], ...Array(4).fill([undefined, undefined])],
  )
})

test('who waits for a connection waits no longer than its caller, and is not sent then', async () => {
  const held: ServerResponse[] = []
  await using peer = await startPeer((response) => held.push(response), { timeoutMs: 30_000 })
  // As many as the client keeps connections.
  const others = Array.from({ length: 128 }, () => peer.client.post(call))
  await until('all connections are in use', 20, () => held.length === 128)
  const { status } = await problemOf(inRequest(300, () => peer.client.post({ ...call, path: '/late' })))
  assert.equal(status, 504)
  for (const response of held.splice(0)) json(response, 200, { sum: 3 })
  await Promise.all(others)
  const next = peer.client.post(call)
  await until('the next one is there', 20, () => held.length === 1)
  json(held[0]!, 200, { sum: 3 })
  await next
  assert.deepEqual([...new Set(peer.taken.map(({ path }) => path))], ['/add'])
})

test('with a spent budget nobody is asked', async () => {
  await using peer = await startPeer((response) => json(response, 200, { sum: 3 }))
  for (const budgetMs of [0, 49]) {
    const { status, kind } = await problemOf(inRequest(budgetMs, () => peer.client.post(safeCall)))
    assert.deepEqual([status, kind], [504, 'deadline-exceeded'])
  }
  assert.equal(peer.taken.length, 0)
})

test('silence is 504 when the time of the call is over, and is not asked again', async () => {
  // Timers count from where the event loop last looked at the clock: on a crowded machine that is some time before.
  await using peer = await startPeer(() => {}, { timeoutMs: 200 })
  const started = performance.now()
  const { status, kind, retryAfter } = await problemOf(peer.client.post(safeCall))
  assert.deepEqual([status, kind, retryAfter], [504, 'next-hop-timeout', 1])
  assert.ok(performance.now() - started >= 99)
  assert.ok(peer.taken.length <= 1, 'asked once, if the connection was there in time')
})

test('an answer that begins in time and never ends is 504 too', async () => {
  await using peer = await startPeer(
    (response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"sum":'),
    { timeoutMs: 100 },
  )
  const { status, kind } = await problemOf(peer.client.post(safeCall))
  assert.deepEqual([status, kind], [504, 'next-hop-timeout'])
})

test('a broken connection is tried again when twice is the same as once', async () => {
  const breakTwice: Handler = (response, request, count) =>
    count <= 2 ? request.socket.destroy() : json(response, 200, { sum: 3 })
  await using peer = await startPeer(breakTwice)
  assert.deepEqual(await peer.client.post(safeCall), { sum: 3 })
  assert.equal(peer.taken.length, 3)
  assert.equal(sample(await peer.scrape(), 'http_client_retries_total{peer_service="next",reason="UND_ERR_SOCKET"}'), 2)
})

test('a broken connection is not tried again when the request may have arrived and must not arrive twice', async () => {
  await using peer = await startPeer((_, request) => request.socket.destroy())
  const { status, kind, retryAfter } = await problemOf(peer.client.post(call))
  assert.deepEqual([status, kind, retryAfter], [502, 'bad-gateway', 1])
  assert.equal(peer.taken.length, 1)
})

test('three tries are all there are', async () => {
  await using peer = await startPeer((_, request) => request.socket.destroy())
  assert.equal((await problemOf(peer.client.post(safeCall))).status, 502)
  assert.equal(peer.taken.length, 3)
})

test('the span above says how many tries were sent, also when its caller repeats the call', async () => {
  const answers: Handler = (response, request, count) => {
    if (count === 2) request.socket.destroy()
    else json(response, count < 5 ? 429 : 200, { sum: 3 })
  }
  await using peer = await startPeer(answers)
  const tries = await inSpan('deliver', {}, async () => {
    for (let calls = 1; ; calls++) {
      const answer = await peer.client.post(safeCall).catch(isRefusal)
      if (answer !== true) return calls
    }
  })
  assert.deepEqual([tries, peer.taken.length], [4, 5])
  const { attributes, events } = telemetry.span('deliver')
  assert.equal(attributes['recovery.attempts'], 5)
  assert.deepEqual(
    events.map((event) => [event.name, event.attributes?.['recovery.attempt']]),
    [['hop.retry', 2]],
  )
})

test('a call that the circuit refuses was no try', async () => {
  await using peer = await startPeer((response) => json(response, 500, {}))
  for (let failures = 0; failures < 10; failures++) await problemOf(peer.client.post(call))
  assert.equal((await problemOf(inSpan('refused', {}, () => peer.client.post(call)))).status, 503)
  assert.equal(telemetry.span('refused').attributes['recovery.attempts'], undefined)
})

test('what never left is tried again whatever it is, and then 503', async () => {
  const { client, scrape } = startClient('http://127.0.0.1:1')
  const { status, kind, retryAfter } = await problemOf(client.post(call))
  assert.deepEqual([status, kind, retryAfter], [503, 'next-hop-unavailable', 1])
  assert.equal(sample(await scrape(), 'http_client_retries_total{peer_service="next",reason="ECONNREFUSED"}'), 2)
  await client.close()
})

test('no try is begun that the budget has no time for', async () => {
  // Shorter than the shortest pause before a second try.
  const { client, scrape } = startClient('http://127.0.0.1:1', 15)
  await problemOf(client.post(safeCall))
  const tries = [...(await scrape()).matchAll(/^http_client_request_duration_seconds_count\{.*\} (\d+)$/gm)]
  assert.deepEqual(
    tries.map(([, count]) => count),
    ['1'],
  )
  await client.close()
})

test('what the service refuses for the client to know passes through as it was said', async () => {
  const errors = [{ parameter: 'Idempotency-Key', detail: 'was used' }]
  const refusals = [
    { status: 404, kind: 'unknown-product', title: 'Unknown product', detail: 'There is no product x.' },
    { status: 409, kind: 'insufficient-stock', title: 'Not enough stock', detail: 'There are 2.' },
    { status: 422, kind: 'idempotency-key-reused', title: 'Invalid request', detail: 'Take a new key.', errors },
  ]
  for (const { kind, ...rest } of refusals) {
    await using peer = await startPeer((response) =>
      json(response, rest.status, { type: `/problems/${kind}`, ...rest, trace_id: 'of the other service' }),
    )
    assert.deepEqual(await problemOf(peer.client.post(safeCall)), { kind, ...rest })
    assert.equal(peer.taken.length, 1)
  }
})

test('any other refusal, a redirect among them, is 502: the client did not write that request', async () => {
  for (const status of [302, 400, 401, 413, 422, 429]) {
    await using peer = await startPeer((response) => json(response, status, { type: '/problems/invalid-request' }))
    const error = await peer.client.post(safeCall).catch((reason: unknown) => reason)
    assert.ok(error instanceof ProblemError && isRefusal(error))
    assert.deepEqual([error.details.status, error.details.kind], [502, 'bad-gateway'])
    assert.equal(error.details.detail, `next answered ${status} invalid-request`)
    assert.equal(peer.taken.length, 1)
  }
})

test('a service that fails is 502, one that is not available 503, one that waited in vain 504', async () => {
  const cases: Array<[Handler, Partial<ProblemDetails>]> = [
    [(response) => json(response, 500, { detail: 'secret' }), { status: 502, kind: 'bad-gateway' }],
    [(response) => json(response, 501, null), { status: 502, kind: 'bad-gateway' }],
    [(response) => json(response, 503, {}), { status: 503, kind: 'next-hop-unavailable', retryAfter: 1 }],
    [
      (response) => json(response, 503, {}, { 'retry-after': '7' }),
      { status: 503, kind: 'next-hop-unavailable', retryAfter: 7 },
    ],
    [
      (response) => json(response, 503, {}, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }),
      { status: 503, kind: 'next-hop-unavailable', retryAfter: 1 },
    ],
    [(response) => json(response, 504, {}), { status: 504, kind: 'next-hop-timeout', retryAfter: 1 }],
  ]
  for (const [handler, expected] of cases) {
    await using peer = await startPeer(handler)
    const error = await peer.client.post(safeCall).catch((reason: unknown) => reason)
    assert.ok(error instanceof ProblemError && !isRefusal(error))
    const { status, kind, retryAfter } = error.details
    assert.deepEqual({ status, kind, retryAfter }, { retryAfter: 1, ...expected })
    assert.doesNotMatch(error.details.detail, /secret/)
    assert.equal(peer.taken.length, 1, 'an answer is an answer: nothing is tried again')
  }
})

test('what is not JSON, or says that it is not, is 502', async () => {
  const cases: Handler[] = [
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('{"sum":3}'),
    (response) => response.writeHead(200).end('{"sum":3}'),
    (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"sum":'),
    (response) => response.writeHead(204).end(),
  ]
  for (const handler of cases) {
    await using peer = await startPeer(handler)
    const { status, detail } = await problemOf(peer.client.post(safeCall))
    assert.equal(status, 502)
    assert.match(detail, /^next answered 20[04] with something that is not JSON$/)
  }
})

test('JSON is known by its type, however that is written', async () => {
  const types = [
    'Application/JSON',
    'application/vnd.shop+json',
    'application/json;charset="UTF8"',
    'application/json; v=1; x="a;b"',
  ]
  for (const type of types) {
    await using peer = await startPeer((response) => response.writeHead(200, { 'content-type': type }).end('{"sum":3}'))
    assert.deepEqual(await peer.client.post(call), { sum: 3 }, type)
  }
  for (const type of [
    'application/json; charset=latin1',
    'application/jsonx',
    'text/json+html',
    'application/json; =',
  ]) {
    await using peer = await startPeer((response) => response.writeHead(200, { 'content-type': type }).end('{"sum":3}'))
    assert.equal((await problemOf(peer.client.post(call))).status, 502, type)
  }
})

test('Retry-After is passed on as seconds, also when it was a date', async () => {
  const inTenSeconds = new Date(Date.now() + 10_500).toUTCString()
  for (const [said, least, most] of [
    ['7', 7, 7],
    [inTenSeconds, 2, 11],
    ['soon', 1, 1],
    ['-3', 1, 1],
    ['0', 1, 1],
  ] as const) {
    await using peer = await startPeer((response) => json(response, 503, {}, { 'retry-after': said }))
    const { retryAfter } = await problemOf(peer.client.post(call))
    assert.ok(retryAfter! >= least && retryAfter! <= most, `${said}: ${retryAfter}`)
  }
})

test('JSON of another shape is 502 with the reason as its cause; it is not asked again and opens no circuit', async () => {
  await using peer = await startPeer((response) => json(response, 200, { sum: 'three' }))
  for (let i = 0; i < 12; i++) {
    const { status, kind, detail, cause } = await problemOf(peer.client.post(safeCall))
    assert.deepEqual([status, kind, detail], [502, 'bad-gateway', 'next answered 200 with an unexpected body'])
    assert.ok(cause instanceof z.ZodError)
    assert.deepEqual(cause.issues[0]!.path, ['sum'])
  }
  assert.equal(peer.taken.length, 12)
  assert.equal(sample(await peer.scrape(), 'http_client_circuit_state{peer_service="next"}'), 0)
})

test('an answer beyond 4 MiB is cut off with 502', async () => {
  const largest = 4 * 1024 * 1024
  const answer = (bytes: number) => '{"sum":3}'.padEnd(bytes, ' ')
  await using peer = await startPeer((response, _, count) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(answer(count === 1 ? largest : largest + 1)),
  )
  assert.deepEqual(await peer.client.post(call), { sum: 3 })
  const { status, detail } = await problemOf(peer.client.post(call))
  assert.equal(status, 502)
  assert.match(detail, /larger than 4194304 bytes/)
})

test('ten failures in a row open the circuit; one call tries after a second, the others are refused meanwhile', async () => {
  let answer: Handler = (response) => json(response, 500, {})
  await using peer = await startPeer((response, request, count) => answer(response, request, count))
  const circuit = async () => sample(await peer.scrape(), 'http_client_circuit_state{peer_service="next"}')
  for (let i = 0; i < 10; i++) assert.equal((await problemOf(peer.client.post(call))).status, 502)
  assert.equal(await circuit(), 2)
  const { status, kind, retryAfter } = await problemOf(peer.client.post(call))
  assert.deepEqual([status, kind, retryAfter], [503, 'next-hop-unavailable', 1])
  assert.equal(peer.taken.length, 10)

  const held: ServerResponse[] = []
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  answer = (response) => {
    held.push(response)
    arrive()
  }
  const probe = await until('a call that tries', 10, async () => {
    const trying = peer.client.post(call)
    const refused = trying.then(
      () => false,
      () => true,
    )
    return (await Promise.race([refused, arrived.then(() => false)])) ? undefined : { trying }
  })
  assert.equal(await circuit(), 1)
  for (let i = 0; i < 3; i++) assert.equal((await problemOf(peer.client.post(call))).kind, 'next-hop-unavailable')
  assert.equal(peer.taken.length, 11, 'one tries, and only one')
  answer = (response) => json(response, 200, { sum: 3 })
  json(held[0]!, 200, { sum: 3 })
  assert.deepEqual(await probe.trying, { sum: 3 })
  assert.equal(await circuit(), 0)
  assert.deepEqual(await peer.client.post(call), { sum: 3 })
})

test('refusals, and callers with hardly any time left, say nothing against the service', async () => {
  await using refusing = await startPeer((response) => json(response, 409, { type: '/problems/x', title: 'x' }))
  for (let i = 0; i < 12; i++) assert.equal((await problemOf(refusing.client.post(call))).status, 409)
  await using silent = await startPeer(() => {}, { timeoutMs: 100 })
  const unanswered = await Promise.all(Array.from({ length: 12 }, () => problemOf(silent.client.post(call))))
  for (const { status } of unanswered) assert.equal(status, 504)
  assert.equal(refusing.taken.length, 12)
  for (const { scrape } of [refusing, silent]) {
    assert.equal(sample(await scrape(), 'http_client_circuit_state{peer_service="next"}'), 0)
  }
})

test('silence towards callers with time enough opens the circuit', async () => {
  await using silent = await startPeer(() => {}, { timeoutMs: 1_050 })
  await Promise.all(Array.from({ length: 10 }, () => problemOf(silent.client.post(call))))
  assert.equal(sample(await silent.scrape(), 'http_client_circuit_state{peer_service="next"}'), 2)
})

test('GET asks once, tells any status, and asks a service too that the circuit leaves alone', async () => {
  await using peer = await startPeer((response) => json(response, 503, { status: 'down' }))
  for (let i = 0; i < 10; i++) await problemOf(peer.client.post(call))
  assert.equal(sample(await peer.scrape(), 'http_client_circuit_state{peer_service="next"}'), 2)
  assert.deepEqual(await peer.client.get('/health', 1_000), { status: 503, body: { status: 'down' } })
  assert.equal(peer.taken.length, 11)
})

test('GET rejects when there is no answer in time, and when it is not JSON', async () => {
  await using silent = await startPeer(() => {})
  await assert.rejects(silent.client.get('/health', 50), /no answer within 50 ms/)
  await using broken = await startPeer((response) => response.end('<h1>'))
  await assert.rejects(broken.client.get('/health', 1_000), SyntaxError)
})
