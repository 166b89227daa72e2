import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPlan } from './plan.ts'

/** As PostgreSQL 18 wrote it, shortened. */
const JOINED = {
  'Query Text': 'select ...',
  Plan: {
    'Node Type': 'Nested Loop',
    'Join Type': 'Left',
    'Total Cost': 30,
    'Plan Rows': 4,
    Plans: [
      {
        'Node Type': 'Seq Scan',
        'Relation Name': 'order_items',
        Alias: 'i',
        'Total Cost': 20,
        'Plan Rows': 4,
        Filter: '(quantity > ?)',
      },
      {
        'Node Type': 'Index Scan',
        'Index Name': 'products_pkey',
        'Relation Name': 'products',
        Alias: 'products',
        'Total Cost': 5,
        'Plan Rows': 1,
        'Actual Rows': 2,
        'Index Cond': '(id = i.product_id)',
      },
    ],
  },
}

test('each step is a row below the one that asks it: what it does, what it costs without those below it', () => {
  const steps = readPlan(JSON.stringify(JOINED))!
  assert.deepEqual(
    steps.map(({ depth, title, rows, actualRows, cost, share }) => [depth, title, rows, actualRows, cost, share]),
    [
      [0, 'Nested Loop Left Join', 4, null, 5, 5 / 30],
      [1, 'Seq Scan on order_items i', 4, null, 20, 20 / 30],
      [1, 'Index Scan by products_pkey on products', 1, 2, 5, 5 / 30],
    ],
  )
  assert.deepEqual(
    steps.map(({ details }) => details),
    [[], ['Filter: (quantity > ?)'], ['Index Cond: (id = i.product_id)']],
  )
  assert.deepEqual(readPlan(JSON.stringify([JOINED])), steps, 'EXPLAIN puts it into an array')
})

test('kinds are named as EXPLAIN names them in its text', () => {
  const titleOf = (plan: object) => readPlan(JSON.stringify({ Plan: plan }))![0]!.title
  assert.equal(titleOf({ 'Node Type': 'Hash Join', 'Join Type': 'Inner' }), 'Hash Join')
  assert.equal(titleOf({ 'Node Type': 'Hash Join', 'Join Type': 'Anti' }), 'Hash Anti Join')
  assert.equal(titleOf({ 'Node Type': 'Aggregate', Strategy: 'Hashed' }), 'HashAggregate')
  assert.equal(titleOf({ 'Node Type': 'Aggregate', Strategy: 'Plain' }), 'Aggregate')
  for (const [strategy, title] of [
    ['Sorted', 'GroupAggregate'],
    ['Mixed', 'MixedAggregate'],
  ])
    assert.equal(titleOf({ 'Node Type': 'Aggregate', Strategy: strategy, 'Partial Mode': 'Simple' }), title)
  assert.equal(
    titleOf({ 'Node Type': 'Aggregate', Strategy: 'Hashed', 'Partial Mode': 'Partial' }),
    'Partial HashAggregate',
  )
  assert.equal(
    titleOf({ 'Node Type': 'Hash Join', 'Join Type': 'Left', 'Parallel Aware': true }),
    'Parallel Hash Left Join',
  )
  assert.equal(
    titleOf({
      'Node Type': 'Index Scan',
      'Scan Direction': 'Backward',
      'Index Name': 'tt_i_idx',
      'Relation Name': 'tt',
    }),
    'Index Scan Backward by tt_i_idx on tt',
  )
  assert.equal(titleOf({ 'Node Type': 'Subquery Scan', Alias: 'newest' }), 'Subquery Scan on newest')
  assert.equal(
    titleOf({ 'Node Type': 'SetOp', Strategy: 'Hashed', Command: 'Intersect All' }),
    'HashSetOp Intersect All',
  )
  assert.equal(
    titleOf({ 'Node Type': 'ModifyTable', Operation: 'Insert', 'Relation Name': 'orders', Alias: 'orders' }),
    'Insert on orders',
  )
  assert.equal(
    titleOf({ 'Node Type': 'CTE Scan', 'CTE Name': 'placed', Alias: 'placed', 'Subplan Name': 'InitPlan 1' }),
    'InitPlan 1: CTE Scan on placed',
  )
})

test('a step that ends early costs nothing of its own, and a plan of no cost has no shares', () => {
  const scan = { 'Node Type': 'Seq Scan', 'Total Cost': 100 }
  const limited = readPlan(JSON.stringify({ Plan: { 'Node Type': 'Limit', 'Total Cost': 3, Plans: [scan] } }))!
  assert.deepEqual(
    limited.map(({ cost, share }) => [cost, share]),
    [
      [0, 0],
      [100, 1],
    ],
  )
  assert.deepEqual(readPlan(JSON.stringify({ Plan: { 'Node Type': 'Result' } }))![0]!.share, 0)
})

test('what is no plan is none', () => {
  for (const text of ['', '{', 'null', '[]', '{}', '{"Plan":1}', '{"Plan":{"Plans":[]}}', '"Plan"'])
    assert.equal(readPlan(text), undefined, text)
  for (const one of ['null', '1', '[]', '{}', '{"Node Type":{}}'])
    assert.equal(readPlan(`{"Plan":{"Node Type":"Limit","Plans":[${one}]}}`), undefined, one)
  const deep = 20_000
  const text = `{"Plan":${'{"Node Type":"Limit","Plans":['.repeat(deep)}${']}'.repeat(deep)}}`
  assert.equal(readPlan(text), undefined)
})
