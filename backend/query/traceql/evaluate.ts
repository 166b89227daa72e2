/**
 * Expressions over a frame: a mask where they ask, a vector where they calculate. Comparisons with a constant run once
 * per distinct value of a column; rows are then matched by code.
 */

import { memo } from '../language/memo.ts'
import { tick } from '../language/turn.ts'
import type { ArithmeticOperator, Binary, FieldExpression, Literal } from './ast.ts'
import { isField } from './ast.ts'
import { childScope, type Frame, readField } from './fields.ts'
import { and, type Mask, not, or } from './mask.ts'
import {
  type Comparison,
  calculate,
  calculateNumbers,
  comparable,
  compareValues,
  isComparison,
  isNumeric,
  matchValue,
  type Typed,
} from './operators.ts'
import { compileRegex, type Matcher } from './regex.ts'
import type { AttributeValue, SpanTable } from './span-table.ts'
import { fullTraceId } from './trace-ids.ts'
import {
  type ConstantVector,
  type DictionaryVector,
  type NumberVector,
  typeAt,
  type Vector,
  type VectorType,
  valueAt,
} from './vector.ts'

/** The rows for which a boolean expression holds. */
export function truth(expression: FieldExpression, frame: Frame): Mask {
  tick()
  if (expression.kind === 'unary' && expression.op === '!') {
    // `!span.cached` asks for false, not for "anything but true": spans without the attribute don't match.
    if (isField(expression.of)) return compareToConstant('=', readField(expression.of, frame), FALSE, frame.rows, true)
    return not(truth(expression.of, frame))
  }
  if (expression.kind !== 'binary') return compareToConstant('=', evaluate(expression, frame), TRUE, frame.rows, true)
  switch (expression.op) {
    case '&&': {
      const left = truth(expression.left, frame)
      return left === false ? false : and(left, truth(expression.right, frame))
    }
    case '||': {
      const left = truth(expression.left, frame)
      return left === true ? true : or(left, truth(expression.right, frame))
    }
    case '=~':
    case '!~':
      return match(expression, frame)
    default:
      return isComparison(expression.op) && compare(expression.op, expression, frame)
  }
}

const TRUE: ConstantVector = { is: 'constant', type: 'bool', value: true }
const FALSE: ConstantVector = { is: 'constant', type: 'bool', value: false }

const FLIPPED: Readonly<Record<Comparison, Comparison>> = {
  '=': '=',
  '!=': '!=',
  '>': '<',
  '>=': '<=',
  '<': '>',
  '<=': '>=',
}

function compare(op: Comparison, { left, right }: Binary, frame: Frame): Mask {
  if (isNil(left) || isNil(right)) return existence(op, isNil(left) ? right : left, frame)
  if (op === '=' && (isNowhere(left, right, frame.table) || isNowhere(right, left, frame.table))) return false
  const [a, b] = [evaluate(left, frame), evaluate(right, frame)]
  const strict = (isAttribute(left) && isConstant(right)) || (isAttribute(right) && isConstant(left))
  const exactIds = isTraceId(left) || isTraceId(right)
  if (b.is === 'constant') return compareToConstant(op, a, exactIds ? fullId(b) : b, frame.rows, strict)
  if (a.is === 'constant') return compareToConstant(FLIPPED[op], b, exactIds ? fullId(a) : a, frame.rows, strict)
  const mask = new Uint8Array(frame.rows)
  for (let row = 0; row < mask.length; row++) {
    if (compareValues(op, typeAt(a, row), valueAt(a, row), typeAt(b, row), valueAt(b, row), false)) mask[row] = 1
  }
  return mask
}

/** No span has the attribute with this value, for which nothing has to be read. */
function isNowhere(of: FieldExpression, constant: FieldExpression, table: SpanTable): boolean {
  if (of.kind !== 'attribute' || constant.kind !== 'literal' || table.mayHold === undefined) return false
  const { scope, name } = of
  const { value } = constant
  if (typeof value !== 'string' && !Number.isSafeInteger(value)) return false
  const isSpans = scope === 'span' || (scope === 'any' && !table.columnNames('resource').includes(name))
  return isSpans && !table.mayHold(name, value as string | number)
}

function isAttribute(expression: FieldExpression): boolean {
  return expression.kind === 'attribute'
}

