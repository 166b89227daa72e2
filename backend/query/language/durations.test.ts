import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration, parseSignedDuration, printDuration } from './durations.ts'

test('durations are read as Go reads them, and in days, weeks and years', () => {
  const cases: [text: string, ns: number | undefined][] = [
    ['1h30m', 5_400e9],
    ['1.5s', 1.5e9],
    ['.5ms', 500_000],
    ['5.s', 5e9],
    ['1.001s', 1_001_000_000],
    ['8000000.123456789s', 8_000_000_123_456_789],
    ['1.9ns', 1],
    ['3us', 3_000],
    ['3µs', 3_000],
    ['3μs', 3_000],
    ['1d1w1y', 373 * 86_400e9],
    [`${'9'.repeat(320)}h`, Number.POSITIVE_INFINITY],
  ]
  for (const [text, ns] of cases) assert.equal(parseDuration(text), ns, text)
  for (const text of ['', '5', 's', '.s', '1q', '1h ', '-1h', '1h30', '1.2.3s'])
    assert.equal(parseDuration(text), undefined)
  for (const text of ['1d', '1h1w', '2y']) assert.equal(parseDuration(text, false), undefined)
})

test('values of labels and parameters may have a sign, or be 0', () => {
  const cases = [
    parseSignedDuration('-1.5s'),
    parseSignedDuration('+2m'),
    parseSignedDuration('0'),
    parseSignedDuration('-0'),
  ]
  assert.deepEqual(cases, [-1.5e9, 120e9, 0, 0])
  for (const text of ['--1s', '', '-', `${'9'.repeat(320)}h`]) assert.equal(parseSignedDuration(text), undefined)
})

test('what is printed reads as the same duration', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (ns) => {
      assert.equal(ns === 0 ? 0 : parseDuration(printDuration(ns)), ns)
      assert.equal(parseSignedDuration(`-${printDuration(ns)}`), ns === 0 ? 0 : -ns)
      if (ns < 1e15) assert.equal(parseDuration(formatDuration(ns)), ns)
    }),
  )
  // As long as numbers go.
  const long = fc.double({ min: Number.MAX_SAFE_INTEGER + 1, max: Number.MAX_VALUE, noNaN: true })
  fc.assert(fc.property(long, (ns) => assert.equal(parseDuration(printDuration(ns)), ns)))
  assert.equal(parseDuration(printDuration(7_203_685_477_580e6)), 7_203_685_477_580e6)
  assert.deepEqual([0, 90e9, 1_500e6, -2e6].map(printDuration), ['0s', '1m30s', '1s500ms', '-2ms'])
  assert.deepEqual([0, 90e9, 1.8e9, 1_500, 250e6].map(formatDuration), ['0s', '1m30s', '1.8s', '1.5µs', '250ms'])
})
