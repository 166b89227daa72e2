/** What every request meets, over a real connection: identity, time, checks, answer, metrics and log line. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import log4js from 'log4js'
import { z } from 'zod'
import { allowedHosts } from './allowed-hosts.ts'
import { createHttpApp } from './http-server.ts'
import { type HttpServer, listen } from './listen.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { conflict, type ProblemError, unavailable } from './problems.ts'
import { currentRequest, remainingMs } from './request-context.ts'
import { telemetry } from './telemetry/state.ts'
import { KIT_METRICS } from './test/catalogue.ts'
import { call, sample, type TestAnswer } from './test/index.ts'

const service = { name: 'served', version: '1' }
let metrics: Metrics
let server: HttpServer
/** What the service says to further work. */
let overload: ProblemError | undefined

before(async () => {
  log4js.configure({
    appenders: { kept: { type: log4js.recording() } },
    categories: { default: { appenders: ['kept'], level: 'info' } },
  })
  metrics = createMetrics(service, KIT_METRICS)
  const logger = log4js.getLogger('served')
  const config = { REQUEST_BUDGET_MS: 10_000, SIGHTLINE_ALLOWED_HOSTS: allowedHosts('shop.example') }
  const app = createHttpApp({ logger, metrics, config, admit: () => overload }, (routes) => {
    const thing = {
      params: z.object({ id: z.coerce.number().int() }),
      query: z.strictObject({ limit: z.coerce.number().int().max(5).default(2) }),
    }
    routes.add({ method: 'post', path: '/things/none' }, () => ({ status: 200, body: {} }))
    routes.add({ method: 'get', path: '/things/{id}', ...thing }, ({ params, query }) => ({
      status: 200,
      body: { params, query, request: currentRequest(), left: remainingMs() },
      headers: { 'X-Own': 'yes' },
    }))
    const body = z.strictObject({ name: z.string(), 'a/b~c': z.array(z.number()).optional() })
    routes.add({ method: 'post', path: '/things/{id}', ...thing, body }, ({ body }) => ({ status: 201, body }))
    const fieldsInQuery = z.strictObject({ name: z.string(), size: z.coerce.number().int().optional() })
    const noQuery = z.strictObject({})
    routes.add({ method: 'post', path: '/brief', query: noQuery, body, fieldsInQuery }, ({ query, body }) => ({
      status: 201,
      body: { query, body },
    }))
    routes.add({ method: 'get', path: '/text' }, () => ({
      status: 200,
      body: 'plain',
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    }))
    const place = { params: z.object({ id: z.string(), rest: z.string() }) }
    routes.add({ method: 'get', path: '/files/{id}/{+rest}', ...place }, ({ params }) => ({
      status: 200,
      body: Buffer.from([0xff, ...Buffer.from(`${params.id}:${params.rest}`)]),
      headers: { 'Content-Type': 'application/octet-stream' },
    }))
    routes.add({ method: 'get', path: '/refused' }, () => {
      throw conflict('no-stock', 'No stock', 'There is none left.')
    })
    routes.add({ method: 'get', path: '/broken' }, () => {
      throw new RangeError('a secret: hunter2')
    })
    routes.add({ method: 'get', path: '/probe', probe: true }, () => ({ status: 200, body: {} }))
  })
  server = await listen(app.callback(), '127.0.0.1', 0)
})
after(() => server?.close(0, 0))
beforeEach(() => log4js.recording().reset())

