import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillingRange } from './first-sight.ts'

const now = Date.parse('2026-05-15T10:30:00Z')
const board = { from: 'now-15m', to: 'now' }
const after = (minutes: number) => fillingRange(board, now - minutes * 60_000, now)

test('a board begins with what there is, up to its own range', () => {
  assert.deepEqual(after(10), { from: 'now-10m', to: 'now' })
  assert.deepEqual(after(9.2), { from: 'now-10m', to: 'now' })
  assert.deepEqual(after(0.1), { from: 'now-2m', to: 'now' })
  assert.deepEqual(after(14.9), board)
  assert.deepEqual(after(300), board)
})

test('without data, and where a board asks for another time, nothing changes', () => {
  assert.deepEqual(fillingRange(board, undefined, now), board)
  for (const own of [
    { from: 'now-6h', to: 'now' },
    { from: 'now-2h', to: 'now-1h' },
    { from: 'now/d', to: 'now' },
    { from: '1700000000000', to: '1700000060000' },
  ])
    assert.deepEqual(fillingRange(own, now - 60_000, now), own)
})