function isNil(expression: FieldExpression): boolean {
  return expression.kind === 'literal' && expression.type === 'nil'
}

function isConstant(expression: FieldExpression): boolean {
  if (expression.kind === 'unary') return isConstant(expression.of)
  return expression.kind === 'binary'
    ? isConstant(expression.left) && isConstant(expression.right)
    : expression.kind === 'literal'
}

function isTraceId(expression: FieldExpression): boolean {
  return expression.kind === 'intrinsic' && (expression.name === 'trace:id' || expression.name === 'link:traceID')
}

function fullId(constant: ConstantVector): ConstantVector {
  return { ...constant, value: fullTraceId(String(constant.value)) }
}

/** `x = nil` and `x != nil`. On an event or link, `= nil` asks for one that lacks the attribute. */
function existence(op: Comparison, of: FieldExpression, frame: Frame): Mask {
  if (isNil(of)) return false
  const vector = evaluate(of, frame)
  const children = isField(of) && childScope(of) !== undefined ? frame[childScope(of)!] : null
  const mask = new Uint8Array(frame.rows)
  for (let row = 0; row < mask.length; row++) {
    const absent = typeAt(vector, row) === 'nil'
    mask[row] = absent === (op === '=') && (!absent || children === null || children[row]! >= 0) ? 1 : 0
  }
  return mask
}

function compareToConstant(
  op: Comparison,
  vector: Vector,
  constant: ConstantVector,
  rows: number,
  strict: boolean,
): Mask {
  switch (vector.is) {
    case 'constant':
      return compareValues(op, vector.type, vector.value, constant.type, constant.value, strict)
    case 'numbers':
      return compareNumbers(op, vector, constant, strict)
    case 'dictionary':
      return byCode(vector, (type, value) => compareValues(op, type, value, constant.type, constant.value, strict))
    case 'rows': {
      const mask = new Uint8Array(rows)
      for (let row = 0; row < rows; row++) {
        if (compareValues(op, vector.types[row]!, vector.values[row], constant.type, constant.value, strict))
          mask[row] = 1
      }
      return mask
    }
  }
}

function compareNumbers(op: Comparison, { data, type }: NumberVector, constant: ConstantVector, strict: boolean): Mask {
  if (!comparable(type, constant.type, strict)) return false
  const wanted = Number(constant.value)
  const mask = new Uint8Array(data.length)
  let any = 0
  // A loop per operator: the engine turns each into a tight one.
  switch (op) {
    case '=':
      for (let row = 0; row < data.length; row++) any |= mask[row] = data[row]! === wanted ? 1 : 0
      break
    case '!=':
      for (let row = 0; row < data.length; row++) any |= mask[row] = data[row]! < wanted || data[row]! > wanted ? 1 : 0
      break
    case '>':
      for (let row = 0; row < data.length; row++) any |= mask[row] = data[row]! > wanted ? 1 : 0
      break
    case '>=':
      for (let row = 0; row < data.length; row++) any |= mask[row] = data[row]! >= wanted ? 1 : 0
      break
    case '<':
      for (let row = 0; row < data.length; row++) any |= mask[row] = data[row]! < wanted ? 1 : 0
      break
    case '<=':
      for (let row = 0; row < data.length; row++) any |= mask[row] = data[row]! <= wanted ? 1 : 0
      break
  }
  return any === 1 && mask
}

function byCode(
  vector: DictionaryVector,
  test: (type: VectorType, value: AttributeValue | undefined) => boolean,
): Mask {
  const { values, types } = vector
  const hits = new Uint8Array(values.length)
  let found = 0
  for (let code = 0; code < values.length; code++)
    if (types[code] !== 'nil' && test(types[code]!, values[code])) found += hits[code] = 1
  if (found === 0) return false
  if (found === values.length) return true
  const { codes } = vector
  const mask = new Uint8Array(codes.length)
  for (let row = 0; row < codes.length; row++) mask[row] = hits[codes[row]!]!
  return mask
}

const matchers = new WeakMap<FieldExpression, Matcher>()

/** Compiles a query's pattern once, however many tables and values it meets. */
export function matcherOf(pattern: Literal): Matcher {
  return memo(matchers, pattern, () => compileRegex(String(pattern.value)))
}