const ask = (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer> =>
  call(`http://127.0.0.1:${server.port}`, method, path, body, headers)
const lines = () =>
  log4js
    .recording()
    .replay()
    .map(({ level, data }) => `${level.levelStr} ${data[0]}`)
const counted = async (route: string, status: number, method = 'GET') => {
  const labels = `http_request_method="${method}",http_route="${route}",http_response_status_code="${status}",error_type=""`
  const { body } = await metrics.scrape()
  return sample(body, `http_server_request_duration_seconds_count{${labels}}`) ?? 0
}

test('parameters, query and body reach the handler as their schemas make them', async () => {
  const { status, json, headers } = await ask('GET', '/things/7?limit=3')
  assert.equal(status, 200)
  assert.deepEqual([json.params, json.query], [{ id: 7 }, { limit: 3 }])
  assert.deepEqual((await ask('GET', '/things/7')).json.query, { limit: 2 })
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  assert.equal(headers.get('x-own'), 'yes')
  const made = await ask('POST', '/things/7', { name: 'x' })
  assert.deepEqual([made.status, made.json], [201, { name: 'x' }])
  const text = await ask('GET', '/text')
  assert.deepEqual([text.text, text.headers.get('content-type')], ['plain', 'text/plain; charset=utf-8'])
})

test('the rest of a path may be one parameter, and an answer may be bytes', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.port}/files/1/a/b.c`)
  assert.equal(answer.headers.get('content-type'), 'application/octet-stream')
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.from('\u00ff1:a/b.c', 'latin1'))
  assert.deepEqual(lines(), ['INFO GET /files/{id}/{rest} 200'])
  assert.equal((await ask('GET', '/files/1')).status, 404)
})

test('all faults of a request are named at once, each where it is', async () => {
  const { status, json, headers } = await ask('POST', '/things/seven?limit=6&more=1', { name: 1, 'a/b~c': [1, 'x'] })
  assert.equal(status, 422)
  assert.equal(headers.get('content-type'), 'application/problem+json')
  assert.deepEqual(
    json.errors.map((error: { pointer?: string; parameter?: string }) => error.pointer ?? error.parameter),
    ['id', 'limit', 'query', '/name', '/a~1b~0c/1'],
  )
})

test('without a body the fields may be in the query, by the same checks; with one they may not', async () => {
  const faults = async (path: string, body?: unknown, headers?: Record<string, string>) => {
    const { status, json } = await ask('POST', path, body, headers)
    return [
      status,
      json.errors?.map((error: { pointer?: string; parameter?: string }) => error.pointer ?? error.parameter),
    ]
  }
  const brief = await ask('POST', '/brief?name=x%20y&size=3')
  assert.deepEqual([brief.status, brief.json], [201, { query: {}, body: { name: 'x y', size: 3 } }])
  assert.deepEqual((await ask('POST', '/brief', { name: 'x' })).json, { query: {}, body: { name: 'x' } })
  assert.deepEqual(await faults('/brief?size=x&more=1'), [422, ['name', 'size', 'query']])
  assert.deepEqual(await faults('/brief?name=x', { name: 'x' }), [422, ['query']])
  assert.deepEqual(await faults('/brief?name=x', { name: 1 }), [422, ['query', '/name']])
  // curl -d '' says how long it is, and names a type of its own.
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  assert.equal((await ask('POST', '/brief?name=x', '', form)).status, 201)
  assert.equal((await ask('POST', '/brief', '', form)).status, 415)
  assert.equal((await ask('POST', '/things/7?name=x')).status, 415, 'a route that reads a body only')
  const chunked = await fetch(`http://127.0.0.1:${server.port}/brief?name=x`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Blob(['{"name":"x"}']).stream(),
    duplex: 'half',
  } as RequestInit)
  assert.equal(chunked.status, 422, await chunked.text())
})

test('a refusal says in words what is wrong: which part, how often it was given, what it lacks, each once', async () => {
  const detail = async (path: string, body?: unknown) => (await ask('POST', path, body)).json.detail
  assert.equal(await detail('/brief?name=x&size=1&size=2&size=3'), 'size: is given 3 times; give it once')
  assert.equal(await detail('/brief?size=1'), 'name: is missing')
  assert.equal(await detail('/brief', {}), '/name: is missing')
  assert.match(await detail('/brief', []), /^body: Invalid input: expected object, received array$/)
  assert.match(await detail('/brief', 'null'), /^body: Invalid input: expected object, received null$/)
  assert.match(await detail('/brief', { name: 'x', more: 1 }), /^body: Unrecognized key: "more"$/)
  const { json } = await ask('GET', '/things/7?limit=1e20')
  assert.equal(json.detail, 'limit: Too big: expected number to be <=5', 'and nothing of the greatest number there is')
  assert.match(
    await detail('/brief'),
    /absent; send a JSON body as application\/json in UTF-8, or .* as query parameters\.$/,
  )
  assert.match(await detail('/brief', ''), /^The body is empty; send a JSON object, or .* as query parameters\.$/)
  assert.equal(await detail('/things/7'), 'The content type is absent; send application/json in UTF-8.')
})

