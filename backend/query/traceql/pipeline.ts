/**
 * A search pipeline over one table. The spans still in play are a mask; `by()` splits each trace into several sets, which
 * a column of set numbers tells apart. No object is made per span.
 */
import { tick } from '../language/turn.ts'
import type { Aggregate, Scalar, ScalarFilter, SpansetExpression, Stage } from './ast.ts'
import { evaluate } from './evaluate.ts'
import { spanFrame, traceOfRow } from './fields.ts'
import { filterSpans } from './filter.ts'
import { numberValues } from './groups.ts'
import { and, type Mask, or } from './mask.ts'
import { calculate, compareValues, isNumeric } from './operators.ts'
import { printField, printScalar } from './print.ts'
import { typedValue } from './read-value.ts'
import type { NamedValue, TypedValue } from './result.ts'
import type { SpanTable } from './span-table.ts'
import { relate } from './structural.ts'
import type { Vector, VectorType } from './vector.ts'

/** Spansets of all traces of a table. */
export interface Sets {
  readonly table: SpanTable
  readonly mask: Mask
  /** Per row the number of its set; the trace's number until `by()` splits it. Asked for, as not every query needs it. */
  setOf(): Uint32Array
  readonly count: number
  readonly grouped: boolean
  /** What `by()` and aggregates say about a set, in the order of the stages. */
  readonly notes: readonly Note[]
}

interface Note {
  readonly key: string
  value(set: number): TypedValue
}

/** The spansets that are left of a table at the end of a pipeline. Throws a `TraceQLError` of kind `limit`. */
export function runStages(stages: readonly Stage[], table: SpanTable): Sets {
  const all: Sets = {
    table,
    mask: true,
    setOf: () => traceOfRow(table),
    count: table.traces,
    grouped: false,
    notes: [],
  }
  return stages.reduce(runStage, all)
}

/** What `by()` and aggregates said about one set. */
export function notesOf(sets: Sets, set: number): NamedValue[] {
  return sets.notes.map((note) => ({ key: note.key, value: note.value(set) }))
}

function runStage(sets: Sets, stage: Stage): Sets {
  if (sets.mask === false) return sets
  tick()
  switch (stage.kind) {
    case 'wrapped':
      return stage.stages.reduce(runStage, sets)
    case 'filter':
    case 'combine':
      return { ...sets, mask: selectSpans(stage, sets) }
    case 'scalarFilter':
      return filterSets(stage, sets)
    case 'by':
      return splitSets(printField(stage.of), evaluate(stage.of, spanFrame(sets.table)), sets)
    case 'coalesce':
      return { ...sets, setOf: () => traceOfRow(sets.table), count: sets.table.traces, grouped: false, notes: [] }
    case 'select':
      return sets
  }
}

function selectSpans(expression: SpansetExpression, sets: Sets): Mask {
  switch (expression.kind) {
    case 'filter':
      return and(sets.mask, filterSpans(expression.where, sets.table))
    case 'wrapped':
      return expression.stages.reduce(runStage, sets).mask
    case 'combine': {
      const left = selectSpans(expression.left, sets)
      const { op } = expression
      if (left === false && op !== '||' && !op.startsWith('!')) return false
      const right = selectSpans(expression.right, sets)
      if (op === '||') return or(left, right)
      if (op === '&&') return both(left, right, sets)
      if (right === false) return false
      return relate(op, left, right, sets.table, sets.grouped ? sets.setOf() : null)
    }
  }
}

/** The spans of both sides, in the sets where each side has one. */
function both(left: Mask, right: Mask, sets: Sets): Mask {
  if (left === false || right === false) return false
  const { count } = sets
  const setOf = sets.setOf()
  if (left === true || right === true)
    return keepSets(or(left, right), setOf, setsIn(left === true ? right : left, setOf, count))
  const inLeft = setsIn(left, setOf, count)
  const inRight = setsIn(right, setOf, count)
  for (let set = 0; set < count; set++) inLeft[set]! &= inRight[set]!
  return keepSets(or(left, right), setOf, inLeft)
}

function setsIn(mask: Mask, setOf: Uint32Array, count: number): Uint8Array {
  const found = new Uint8Array(count)
  if (typeof mask === 'boolean') return found.fill(mask ? 1 : 0)
  for (let row = 0; row < mask.length; row++) if (mask[row] === 1) found[setOf[row]!] = 1
  return found
}

function keepSets(mask: Mask, setOf: Uint32Array, keep: Uint8Array): Mask {
  if (mask === false) return false
  const kept = new Uint8Array(setOf.length)
  let any = 0
  for (let row = 0; row < kept.length; row++) any |= kept[row] = (mask === true ? 1 : mask[row]!) & keep[setOf[row]!]!
  return any === 1 && kept
}

