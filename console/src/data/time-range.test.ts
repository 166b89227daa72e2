import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration, rangeLabel, refreshOf, resolveRange } from './time-range.ts'

// A zone with days of 23 and of 25 hours.
process.env.TZ = 'Europe/Berlin'

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

test('days, weeks, months and years go by the local calendar', () => {
  const at = (text: string) => new Date(text).getTime()
  const range = (from: string, to: string, moment: string) => resolveRange({ from, to }, at(moment))
  assert.equal(range('now-1M/M', 'now', '2026-03-31T12:00').from, at('2026-02-01T00:00'))
  assert.equal(range('now-1M', 'now', '2026-03-31T12:00').from, at('2026-02-28T12:00'))
  assert.equal(range('now-1y', 'now', '2028-02-29T12:00').from, at('2027-02-28T12:00'))
  assert.equal(range('now-1d', 'now', '2026-03-29T12:00').from, at('2026-03-28T12:00'))
  assert.equal(range('now-2w', 'now', '2026-04-05T12:00').from, at('2026-03-22T12:00'))
  for (const [day, next] of [
    ['2026-03-29', '2026-03-30'],
    ['2026-10-25', '2026-10-26'],
  ] as const) {
    const today = range('now/d', 'now/d', `${day}T12:00`)
    assert.deepEqual(today, { from: at(`${day}T00:00`), to: at(`${next}T00:00`) - 1 })
  }
  const week = range('now/w', 'now/w', '2026-03-25T12:00')
  assert.deepEqual(week, { from: at('2026-03-23T00:00'), to: at('2026-03-30T00:00') - 1 })
  assert.throws(() => range('now-999999999999y', 'now', '2026-03-25T12:00'), /is no time/)
})

test('a date alone is local, as one with an hour is', () => {
  const { from, to } = resolveRange({ from: '2026-01-31', to: '2026-01-31 12:00' }, now)
  assert.equal(from, new Date(2026, 0, 31).getTime())
  assert.equal(to - from, 12 * 3_600_000)
  assert.equal(resolveRange({ from: '2026-02', to: 'now' }, now).from, new Date(2026, 1, 1).getTime())
})

test('a range that stands still is not asked for again, unless somebody chose to', () => {
  const [moving, still] = [
    { from: 'now-1h', to: 'now' },
    { from: '2026-01-01', to: '2026-01-02' },
  ]
  assert.equal(refreshOf(moving, null, '30s'), '30s')
  assert.equal(refreshOf(moving, null, ''), 'off')
  assert.equal(refreshOf(still, null, '30s'), 'off')
  assert.equal(refreshOf(still, '5s', '30s'), '5s')
})
