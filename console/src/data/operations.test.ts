import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTrace } from '../../test/trace.ts'
import { addOperations, type Operations, operationsOf } from './operations.ts'
import { buildTree } from './trace.ts'

const tree = (sketches: Parameters<typeof makeTrace>[0]) => buildTree(makeTrace(sketches))

test('calls, errors, total and self time, and what lay on the critical path', () => {
  const roots = tree([
    { id: '1', at: [0, 100], name: 'POST' },
    { id: '2', parent: '1', at: [10, 30], name: 'query', service: 'db' },
    { id: '3', parent: '1', at: [20, 60], name: 'query', service: 'db', error: true },
  ])
  const [post, query] = operationsOf('t', roots)
  assert.deepEqual(post, {
    service: 'a',
    name: 'POST',
    calls: 1,
    errors: 0,
    traces: 1,
    total: 100,
    self: 50,
    onPath: 60,
    slowest: { traceId: 't', spanId: '1', duration: 100 },
  })
  // Side by side both took their time: 20 and 40. The end waited for the second alone.
  assert.deepEqual(query, {
    service: 'db',
    name: 'query',
    calls: 2,
    errors: 1,
    traces: 1,
    total: 60,
    self: 60,
    onPath: 40,
    slowest: { traceId: 't', spanId: '3', duration: 40 },
  })
})

test('a call within a call of the same operation is in the total once, and twice in the calls', () => {
  const roots = tree([
    { id: '1', at: [0, 100], name: 'retry' },
    { id: '2', parent: '1', at: [10, 90], name: 'other' },
    { id: '3', parent: '2', at: [20, 80], name: 'retry' },
    { id: '4', at: [100, 130], name: 'retry' },
  ])
  const [retry, other] = operationsOf('t', roots)
  assert.deepEqual([retry?.calls, retry?.total, retry?.self], [3, 130, 20 + 60 + 30])
  assert.deepEqual([other?.calls, other?.total, other?.self], [1, 80, 20])
})

test('the operations of many traces add up, and each says how many traces call it', () => {
  const first = tree([
    { id: '1', at: [0, 100], name: 'POST' },
    { id: '2', parent: '1', at: [10, 30], name: 'query' },
    { id: '3', parent: '1', at: [40, 50], name: 'query' },
  ])
  const second = tree([{ id: '9', at: [0, 300], name: 'POST', error: true }])
  const one: Operations = addOperations(new Map(), 'first', first)
  const both = [...addOperations(one, 'second', second).values()]
  const told = both.map(({ name, calls, errors, traces, total, slowest }) => [
    name,
    calls,
    errors,
    traces,
    total,
    slowest.traceId,
  ])
  assert.deepEqual(told, [
    ['POST', 2, 1, 2, 400, 'second'],
    ['query', 2, 0, 1, 30, 'first'],
  ])
  assert.deepEqual(
    [...one.values()].map(({ calls }) => calls),
    [1, 2],
    'what was added to stays',
  )
})

test('names with the same letters in other places are two operations', () => {
  const roots = tree([
    { id: '1', at: [0, 10], service: 'a b', name: 'c' },
    { id: '2', at: [10, 20], service: 'a', name: 'b c' },
  ])
  assert.equal(operationsOf('t', roots).length, 2)
})
