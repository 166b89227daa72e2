/** The columns that `compare()` looks at, and how often each code of one occurs on either side. */
import { memo } from '../language/memo.ts'
import { tick } from '../language/turn.ts'
import type { Field, IntrinsicName } from './ast.ts'
import { readField, spanFrame } from './fields.ts'
import { printField } from './print.ts'
import type { Column, SpanTable } from './span-table.ts'
import type { DictionaryVector, Vector } from './vector.ts'

/** What is compared beside attributes: what has few values and says something of a span. */
const INTRINSICS: readonly IntrinsicName[] = [
  'instrumentation:name',
  'instrumentation:version',
  'kind',
  'name',
  'rootName',
  'rootServiceName',
  'status',
  'statusMessage',
]
const SCOPES = ['instrumentation', 'resource', 'span'] as const

/** Per row 0: not compared, 1: baseline, 2: selection. */
export type Sides = Uint8Array
export const SIDES = [
  { side: 1, type: 'baseline' },
  { side: 2, type: 'selection' },
] as const
export type Side = (typeof SIDES)[number]['side']

export interface ComparedColumn {
  readonly key: string
  readonly field: Field
  readonly vector: DictionaryVector
}

/** What is made per row, of few values, is kept as long as its table. */
const intrinsicColumns = new WeakMap<SpanTable, readonly ComparedColumn[]>()

export function* columnsOf(table: SpanTable): Generator<ComparedColumn> {
  yield* memo(intrinsicColumns, table, () =>
    INTRINSICS.map((name) => narrow(columnOf({ kind: 'intrinsic', name, at: 0 }, table))),
  )
  for (const scope of SCOPES) {
    for (const name of table.columnNames(scope))
      yield columnOf({ kind: 'attribute', scope, parent: false, name, at: 0 }, table)
  }
}

export const columnOf = (field: Field, table: SpanTable): ComparedColumn => ({
  key: printField(field),
  field,
  vector: coded(readField(field, spanFrame(table)), table.rows),
})

/** What belongs to the root is gathered row by row, with codes as wide as could be. */
function narrow(column: ComparedColumn): ComparedColumn {
  const { codes, values } = column.vector
  if (values.length > 0x100 || codes instanceof Uint8Array) return column
  return { ...column, vector: { ...column.vector, codes: Uint8Array.from(codes) } }
}

/** Statuses and kinds are their own codes. */
function coded(vector: Vector, rows: number): DictionaryVector {
  switch (vector.is) {
    case 'dictionary':
      return vector
    case 'constant':
      return { is: 'dictionary', codes: new Uint8Array(rows), values: [vector.value], types: [vector.type] }
    case 'numbers':
      if (vector.data instanceof Uint8Array) {
        const values = Array.from({ length: 0x100 }, (_, code) => code)
        return { is: 'dictionary', codes: vector.data, values, types: values.map(() => vector.type) }
      }
  }
  throw new Error('a column without a dictionary was to be compared')
}

/** A table's rows by side; of the largest part the rows are not needed. */
export interface Parts {
  readonly largest: 0 | Side
  readonly others: readonly { readonly side: number; readonly rows: Int32Array }[]
}

export function splitRows(sides: Sides): Parts {
  const sizes = [0, 0, 0]
  for (const side of sides) sizes[side]!++
  const largest = sizes.indexOf(Math.max(...sizes)) as Parts['largest']
  const rowsOf = sizes.map((size, side) => (side === largest ? undefined : new Int32Array(size)))
  const filled = new Int32Array(3)
  for (let row = 0; row < sides.length; row++) {
    const side = sides[row]!
    const rows = rowsOf[side]
    if (rows !== undefined) rows[filled[side]!++] = row
  }
  return { largest, others: rowsOf.flatMap((rows, side) => (rows === undefined ? [] : [{ side, rows }])) }
}

/** Per code three counts, by side; that of side 0 is of no use. */
function countCodes({ codes, values }: DictionaryVector, { largest, others }: Parts): Int32Array {
  const counts = new Int32Array(values.length * 3)
  for (const { side, rows } of others) {
    if (side === 0 && largest === 0) continue
    for (let i = 0; i < rows.length; i++) counts[codes[rows[i]!]! * 3 + side]!++
  }
  if (largest === 0) return counts
  const all = memo(occurrences, codes, () => countAll(codes, values.length))
  for (let code = 0; code < all.length; code++) {
    const at = code * 3
    counts[at + largest] = all[code]! - counts[at]! - counts[at + 1]! - counts[at + 2]!
  }
  return counts
}

const occurrences = new WeakMap<Column['codes'], Int32Array>()

function countAll(codes: Column['codes'], length: number): Int32Array {
  const counts = new Int32Array(length)
  for (let row = 0; row < codes.length; row++) counts[codes[row]!]!++
  return counts
}

/** Columns with equal codes are counted once. */
export function* countedColumns(
  columns: Iterable<ComparedColumn>,
  parts: Parts,
): Generator<{ readonly column: ComparedColumn; readonly counts: Int32Array }> {
  const known = new WeakMap<Column['codes'], Int32Array>()
  for (const column of columns) {
    tick()
    const { vector } = column
    yield { column, counts: memo(known, vector.codes, () => countCodes(vector, parts)) }
  }
}
