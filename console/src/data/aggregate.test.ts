import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTrace } from '../../test/trace.ts'
import { addTrace, NO_TRACES } from './aggregate.ts'
import { flameByWork } from './flame.ts'

test('traces add up, whatever their order', () => {
  const one = makeTrace([
    { id: '1', at: [0, 100], name: 'POST' },
    { id: '2', parent: '1', at: [10, 30], name: 'query', error: true },
  ])
  const other = makeTrace([{ id: '1', at: [0, 50], name: 'POST' }])
  for (const traces of [
    [one, other],
    [other, one],
  ]) {
    const sum = traces.reduce(addTrace, NO_TRACES)
    assert.deepEqual([sum.traces, sum.spans, sum.duration, flameByWork(sum.ways).full], [2, 3, 150, 150])
    const told = [...sum.operations.values()].map(({ name, calls, errors, self }) => [name, calls, errors, self])
    assert.deepEqual(told, [
      ['POST', 2, 0, 130],
      ['query', 1, 1, 20],
    ])
  }
  assert.deepEqual([NO_TRACES.ways, NO_TRACES.operations.size], [[], 0])
})
