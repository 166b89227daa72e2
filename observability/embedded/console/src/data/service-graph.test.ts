import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Series } from './prometheus.ts'
import { buildGraph } from './service-graph.ts'

const one = (client: string, server: string, value: number, connection_type = ''): Series => ({
  labels: { client, server, connection_type },
  times: [0],
  values: [value],
})

test('nodes sum what arrives; the first one takes what it sends; errors weigh by rate', () => {
  const totals = [
    one('user', 'gateway', 4, 'virtual_node'),
    one('gateway', 'orders', 3),
    one('batch', 'orders', 1),
    one('orders', 'postgresql', 8, 'database'),
    one('idle', 'gone', 0),
  ]
  const { nodes, edges } = buildGraph(totals, [one('gateway', 'orders', 0.3)], [one('gateway', 'orders', 0.2)], [], 2)
  assert.deepEqual(
    edges.map((edge) => edge.id),
    ['batch -> orders', 'gateway -> orders', 'orders -> postgresql', 'user -> gateway'],
  )
  const node = Object.fromEntries(nodes.map((each) => [each.id, each]))
  assert.equal(node.orders?.rate, 8)
  assert.ok(Math.abs(node.orders!.errorRatio - 0.075) < 1e-12)
  assert.equal(node.user?.rate, 8)
  assert.equal(node.postgresql?.kind, 'database')
  assert.equal(edges[1]?.p95, 0.2)
})
