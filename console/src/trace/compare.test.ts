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
