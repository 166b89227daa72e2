/** Columns of typed values, as the evaluator sees them: one entry per row of a frame, most often by dictionary code. */
import { memo } from '../language/memo.ts'
import type { AttributeValue, Column, ValueType } from './span-table.ts'

export type VectorType = ValueType | 'duration' | 'status' | 'kind' | 'nil'

type Codes = Column['codes']

/** Row `i` is `values[codes[i]]` of type `types[codes[i]]`; type `nil` marks an absent value. */
export interface DictionaryVector {
  readonly is: 'dictionary'
  readonly codes: Codes
  readonly values: readonly (AttributeValue | undefined)[]
  readonly types: readonly VectorType[]
}

/** Numbers of one type; NaN is absent. */
export interface NumberVector {
  readonly is: 'numbers'
  readonly type: 'int' | 'float' | 'duration' | 'status' | 'kind'
  readonly data: Float64Array | Int32Array | Uint8Array
}

export interface ConstantVector {
  readonly is: 'constant'
  readonly type: VectorType
  readonly value: AttributeValue | undefined
}

/** Row by row, for what fits no dictionary: arithmetic between columns. */
export interface RowVector {
  readonly is: 'rows'
  readonly types: readonly VectorType[]
  readonly values: readonly (AttributeValue | undefined)[]
}

export type Vector = DictionaryVector | NumberVector | ConstantVector | RowVector

/** No value on any row. */
export const ABSENT: ConstantVector = { is: 'constant', type: 'nil', value: undefined }

/** The type of the value on a row; `nil` when it is absent. */
export function typeAt(vector: Vector, row: number): VectorType {
  switch (vector.is) {
    case 'dictionary':
      return vector.types[vector.codes[row]!]!
    case 'numbers':
      return Number.isNaN(vector.data[row]) ? 'nil' : vector.type
    case 'constant':
      return vector.type
    case 'rows':
      return vector.types[row]!
  }
}

/** The value on a row; whether it is absent is told by its type. */
export function valueAt(vector: Vector, row: number): AttributeValue | undefined {
  switch (vector.is) {
    case 'dictionary':
      return vector.values[vector.codes[row]!]
    case 'numbers':
      return vector.data[row]
    case 'constant':
      return vector.value
    case 'rows':
      return vector.values[row]
  }
}

const attributeVectors = new WeakMap<Column, DictionaryVector>()
const textVectors = new WeakMap<Column, DictionaryVector>()

/** An attribute's column; code 0 is absent. */
export function attributeVector(column: Column | undefined): Vector {
  if (column === undefined) return ABSENT
  return memo(attributeVectors, column, () => ({
    is: 'dictionary',
    get codes() {
      return column.codes
    },
    values: column.values,
    types: column.types.with(0, 'nil' as ValueType),
  }))
}

/** A column that every span has, such as its name: what was not sent is the empty string. */
export function textVector(column: Column): DictionaryVector {
  return memo(textVectors, column, () => ({
    is: 'dictionary',
    get codes() {
      return column.codes
    },
    values: column.values.with(0, ''),
    types: column.types.with(0, 'string'),
  }))
}

/** The value in whichever of two attribute columns has one; the first wins. */
export function firstOf(first: Vector, second: Vector): Vector {
  if (first.is !== 'dictionary') return second
  if (second.is !== 'dictionary') return first
  let made: Uint32Array | undefined
  return {
    is: 'dictionary',
    get codes() {
      made ??= codesOfEither(first, second)
      return made
    },
    values: [...first.values, ...second.values],
    types: [...first.types, ...second.types],
  }
}

function codesOfEither(first: DictionaryVector, second: DictionaryVector): Uint32Array {
  const shift = first.values.length
  const [ofFirst, ofSecond] = [first.codes, second.codes]
  const codes = new Uint32Array(ofFirst.length)
  for (let row = 0; row < codes.length; row++) {
    const code = ofFirst[row]!
    codes[row] = code !== 0 ? code : ofSecond[row] === 0 ? 0 : shift + ofSecond[row]!
  }
  return codes
}

/** `vector` seen through an index of rows; -1 reads as absent. */
export function gather(vector: Vector, index: Int32Array | Uint32Array): Vector {
  if (vector.is === 'constant') return gatherConstant(vector, index)
  if (vector.is === 'numbers') {
    const data = new Float64Array(index.length)
    for (let i = 0; i < index.length; i++) data[i] = index[i]! < 0 ? Number.NaN : vector.data[index[i]!]!
    return { is: 'numbers', type: vector.type, data }
  }
  if (vector.is === 'rows') {
    const types = Array.from(index, (row) => (row < 0 ? ('nil' as const) : vector.types[row]!))
    return { is: 'rows', types, values: Array.from(index, (row) => (row < 0 ? undefined : vector.values[row])) }
  }
  const nil = vector.types[0] === 'nil'
  const all = vector.codes
  const codes = new Uint32Array(index.length)
  const absent = nil ? 0 : vector.values.length
  for (let i = 0; i < index.length; i++) codes[i] = index[i]! < 0 ? absent : all[index[i]!]!
  if (nil) return { ...vector, codes }
  return { is: 'dictionary', codes, values: [...vector.values, undefined], types: [...vector.types, 'nil'] }
}

function gatherConstant(vector: ConstantVector, index: Int32Array | Uint32Array): Vector {
  if (vector.type === 'nil' || !index.includes(-1)) return vector
  const codes = Uint8Array.from(index, (row) => (row < 0 ? 0 : 1))
  return { is: 'dictionary', codes, values: [undefined, vector.value], types: ['nil', vector.type] }
}
