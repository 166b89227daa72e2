import assert from 'node:assert/strict'
import { test } from 'node:test'
import { axisFormatter, formatValue } from './units.ts'

test('values in the unit people would choose', () => {
  const cases: [number | null, string, string][] = [
    [0.0367, 's', '36.7 ms'],
    [0.00064, 's', '640 µs'],
    [95, 's', '1.58 min'],
    [263, 'ms', '263 ms'],
    [1_250_000, 'ns', '1.25 ms'],
    [2.87, 'reqps', '2.87 req/s'],
    [12_345, 'reqps', '12.3 kreq/s'],
    [0.0064, 'percentunit', '0.64%'],
    [1, 'percentunit', '100%'],
    [1536, 'bytes', '1.5 KiB'],
    [1_480_000, 'short', '1.48 Mil'],
    [0, 's', '0 s'],
    [null, 's', '-'],
    [Number.POSITIVE_INFINITY, 's', '+Inf'],
    [5, 'furlongs', '5 furlongs'],
  ]
  for (const [value, unit, text] of cases) assert.equal(formatValue(value, { unit }), text)
})

test('all marks of an axis share one scale, with digits enough to differ', () => {
  const seconds = axisFormatter(0.25, { unit: 's' })
  assert.deepEqual(
    [0, 0.05, 0.1].map((mark) => seconds(mark, 0.05)),
    ['0 ms', '50 ms', '100 ms'],
  )
  const whole = axisFormatter(1, { unit: 'none', decimals: 0 })
  assert.deepEqual(
    [0, 0.5, 1].map((mark) => whole(mark, 0.5)),
    ['0', '', '1'],
  )
})
