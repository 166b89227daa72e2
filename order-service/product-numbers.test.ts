/** Products by number, what is in stock, and orders that say no more than that: in a body or in a query. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  inventory,
  order as orderSchema,
  productPage,
  product as productSchema,
  stockAnswer,
} from '@sightline/contracts'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import {
  type OtlpSink,
  startOtlpSink,
  startProcess,
  type TestAnswer,
  type TestProcess,
} from '@sightline/service-kit/testing'

let cluster: TestCluster
let database: TestDatabase
let sink: OtlpSink
let audit: TestProcess
let service: TestProcess

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
  sink = await startOtlpSink()
  const quiet = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }
  audit = await startProcess('audit-service', database.connection('audit_service'), quiet)
  service = await startProcess('order-service', database.connection('order_service'), {
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    NEXT_SERVICE_URL: audit.url,
    HOP_TIMEOUT_MS: '8000',
    SHED_DELAY_MS: '0',
  })
})

after(async () => {
  await service?.stop()
  await audit?.stop()
  await sink?.close()
  await database?.drop()
  await cluster?.stop()
})

const post = (path: string, body?: unknown, headers?: Record<string, string>) =>
  service.call('POST', path, body, headers)
const faults = ({ status, json }: TestAnswer) => [
  status,
  json.errors?.map((error: { pointer?: string; parameter?: string }) => error.pointer ?? error.parameter),
]

test('a product is found by its id and by its number, and says what is in stock', async () => {
  const byNumber = await service.call('GET', '/products/1')
  assert.deepEqual(productSchema.parse(byNumber.json), {
    id: 'demo-product',
    number: 1,
    name: 'Demo Product',
    unit_price: 29.99,
    currency: 'USD',
    stock_tracked: true,
    stock: 100,
    available: true,
  })
  assert.equal((await service.call('GET', '/products/demo-product')).text, byNumber.text)
  const { items } = productPage.parse((await service.call('GET', '/products')).json)
  assert.deepEqual(
    items.map(({ number, stock, available }) => [number, stock, available]),
    [
      [1, 100, true],
      [4, 75, true],
      [2, 50, true],
      [3, 200, true],
      [5, null, true],
    ],
  )
  for (const unknown of ['6', '0', '01', '9999999999'])
    assert.equal((await service.call('GET', `/products/${unknown}`)).status, 404, unknown)
})

test('stock is read and changed by number, and what all is reserved is not available', async () => {
  const read = await service.call('GET', '/inventory/4')
  assert.equal(inventory.parse(read.json).product_id, 'headphones-001')
  assert.equal((await post('/inventory/4/add', { quantity: 1 })).json.on_hand, 76)
  assert.equal((await post('/inventory/4/reserve?quantity=76')).json.available, 0)
  assert.equal((await post('/inventory/4/release?quantity=76')).json.available, 76)
  assert.equal((await post('/inventory/headphones-001/add?quantity=1')).json.on_hand, 77)
  assert.deepEqual(faults(await post('/inventory/4/add?quantity=1e1')), [422, ['quantity']])
  assert.deepEqual(faults(await post('/inventory/4/add?quantity=1', { quantity: 1 })), [422, ['query']])
  await database.query(`update inventory set on_hand = 76 where product_id = 'headphones-001'`)
  assert.deepEqual((await post('/inventory/4/reserve', { quantity: 76 })).json.product_id, 'headphones-001')
  const { stock, available } = (await service.call('GET', '/products/headphones-001')).json
  assert.deepEqual([stock, available], [0, false])
  const refused = await post('/inventory/4/reserve', { quantity: 1 })
  assert.deepEqual([refused.status, refused.json.type], [409, '/problems/insufficient-stock'])
  assert.equal((await post('/inventory/4/release', { quantity: 76 })).json.available, 76)
  assert.equal((await post('/inventory/5/reserve', { quantity: 1 })).status, 404, 'its stock is not counted')
})

test('an id of digits wins over a number', async () => {
  await database.query(`insert into products (id, name, unit_price, stock_tracked) values ('2', 'Two', 2, false)`)
  try {
    assert.equal((await service.call('GET', '/products/2')).json.name, 'Two')
    assert.equal((await post('/orders', { product_id: 2, quantity: 1 })).json.order.items[0].product_id, '2')
  } finally {
    await database.query(`delete from order_items where product_id = '2'; delete from products where id = '2'`)
  }
  assert.equal((await service.call('GET', '/products/2')).json.id, 'laptop-001')
})

test('a number and a quantity are an order: the id stands in answer, rows, event and spans', async () => {
  const answer = await post('/orders', { product_id: 1, quantity: 2 })
  assert.equal(answer.status, 201, answer.text)
  const order = orderSchema.parse(answer.json.order)
  assert.deepEqual([order.user_id, order.customer_name, order.customer_email], [null, null, null])
  assert.deepEqual([order.items[0]!.product_id, order.total], ['demo-product', 59.98])
  assert.deepEqual((await service.call('GET', `/orders/${order.id}`)).json, order)
  const [row] = await database.query(
    `select a.user_id, a.details->'items'->0->>'product_id' as product_id, i.product_id as in_order
     from audit_logs a join order_items i using (order_id) where a.order_id = ${order.id}`,
  )
  assert.deepEqual(row, { user_id: null, product_id: 'demo-product', in_order: 'demo-product' })
  const span = (name: string) => sink.spans.find((one) => one.traceId === order.trace_id && one.name === name)
  const created = await until('the span of the order', 10, () => span('create_order'))
  assert.deepEqual(created.attributes['order.product_ids'], ['demo-product'])
  assert.equal(span('price_order')!.events[0]!.attributes['item.product_id'], 'demo-product')
  const { status, json } = await post('/orders', { product_id: 999, quantity: 2 })
  assert.deepEqual([status, json.type, json.detail], [404, '/problems/unknown-product', 'There is no product 999.'])
})

test('one product by id and by number is one product: its pieces are counted together', async () => {
  const items = [
    { product_id: 'laptop-001', quantity: 30 },
    { product_id: 2, quantity: 21 },
    { product_id: '2', quantity: 0 },
  ]
  assert.deepEqual(faults(await post('/process', { user_id: 123, action: 'a', items })), [422, ['/items/2/quantity']])
  items.pop()
  assert.equal((await post('/process', { user_id: 123, action: 'a', items })).status, 409)
  items[0]!.quantity = 29
  const placed = await post('/process', { user_id: 123, action: 'a', items })
  assert.equal(placed.status, 200, placed.text)
  assert.equal((await service.call('GET', '/inventory/2')).json.on_hand, 0)
})

test('who gives half a customer, or names a product by its id, says who orders', async () => {
  const pair = { product_id: 1, quantity: 1 }
  assert.deepEqual(faults(await post('/orders', { ...pair, customer_name: 'Jane' })), [422, ['/customer_email']])
  assert.deepEqual(faults(await post('/orders', { ...pair, product_id: 'demo-product' })), [
    422,
    ['/customer_name', '/customer_email'],
  ])
  for (const product_id of [0, 1.5, -1, 2 ** 31, true, null, [1]])
    assert.deepEqual(faults(await post('/orders', { ...pair, product_id })), [422, ['/product_id']], String(product_id))
})

test('a POST without a body has its fields in the query: the same order, checks and key', async () => {
  const short = await post('/orders?product_id=1&quantity=2')
  assert.deepEqual([short.status, short.json.order.items[0].product_id], [201, 'demo-product'], short.text)
  const known = await post('/orders?product_id=demo-product&quantity=1&user_id=456')
  assert.equal(known.json.order.user_id, 456, known.text)
  const named = await post('/orders?product_id=1&quantity=1&customer_name=Jane+Roe&customer_email=jane%40example.com')
  assert.deepEqual([named.json.order.customer_name, named.json.order.customer_email], ['Jane Roe', 'jane@example.com'])

  assert.deepEqual(faults(await post('/orders?product_id=1&quantity=0&colour=red')), [422, ['quantity', 'query']])
  assert.deepEqual(faults(await post('/orders?product_id=1&quantity=1&quantity=2')), [422, ['quantity']])
  assert.deepEqual(faults(await post('/orders?quantity=1&user_id=x')), [422, ['product_id', 'user_id']])
  assert.equal((await post('/orders?product_id=999&quantity=1')).status, 404)
  assert.equal((await post('/orders?product_id=2&quantity=1')).status, 409)

  const key = { 'idempotency-key': 'query-1' }
  const first = await post('/orders?product_id=1&quantity=1', undefined, key)
  const again = await post('/orders', { quantity: 1, product_id: '1' }, key)
  assert.deepEqual([again.status, again.text], [201, first.text], 'the same fields are the same request')
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.equal((await post('/orders?product_id=1&quantity=3', undefined, key)).status, 422)
})

test('a body and a query are refused together, and nothing at all is no order', async () => {
  const both = await post('/orders?user_id=123', { product_id: 1, quantity: 2 })
  assert.deepEqual(faults(both), [422, ['query']])
  assert.match(both.json.detail, /give all fields there, or all in the query/)
  const nothing = await post('/orders')
  assert.equal(nothing.status, 415)
  assert.match(nothing.json.detail, /a JSON body .* or no body and its fields as query parameters/)
  assert.equal((await post('/orders', '')).status, 400)
})

test('whether there is enough is an answer, not a failure; nothing is reserved', async () => {
  const before = (await service.call('GET', '/inventory/phone-001')).text
  const one = await post('/inventory/check', { product_id: 3, quantity: 200 })
  assert.deepEqual(stockAnswer.parse(one.json), {
    available: true,
    items: [{ product_id: 'phone-001', name: 'Smartphone Pro', quantity: 200, available: true, stock: 200 }],
  })
  const items = [
    { product_id: 'phone-001', quantity: 150 },
    { product_id: 'standard-action', quantity: 1_000_000 },
    { product_id: 3, quantity: 51 },
  ]
  const several = await post('/inventory/check', { items })
  assert.equal(several.status, 200)
  assert.deepEqual(
    [several.json.available, several.json.items.map((item: { available: boolean }) => item.available)],
    [false, [false, true, false]],
  )
  assert.deepEqual(several.json.items[1].stock, null)
  assert.equal((await post('/inventory/check?product_id=3&quantity=201')).json.available, false)
  assert.equal((await post('/inventory/check', { product_id: 'nothing', quantity: 1 })).status, 404)
  assert.deepEqual(faults(await post('/inventory/check', {})), [422, ['/product_id', '/quantity']])
  assert.deepEqual(faults(await post('/inventory/check', { items: [] })), [422, ['/items']])
  assert.deepEqual(faults(await post('/inventory/check', { items, quantity: 1 })), [422, ['/items']])
  const read = await service.call('GET', '/inventory/check')
  assert.deepEqual([read.status, read.headers.get('allow')], [405, 'POST'], 'it is the name of no product')
  assert.equal((await service.call('GET', '/inventory/phone-001')).text, before)
})

test('there are users to begin with, and a request says what they are called', async () => {
  const users = await database.query('select id, name, email from users order by id')
  assert.deepEqual(
    users,
    [123, 456, 789, 1001].map((id) => ({ id, name: null, email: null })),
  )
})
