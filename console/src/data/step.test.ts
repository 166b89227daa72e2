import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alignRange, durationText, niceStep, queryStep, rateInterval } from './step.ts'

const HOUR = 3_600_000

test('steps are near range / points, on round numbers, and never below the scrape interval', () => {
  assert.equal(queryStep(15 * 60_000, 800), 5_000)
  assert.equal(queryStep(HOUR, 800), 5_000)
  assert.equal(queryStep(6 * HOUR, 800), 30_000)
  assert.equal(queryStep(24 * HOUR, 800), 120_000)
  assert.equal(queryStep(HOUR, 800, '1m'), 60_000)
  assert.equal(queryStep(HOUR, 800, '>1m'), 60_000)
})

test('a longer range never has a shorter step', () => {
  let last = 0
  for (let range = 60_000; range < 90 * 24 * HOUR; range *= 1.3) {
    const step = niceStep(range / 500)
    assert.ok(step >= last)
    last = step
  }
})

test('a rate window holds four scrapes', () => {
  assert.equal(rateInterval(5_000), 20_000)
  assert.equal(rateInterval(60_000), 65_000)
})

test('aligned ends stay the same while the clock moves within a step', () => {
  assert.deepEqual(alignRange(12_345, 72_345, 5_000), alignRange(14_999, 74_999, 5_000))
})

test('durations as query languages write them', () => {
  assert.deepEqual([250, 15_000, 90_000, 120_000, HOUR, 48 * HOUR].map(durationText), [
    '250ms',
    '15s',
    '90s',
    '2m',
    '1h',
    '2d',
  ])
})
