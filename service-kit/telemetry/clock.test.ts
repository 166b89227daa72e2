import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { hrTimeToMicroseconds } from '@opentelemetry/core'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createClock, fineStart } from './clock.ts'

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

test('it goes as evenly as the fine clock, also across the edge of a millisecond', () => {
  let fine = 1000.97
  const clock = createClock(
    () => Math.floor(fine - 0.04),
    () => fine,
  )
  const first = clock()
  fine += 0.06
  assert.ok(Math.abs(clock() - first - 0.06) < 1e-9, 'no pull back to the millisecond')
})

test('held up between its two readings it takes them again, instead of seeing drift', () => {
  let now = 1000.5
  let holdUp = 8
  const wall = () => Math.floor(now)
  const clock = createClock(wall, () => {
    now += holdUp
    holdUp = 0
    return now
  })
  assert.equal(clock(), 1008.5)
  now += 0.25
  assert.equal(clock(), 1008.75)
})

test('a process that is held up while it starts a span starts and ends that span no later', async () => {
  const exporter = new InMemorySpanExporter()
  let holdUpMs = 0
  const heldUp = {
    onStart() {
      const until = performance.now() + holdUpMs
      while (performance.now() < until);
    },
    onEnd() {},
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  const processors = [heldUp, fineStart, new SimpleSpanProcessor({ exporter })]
  const tracer = new TracerProvider({ spanProcessors: processors }).getTracer('test')
  const outer = tracer.startSpan('outer')
  holdUpMs = 10
  const inner = tracer.startSpan('inner', {}, trace.setSpan(ROOT_CONTEXT, outer))
  inner.end()
  outer.end()
  const [first, second] = exporter.getFinishedSpans()
  const took = hrTimeToMicroseconds(first!.duration)
  assert.ok(took >= 10_000, `${took} us`)
  assert.ok(hrTimeToMicroseconds(first!.startTime) >= hrTimeToMicroseconds(second!.startTime))
  assert.ok(hrTimeToMicroseconds(first!.endTime) <= hrTimeToMicroseconds(second!.endTime))
})

test('against the real clocks it never leaves the current millisecond', () => {
  const clock = createClock()
  for (let n = 0; n < 1000; n++) {
    const before = Date.now()
    const now = clock()
    assert.ok(now >= before && now <= Date.now() + 1.1)
  }
})
