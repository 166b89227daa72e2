import assert from 'node:assert/strict'
import { test } from 'node:test'
import { picked } from './picks.ts'

test('two are ticked at most: a third takes the place of the older one, and a second click unticks', () => {
  assert.deepEqual(picked([], 'a'), ['a'])
  assert.deepEqual(picked(['a'], 'b'), ['a', 'b'])
  assert.deepEqual(picked(['a', 'b'], 'c'), ['b', 'c'])
  assert.deepEqual(picked(['a', 'b'], 'a'), ['b'])
})
