import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closest, didYouMean } from './closest.ts'

test('a name that was mistyped, begun, or named by one of its words', () => {
  const names = ['slow-tuesday', 'lunch-hour', 'long-history', 'long-aisle', 'list', 'stop']
  assert.deepEqual(closest('slow-tusday', names), ['slow-tuesday'])
  assert.deepEqual(closest('Tuesday', names), ['slow-tuesday'])
  assert.deepEqual(closest('long', names), ['long-history', 'long-aisle'])
  assert.deepEqual(closest('lst', names), ['list'])
  assert.deepEqual(closest('avalanche', names), [])
  assert.equal(didYouMean('stpo', names), ' Did you mean stop?')
  assert.equal(didYouMean('nothing-like-it', names), '')
})
