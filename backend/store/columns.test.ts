import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AttributeValue, TYPE } from '../otlp/values.ts'
import { type Codes, ColumnSet, Dictionary, EqualCodes, storedColumn } from './columns.ts'
import { addAttributes } from './uncolumned-attributes.ts'

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

test('a value has the code of its like, whatever came before it', () => {
  const value = fc.constantFrom<[number, AttributeValue]>(
    [TYPE.int, 1],
    [TYPE.float, 1],
    [TYPE.string, '1'],
    [TYPE.kvlist, '1'],
    [TYPE.bool, true],
    [TYPE.array, ['1']],
    [TYPE.array, ['1', 1]],
    [TYPE.float, Number.NaN],
  )
  fc.assert(
    fc.property(fc.array(value), (given) => {
      const dictionary = new Dictionary()
      for (const [type, own] of given) {
        const code = dictionary.code(type, own)
        assert.deepEqual([dictionary.types[code], dictionary.values[code]], [type, own])
      }
      assert.equal(dictionary.values.length - 1, new Set(given.map((own) => JSON.stringify(own))).size)
    }),
  )
})

test('attributes go to the columns of their names, in whatever order they come', () => {
  const row = fc.shuffledSubarray(['a', 'b', 'c', 'd', 'e'])
  fc.assert(
    fc.property(fc.array(row), (rows) => {
      const [columns, meta] = [new ColumnSet(), new ColumnSet()]
      for (const [i, keys] of rows.entries()) {
        const values = keys.map((key) => `${key}${i % 3}`)
        const count = keys.length
        addAttributes(columns, meta, i, { count, seen: count, keys, types: keys.map(() => TYPE.string), values })
      }
      const position = Int32Array.from(rows.keys())
      for (const [name, builder] of columns.columns) {
        const { codes, values } = builder.freeze(rows.length, position)
        for (const [i, keys] of rows.entries())
          assert.equal(values[codes[i]!], keys.includes(name) ? `${name}${i % 3}` : undefined)
      }
    }),
  )
})
