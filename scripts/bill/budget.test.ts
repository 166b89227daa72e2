import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exploded, MOST_VALUES } from './budget.ts'
import { explodedText } from './text.ts'

const ofRoute = (n: number, more = {}) => ({
  __name__: 'http_server_request_duration_seconds_bucket',
  job: 'user-service',
  http_route: `/users/${n}`,
  le: String(n),
  ...more,
})

test('a label with more values than the budget has is named, with some of them; buckets are not', () => {
  const within = Array.from({ length: MOST_VALUES }, (_, n) => ofRoute(n))
  assert.deepEqual(exploded(within, MOST_VALUES), [])
  const over = [...within, ofRoute(MOST_VALUES)]
  assert.deepEqual(exploded(over, MOST_VALUES), [
    {
      metric: 'http_server_request_duration_seconds_bucket',
      label: 'http_route',
      values: 61,
      examples: ['/users/0', '/users/1', '/users/2'],
    },
  ])
  assert.match(
    explodedText(exploded(over, MOST_VALUES), MOST_VALUES),
    /^http_server_request_duration_seconds_bucket: the label http_route has 61 values, 60 are in the budget: "\/users\/0"/,
  )
})

test('each program has a budget of its own, and the worst is told first', () => {
  const two = [...Array(40).keys()].flatMap((n) => [ofRoute(n), ofRoute(n + 40, { job: 'order-service' })])
  assert.deepEqual(exploded(two, MOST_VALUES), [])
  const worse = [...two, ...[...Array(50).keys()].map((n) => ofRoute(n, { http_route: '/', client: `c${n}` }))]
  assert.deepEqual(
    exploded(worse, 30).map(({ label, values }) => [label, values]),
    [
      ['client', 50],
      ['http_route', 41],
      ['http_route', 40],
    ],
  )
})
