import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boxIn, toCells } from './heatmap-cells.ts'

test('empty rows at the edges are cut, one of air stays', () => {
  const bucket = (name: string, count: number) => ({ name, values: [count, 0] })
  const cells = toCells(
    [1000, 6000],
    [bucket('+Inf', 0), bucket('0.001', 0), bucket('0.01', 0), bucket('0.1', 7), bucket('1', 0), bucket('10', 0)],
  )
  assert.deepEqual([cells.first, cells.last, cells.most, cells.stepMs], [1, 3, 7, 5000])
  assert.deepEqual(cells.bounds, [0.001, 0.01, 0.1, 1, 10, Number.POSITIVE_INFINITY])
})

test('a box takes rows whole, and ends where the picture ends', () => {
  const cells = { ...toCells([1, 2], []), bounds: [0.1, 0.25, 0.5, Number.POSITIVE_INFINITY], first: 0, last: 3 }
  assert.deepEqual(boxIn(cells, 1.9, 2.1), { longer: 0.1, upTo: 0.5 })
  assert.deepEqual(boxIn(cells, -3, 0.5), { longer: 0, upTo: 0.1 })
  assert.deepEqual(boxIn(cells, 3.2, 9), { longer: 0.5, upTo: Number.POSITIVE_INFINITY })
})
