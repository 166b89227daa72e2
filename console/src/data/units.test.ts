import assert from 'node:assert/strict'
import { test } from 'node:test'
import { valueAxis } from '../panels/axes.ts'
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
    [0.0042, 'currencyUSD', '$0.0042'],
    [99.5, 'percent', '99.5%'],
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

/** The marks of an axis as uPlot asks for them: those between decades of a logarithmic one are null. */
function marks(
  unit: string,
  splits: (number | null)[],
  gap: number,
  { log = false, decimals = undefined as number | undefined } = {},
) {
  const numbers = splits.filter((split) => split !== null)
  const scales = { y: { min: Math.min(...numbers), max: Math.max(...numbers), distr: log ? 3 : 1 } }
  const { values } = valueAxis({ scale: 'y', unit, decimals })
  return (values as (...asked: unknown[]) => string[])({ scales }, splits, 1, 0, gap)
}

test('every mark of a logarithmic axis says its own size, whatever the unit', () => {
  const decades = [0.0001, 0.001, null, 0.01, 0.1, 1, 10, 100, 3600]
  assert.deepEqual(marks('s', decades, 0, { log: true, decimals: 0 }), [
    ...['100 µs', '1 ms', '', '10 ms', '100 ms', '1 s', '10 s', '1.67 min', '1 h'],
  ])
  assert.deepEqual(marks('ms', [0.001, 0.25, 1000], 0, { log: true }), ['1 µs', '250 µs', '1 s'])
  assert.deepEqual(marks('bytes', [1, 1024, 2 ** 30], 0, { log: true }), ['1 B', '1 KiB', '1 GiB'])
  assert.deepEqual(marks('percentunit', [0.00001, 0.001, 1], 0, { log: true }), ['0.001%', '0.1%', '100%'])
  for (const unit of [
    '',
    'none',
    'short',
    'reqps',
    'ops',
    'hertz',
    'si',
    'percent',
    'currencyUSD',
    'furlongs',
    'suffix:x',
    'd',
    'ns',
  ]) {
    const texts = marks(unit, [1e-4, 1e-3, 0.01, 0.1, 1, 10, 1e3, 1e6], 0, { log: true })
    assert.equal(new Set(texts).size, 8, `${unit}: ${texts}`)
    for (const text of texts) assert.doesNotMatch(text, /^[$]?0(?:\.0+)?(?!\.?\d)/, unit)
  }
})

test('marks of a linear axis differ and are what they say, whatever the unit and however close they are', () => {
  assert.deepEqual(marks('s', [0, 20, 40, 60, 80], 20), ['0 s', '20 s', '40 s', '60 s', '80 s'])
  assert.deepEqual(marks('s', [0, 30, 60, 90], 30), ['0.0 min', '0.5 min', '1.0 min', '1.5 min'])
  assert.deepEqual(marks('s', [0, 0.0025, 0.005], 0.0025), ['0.0 ms', '2.5 ms', '5.0 ms'])
  assert.deepEqual(marks('percentunit', [0.9995, 0.9996, 0.9997], 0.0001), ['99.95%', '99.96%', '99.97%'])
  assert.deepEqual(marks('percentunit', [0, 0.25, 0.5], 0.25), ['0%', '25%', '50%'])
  assert.deepEqual(marks('none', [0, 0.25, 0.5], 0.25), ['0.00', '0.25', '0.50'])
  assert.deepEqual(marks('currencyUSD', [0, 0.001, 0.002], 0.001), ['$0.000', '$0.001', '$0.002'])
  assert.deepEqual(marks('bool', [0, 0.5, 1], 0.5), ['False', '', 'True'])
  for (const unit of [
    '',
    'short',
    's',
    'ms',
    'ns',
    'bytes',
    'Bps',
    'reqps',
    'percent',
    'percentunit',
    'currencyEUR',
    'furlongs',
  ]) {
    for (const gap of [1e-6, 0.0025, 1, 50, 1e6])
      for (const from of [0, 40 * gap]) {
        const splits = [0, 1, 2, 3].map((step) => from + step * gap)
        const texts = marks(unit, splits, gap)
        assert.equal(new Set(texts).size, 4, `${unit} ${splits}: ${texts}`)
      }
  }
})
