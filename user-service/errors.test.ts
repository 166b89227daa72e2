/** Every row of the error table: the answer stated there, and nothing written. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { METRICS } from '@sightline/contracts'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { sql } from '@sightline/service-kit'
import { until } from '@sightline/service-kit/poll'
import {
  startInProcess,
  startProcess,
  type TestAnswer,
  type TestProcess,
  type TestService,
} from '@sightline/service-kit/testing'
import { environment } from './config.ts'
import { compose } from './main.ts'
import { findUser, storeUser } from './users.ts'

let cluster: TestCluster
let database: TestDatabase
let audit: TestProcess
let order: TestProcess
let user: TestService<unknown>
const quiet = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
  audit = await startProcess('audit-service', database.connection('audit_service'), quiet)
  order = await startProcess('order-service', database.connection('order_service'), {
    ...quiet,
    NEXT_SERVICE_URL: audit.url,
  })
  user = await startUser({ NEXT_SERVICE_URL: order.url })
})

after(async () => {
  await user?.close()
  await order?.stop()
  await audit?.stop()
  await database?.drop()
  await cluster?.stop()
})

function startUser(env: Record<string, string>) {
  const connection = database.connection('user_service')
  return startInProcess({ name: 'user-service', schema: environment, catalogue: METRICS, compose, connection, env })
}

/** What is written, once delivered events have left the outbox. */
async function counts() {
  await until('the outbox is empty', 10, async () => (await database.query('select from outbox')).length === 0)
  const tables = ['users', 'orders', 'order_items', 'outbox', 'audit_logs']
  const [row] = await database.query<Record<string, string>>(
    `select ${tables.map((table) => `(select count(*) from ${table}) as ${table}`).join(', ')}`,
  )
  const stock = await database.query('select product_id, on_hand, reserved from inventory order by 1')
  return { ...row, stock }
}

function assertProblem(answer: TestAnswer, status: number, kind: string) {
  assert.equal(answer.status, status, answer.text)
  assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/)
  const { type, title, detail, trace_id, request_id } = answer.json
  assert.equal(type, `/problems/${kind}`)
  assert.equal(answer.json.status, status)
  assert.ok(title && detail)
  assert.match(trace_id, /^[0-9a-f]{32}$/)
  assert.equal(answer.headers.get('x-trace-id'), trace_id)
  assert.equal(answer.headers.get('x-request-id'), request_id)
  assert.doesNotMatch(answer.text, /\bat .*\.ts|node_modules|postgres|127\.0\.0\.1/i)
}

const valid = { user_id: 7, action: 'purchase' }

test('bad requests get the stated answer, and nothing is written', async () => {
  const before = await counts()
  const post = (body: unknown, headers?: Record<string, string>) => user.call('POST', '/process', body, headers)
  assertProblem(await post('{"user_id": 1,'), 400, 'malformed-body')
  for (const named of ['{"user_name": Jane Roe}', 'user_name=Jane+Roe'])
    assert.doesNotMatch((await post(named)).text, /Jane/, 'the answer, which is logged too, quotes nothing')
  assertProblem(await post(''), 400, 'malformed-body')
  assertProblem(await post('\u00ff', { 'content-type': 'application/json; charset=utf-8' }), 400, 'malformed-body')
  assertProblem(
    await post('user_id=1', { 'content-type': 'application/x-www-form-urlencoded' }),
    415,
    'unsupported-media-type',
  )
  assertProblem(await post('{}', { 'content-type': 'application/json; charset=latin1' }), 415, 'unsupported-media-type')
  for (const header of ['gzip', 'identity, gzip'])
    assertProblem(await post('{}', { 'content-encoding': header }), 415, 'unsupported-media-type')
  assertProblem(await post(JSON.stringify({ ...valid, user_name: 'x'.repeat(65_536) })), 413, 'body-too-large')
  assert.deepEqual(await counts(), before)
})

test('JSON is read whatever else its content type says', async () => {
  for (const type of [
    'application/json; charset=utf8',
    'Application/JSON ;charset="UTF-8"',
    'application/json; profile="a;b\\"c"; charset=us-ascii',
    'application/json;',
  ]) {
    const answer = await user.call('POST', '/process', JSON.stringify(valid), { 'content-type': type })
    assert.equal(answer.status, 200, `${type}: ${answer.text}`)
  }
  const plain = await user.call('POST', '/process', JSON.stringify(valid), { 'content-encoding': 'Identity' })
  assert.equal(plain.status, 200)
  for (const type of [
    'application/json; charset=utf-16',
    'application/json-patch+json',
    'text/json',
    'json',
    'application/json; a b',
  ])
    assertProblem(await user.call('POST', '/process', '{}', { 'content-type': type }), 415, 'unsupported-media-type')
})

