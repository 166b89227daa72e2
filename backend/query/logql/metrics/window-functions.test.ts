import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { windowFunction } from './window-functions.ts'

test('a quantile lies between the two nearest of all values in their order', () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true }), fc.constantFrom(-0, 1e300))
  const long = fc.tuple(fc.array(value, { minLength: 1, maxLength: 40 }), fc.constantFrom(1, 1, 9)).map(repeated)
  fc.assert(
    fc.property(long, fc.constantFrom(0, 0.1, 0.5, 0.95, 0.999, 1), fc.nat(3), (values, q, before) => {
      const inOrder = [...values].sort((a, b) => a - b)
      const rank = q * (values.length - 1)
      const [low, high] = [inOrder[Math.floor(rank)]!, inOrder[Math.min(Math.floor(rank) + 1, values.length - 1)]!]
      const share = rank - Math.floor(rank)
      const window = { from: before, to: before + values.length, rangeNs: 1 }
      const others = new Array<number>(before).fill(-7)
      const found = windowFunction('quantile_over_time', q)({ values: [...others, ...values, -7] }, window)
      assert.ok(Object.is(found, low * (1 - share) + high * share), `${found} of ${values.length}`)
    }),
    { numRuns: 2000 },
  )
})

const repeated = ([values, times]: [number[], number]): number[] =>
  Array.from({ length: times }, (_, k) => values.map((value) => value + k)).flat()

test('ordered, reversed and equal values of a long window have their quantile', () => {
  const count = 10_000
  for (const values of [
    Array.from({ length: count }, (_, k) => k),
    Array.from({ length: count }, (_, k) => count - 1 - k),
    Array.from({ length: count }, (_, k) => (k % 2 === 0 ? k / 2 : count - 1 - (k - 1) / 2)),
  ]) {
    assert.equal(windowFunction('quantile_over_time', 0.25)({ values }, { from: 0, to: count, rangeNs: 1 }), 2499.75)
  }
  const same = new Array<number>(count).fill(3)
  assert.equal(windowFunction('quantile_over_time', 0.25)({ values: same }, { from: 0, to: count, rangeNs: 1 }), 3)
})
