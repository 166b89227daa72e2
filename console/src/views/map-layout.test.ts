import assert from 'node:assert/strict'
import { test } from 'node:test'
import { curve, edgeKey, layoutMap, NODE_RADIUS } from './map-layout.ts'

const names = ['user', 'gateway', 'user-service', 'order-service', 'audit-service', 'postgresql']
const edges = [
  { source: 'user', target: 'gateway' },
  { source: 'gateway', target: 'user-service' },
  { source: 'user-service', target: 'order-service' },
  { source: 'order-service', target: 'audit-service' },
  { source: 'order-service', target: 'postgresql' },
  { source: 'audit-service', target: 'postgresql' },
]

test('the same graph in another order lies in the same places', () => {
  assert.deepEqual(layoutMap(names.toReversed(), edges.toReversed()), layoutMap(names, edges))
})

test('calls point right, and circles do not touch', () => {
  const { nodes } = layoutMap(names, edges)
  for (const { source, target } of edges)
    assert.ok(nodes.get(source)!.x < nodes.get(target)!.x, `${source} -> ${target}`)
  const places = [...nodes.values()]
  for (const [i, a] of places.entries()) {
    for (const b of places.slice(i + 1)) assert.ok(Math.hypot(a.x - b.x, a.y - b.y) > 2 * NODE_RADIUS)
  }
})

test('cycles, self calls and lonely nodes have a place', () => {
  const { nodes, edges: ways } = layoutMap(
    ['a', 'b', 'alone'],
    [
      { source: 'a', target: 'b' },
      { source: 'b', target: 'a' },
      { source: 'a', target: 'a' },
    ],
  )
  assert.equal(nodes.size, 3)
  for (const key of [edgeKey('a', 'b'), edgeKey('b', 'a'), edgeKey('a', 'a')])
    assert.match(curve(ways.get(key)!), /^M[\d. -]+[LQ]/)
})

test('a service may have a name that every object knows', () => {
  const odd = ['constructor', 'toString', '__proto__', 'hasOwnProperty']
  const chain = odd.slice(1).map((target, i) => ({ source: odd[i]!, target }))
  const { nodes, edges: ways } = layoutMap(odd, chain)
  assert.deepEqual([...nodes.keys()].toSorted(), odd.toSorted())
  for (const { source, target } of chain) assert.ok(ways.get(edgeKey(source, target))!.length >= 2)
})
