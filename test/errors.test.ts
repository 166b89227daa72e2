/** Every row of the error table, from outside: the answer is the one promised, and nothing is written. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { sharedSystem } from './shared-system.ts'
import type { TestSystem } from './system.ts'

let system: TestSystem
let db: pg.Client

before(async () => {
  system = await sharedSystem()
  db = await connect()
})
after(() => db?.end())

const order = { user_id: 1, action: 'purchase' }
const line = (product_id: string, quantity: number) => ({ ...order, items: [{ product_id, quantity }] })

const refused: { input: string; body: unknown; headers?: Record<string, string>; status: number; pointer?: string }[] =
  [
    { input: 'text that is no JSON', body: '{"user_id":', status: 400 },
    { input: 'no body', body: '', status: 400 },
    { input: 'another content type', body: 'user_id=1', headers: { 'content-type': 'text/plain' }, status: 415 },
    { input: 'more than 64 KiB', body: { ...order, user_name: 'x'.repeat(70_000) }, status: 413 },
    { input: 'a user_id of 0', body: { ...order, user_id: 0 }, status: 422, pointer: '/user_id' },
    { input: 'a fraction for user_id', body: { ...order, user_id: 1.5 }, status: 422, pointer: '/user_id' },
    { input: 'no action', body: { user_id: 1 }, status: 422, pointer: '/action' },
    { input: 'an action with a space', body: { ...order, action: 'buy it' }, status: 422, pointer: '/action' },
    {
      input: 'an action of 65 characters',
      body: { ...order, action: 'a'.repeat(65) },
      status: 422,
      pointer: '/action',
    },
    { input: 'no items in a list of items', body: { ...order, items: [] }, status: 422, pointer: '/items' },
    {
      input: '51 items',
      body: { ...order, items: Array.from({ length: 51 }, () => ({ product_id: 'laptop-001', quantity: 1 })) },
      status: 422,
      pointer: '/items',
    },
    { input: 'a quantity of -1', body: line('laptop-001', -1), status: 422, pointer: '/items/0/quantity' },
    { input: 'a list instead of an object', body: [], status: 422 },
    { input: '__proto__ as a field', body: '{"user_id":1,"action":"a","__proto__":{"admin":true}}', status: 422 },
    { input: 'an unknown product', body: line('no-such-product', 1), status: 404 },
    { input: 'more than is in stock', body: line('laptop-001', 1_000_000), status: 409 },
  ]

for (const { input, body, headers, status, pointer } of refused) {
  test(`${input}: ${status}, nothing written`, async () => {
    const before = await written()
    const answer = await system.api('POST', '/api/v1/process', body, { 'content-type': 'application/json', ...headers })
    assertProblem(answer, status)
    if (pointer !== undefined) {
      assert.ok(
        answer.json.errors.some((error: { pointer: string }) => error.pointer === pointer),
        `errors name ${pointer}: ${answer.text}`,
      )
    }
    const after = await written()
    // A well-formed request makes its user known, even when what it orders can't be had; all else stays as it was.
    if (status === 404 || status === 409) after.users = before.users
    assert.deepEqual(after, before)
  })
}

const unknown = [
  ['GET', '/api/v1/users/424242', 404],
  ['GET', '/api/v1/orders/424242', 404],
  ['GET', '/api/v1/products/nothing', 404],
  ['GET', '/api/v1/inventory/nothing', 404],
  ['GET', '/api/v1/users/abc', 422],
  ['GET', '/api/v1/users?limit=0', 422],
  ['GET', '/api/v1/orders?cursor=%00', 422],
  ['GET', '/api/v1/metrics', 404],
  ['GET', '/nowhere', 404],
  ['DELETE', '/api/v1/process', 405],
] as const
for (const [method, path, status] of unknown) {
  test(`${method} ${path}: ${status}`, async () => assertProblem(await system.api(method, path), status))
}

test('a 405 says what is allowed', async () => {
  const { headers } = await system.api('PUT', '/api/v1/orders')
  assert.deepEqual(headers.get('allow')?.split(', ').sort(), ['GET', 'HEAD', 'POST'])
})

test('an unknown user can not order by POST /orders: 404, nothing written', async () => {
  const before = await written()
  const body = { product_id: 'phone-001', quantity: 1, user_id: 987_654 }
  assertProblem(await system.api('POST', '/api/v1/orders', body), 404)
  assert.deepEqual(await written(), before)
})

test('a reservation beyond the stock is refused and leaves the stock as it was', async () => {
  const before = await system.api('GET', '/api/v1/inventory/headphones-001')
  const quantity = before.json.available + 1
  assertProblem(await system.api('POST', '/api/v1/inventory/headphones-001/reserve', { quantity }), 409)
  const after = await system.api('GET', '/api/v1/inventory/headphones-001')
  assert.deepEqual(after.json, before.json)
})

test('an invalid X-Request-ID is replaced, a valid one kept', async () => {
  const bad = await system.api('GET', '/api/v1/products', undefined, { 'x-request-id': 'a b"c' })
  assert.match(bad.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
  const good = await system.api('GET', '/api/v1/products', undefined, { 'x-request-id': 'client-1.2_3' })
  assert.equal(good.headers.get('x-request-id'), 'client-1.2_3')
})

test('audit-service down: 202 with the order kept, and its row follows when it is back', async () => {
  const before = await written()
  await system.stopComponent('audit-service')
  const answer = await system.api('POST', '/api/v1/process', order)
  assert.equal(answer.status, 202, answer.text)
  assert.equal(answer.json.status, 'accepted')
  assert.deepEqual(answer.json.audit, { status: 'pending' })
  const after = await written()
  assert.equal(after.orders - before.orders, 1)
  assert.equal(after.audit_logs, before.audit_logs)
  await until(
    'the failed trace is found',
    15,
    () => system.search('{status=error}'),
    (ids) => assert.ok(ids.includes(answer.json.trace_id), `{status=error} finds ${answer.json.trace_id}`),
  )
  await system.startComponent('audit-service')
  await until('the audit row follows', 30, written, ({ audit_logs }) => assert.equal(audit_logs - before.audit_logs, 1))
  const { json } = await system.api('GET', `/api/v1/audit?order_id=${answer.json.order.id}`)
  assert.equal(json.items[0].trace_id, answer.json.trace_id)
})

test('order-service down: 502 or 503 with Retry-After, and no order', async () => {
  const before = await written()
  await system.stopComponent('order-service')
  const answer = await system.api('POST', '/api/v1/process', order)
  assert.ok([502, 503].includes(answer.status), String(answer.status))
  assertProblem(answer, answer.status)
  assert.ok(Number(answer.headers.get('retry-after')) >= 1)
  assert.equal((await written()).orders, before.orders)
  await system.startComponent('order-service')
  await until(
    'an order is taken again',
    10,
    () => system.api('POST', '/api/v1/process', order),
    ({ status }) => assert.equal(status, 200),
  )
})

test('database down: 503, and all works again once it is back, without a restart of a service', async () => {
  await db.end()
  await system.stopComponent('postgres')
  const answer = await system.api('POST', '/api/v1/process', order)
  assertProblem(answer, 503)
  assert.ok(Number(answer.headers.get('retry-after')) >= 1)
  await system.startComponent('postgres')
  await until(
    'an order is taken again',
    20,
    () => system.api('POST', '/api/v1/process', order),
    ({ status }) => assert.equal(status, 200),
  )
  db = await connect()
})

/** Problem details with ids, and no word of what is inside. */
function assertProblem(answer: Awaited<ReturnType<TestSystem['api']>>, status: number): void {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.headers.get('content-type')?.split(';')[0], 'application/problem+json')
  assert.equal(answer.json.status, status)
  for (const field of ['type', 'title', 'detail']) assert.equal(typeof answer.json[field], 'string', field)
  assert.match(answer.json.trace_id, /^[0-9a-f]{32}$/)
  assert.equal(answer.json.trace_id, answer.headers.get('x-trace-id'))
  assert.equal(answer.json.request_id, answer.headers.get('x-request-id'))
  assert.doesNotMatch(answer.text, /node_modules|at .*\.ts:|ECONN|password|postgres/i)
}

async function written(): Promise<{ users: number; orders: number; audit_logs: number; stock: string }> {
  const { rows } = await db.query(`
    select (select count(*)::int from users) as users, (select count(*)::int from orders) as orders,
      (select count(*)::int from audit_logs) as audit_logs,
      (select string_agg(product_id || on_hand || '-' || reserved, ',' order by product_id) from inventory) as stock`)
  return rows[0]
}

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(system.postgres)
  client.on('error', () => {
    // The test stops PostgreSQL under this connection; what is asked next would fail by itself.
  })
  await client.connect()
  return client
}
