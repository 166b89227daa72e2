import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextOrder, ordered, readOrder } from './row-order.ts'

test('a click sorts numbers with the largest first, texts by the alphabet, and a second click turns it', () => {
  assert.equal(nextOrder('', 'self', true), '-self')
  assert.equal(nextOrder('-self', 'self', true), 'self')
  assert.equal(nextOrder('self', 'self', true), '-self')
  assert.equal(nextOrder('-self', 'name', false), 'name')
  assert.deepEqual(readOrder('-self'), { by: 'self', descending: true })
})

test('equal rows keep their order in both directions', () => {
  const rows = [
    { n: 1, id: 'a' },
    { n: 2, id: 'b' },
    { n: 1, id: 'c' },
  ]
  const ids = (descending: boolean) => ordered(rows, ({ n }) => n, descending).map(({ id }) => id)
  assert.deepEqual(ids(false), ['a', 'c', 'b'])
  assert.deepEqual(ids(true), ['b', 'a', 'c'])
})