test('what Node refuses by itself is a problem too; 32 KiB of headers come through', async () => {
  const raw = (text: string) =>
    new Promise<string>((done, failed) => {
      const socket = connect(Number(new URL(user.url).port), '127.0.0.1', () => socket.write(text))
      let answer = ''
      socket.on('data', (chunk) => {
        answer += chunk
      })
      socket.once('close', () => done(answer)).once('error', failed)
    })
  const headers = (bytes: number) =>
    `GET /users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${`X-Many: ${'x'.repeat(4_000)}\r\n`.repeat(bytes / 4_000)}\r\n`
  assert.match(await raw(headers(32_000)), /^HTTP\/1\.1 200 /)
  const tooMuch = await raw(headers(64_000))
  assert.match(
    tooMuch,
    /^HTTP\/1\.1 431 [\s\S]*application\/problem\+json[\s\S]*"type":"\/problems\/headers-too-large"/,
  )
  assert.match(await raw('GARBAGE\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"type":"\/problems\/malformed-request"/)
})

test('64 KiB exactly is read, one byte more is not', async () => {
  const body = (size: number) => JSON.stringify(valid).padEnd(size, ' ')
  assert.equal((await user.call('POST', '/process', body(65_536))).status, 200)
  assertProblem(await user.call('POST', '/process', body(65_537)), 413, 'body-too-large')
  const chunked = await new Promise<number>((resolve, reject) => {
    const request = httpRequest(`${user.url}/process`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    request.on('response', (response) => resolve(response.statusCode!)).on('error', reject)
    for (let i = 0; i < 70; i++) request.write(' '.repeat(1024))
    request.end()
  })
  assert.equal(chunked, 413)
})

test('bad fields are all named, each by its pointer', async () => {
  const before = await counts()
  const cases: Array<[unknown, string[]]> = [
    [{}, ['/user_id', '/action']],
    [[], ['']],
    [{ ...valid, user_id: 0 }, ['/user_id']],
    [{ ...valid, user_id: 1.5 }, ['/user_id']],
    [{ ...valid, user_id: '1' }, ['/user_id']],
    [{ ...valid, user_id: 2 ** 31 }, ['/user_id']],
    [{ ...valid, action: 'a b' }, ['/action']],
    [{ ...valid, action: 'a'.repeat(65) }, ['/action']],
    [{ ...valid, action: 'x\n{"level":"info"}' }, ['/action']],
    [{ ...valid, user_name: 'a\u0000b' }, ['/user_name']],
    [{ ...valid, user_email: 'nobody' }, ['/user_email']],
    [{ ...valid, items: [] }, ['/items']],
    [{ ...valid, items: Array(51).fill({ product_id: 'p', quantity: 1 }) }, ['/items']],
    [
      {
        ...valid,
        items: [
          { product_id: 'p', quantity: 0 },
          { product_id: 'a/b', quantity: 1 },
        ],
      },
      ['/items/0/quantity', '/items/1/product_id'],
    ],
    [{ ...valid, itmes: [] }, ['']],
    ['{"user_id":1,"action":"a","__proto__":{"user_id":2}}', ['']],
  ]
  for (const [body, pointers] of cases) {
    const answer = await user.call('POST', '/process', body)
    assertProblem(answer, 422, 'invalid-request')
    assert.deepEqual(
      answer.json.errors.map((error: { pointer: string }) => error.pointer),
      pointers,
      answer.text,
    )
  }
  assert.deepEqual(await counts(), before)
})

test('unknown things are 404, other methods 405, a bad id or page 422', async () => {
  const before = await counts()
  assertProblem(await user.call('GET', '/users/4711'), 404, 'unknown-user')
  assertProblem(await user.call('GET', '/nothing'), 404, 'not-found')
  assertProblem(await user.call('GET', '/users/abc'), 422, 'invalid-request')
  assertProblem(await user.call('GET', '/users?limit=0'), 422, 'invalid-request')
  assertProblem(await user.call('GET', '/users?limit=1&limit=2'), 422, 'invalid-request')
  assertProblem(await user.call('GET', '/users?cursor=abc'), 422, 'invalid-request')
  assertProblem(await user.call('GET', '/users?page=2'), 422, 'invalid-request')
  assert.deepEqual((await user.call('GET', '/users?cursor=65777429839')).json.items, [])
  assertProblem(await user.call('DELETE', '/process'), 405, 'method-not-allowed')
  const items = [{ product_id: 'no-such', quantity: 1 }]
  const unknown = await user.call('POST', '/process', { ...valid, items })
  assertProblem(unknown, 404, 'unknown-product')
  assert.match(unknown.json.detail, /no-such/)
  const order404 = await order.call('POST', '/orders', { product_id: 'demo-product', quantity: 1, user_id: 999_999 })
  assertProblem(order404, 404, 'unknown-user')
  assertProblem(await order.call('GET', '/orders/999999'), 404, 'unknown-order')
  assert.deepEqual(await counts(), before)
})

test('not enough stock is 409 and takes nothing, not even of the lines that could be served', async () => {
  const before = await counts()
  const items = [
    { product_id: 'demo-product', quantity: 1 },
    { product_id: 'laptop-001', quantity: 51 },
  ]
  const answer = await user.call('POST', '/process', { ...valid, items })
  assertProblem(answer, 409, 'insufficient-stock')
  assert.match(answer.json.detail, /There are 50 of laptop-001, and 51 were ordered/)
  assert.deepEqual(await counts(), before)
})

/** A next hop that is wrong in one way. */
async function withHop(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  work: (service: TestService<unknown>, seen: IncomingMessage[]) => Promise<void>,
  env: Record<string, string> = {},
) {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    handler(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const service = await startUser({ NEXT_SERVICE_URL: `http://127.0.0.1:${port}`, ...env })
  try {
    await work(service, seen)
  } finally {
    await service.close()
    server.closeAllConnections()
    server.close()
  }
}

test('a next hop that answers nonsense is 502, one that hangs 504, one that is away 503, each with Retry-After', async () => {
  const json = { 'content-type': 'application/json' }
  const nonsense: Array<(request: IncomingMessage, response: ServerResponse) => void> = [
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>'),
    (_, response) => response.writeHead(200, json).end('{"status":'),
    (_, response) => response.writeHead(200, json).end('{"status":"completed"}'),
    (_, response) => response.writeHead(500, json).end('{"detail":"secret table does not exist"}'),
    (_, response) => response.writeHead(422, json).end('{"type":"/problems/invalid-request"}'),
    (request) => request.socket.destroy(),
  ]
  for (const handler of nonsense) {
    await withHop(handler, async (service, seen) => {
      const answer = await service.call('POST', '/process', valid)
      assertProblem(answer, 502, 'bad-gateway')
      assert.equal(answer.headers.get('retry-after'), '1')
      assert.doesNotMatch(answer.text, /secret/)
      assert.equal(seen.length, 1, 'what may have arrived is not sent again')
    })
  }
  await withHop(
    () => {},
    async (service, seen) => {
      const started = performance.now()
      const answer = await service.call('POST', '/process', valid)
      assertProblem(answer, 504, 'next-hop-timeout')
      assert.equal(answer.headers.get('retry-after'), '1')
      assert.ok(performance.now() - started < 6_000)
      assert.equal(seen.length, 1)
    },
    { HOP_TIMEOUT_MS: '1000' },
  )
  const away = await startUser({ NEXT_SERVICE_URL: 'http://127.0.0.1:1' })
  const answer = await away.call('POST', '/process', valid)
  assertProblem(answer, 503, 'next-hop-unavailable')
  assert.equal(answer.headers.get('retry-after'), '1')
  const { text } = await away.call('GET', '/metrics')
  assert.match(text, /http_client_retries_total\{peer_service="127.0.0.1",reason="ECONNREFUSED"\} 2/)
  await away.close()
})

test('the time budget shrinks from hop to hop, and a spent one writes nothing', async () => {
  const written = await counts()
  await withHop(
    (_, response) => response.writeHead(404, { 'content-type': 'application/json' }).end('{}'),
    async (service, seen) => {
      await service.call('POST', '/process', valid, { 'x-request-deadline': '5000' })
      const left = Number(seen[0]!.headers['x-request-deadline'])
      assert.ok(left > 0 && left <= 4_950, `${left} ms`)
    },
  )
  assertProblem(await user.call('POST', '/process', valid, { 'x-request-deadline': '0' }), 504, 'deadline-exceeded')
  assertProblem(await user.call('POST', '/process', valid, { 'x-request-deadline': '-5' }), 504, 'deadline-exceeded')
  assert.deepEqual(await counts(), written)
})

test('a hop that keeps failing opens the circuit: the answer comes at once, and it closes again by itself', async () => {
  let healthy = false
  const handler = (_: IncomingMessage, response: ServerResponse) =>
    response
      .writeHead(healthy ? 404 : 500, { 'content-type': 'application/json' })
      .end('{"type":"/problems/x","title":"x","detail":"x"}')
  await withHop(handler, async (service, seen) => {
    for (let i = 0; i < 10; i++) assertProblem(await service.call('POST', '/process', valid), 502, 'bad-gateway')
    assertProblem(await service.call('POST', '/process', valid), 503, 'next-hop-unavailable')
    assert.equal(seen.length, 10, 'the open circuit asks nobody')
    healthy = true
    await until('the circuit closes', 5, async () => (await service.call('POST', '/process', valid)).status === 404)

    healthy = false
    for (let i = 0; i < 10; i++) await service.call('POST', '/process', valid)
    assertProblem(await service.call('POST', '/process', valid), 503, 'next-hop-unavailable')
    healthy = true
    const { now } = Date
    Date.now = () => now() - 3_600_000
    try {
      const closed = async () => (await service.call('POST', '/process', valid)).status === 404
      await until('the circuit closes after the clock was set back an hour', 10, closed)
    } finally {
      Date.now = now
    }
  })
})

test('while one call tries whether a silent hop is back, all others hear at once that it is left alone', async () => {
  await withHop(
    () => {},
    async (service, seen) => {
      const ask = () => service.call('POST', '/process', valid)
      const atOnce = async (count: number) => {
        const answers = await Promise.all(Array.from({ length: count }, ask))
        return answers.map(({ status }) => status).sort()
      }
      assert.deepEqual(new Set(await atOnce(10)), new Set([504]))
      await until('a try', 10, async () => {
        const before = seen.length
        const statuses = await atOnce(6)
        if (seen.length === before) return undefined
        assert.equal(seen.length, before + 1)
        assert.deepEqual(statuses, [503, 503, 503, 503, 503, 504])
        return true
      })
    },
    { HOP_TIMEOUT_MS: '1500' },
  )
})

test('what a hop refuses says nothing about the hop: the circuit stays closed', async () => {
  await withHop(
    (_, response) => response.writeHead(422, { 'content-type': 'application/json' }).end('{"type":"/problems/x"}'),
    async (service, seen) => {
      for (let i = 0; i < 12; i++) assertProblem(await service.call('POST', '/process', valid), 502, 'bad-gateway')
      assert.equal(seen.length, 12)
    },
  )
})

test('a database that stands still is 503, and its return needs no restart', async () => {
  const name = 'user-service'
  const connection = database.connection('user_service')
  const service = await startInProcess({
    name,
    schema: environment,
    catalogue: METRICS,
    compose,
    connection,
    env: { DB_POOL_MAX: '1', DB_STATEMENT_TIMEOUT_MS: '1000', DB_ACQUIRE_TIMEOUT_MS: '500' },
  })
  const [row] = await service.parts.database.query<{ pid: number }>(sql('own_pid', 'select pg_backend_pid() as pid'))
  const { pid } = row!
  process.kill(pid, 'SIGSTOP')
  try {
    const asked = performance.now()
    assertProblem(await service.call('GET', '/users'), 503, 'database-unavailable')
    assert.ok(performance.now() - asked >= 1_000, 'the statement had its time')
    await until('a new connection', 10, async () => (await service.call('GET', '/users')).status === 200)
  } finally {
    process.kill(pid, 'SIGCONT')
    await service.close()
  }
})

test('two requests for one user that bring different things keep both', async () => {
  const queries = user.parts.database
  await storeUser(queries, 70_001, 'Ann', null)
  await storeUser(queries, 70_001, null, 'ann@example.com')
  const stored = await findUser(queries, 70_001)
  assert.deepEqual([stored?.name, stored?.email], ['Ann', 'ann@example.com'])
})

test('request ids: a valid one is kept, another replaced', async () => {
  const ask = async (id: string) =>
    (await user.call('GET', '/ready', undefined, { 'x-request-id': id })).headers.get('x-request-id')
  assert.equal(await ask('Abc_1.2-3'), 'Abc_1.2-3')
  assert.equal(await ask('x'.repeat(128)), 'x'.repeat(128))
  for (const bad of ['x'.repeat(129), 'a b', 'a"b', '{}']) assert.match((await ask(bad))!, /^[0-9a-f-]{36}$/)
})

test('a database that goes away is 503, and its return needs no restart', async () => {
  const own = await startTestCluster()
  const fresh = await own.createDatabase()
  const connection = fresh.connection('user_service')
  const service = await startInProcess({
    name: 'user-service',
    schema: environment,
    catalogue: METRICS,
    compose,
    connection,
  })
  assert.equal((await service.call('GET', '/users')).status, 200)
  await own.pause()
  // It is waited for, for half of the time that there is.
  const down = await service.call('GET', '/users', undefined, { 'x-request-deadline': '2000' })
  assertProblem(down, 503, 'database-unavailable')
  assert.equal(down.headers.get('retry-after'), '1')
  assert.equal((await service.call('GET', '/ready')).status, 503)
  const health = await service.call('GET', '/health')
  assert.equal(health.status, 503)
  assert.equal(health.json.checks.database.status, 'down')
  await own.resume()
  await until('the pool recovers', 10, async () => (await service.call('GET', '/users')).status === 200)
  await service.close()
  await fresh.drop()
  await own.stop()
})
