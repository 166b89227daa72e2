/** The same Idempotency-Key: one order, one answer, whatever happens at once. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import { startProcess, type TestAnswer, type TestProcess, type TestService } from '@sightline/service-kit/testing'
import { ledger, startOrderService } from './test/order-service.ts'

let cluster: TestCluster
let database: TestDatabase
let audit: TestProcess
let orders: Array<TestService<unknown>>
let users: TestProcess

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
  const quiet = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }
  audit = await startProcess('audit-service', database.connection('audit_service'), quiet)
  // Two instances: what is decided in one process's memory would show.
  orders = [await startOrders(), await startOrders()]
  users = await startProcess('user-service', database.connection('user_service'), {
    ...quiet,
    NEXT_SERVICE_URL: orders[0]!.url,
  })
})

after(async () => {
  await users?.stop()
  for (const service of orders ?? []) await service.close()
  await audit?.stop()
  await database?.drop()
  await cluster?.stop()
})

function startOrders() {
  return startOrderService(database, { NEXT_SERVICE_URL: audit.url, DB_POOL_MAX: '20' })
}

const request = { user_id: 1, action: 'purchase', items: [{ product_id: 'demo-product', quantity: 1 }] }
const process = (key: string, body: object = request) =>
  users.call('POST', '/process', body, { 'idempotency-key': key })
/** As a client with a key does: on a crowded machine thirty at once wait longer for a connection, or for the first, than a request may. */
const insist = (ask: () => Promise<TestAnswer>) =>
  until('another answer than to come again', 60, ask, ({ status, json, text }) =>
    assert.ok(status !== 503 && json.type !== '/problems/idempotency-key-in-use', text),
  )
const stock = async () => (await orders[0]!.call('GET', '/inventory/demo-product')).json.on_hand

test('a repetition gets the first answer word for word, and nothing happens', async () => {
  const first = await process('repeat-1')
  assert.equal(first.status, 200, first.text)
  const before = await stock()
  const second = await process('repeat-1')
  assert.equal(second.status, 200)
  assert.equal(second.text, first.text)
  assert.equal(second.headers.get('idempotency-replayed'), 'true')
  assert.equal(first.headers.get('idempotency-replayed'), null)
  assert.equal(await stock(), before)
  const reordered = await process('repeat-1', { items: request.items, action: 'purchase', user_id: 1 })
  assert.equal(reordered.text, first.text, 'the order of fields makes no other request')
})

test('the same key with another body is 422, a bad key too', async () => {
  await process('other-1')
  const other = await process('other-1', { ...request, action: 'refund' })
  assert.equal(other.status, 422)
  assert.equal(other.json.type, '/problems/idempotency-key-reused')
  assert.deepEqual(other.json.errors[0].parameter, 'Idempotency-Key')
  assert.equal((await process('x'.repeat(256))).status, 422)
  assert.equal((await process('a b')).status, 422)
})

test('thirty at once are one order', async () => {
  const before = { stock: await stock(), ...(await ledger(database)) }
  const answers = await Promise.all(Array.from({ length: 30 }, () => insist(() => process('thirty-1'))))
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]))
  assert.equal(new Set(answers.map((answer) => answer.text)).size, 1)
  assert.equal(await stock(), before.stock - 1)
  assert.equal((await ledger(database)).orders, before.orders + 1)
})

test('POST /orders over two instances: one order, and different bodies never share a key', async () => {
  const before = await ledger(database)
  const body = { product_id: 'demo-product', quantity: 2, user_id: 1 }
  const place = (i: number, quantity: number, key: string): Promise<TestAnswer> =>
    insist(() => orders[i % 2]!.call('POST', '/orders', { ...body, quantity }, { 'idempotency-key': key }))
  const same = await Promise.all(Array.from({ length: 20 }, (_, i) => place(i, 2, 'both-1')))
  assert.deepEqual(new Set(same.map((answer) => answer.status)), new Set([201]))
  assert.equal(new Set(same.map((answer) => answer.text)).size, 1)
  const mixed = await Promise.all(Array.from({ length: 20 }, (_, i) => place(i, 1 + (i % 2), 'both-2')))
  const statuses = mixed.map((answer) => answer.status)
  assert.equal(statuses.filter((status) => status === 201).length, 10)
  assert.equal(statuses.filter((status) => status === 422).length, 10)
  assert.equal((await ledger(database)).orders, before.orders + 2)
})

test('a request that failed leaves its key free', async () => {
  const many = { ...request, items: [{ product_id: 'laptop-001', quantity: 51 }] }
  assert.equal((await process('free-1', many)).status, 409)
  await orders[0]!.call('POST', '/inventory/laptop-001/add', { quantity: 10 })
  assert.equal((await process('free-1', many)).status, 200)
})

test('an answer that was never stored: the retry finds the order and gets a whole answer', async () => {
  const first = await process('crash-1')
  // What a user-service leaves that was killed between the order and its answer.
  await database.query(`delete from idempotent_answers where key = 'crash-1'`)
  const { orders: before } = await ledger(database)
  const again = await process('crash-1')
  assert.equal(again.status, 200)
  assert.deepEqual(again.json.order, first.json.order)
  assert.deepEqual(again.json.audit, first.json.audit)
  assert.equal((await ledger(database)).orders, before)
})

test('after 24 hours a key is new again', async () => {
  const first = await process('day-1')
  for (const table of ['idempotent_answers', 'idempotency_keys']) {
    await database.query(`update ${table} set created_at = now() - interval '25 hours' where key = 'day-1'`)
  }
  const second = await process('day-1', { ...request, action: 'another' })
  assert.equal(second.status, 200, second.text)
  assert.notEqual(second.json.order.id, first.json.order.id)
})
