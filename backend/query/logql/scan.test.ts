import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBudget, metricsRange, parse } from './index.ts'
import { compileScan } from './scan.ts'
import { buildLogTable, sourceOf } from './test/lines.ts'

test('dropping errors that no stage can have marked leaves counting a matter of columns', () => {
  const untouched = (stages: string): boolean => {
    const query = parse(`{a="b"} ${stages}`)
    assert.ok(query.kind === 'log')
    return compileScan(query, createBudget()).untouched
  }
  assert.ok(untouched('|= "x" | drop __error__, __error_details__'))
  assert.ok(!untouched('| json | drop __error__'))
  assert.ok(!untouched('| drop __error__, a'))
})

test('the time limit is looked at while windows are computed', () => {
  const query = parse('max_over_time({a="b"} | logfmt | unwrap n [1h])')
  assert.ok(query.kind !== 'log')
  const source = sourceOf(buildLogTable([{ timeNs: 1n, labels: { a: 'b' }, line: 'n=1' }]))
  let ticks = 0
  const tick = (): void => {
    ticks += 1
  }
  const budget = { ...createBudget(), tick }
  metricsRange(query, source, { startNs: 1n, endNs: 1_000n, stepNs: 1n, budget })
  assert.ok(ticks >= 1_000)
})
