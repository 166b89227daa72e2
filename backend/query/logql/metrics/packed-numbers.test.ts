import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packNumbers, unpackNumber } from './packed-numbers.ts'

const decimal = (places: number) =>
  fc.integer({ min: -5, max: 5_000_000_000 }).map((units) => Number(`${units}e-${places}`))
const kinds = [
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 300 }).map((millions) => millions * 1e6),
  fc.maxSafeNat(),
  ...[1, 3, 6, 7].map(decimal),
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324),
]

test('packed numbers are the same bit for bit', () => {
  const numbers = fc.oneof(...kinds.map((kind) => fc.array(kind)), fc.array(fc.oneof(...kinds)))
  fc.assert(
    fc.property(numbers, (given) => {
      const packed = packNumbers(given)
      for (const [at, number] of given.entries()) assert.ok(Object.is(unpackNumber(packed, at), number), String(number))
    }),
    { numRuns: 2000 },
  )
})

test('small, whole and decimal numbers take few bytes each', () => {
  const bytes = (numbers: number[]): number => packNumbers(numbers).units.byteLength / numbers.length
  assert.equal(bytes([0, 7, 255]), 1)
  assert.equal(bytes([3e6, 4e6]), 1)
  assert.equal(bytes([0.012, 1.5, 65]), 2)
  assert.equal(bytes([12.345678, 3]), 4)
  assert.equal(bytes([0.1 + 0.2]), 8)
})
