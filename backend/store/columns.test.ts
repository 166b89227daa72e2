import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TYPE } from '../otlp/values.ts'
import { type Codes, EqualCodes, storedColumn } from './columns.ts'

const column = (codes: Codes, ...values: string[]) =>
  storedColumn(codes, [undefined, ...values], Uint8Array.of(TYPE.none, ...values.map(() => TYPE.string)))

test('columns of equal codes get one array for them, each keeps its values', () => {
  const equal = new EqualCodes()
  const first = equal.share(column(Uint8Array.of(1, 0, 2), 'GET', 'POST'))
  const second = equal.share(column(Uint8Array.of(1, 0, 2), 'a', 'b'))
  assert.equal(second.codes, first.codes)
  assert.deepEqual(
    [first.values, second.values],
    [
      [undefined, 'GET', 'POST'],
      [undefined, 'a', 'b'],
    ],
  )
})

test('columns differ by a code, by their length, by the width of codes, and by how many values they have', () => {
  const equal = new EqualCodes()
  const columns = [
    column(Uint8Array.of(1, 0, 2, 0), 'a', 'b'),
    column(Uint8Array.of(1, 0, 2, 1), 'a', 'b'),
    column(Uint8Array.of(1, 0, 2), 'a', 'b'),
    column(Uint16Array.of(1, 2), 'a', 'b'),
    // Of a part of a table: a value that no row has any more.
    column(Uint8Array.of(1, 0, 2, 0), 'a', 'b', 'c'),
  ]
  assert.deepEqual(
    columns.map((own) => equal.share(own) === own),
    columns.map(() => true),
  )
})
