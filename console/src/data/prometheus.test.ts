import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bucketFrame } from './prometheus.ts'
import { legendText } from './series.ts'

test('cumulative buckets become their own shares, in the order of their bounds', () => {
  const bucket = (le: string, values: (number | null)[]) => ({ labels: { le }, times: [1, 2], values })
  const frame = bucketFrame([bucket('+Inf', [10, 4]), bucket('0.1', [3, null]), bucket('0.5', [8, 4])], 'A')
  assert.deepEqual(
    frame.fields.slice(1).map((field) => [field.name, field.values]),
    [
      ['0.1', [3, null]],
      ['0.5', [5, 4]],
      ['+Inf', [2, 0]],
    ],
  )
})

test('legends', () => {
  assert.equal(legendText('{{job}} {{ route }}', { job: 'a', route: '/x' }, 'up'), 'a /x')
  assert.equal(legendText('__auto', { job: 'a' }, 'up'), 'a')
  assert.equal(legendText(undefined, { __name__: 'up', job: 'a', x: 'b' }, 'up'), 'up{job="a", x="b"}')
  assert.equal(legendText('', {}, 'sum(up)'), 'sum(up)')
})
