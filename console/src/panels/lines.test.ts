import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Frame } from '../data/frame.ts'
import { toLines } from './lines.ts'

const frame = (name: string, times: number[], values: number[]): Frame => ({
  refId: 'A',
  name,
  fields: [
    { name: 'Time', type: 'time', values: times, config: {} },
    { name, type: 'number', values, config: {} },
  ],
})

test('values stay at their times, also where two lines only begin and end together', () => {
  const { times, lines } = toLines([
    frame('a', [1000, 2000, 4000], [1, 2, 4]),
    frame('b', [1000, 3000, 4000], [1, 3, 4]),
  ])
  assert.deepEqual(times, [1, 2, 3, 4])
  assert.deepEqual(
    lines.map(({ values }) => values),
    [
      [1, 2, null, 4],
      [1, null, 3, 4],
    ],
  )
})
