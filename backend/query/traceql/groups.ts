/** Numbers the distinct values of a vector, for `by(...)` of searches and of metrics. */
import type { AttributeValue, Scalar } from './span-table.ts'
import { typeAt, type Vector, type VectorType, valueAt } from './vector.ts'

export interface Numbered {
  /** Per row the number of its value. */
  readonly ids: Uint32Array
  readonly types: readonly VectorType[]
  readonly values: readonly (AttributeValue | undefined)[]
}

/** Values are told apart by type and content; "absent" is a value of its own. */
export function numberValues(vector: Vector, rows: number): Numbered {
  const ids = new Uint32Array(rows)
  const types: VectorType[] = []
  const values: (AttributeValue | undefined)[] = []
  const known = new Map<unknown, number>()
  const idOf = (type: VectorType, value: AttributeValue | undefined) => {
    const key = valueIdentity(type, value)
    let id = known.get(key)
    if (id === undefined) {
      id = types.push(type) - 1
      values.push(value)
      known.set(key, id)
    }
    return id
  }
  if (vector.is === 'constant') idOf(vector.type, vector.value)
  else if (vector.is === 'dictionary') {
    const byCode = vector.values.map((value, code) => idOf(vector.types[code]!, value))
    for (let row = 0; row < rows; row++) ids[row] = byCode[vector.codes[row]!]!
  } else {
    for (let row = 0; row < rows; row++) ids[row] = idOf(typeAt(vector, row), valueAt(vector, row))
  }
  return { ids, types, values }
}

const elementKey = (item: Scalar) => (typeof item === 'string' ? JSON.stringify(item) : String(item))

/** The same for values of one type and content only: a string is its own, other types get one that no string can be. */
export function valueIdentity(type: VectorType, value: AttributeValue | undefined): unknown {
  if (type === 'string') return value
  if (type === 'nil') return undefined
  if (typeof value === 'number' && type === 'duration') return value
  return `\u0000${type}\u0000${typeof value === 'object' ? value.map(elementKey).join() : value}`
}
