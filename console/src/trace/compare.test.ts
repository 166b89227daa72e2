import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTrace } from '../../test/trace.ts'
import { compareTraces, isStructural } from './compare.ts'

test('spans are matched by their way from the root; what one side lacks or fails alone is structural', () => {
  const left = makeTrace([
    { id: '1', at: [0, 100], name: 'POST' },
    { id: '2', parent: '1', at: [10, 20], name: 'query' },
    { id: '3', parent: '1', at: [30, 50], name: 'query' },
    { id: '4', parent: '1', at: [60, 70], name: 'deliver', error: true },
  ])
  const right = makeTrace([
    { id: 'a', at: [0, 300], name: 'POST' },
    { id: 'b', parent: 'a', at: [10, 200], name: 'query' },
    { id: 'c', parent: 'a', at: [210, 220], name: 'deliver' },
    { id: 'd', parent: 'a', at: [230, 240], name: 'retry' },
  ])
  const differences = compareTraces(left, right)
  const told = differences.map((one) => [
    one.name,
    one.left.count,
    one.right.count,
    one.right.duration - one.left.duration,
    isStructural(one),
  ])
  assert.deepEqual(told, [
    ['POST', 1, 1, 200, false],
    ['query', 2, 1, 160, true],
    ['deliver', 1, 1, 0, true],
    ['retry', 0, 1, 10, true],
  ])
})

test('the order is that of the trees: what only the right one has stands where it stands there, with what is below it', () => {
  const left = makeTrace([
    { id: '1', at: [0, 100], name: 'POST' },
    { id: '2', parent: '1', at: [10, 20], name: 'first' },
    { id: '3', parent: '2', at: [11, 12], name: 'query' },
    { id: '4', parent: '1', at: [30, 50], name: 'last' },
  ])
  const right = makeTrace([
    { id: 'a', at: [0, 100], name: 'POST' },
    { id: 'b', parent: 'a', at: [1, 2], name: 'early' },
    { id: 'c', parent: 'a', at: [10, 20], name: 'first' },
    { id: 'd', parent: 'a', at: [22, 28], name: 'between' },
    { id: 'e', parent: 'd', at: [23, 24], name: 'query' },
    { id: 'f', parent: 'a', at: [30, 50], name: 'last' },
  ])
  assert.deepEqual(
    compareTraces(left, right).map(({ depth, name, left, right }) => [depth, name, left.count, right.count]),
    [
      [0, 'POST', 1, 1],
      [1, 'early', 0, 1],
      [1, 'first', 1, 1],
      [2, 'query', 1, 0],
      [1, 'between', 0, 1],
      [2, 'query', 0, 1],
      [1, 'last', 1, 1],
    ],
  )
})

test('chains deeper than the stack are compared', () => {
  const deep = makeTrace(
    Array.from({ length: 3000 }, (_, i) => ({ id: `${i}`, ...(i && { parent: `${i - 1}` }), at: [0, 9] as const })),
  )
  assert.equal(compareTraces(deep, deep).length, 3000)
})
