import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reduceValues } from './reduce.ts'

test('the median lies between the two in the middle', () => {
  assert.equal(reduceValues([4, 1, 3, 2], 'median'), 2.5)
  assert.equal(reduceValues([3, null, 1, 2], 'median'), 2)
})

test('delta adds up a counter across its resets', () => {
  assert.equal(reduceValues([10, 20, 5, 15], 'delta'), 25)
  assert.equal(reduceValues([10, 20, 5], 'delta'), 15)
  assert.equal(reduceValues([7], 'delta'), 0)
})

test('last and first are what stands there, lastNotNull and firstNotNull look further', () => {
  const values = [null, 1, 2, null]
  assert.deepEqual(
    ['first', 'firstNotNull', 'last', 'lastNotNull'].map((calculation) => reduceValues(values, calculation)),
    [null, 1, null, 2],
  )
})