test('a path that is named word for word has the methods of its own routes, and no other route answers there', async () => {
  const read = await ask('GET', '/things/none')
  assert.deepEqual(
    [read.status, read.json.type, read.headers.get('allow')],
    [405, '/problems/method-not-allowed', 'POST'],
  )
  const asked = await ask('OPTIONS', '/things/none')
  assert.deepEqual([asked.status, asked.text, asked.headers.get('allow')], [200, '', 'POST'])
  assert.equal((await ask('POST', '/things/none')).status, 200)
  assert.equal((await ask('OPTIONS', '/things/7')).headers.get('allow'), 'HEAD, GET, POST')
  assert.deepEqual((await ask('HEAD', '/text')).status, 200)
})

test('request and trace id are in the answer, also of a failure, and known inside', async () => {
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const given = { 'X-Request-ID': 'r-1', traceparent: `00-${trace}-b7ad6b7169203331-01` }
  const ok = await ask('GET', '/things/1', undefined, given)
  assert.deepEqual([ok.headers.get('x-request-id'), ok.headers.get('x-trace-id')], ['r-1', trace])
  assert.deepEqual([ok.json.request.requestId, ok.json.request.traceId], ['r-1', trace])
  const failed = await ask('GET', '/nowhere', undefined, given)
  assert.deepEqual([failed.json.request_id, failed.json.trace_id], ['r-1', trace])
  const made = await ask('GET', '/things/1')
  assert.match(made.headers.get('x-request-id')!, /^[0-9a-f-]{36}$/)
  assert.match(made.headers.get('x-trace-id')!, /^[0-9a-f]{32}$/)
})

test('a caller without time left is told so before any work; one with little has little', async () => {
  const { status, json, headers } = await ask('GET', '/things/1', undefined, { 'X-Request-Deadline': '0' })
  assert.deepEqual([status, json.type, headers.get('retry-after')], [504, '/problems/deadline-exceeded', '1'])
  const hurried = await ask('GET', '/things/1', undefined, { 'X-Request-Deadline': '5000' })
  assert.ok(hurried.json.left > 0 && hurried.json.left <= 5_000)
  assert.ok((await ask('GET', '/things/1')).json.left > 5_000)
})

test('nothing there is 404, a method without a route 405 with Allow, one that HTTP does not know too', async () => {
  const before = await counted('', 404)
  const missing = await ask('GET', '/nowhere')
  assert.deepEqual([missing.status, missing.json.detail], [404, 'There is nothing at /nowhere.'])
  const refused = await ask('DELETE', '/things/7')
  assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'HEAD, GET, POST'])
  assert.equal((await ask('PROPFIND', '/things/7')).status, 405)
  assert.equal(await counted('', 405, '_OTHER'), 1, 'names of methods come from outside: the label stays small')
  assert.equal(await counted('', 404), before + 1)
})

test('whatever stands in the request line is answered, and never as a fault of ours; a whole URL is taken by its path', async () => {
  for (const target of [
    ...['//', '///', '//evil.example/x', '//things/7', '/\\evil', '//[', '*', '/%', '/%00', '/%zz', '/?%', '/things/%'],
    ...['/things/%00', '/things/%ff', '/things/7?limit=%', `/${'/'.repeat(5_000)}`, `/${'a'.repeat(30_000)}`],
    ...[`/${'a'.repeat(60_000)}`, 'http://localhost', 'http://[', 'http://localhost:x/', 'things', '?x', '/a\tb', ''],
  ]) {
    const answer = await asked(target, 'localhost')
    assert.match(answer, /^HTTP\/1\.1 4\d\d .*application\/problem\+json/s, target.slice(0, 80))
  }
  assert.match(await asked('http://localhost/things/7', 'elsewhere.example'), /^HTTP\/1\.1 200 /)
})

