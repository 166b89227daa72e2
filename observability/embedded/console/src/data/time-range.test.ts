import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration, rangeLabel, resolveRange } from './time-range.ts'

const now = Date.parse('2026-05-15T10:30:45.500Z')

test('relative, rounded, absolute and written times', () => {
  assert.deepEqual(resolveRange({ from: 'now-1h', to: 'now' }, now), { from: now - 3_600_000, to: now })
  assert.deepEqual(resolveRange({ from: '1700000000000', to: '1700000060000' }, now), {
    from: 1_700_000_000_000,
    to: 1_700_000_060_000,
  })
  assert.equal(resolveRange({ from: '2026-01-31T12:00:00Z', to: 'now' }, now).from, Date.parse('2026-01-31T12:00:00Z'))
  const minute = resolveRange({ from: 'now/m', to: 'now/m' }, now)
  assert.equal(minute.to - minute.from, 59_999)
  assert.equal(minute.from % 60_000, 0)
})

test('nonsense and empty ranges are refused in words', () => {
  assert.throws(() => resolveRange({ from: 'yesterday-ish', to: 'now' }, now), /"yesterday-ish" is no time/)
  assert.throws(() => resolveRange({ from: 'now+1q', to: 'now' }, now), /is no time/)
  assert.throws(() => resolveRange({ from: 'now', to: 'now-1h' }, now), /must end after it starts/)
})

test('durations', () => {
  assert.deepEqual(['90s', '1h30m', '500ms', '', '5 m', 'm'].map(parseDuration), [
    90_000,
    5_400_000,
    500,
    undefined,
    undefined,
    undefined,
  ])
})

test('labels', () => {
  assert.equal(rangeLabel({ from: 'now-1h', to: 'now' }), 'Last 1 hour')
  assert.equal(rangeLabel({ from: 'now-2h', to: 'now-1h' }), 'now-2h to now-1h')
})
