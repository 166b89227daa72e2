/** Orders, products and stock over HTTP. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { orderPage, order as orderSchema } from '@sightline/contracts'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import {
  atOnce,
  loseAnswer,
  sample,
  startProcess,
  type TestProcess,
  type TestService,
} from '@sightline/service-kit/testing'
import fc from 'fast-check'
import { newEventId } from './audit-event.ts'
import { ledger, startOrderService } from './test/order-service.ts'

let cluster: TestCluster
let database: TestDatabase
let audit: TestProcess
let service: TestService<unknown>

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
  await database.query(`insert into users (id, name) select n, 'User ' || n from generate_series(1, 5) n`)
  const quiet = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }
  audit = await startProcess('audit-service', database.connection('audit_service'), quiet)
  service = await startOrderService(database, {
    NEXT_SERVICE_URL: audit.url,
    DB_POOL_MAX: '20',
    HOP_TIMEOUT_MS: '8000',
  })
})

after(async () => {
  await service?.close()
  await audit?.stop()
  await database?.drop()
  await cluster?.stop()
})

const customer = { customer_name: 'Jane Roe', customer_email: 'jane@example.com' }

test('an order for a user and one for a named customer: prices in cents add up', async () => {
  const named = await service.call('POST', '/orders', { product_id: 'headphones-001', quantity: 3, ...customer })
  assert.equal(named.status, 201, named.text)
  const { order, audit: receipt } = named.json
  assert.equal(order.total, 449.97)
  assert.deepEqual(order.items, [
    { product_id: 'headphones-001', name: 'Wireless Headphones', quantity: 3, unit_price: 149.99, line_total: 449.97 },
  ])
  assert.equal(order.customer_email, 'jane@example.com')
  assert.ok(receipt.id >= 1)
  const known = await service.call('POST', '/orders', { product_id: 'demo-product', quantity: 1, user_id: 1 })
  assert.equal(known.json.order.user_id, 1)
  const read = await service.call('GET', `/orders/${order.id}`)
  assert.deepEqual(read.json, order)
  assert.deepEqual(orderSchema.parse(read.json), read.json)
})

for (const [what, product_id, isMeant] of [
  ['the one statement of an order without stock', 'standard-action', ({ name }) => name === 'insert_order'],
  ['the COMMIT of an order', 'demo-product', ({ text }) => text === 'commit'],
] satisfies [string, string, Parameters<typeof loseAnswer>[1]][]) {
  test(`the answer to ${what} is lost: it is placed once, and told`, async () => {
    const count = async () => (await database.query('select from orders')).length
    const before = await count()
    loseAnswer(service.parts.database.pool, isMeant)
    const { status, text, json } = await service.call('POST', '/orders', { product_id, quantity: 1, user_id: 1 })
    assert.equal(status, 201, text)
    assert.equal(await count(), before + 1)
    assert.deepEqual((await service.call('GET', `/orders/${json.order.id}`)).json, json.order)
    const { body } = await service.parts.metrics.scrape()
    const operation = product_id === 'demo-product' ? 'commit' : 'statement'
    assert.equal(sample(body, `db_client_retries_total{operation="${operation}",reason="closed"}`), 1)
  })
}

test('who orders is said once: user, or name and e-mail', async () => {
  const item = { product_id: 'demo-product', quantity: 1 }
  const pointers = async (body: object) =>
    (await service.call('POST', '/orders', body)).json.errors.map((error: { pointer: string }) => error.pointer)
  assert.deepEqual(await pointers(item), ['/customer_name', '/customer_email'])
  assert.deepEqual(await pointers({ ...item, customer_name: 'Jane' }), ['/customer_email'])
  assert.deepEqual(await pointers({ ...item, ...customer, user_id: 1 }), ['/user_id'])
})

test('reserve, release and add move stock, and refuse what is not possible', async () => {
  const stock = async () => {
    const { on_hand, reserved, available } = (await service.call('GET', '/inventory/phone-001')).json
    return [on_hand, reserved, available]
  }
  const change = async (operation: string, quantity: number, product = 'phone-001') =>
    (await service.call('POST', `/inventory/${product}/${operation}`, { quantity })).status
  assert.deepEqual(await stock(), [200, 0, 200])
  assert.equal(await change('reserve', 150), 200)
  assert.deepEqual(await stock(), [200, 150, 50])
  assert.equal(await change('reserve', 51), 409)
  assert.equal(await change('release', 151), 409)
  assert.equal(
    (await service.call('POST', '/orders', { product_id: 'phone-001', quantity: 51, user_id: 1 })).status,
    409,
  )
  assert.deepEqual(await stock(), [200, 150, 50])
  assert.equal(await change('release', 150), 200)
  assert.equal(await change('add', 5), 200)
  assert.deepEqual(await stock(), [205, 0, 205])
  assert.equal(await change('add', 1, 'no-such'), 404)
  assert.equal(await change('reserve', 1, 'standard-action'), 404)
  assert.equal(await change('add', 0), 422)
  const keyed = await service.call('POST', '/inventory/phone-001/add', { quantity: 1 }, { 'idempotency-key': 'k' })
  assert.equal(keyed.status, 422, 'a key that would do nothing is refused')
  assert.deepEqual(await stock(), [205, 0, 205])
  await database.query(`update inventory set on_hand = 2147483000 where product_id = 'phone-001'`)
  assert.equal(await change('add', 1_000_000), 409)
})

test('pages are complete and disjoint, newest first', async () => {
  for (let i = 0; i < 7; i++)
    await service.call('POST', '/orders', { product_id: 'standard-action', quantity: 1, user_id: 2 })
  const all = (await service.call('GET', '/orders?limit=100')).json.items.map((item: { id: number }) => item.id)
  const paged: number[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const { json } = await service.call('GET', `/orders?limit=3${cursor && `&cursor=${cursor}`}`)
    orderPage.parse(json)
    paged.push(...json.items.map((item: { id: number }) => item.id))
    cursor = json.next_cursor
  }
  assert.deepEqual(paged, all)
  assert.deepEqual(
    all,
    [...all].sort((a: number, b: number) => b - a),
  )
  const products = await service.call('GET', '/products?limit=2')
  assert.deepEqual(
    products.json.items.map((item: { id: string }) => item.id),
    ['demo-product', 'headphones-001'],
  )
  const rest = await service.call('GET', `/products?cursor=${products.json.next_cursor}`)
  assert.deepEqual(
    rest.json.items.map((item: { id: string }) => item.id),
    ['laptop-001', 'phone-001', 'standard-action'],
  )
  assert.equal(rest.json.next_cursor, null)
  assert.equal((await service.call('GET', `/orders?cursor=${products.json.next_cursor}`)).status, 422)
})

type Operation = { kind: 'order' | 'reserve' | 'release' | 'add'; product: string; quantity: number }
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom('order', 'reserve', 'release', 'add'),
  product: fc.constantFrom('demo-product', 'laptop-001'),
  quantity: fc.integer({ min: 1, max: 40 }),
})

test('whatever runs at once, the stock is the sum of what was granted, and never below zero', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 60 }), async (operations) => {
      await database.query(
        `update inventory set on_hand = 100, reserved = 0 where product_id in ('demo-product', 'laptop-001')`,
      )
      const statuses = await atOnce(16, operations, perform)
      const model = new Map(['demo-product', 'laptop-001'].map((id) => [id, { on_hand: 100, reserved: 0 }]))
      operations.forEach(({ kind, product, quantity }, index) => {
        const status = statuses[index]!
        assert.ok([200, 201, 409].includes(status), `${kind} answered ${status}`)
        if (status === 409) return
        const stock = model.get(product)!
        if (kind === 'order') stock.on_hand -= quantity
        if (kind === 'add') stock.on_hand += quantity
        if (kind === 'reserve') stock.reserved += quantity
        if (kind === 'release') stock.reserved -= quantity
      })
      for (const [product, expected] of model) {
        const { on_hand, reserved } = (await service.call('GET', `/inventory/${product}`)).json
        assert.deepEqual({ on_hand, reserved }, expected, product)
        assert.ok(reserved >= 0 && on_hand >= reserved)
      }
    }),
    { numRuns: 12 },
  )
})

async function perform({ kind, product, quantity }: Operation): Promise<number> {
  const answer =
    kind === 'order'
      ? await service.call('POST', '/orders', { product_id: product, quantity, user_id: 3 })
      : await service.call('POST', `/inventory/${product}/${kind}`, { quantity })
  return answer.status
}

test('orders of the same products in opposite order do not wait for each other in a circle', async () => {
  await database.query(
    `update inventory set on_hand = 1000, reserved = 0 where product_id in ('demo-product', 'laptop-001')`,
  )
  const there = [
    { product_id: 'demo-product', quantity: 1 },
    { product_id: 'laptop-001', quantity: 1 },
  ]
  const back = there.toReversed()
  const answers = await atOnce(
    16,
    Array.from({ length: 60 }, (_, i) => (i % 2 ? there : back)),
    (items) => service.call('POST', '/process', { user_id: 4, action: 'cross', items }),
  )
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]))
  assert.equal((await service.call('GET', '/inventory/laptop-001')).json.on_hand, 940)
})

test('a disk that is full in the middle of an order: 503 with Retry-After, nothing written, and no restart', async () => {
  const body = { product_id: 'phone-001', quantity: 1, ...customer }
  const written = async () => [
    (await ledger(database)).orders,
    (await service.call('GET', '/inventory/phone-001')).json.available,
  ]
  const before = await written()
  await database.query(`
    create function fill_disk() returns trigger language plpgsql as
      $$ begin raise 'could not extend file "base/1/2": No space left on device' using errcode = 'disk_full'; end $$;
    create trigger full_disk before insert on outbox for each row execute function fill_disk()`)
  const refused = await service.call('POST', '/orders', body)
  assert.deepEqual([refused.status, refused.json.type], [503, '/problems/database-unavailable'], refused.text)
  assert.equal(refused.headers.get('retry-after'), '10')
  assert.doesNotMatch(refused.text, /extend file/)
  assert.deepEqual(await written(), before)
  await database.query('drop trigger full_disk on outbox; drop function fill_disk()')
  assert.equal((await service.call('POST', '/orders', body)).status, 201)
})

test('each of all these orders has exactly one audit row, and nothing waits', async () => {
  await until('the outbox is empty', 10, async () => (await ledger(database)).waiting === 0)
  const { orders, audited, twice, dead } = await ledger(database)
  assert.equal(audited, orders)
  assert.deepEqual([twice, dead], [0, 0])
  const { text } = await service.call('GET', '/metrics')
  assert.equal(sample(text, 'outbox_pending'), 0)
  assert.equal(sample(text, 'inventory_available{product_id="laptop-001"}'), 940)
})

test('ids of events are UUIDs that begin with the time', () => {
  const at = Date.parse('2026-01-02T03:04:05.678Z')
  const ids = [at, at + 1, at + 60_000].map(newEventId)
  assert.deepEqual(ids, ids.toSorted())
  assert.equal(new Set([newEventId(at), newEventId(at)]).size, 2)
  assert.match(ids[0]!, /^019b7ca9-8f2e-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
