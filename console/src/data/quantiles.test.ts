import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseQuantile, quantilesOf } from './quantiles.ts'

const bucket = (le: string, values: (number | null)[], labels = {}) => ({
  labels: { ...labels, le },
  times: values.map((_, i) => i),
  values,
})
const p = (q: number, buckets: ReturnType<typeof bucket>[]) => [...quantilesOf(q, buckets).values()]

test('a quantile lies in its bucket in proportion, at the last bound when it is beyond, nowhere when nothing came', () => {
  const [series] = p(0.5, [
    bucket('+Inf', [10, 10, 0, null, 4]),
    bucket('0.5', [10, 3, 0, null, 4]),
    bucket('0.1', [2, 1, 0, null, 4]),
  ])
  assert.deepEqual(
    series?.values.map((value) => value && Number(value.toFixed(6))),
    [0.25, 0.5, null, null, 0.05],
  )
})

test('a bucket that counts less than the one below it counts as much', () => {
  const [series] = p(0.5, [bucket('1', [4]), bucket('2', [3]), bucket('4', [8]), bucket('+Inf', [7])])
  assert.deepEqual(series?.values, [1])
})

test('a bucket that is not there at a moment is not seen at that moment', () => {
  const buckets = [
    bucket('0.1', [2, 2]),
    bucket('0.25', [null, 4]),
    bucket('0.5', [10, 10]),
    bucket('+Inf', [10, null]),
  ]
  assert.deepEqual(p(0.5, buckets)[0]?.values, [0.25, null])
})

test('each set of other labels has a series of its own, without le', () => {
  const job = (name: string, half: number) => [bucket('1', [half], { job: name }), bucket('+Inf', [10], { job: name })]
  assert.deepEqual(p(0.4, [...job('a', 4), ...job('b', 8)]), [
    { labels: { job: 'a' }, times: [0], values: [1] },
    { labels: { job: 'b' }, times: [0], values: [0.5] },
  ])
})

test('what is no histogram has no quantile', () => {
  assert.deepEqual(p(0.5, [{ labels: {}, times: [0], values: [1] } as never]), [])
  assert.deepEqual(p(0.5, [bucket('x', [1])]), [])
  assert.deepEqual(p(0.5, [bucket('1', [1]), bucket('2', [1])])[0]?.values, [null])
  assert.deepEqual(p(0.5, [bucket('0', [3]), bucket('+Inf', [4])])[0]?.values, [0])
})

test('only a query that is one histogram_quantile is taken apart', () => {
  const inner = 'sum by (le) (rate(x_bucket{path=~"a)\\"("}[5m]))'
  assert.deepEqual(parseQuantile(`histogram_quantile(0.95, ${inner})`), { q: 0.95, inner })
  for (const other of [
    inner,
    `histogram_quantile(0.9, ${inner}) > 0`,
    `histogram_quantile(0.9, ${inner}) / histogram_quantile(0.5, ${inner})`,
    `histogram_quantile(scalar(q), ${inner})`,
    `histogram_quantile(1.5, ${inner})`,
    `sum(histogram_quantile(0.9, ${inner}))`,
    'histogram_quantile(0.9, sum by (le, job) (rate(x_bucket[5m])))',
    'histogram_quantile(0.9, x_bucket)',
    'histogram_quantile(0.9, sum by (le) (a) # ")\n) + sum(b # "\n)',
  ])
    assert.equal(parseQuantile(other), undefined, other)
})