test('what is for another name, or from a page of another site, reaches no route: probes neither', async () => {
  for (const path of ['/things/7', '/probe', '/nowhere']) {
    const rebound = await asked(path, 'evil.example')
    assert.match(
      rebound,
      /^HTTP\/1\.1 421 Misdirected Request\r\n.*application\/problem\+json.*misdirected-request/s,
      path,
    )
    const { status, json } = await ask('GET', path, undefined, { origin: 'https://evil.example' })
    assert.deepEqual([status, json.type], [403, '/problems/foreign-origin'], path)
  }
  for (const host of ['localhost', '10.1.2.3:5001', 'Shop.Example:80'])
    assert.match(await asked('/probe', host), /^HTTP\/1\.1 200 /, host)
  const own = { origin: 'https://shop.example' }
  assert.equal((await ask('GET', '/things/7', undefined, own)).status, 200)
})

/** The whole answer to a GET that names its host itself. */
async function asked(path: string, host: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.end(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  return text(socket)
}

test('a refusal is a warning with its kind; a failure is an error that tells the client nothing', async () => {
  const refused = await ask('GET', '/refused')
  assert.deepEqual([refused.status, refused.json.detail], [409, 'There is none left.'])
  const broken = await ask('GET', '/broken')
  assert.equal(broken.status, 500)
  assert.doesNotMatch(broken.text, /hunter2|RangeError/)
  assert.deepEqual(lines(), [
    'WARN There is none left.',
    'INFO GET /refused 409',
    'ERROR a secret: hunter2',
    'INFO GET /broken 500',
  ])
  const [warning, , failure] = log4js.recording().replay()
  assert.deepEqual(warning!.data[1], { status: 409, kind: 'no-stock' })
  assert.ok(failure!.data[1] instanceof RangeError, 'with its stack')
})

test('overload refuses work and answers probes; probes are counted, and stay out of the log', async () => {
  overload = unavailable('overloaded', 'late', 1)
  try {
    const refused = await ask('GET', '/things/1')
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1'])
    log4js.recording().reset()
    const before = await counted('/probe', 200)
    assert.equal((await ask('GET', '/probe', undefined, { 'X-Request-Deadline': '0' })).status, 200)
    assert.equal(await counted('/probe', 200), before + 1)
    assert.deepEqual(lines(), [])
  } finally {
    overload = undefined
  }
  assert.equal(telemetry.probes.has('/probe'), true, 'known to the tracing too')
  assert.equal(telemetry.probes.has('/things/{id}'), false)
})

test('one observation and one log line for each request, under the route as the API writes it; none stays active', async () => {
  const before = await counted('/things/{id}', 200)
  await Promise.all([1, 2, 3].map((id) => ask('GET', `/things/${id}`)))
  assert.equal(await counted('/things/{id}', 200), before + 3)
  assert.deepEqual(lines(), Array(3).fill('INFO GET /things/{id} 200'))
  const [line] = log4js.recording().replay()
  const { duration_ms, ...fields } = line!.data[1]
  assert.deepEqual(fields, { method: 'GET', route: '/things/{id}', status: 200 })
  assert.ok(duration_ms >= 0 && Math.round(duration_ms * 100) / 100 === duration_ms)
  assert.equal(sample((await metrics.scrape()).body, 'http_server_active_requests'), 0)
})

test('a body that nobody read is not taken for the next request', async () => {
  const socket = connect(server.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  socket.write(
    'POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n',
  )
  await new Promise((ended) => socket.once('close', ended))
  assert.match(text, /^HTTP\/1\.1 404 .*\r\nConnection: close\r\n/s)
})
