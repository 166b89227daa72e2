import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClock } from './clock.ts'

test('inside a millisecond the fine clock tells the order', () => {
  let fine = 1000.1
  const clock = createClock(
    () => 1000,
    () => fine,
  )
  assert.equal(clock(), 1000.1)
  fine = 1000.7
  assert.equal(clock(), 1000.7)
})

test('a wall clock that was set forward or back is followed, and order inside a millisecond kept', () => {
  let wall = 1000
  let fine = 1000.5
  const clock = createClock(
    () => wall,
    () => fine,
  )
  clock()
  for (const step of [60_000, -30_000]) {
    wall += step
    const first = clock()
    fine += 0.000_5
    assert.ok(first >= wall && first <= wall + 1, `${first} at ${wall}`)
    assert.ok(clock() >= first)
  }
})

test('against the real clocks it never leaves the current millisecond', () => {
  const clock = createClock()
  for (let n = 0; n < 1000; n++) {
    const before = Date.now()
    const now = clock()
    assert.ok(now >= before && now <= Date.now() + 1.1)
  }
})