function match({ op, left, right }: Binary, frame: Frame): Mask {
  if (right.kind !== 'literal') return false
  const matcher = matcherOf(right)
  const vector = evaluate(left, frame)
  const negated = op === '!~'
  if (vector.is === 'dictionary') return byCode(vector, (type, value) => matchValue(matcher, negated, type, value))
  if (vector.is === 'constant') return matchValue(matcher, negated, vector.type, vector.value)
  return false
}

/** The value of an expression on each row of the frame. */
export function evaluate(expression: FieldExpression, frame: Frame): Vector {
  tick()
  switch (expression.kind) {
    case 'literal':
      return { is: 'constant', type: expression.type, value: expression.value ?? undefined }
    case 'attribute':
    case 'intrinsic':
      return readField(expression, frame)
    case 'unary':
      if (expression.op === '!') return maskVector(truth(expression, frame))
      return arithmetic('-', { is: 'constant', type: 'int', value: 0 }, evaluate(expression.of, frame), frame.rows)
    case 'binary':
      switch (expression.op) {
        case '+':
        case '-':
        case '*':
        case '/':
        case '%':
        case '^':
          return arithmetic(
            expression.op,
            evaluate(expression.left, frame),
            evaluate(expression.right, frame),
            frame.rows,
          )
        default:
          return maskVector(truth(expression, frame))
      }
  }
}

function maskVector(mask: Mask): Vector {
  if (typeof mask === 'boolean') return { is: 'constant', type: 'bool', value: mask }
  return { is: 'dictionary', codes: mask, values: [false, true], types: ['bool', 'bool'] }
}

function arithmetic(op: ArithmeticOperator, left: Vector, right: Vector, rows: number): Vector {
  if (left.is === 'constant' && right.is === 'constant') return { is: 'constant', ...calculate(op, left, right) }
  if (left.is === 'dictionary' && right.is === 'constant') return mapValues(left, (own) => calculate(op, own, right))
  if (right.is === 'dictionary' && left.is === 'constant') return mapValues(right, (own) => calculate(op, left, own))
  const numbers = arithmeticOnNumbers(op, left, right, rows)
  if (numbers !== undefined) return numbers
  const types = new Array<VectorType>(rows)
  const values = new Array<AttributeValue | undefined>(rows)
  for (let row = 0; row < rows; row++) {
    const result = calculate(
      op,
      { type: typeAt(left, row), value: valueAt(left, row) },
      { type: typeAt(right, row), value: valueAt(right, row) },
    )
    types[row] = result.type
    values[row] = result.value
  }
  return { is: 'rows', types, values }
}

/** Durations and other columns of plain numbers, with each other or with a constant, need no objects per row. */
function arithmeticOnNumbers(
  op: ArithmeticOperator,
  left: Vector,
  right: Vector,
  rows: number,
): NumberVector | undefined {
  if (!isPlainNumbers(left) || !isPlainNumbers(right)) return undefined
  const sample = calculate(
    op,
    { type: left.type, value: 1 },
    { type: right.type, value: right.is === 'constant' ? right.value : 1 },
  )
  if (sample.type !== 'int' && sample.type !== 'float' && sample.type !== 'duration') return undefined
  const data = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    const a = left.is === 'constant' ? (left.value as number) : left.data[row]!
    const b = right.is === 'constant' ? (right.value as number) : right.data[row]!
    const value = calculateNumbers(op, a, b)
    data[row] = !Number.isFinite(value) ? Number.NaN : sample.type === 'int' && op === '/' ? Math.trunc(value) : value
  }
  return { is: 'numbers', type: sample.type, data }
}

function isPlainNumbers(vector: Vector): vector is NumberVector | (ConstantVector & { type: NumberVector['type'] }) {
  if (vector.is === 'constant') return isNumeric(vector.type) && typeof vector.value === 'number'
  return vector.is === 'numbers' && isNumeric(vector.type)
}

function mapValues(vector: DictionaryVector, change: (own: Typed) => Typed): Vector {
  const changed = vector.values.map((value, code) => change({ type: vector.types[code]!, value }))
  return {
    is: 'dictionary',
    codes: vector.codes,
    values: changed.map((item) => item.value),
    types: changed.map((item) => item.type),
  }
}
