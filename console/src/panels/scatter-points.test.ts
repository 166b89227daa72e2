import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lengthBetween, marksOf, nearest, scaleFor } from './scatter-points.ts'

test('durations that differ by little are on a linear scale, others on a logarithmic one that ends at round numbers', () => {
  assert.deepEqual(scaleFor([10, 20, 50]), { log: false, low: 0, high: 55.00000000000001 })
  assert.deepEqual(scaleFor([3, 45]), { log: true, low: 2, high: 50 })
  assert.deepEqual(scaleFor([0, 7, 1000]), { log: true, low: 0.2, high: 2000 })
  assert.deepEqual(scaleFor([8, 1001]), { log: true, low: 5, high: 2000 })
  for (const durations of [[], [0], [0, 0]]) assert.ok(scaleFor(durations).high > 0)
})

test('marks are powers of ten, with what is between them where there is room', () => {
  assert.deepEqual(marksOf({ log: true, low: 2, high: 50 }), [2, 5, 10, 20, 50])
  assert.deepEqual(marksOf({ log: true, low: 1, high: 20_000 }), [1, 10, 100, 1000, 10_000])
})

test('a box holds the traces whose points it holds, and the edge of the picture is no bound', () => {
  const scale = { log: true, low: 1, high: 100 }
  assert.equal(lengthBetween(scale, 11.2, 20.9), 'traceDuration >= 12ms && traceDuration < 21ms')
  assert.equal(lengthBetween(scale, 12, 12), 'traceDuration >= 12ms && traceDuration < 13ms')
  assert.equal(lengthBetween(scale, 1, 20), 'traceDuration < 21ms')
  assert.equal(lengthBetween(scale, 50, 100), 'traceDuration >= 50ms')
  assert.equal(lengthBetween(scale, 0.9, 120), '')
})

test('of points in reach the nearest is meant, of equals the one on top', () => {
  const points = [
    { x: 0, y: 0, id: 'a' },
    { x: 10, y: 0, id: 'b' },
    { x: 10, y: 0, id: 'c' },
  ]
  assert.equal(nearest(points, 2, 1, 12)?.id, 'a')
  assert.equal(nearest(points, 9, 1, 12)?.id, 'c')
  assert.equal(nearest(points, 30, 30, 12), undefined)
})
