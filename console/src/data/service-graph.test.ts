import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Series } from './series.ts'
import { buildGraph } from './service-graph.ts'

const one = (client: string, server: string, value: number, connection_type = ''): Series => ({
  labels: { client, server, connection_type },
  times: [0],
  values: [value],
})

test('nodes sum what arrives; the first one takes what it sends; failures and refusals weigh by rate', () => {
  const totals = [
    one('user', 'gateway', 4, 'virtual_node'),
    one('gateway', 'orders', 3),
    one('batch', 'orders', 1),
    one('orders', 'postgresql', 8, 'database'),
    one('idle', 'gone', 0),
  ]
  const { nodes, edges } = buildGraph(
    { totals, failures: [one('gateway', 'orders', 0.3)], refusals: [one('batch', 'orders', 0.5)], buckets: [] },
    2,
  )
  assert.deepEqual(
    edges.map((edge) => edge.id),
    ['batch -> orders', 'gateway -> orders', 'orders -> postgresql', 'user -> gateway'],
  )
  const node = Object.fromEntries(nodes.map((each) => [each.id, each]))
  assert.equal(node.orders?.rate, 8)
  assert.ok(Math.abs(node.orders!.errorRatio - 0.075) < 1e-12)
  assert.equal(node.orders?.refusedRatio, 0.125)
  assert.deepEqual(
    edges.map((edge) => edge.refusedRatio),
    [0.5, 0, 0, 0],
  )
  assert.equal(node.user?.rate, 8)
  assert.equal(node.postgresql?.kind, 'database')
  assert.equal(edges[1]?.p95, null)
})

test('p95 of an edge comes from its buckets, of a node from those of all that call it, as histogram_quantile says', () => {
  const buckets = (client: string, counts: Record<string, number>) =>
    Object.entries(counts).map(
      ([le, value]): Series => ({ ...one(client, 'orders', value), labels: { client, server: 'orders', le } }),
    )
  const { nodes, edges } = buildGraph({
    totals: [
      one('gateway', 'orders', 10),
      one('batch', 'orders', 1),
      one('cron', 'orders', 1),
      one('idle', 'orders', 1),
    ],
    failures: [],
    refusals: [],
    buckets: [
      ...buckets('gateway', { '0.1': 8, '0.5': 10, '+Inf': 10 }),
      ...buckets('batch', { '+Inf': 5, '0.5': 0, '0.1': 0 }),
      ...buckets('cron', { '0.1': 4, '0.5': 4, '+Inf': 4 }),
      ...buckets('idle', { '0.1': 0, '0.5': 0, '+Inf': 0 }),
    ],
  })
  const p95 = Object.fromEntries([...edges, ...nodes].map((each) => [each.id, each.p95]))
  assert.equal(p95['gateway -> orders'], 0.4)
  // Beyond the last bound only that bound is known.
  assert.equal(p95['batch -> orders'], 0.5)
  assert.ok(Math.abs(p95['cron -> orders']! - 0.095) < 1e-12)
  assert.equal(p95['idle -> orders'], null)
  assert.equal(p95.orders, 0.5)
})
