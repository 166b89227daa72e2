import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTrace } from '../../test/trace.ts'
import { addWays, boxesWithin, type Flame, flameByTime, flameByWork, flameNeighbour } from './flame.ts'
import { buildTree } from './trace.ts'

const tree = (sketches: Parameters<typeof makeTrace>[0]) => buildTree(makeTrace(sketches))
const told = (flame: Flame) => flame.rows.map((row) => row.map(({ name, from, to }) => `${name} ${from}-${to}`))

test('along time, spans one after the other share a row, and those side by side don’t', () => {
  const flame = flameByTime(
    tree([
      { id: 'root', at: [0, 100] },
      { id: 'a', parent: 'root', at: [10, 40] },
      { id: 'a1', parent: 'a', at: [12, 20] },
      { id: 'b', parent: 'root', at: [30, 60] },
      { id: 'b1', parent: 'b', at: [35, 50] },
      { id: 'c', parent: 'root', at: [60, 90] },
    ]),
    100,
  )
  assert.deepEqual(told(flame), [['root 0-100'], ['a 10-40', 'c 60-90'], ['a1 12-20', 'b 30-60'], ['b1 35-50']])
})

test('by work, calls on the same way are one box as wide as their self time and what is below', () => {
  const sketches = [
    { id: '1', at: [0, 100], name: 'POST' },
    { id: '2', parent: '1', at: [0, 30], name: 'order' },
    { id: '3', parent: '1', at: [40, 60], name: 'order', error: true },
    { id: '4', parent: '1', at: [60, 90], name: 'audit' },
    { id: '5', parent: '2', at: [10, 30], name: 'query' },
  ] as const
  const flame = flameByWork(addWays([], tree(sketches)))
  assert.equal(flame.full, 100)
  assert.deepEqual(told(flame), [['POST 0-100'], ['order 0-50', 'audit 50-80'], ['query 0-20']])
  assert.deepEqual(
    flame.rows[1]!.map(({ calls, errors, self }) => [calls, errors, self]),
    [
      [2, 1, 30],
      [1, 0, 30],
    ],
  )
})

test('by work, many traces add up, also where a later one brings what an earlier one lacks', () => {
  const first = tree([
    { id: '1', at: [0, 10], name: 'POST' },
    { id: '2', parent: '1', at: [0, 4], name: 'a' },
    { id: '3', parent: '1', at: [4, 8], name: 'b' },
    { id: '4', parent: '3', at: [5, 6], name: 'b1' },
  ])
  const second = tree([
    { id: '1', at: [0, 10], name: 'POST' },
    { id: '2', parent: '1', at: [0, 5], name: 'a' },
    { id: '3', parent: '2', at: [0, 5], name: 'a1' },
    { id: '4', at: [0, 7], name: 'GET' },
  ])
  const flame = flameByWork(addWays(addWays([], first), second))
  assert.deepEqual(told(flame), [
    ['POST 0-20', 'GET 20-27'],
    ['a 0-9', 'b 9-13'],
    ['a1 0-5', 'b1 9-10'],
  ])
})

test('what ran side by side is wider by work than the trace was long', () => {
  const flame = flameByWork(
    addWays(
      [],
      tree([
        { id: 'root', at: [0, 10] },
        { id: 'a', parent: 'root', at: [0, 10] },
        { id: 'b', parent: 'root', at: [0, 10] },
      ]),
    ),
  )
  assert.equal(flame.full, 20)
})

test('a chain deeper than the stack is laid out', () => {
  const deep = tree(
    Array.from({ length: 20_000 }, (_, i) => ({
      id: `${i}`,
      ...(i && { parent: `${i - 1}` }),
      at: [i, 40_000 - i] as const,
    })),
  )
  assert.equal(flameByTime(deep, 40_000).rows.length, 20_000)
  assert.equal(flameByWork(addWays([], deep)).rows.length, 20_000)
})

test('the boxes in sight are found without looking at all of them', () => {
  const flame = flameByTime(
    tree([
      { id: 'root', at: [0, 100] },
      ...Array.from({ length: 10 }, (_, i) => ({ id: `s${i}`, parent: 'root', at: [i * 10, i * 10 + 5] as const })),
    ]),
    100,
  )
  assert.deepEqual(boxesWithin(flame.rows[1]!, 22, 41), [2, 5])
  assert.deepEqual(boxesWithin(flame.rows[1]!, 96, 100), [10, 10])
  assert.deepEqual(boxesWithin(flame.rows[1]!, 0, 100), [0, 10])
})

test('arrows lead to the parent, the first child and along the row', () => {
  const flame = flameByTime(
    tree([
      { id: 'root', at: [0, 100] },
      { id: 'a', parent: 'root', at: [10, 40] },
      { id: 'b', parent: 'root', at: [50, 60] },
    ]),
    100,
  )
  const root = flame.rows[0]![0]!
  const step = (from: typeof root | undefined, key: string) => from && flameNeighbour(flame, from, key)
  const a = step(root, 'ArrowDown')
  assert.equal(a?.name, 'a')
  assert.equal(step(a, 'ArrowRight')?.name, 'b')
  assert.equal(step(step(a, 'ArrowRight'), 'ArrowLeft'), a)
  assert.equal(step(a, 'ArrowUp'), root)
  assert.equal(step(root, 'ArrowUp'), undefined)
  assert.equal(step(a, 'ArrowLeft'), undefined)
})
