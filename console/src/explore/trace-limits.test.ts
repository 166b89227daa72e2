import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toRow } from '../data/found-traces.ts'
import { extentOf, LIMITS, nextLimit, readLimit } from './trace-limits.ts'

test('more is the next longer list, up to the longest; what an address says otherwise is the shortest', () => {
  assert.equal(readLimit('500'), 500)
  for (const text of [null, '', '7', '-1', '1e9']) assert.equal(readLimit(text), LIMITS[0])
  assert.equal(nextLimit(LIMITS[0]!), LIMITS[1])
  assert.equal(nextLimit(LIMITS.at(-1)!), undefined)
})

test('the time axis is the range, and begins at the oldest trace where older ones are not listed', () => {
  const at = (ms: number) => toRow({ traceID: 'a', startTimeUnixNano: `${ms}000000` }, false)
  const range = { from: 0, to: 1_000_000 }
  assert.deepEqual(extentOf([at(900_000), at(800_000)], range, false), range)
  assert.deepEqual(extentOf([at(900_000), at(800_000)], range, true), { from: 796_000, to: 1_000_000 })
  assert.deepEqual(extentOf([at(100)], range, true).from, 0)
})
