import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Field, Frame } from './frame.ts'
import { transform } from './transformations.ts'

const field = (name: string, values: unknown[], type: Field['type'] = 'number'): Field => ({
  name,
  type,
  values,
  config: {},
})
const frame = (refId: string, ...fields: Field[]): Frame => ({ refId, fields })
const table = (frames: Frame[]) =>
  Object.fromEntries(frames[0]!.fields.map((one) => [one.config.displayName ?? one.name, one.values]))

const count = frame('A', field('job', ['a', 'b'], 'string'), field('Value #A', [1, 2]))
const mean = frame('B', field('job', ['b', 'a'], 'string'), field('Value #B', [20, 10]))

test('merge makes one row of rows that agree in what they share', () => {
  assert.deepEqual(table(transform([count, mean], [{ id: 'merge' }])), {
    job: ['a', 'b'],
    'Value #A': [1, 2],
    'Value #B': [10, 20],
  })
})

test('organize leaves out, orders and renames', () => {
  const options = {
    excludeByName: { job: true },
    indexByName: { 'Value #B': 0, 'Value #A': 1 },
    renameByName: { 'Value #B': 'Mean' },
  }
  const [result] = transform([count, mean], [{ id: 'merge' }, { id: 'organize', options }])
  assert.deepEqual(
    result!.fields.map((one) => one.name),
    ['Mean', 'Value #A'],
  )
})

test('sort keeps missing values last in both directions', () => {
  const numbers = [frame('A', field('n', [2, null, 10, 1]))]
  assert.deepEqual(table(transform(numbers, [{ id: 'sortBy', options: { sort: [{ field: 'n' }] } }])).n, [
    1,
    2,
    10,
    null,
  ])
  assert.deepEqual(table(transform(numbers, [{ id: 'sortBy', options: { sort: [{ field: 'n', desc: true }] } }])).n, [
    10,
    2,
    1,
    null,
  ])
})

test('join by time is an outer join', () => {
  const frames = [
    frame('A', field('Time', [1, 2], 'time'), field('a', [10, 20])),
    frame('B', field('Time', [2, 3], 'time'), field('b', [200, 300])),
  ]
  assert.deepEqual(table(transform(frames, [{ id: 'joinByField', options: {} }])), {
    Time: [1, 2, 3],
    a: [10, 20, null],
    b: [null, 200, 300],
  })
})

test('reduce, group, filter, calculate', () => {
  assert.deepEqual(
    table(transform([frame('A', field('x', [1, 2, 3]))], [{ id: 'reduce', options: { reducers: ['max', 'mean'] } }])),
    { Field: ['x'], Max: [3], Mean: [2] },
  )
  const grouped = transform(
    [frame('A', field('job', ['a', 'b', 'a'], 'string'), field('n', [1, 2, 3]))],
    [
      {
        id: 'groupBy',
        options: { fields: { job: { operation: 'groupby' }, n: { operation: 'aggregate', aggregations: ['sum'] } } },
      },
    ],
  )
  assert.deepEqual(table(grouped), { job: ['a', 'b'], 'n (sum)': [4, 2] })
  const filter = {
    type: 'include',
    match: 'all',
    filters: [{ fieldName: 'Value #A', config: { id: 'greater', options: { value: 1 } } }],
  }
  assert.deepEqual(table(transform([count], [{ id: 'filterByValue', options: filter }])).job, ['b'])
  const sum = { mode: 'binary', alias: 'double', binary: { left: 'Value #A', operator: '*', right: '2' } }
  assert.deepEqual(table(transform([count], [{ id: 'calculateField', options: sum }])).double, [2, 4])
})

test('a filter by query leaves the other frames alone; disabled steps are skipped; unknown ones are named', () => {
  const result = transform(
    [count, mean],
    [{ id: 'limit', options: { limitField: 1 }, filter: { id: 'byRefId', options: 'A' } }],
  )
  assert.deepEqual(
    result.map((one) => [one.refId, one.fields[0]!.values.length]),
    [
      ['B', 2],
      ['A', 1],
    ],
  )
  assert.deepEqual(transform([count], [{ id: 'nonsense', disabled: true }]), [count])
  assert.throws(() => transform([count], [{ id: 'nonsense' }]), /"nonsense" is not supported/)
})

test('merge: frames without rows have no say, and a frame alone stays as it is', () => {
  const empty = frame('C', field('Time', [], 'time'), field('Value #C', []))
  assert.deepEqual(table(transform([count, empty, mean], [{ id: 'merge' }])), {
    job: ['a', 'b'],
    'Value #A': [1, 2],
    'Value #B': [10, 20],
  })
  const twice = frame('A', field('job', ['a', 'a'], 'string'), field('n', [1, 1]))
  assert.deepEqual(transform([twice], [{ id: 'merge' }]), [twice])
  assert.deepEqual(transform([empty, twice], [{ id: 'merge' }]), [twice])
})

test('merge: rows that contradict each other stay, and nulls are filled in', () => {
  const one = frame('A', field('Time', [1, 1], 'time'), field('job', ['a', 'b'], 'string'), field('n', [1, null]))
  const two = frame('B', field('Time', [1, 1], 'time'), field('job', ['b', 'c'], 'string'), field('n', [2, 3]))
  const three = frame('C', field('Time', [1], 'time'), field('constructor', ['x'], 'string'))
  assert.deepEqual(table(transform([one, two, three], [{ id: 'merge' }])), {
    Time: [1, 1, 1],
    job: ['a', 'b', 'c'],
    n: [1, 2, 3],
    constructor: ['x', 'x', 'x'],
  })
})
