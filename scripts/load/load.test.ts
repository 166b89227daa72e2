import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeOperation, parseMix } from './operations.ts'
import { percentile, Tally } from './tally.ts'

test('a mix names its kinds and weights', () => {
  assert.deepEqual([...parseMix('orders=100')], [['orders', 100]])
  assert.throws(() => parseMix('orders'), /needs a weight, like orders=10/)
  assert.throws(() => parseMix('writes=1'), /knows orders, items, reads, failures, not "writes"/)
  assert.throws(() => parseMix('orders=0'), /no weight above 0/)
})

test('a mix of one kind sends only that kind', () => {
  const next = makeOperation(parseMix('orders=1,reads=0'))
  for (let n = 0; n < 100; n++) assert.equal(next().kind, 'orders')
})

test('orders of tracked products put back what they take', () => {
  const next = makeOperation(parseMix('items=1'))
  const added = new Map<string, number>()
  for (let n = 0; n < 80; n++) {
    const { path, body } = next()
    const { items } = JSON.parse(body!) as { items?: { product_id: string; quantity: number }[] }
    const product = items?.[0]?.product_id ?? path.split('/')[4]!
    added.set(product, (added.get(product) ?? 0) + (items ? -1 : 1))
  }
  assert.deepEqual([...added.values()], [0, 0, 0, 0])
})

test('percentiles are by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1)
  assert.deepEqual([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1)], [50, 99, 100])
  assert.equal(percentile([], 0.5), 0)
})

test('an answer outside of what its request expects is counted and shown', () => {
  const tally = new Tally()
  const exchange = { kind: 'reads', method: 'GET', path: '/', expected: [200] } as const
  tally.add(exchange, 200, 1)
  tally.add(exchange, 503, 2)
  tally.add(exchange, 'ECONNREFUSED', 3)
  assert.equal(tally.unexpected, 2)
  assert.match(tally.summary(), /3 requests .* 2 unexpected/)
  assert.match(tally.summary(), /200: 1, 503: 1, ECONNREFUSED: 1 {2}\(2 unexpected\)/)
})