function splitSets(key: string, vector: Vector, sets: Sets): Sets {
  const { table, mask } = sets
  const setOf = sets.setOf()
  const { ids, types, values } = numberValues(vector, table.rows)
  const split = new Uint32Array(table.rows)
  const numberOf = new Map<number, number>()
  const valueIdOf: number[] = []
  const cameFrom: number[] = []
  for (let row = 0; row < table.rows; row++) {
    if (mask !== true && (mask as Uint8Array)[row] === 0) continue
    const pair = setOf[row]! * values.length + ids[row]!
    let set = numberOf.get(pair)
    if (set === undefined) {
      set = valueIdOf.push(ids[row]!) - 1
      cameFrom.push(setOf[row]!)
      numberOf.set(pair, set)
    }
    split[row] = set
  }
  const earlier = sets.notes.map((note) => ({ key: note.key, value: (set: number) => note.value(cameFrom[set]!) }))
  const own: Note = { key: `by(${key})`, value: (set) => typedValue(types[valueIdOf[set]!]!, values[valueIdOf[set]!]) }
  return { table, mask, setOf: () => split, count: valueIdOf.length, grouped: true, notes: [...earlier, own] }
}

function filterSets({ op, left, right }: ScalarFilter, sets: Sets): Sets {
  const noted = new Map<string, Numbers>()
  const a = measure(left, sets, noted)
  const b = measure(right, sets, noted)
  const keep = new Uint8Array(sets.count)
  for (let set = 0; set < keep.length; set++) {
    const [x, y] = [a.data[set]!, b.data[set]!]
    if (!Number.isNaN(x) && !Number.isNaN(y) && compareValues(op, a.type, x, b.type, y, false)) keep[set] = 1
  }
  const notes = [...noted].map(([key, { type, data }]) => ({
    key,
    value: (set: number) => typedValue(type, data[set]!),
  }))
  return { ...sets, mask: keepSets(sets.mask, sets.setOf(), keep), notes: [...sets.notes, ...notes] }
}

/** One number per set; NaN where there is nothing to measure. */
interface Numbers {
  readonly type: VectorType
  readonly data: Float64Array
}

function measure(scalar: Scalar, sets: Sets, noted: Map<string, Numbers>): Numbers {
  switch (scalar.kind) {
    case 'literal':
      return { type: scalar.type, data: new Float64Array(sets.count).fill(Number(scalar.value)) }
    case 'aggregate': {
      const numbers = aggregate(scalar, sets)
      noted.set(printScalar(scalar), numbers)
      return numbers
    }
    case 'arithmetic': {
      const left = measure(scalar.left, sets, noted)
      const right = measure(scalar.right, sets, noted)
      let type: VectorType = 'int'
      const data = left.data.map((value, set) => {
        if (Number.isNaN(value) || Number.isNaN(right.data[set])) return Number.NaN
        const result = calculate(scalar.op, { type: left.type, value }, { type: right.type, value: right.data[set]! })
        if (result.type !== 'nil') type = result.type
        return result.type === 'nil' ? Number.NaN : Number(result.value)
      })
      return { type, data }
    }
    case 'scalarPipeline':
      // `check` refuses these, so no query gets here with one.
      throw new Error('a pipeline used as a number reached the evaluator')
  }
}

function aggregate({ fn, of }: Aggregate, sets: Sets): Numbers {
  const { table, mask, count } = sets
  const setOf = sets.setOf()
  const counts = new Float64Array(count)
  const included = (row: number) => mask === true || (mask as Uint8Array)[row] === 1
  if (of === null) {
    for (let row = 0; row < table.rows; row++) if (included(row)) counts[setOf[row]!]!++
    return { type: 'int', data: counts }
  }
  const { type, data: values } = numbersOf(evaluate(of, spanFrame(table)), table.rows)
  const data = new Float64Array(count).fill(Number.NaN)
  for (let row = 0; row < table.rows; row++) {
    const value = values[row]!
    if (!included(row) || Number.isNaN(value)) continue
    const set = setOf[row]!
    const before = data[set]!
    if (counts[set]!++ === 0) data[set] = value
    else if (fn === 'min') data[set] = Math.min(before, value)
    else if (fn === 'max') data[set] = Math.max(before, value)
    else data[set] = before + value
  }
  if (fn !== 'avg') return { type, data }
  const averages = data.map((sum, set) => sum / counts[set]!)
  // A duration is a number of whole nanoseconds.
  if (type === 'duration') return { type, data: averages.map(Math.trunc) }
  return { type: type === 'int' ? 'float' : type, data: averages }
}

/** A vector as plain numbers; what is no number is NaN. The type is float as soon as one value is. */
export function numbersOf(
  vector: Vector,
  rows: number,
): { type: VectorType; data: Float64Array | Int32Array | Uint8Array } {
  if (vector.is === 'numbers') return { type: vector.type, data: vector.data }
  const data = new Float64Array(rows)
  if (vector.is === 'constant')
    return { type: vector.type, data: data.fill(isNumeric(vector.type) ? Number(vector.value) : Number.NaN) }
  const { types, values } = vector
  const numbers = values.map((value, i) => (isNumeric(types[i]!) ? Number(value) : Number.NaN))
  const numeric = types.filter((type, i) => isNumeric(type) && values[i] !== undefined)
  const type = numeric.every((item) => item === numeric[0]) ? (numeric[0] ?? 'int') : 'float'
  if (vector.is === 'rows') return { type, data: Float64Array.from(numbers) }
  for (let row = 0; row < rows; row++) data[row] = numbers[vector.codes[row]!]!
  return { type, data }
}
