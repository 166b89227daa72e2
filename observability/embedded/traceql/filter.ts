/**
 * Filters over whole tables. A mask says which rows match: a byte per row, or plain `true`/`false` for all or none, so
 * that a table without the attribute costs nothing. Comparisons with a constant run once per distinct value.
 */
import type { ArithmeticOperator, Binary, ComparisonOperator, Field, FieldExpression } from './ast.ts'
import { childScope, type Frame, readField, spanFrame } from './fields.ts'
import {
  calculate,
  calculateNumbers,
  comparable,
  compareValues,
  isNumeric,
  matchValue,
  type Typed,
} from './operators.ts'
import { compileRegex, type Matcher } from './regex.ts'
import type { AttributeValue, SpanTable } from './span-table.ts'
import {
  type ConstantVector,
  type DictionaryVector,
  memo,
  type NumberVector,
  typeAt,
  type Vector,
  type VectorType,
  valueAt,
} from './vector.ts'

export type Mask = Uint8Array | boolean

/** Spans for which the expression holds; where it asks about events or links, for at least one of them. */
export function filterSpans(where: FieldExpression | null, table: SpanTable): Mask {
  return where === null ? true : exists(where, table)
}

/** Splits at `||` and `&&` so that the wider frames for events and links serve only the parts that need them. */
function exists(expression: FieldExpression, table: SpanTable): Mask {
  const scopes = childScopes(expression)
  if (scopes.size === 0) return truth(expression, spanFrame(table))
  if (expression.kind === 'binary' && expression.op === '||') {
    return or(exists(expression.left, table), exists(expression.right, table))
  }
  const parts = conjuncts(expression)
  const ofEvents = parts.filter((part) => childScopes(part).has('event'))
  const ofLinks = parts.filter((part) => childScopes(part).has('link'))
  const onSpan = parts.filter((part) => childScopes(part).size === 0)
  let mask: Mask = true
  for (const part of onSpan) mask = and(mask, truth(part, spanFrame(table)))
  if (mask === false) return false
  const groups = ofEvents.some((part) => ofLinks.includes(part))
    ? [parts.filter((part) => !onSpan.includes(part))]
    : [ofEvents, ofLinks]
  for (const group of groups) {
    if (group.length === 0) continue
    const frame = childFrame(
      table,
      group.some((part) => ofEvents.includes(part)),
      group.some((part) => ofLinks.includes(part)),
    )
    mask = and(
      mask,
      anyOfSpan(
        group.reduce((all: Mask, part) => and(all, truth(part, frame)), true),
        frame,
      ),
    )
  }
  return mask
}

function conjuncts(expression: FieldExpression): FieldExpression[] {
  return expression.kind === 'binary' && expression.op === '&&'
    ? [...conjuncts(expression.left), ...conjuncts(expression.right)]
    : [expression]
}

const scopesOf = new WeakMap<FieldExpression, Set<'event' | 'link'>>()

function childScopes(expression: FieldExpression): Set<'event' | 'link'> {
  return memo(scopesOf, expression, () => {
    switch (expression.kind) {
      case 'literal':
        return new Set()
      case 'unary':
        return childScopes(expression.of)
      case 'binary':
        return childScopes(expression.left).union(childScopes(expression.right))
      default: {
        const scope = childScope(expression)
        return new Set(scope === undefined ? [] : [scope])
      }
    }
  })
}

/** A row per span and event and link of it; a span without any has one row with -1. */
function childFrame(table: SpanTable, events: boolean, links: boolean): Frame {
  const firstEvent = events ? offsets(table.events.span, table.rows) : undefined
  const firstLink = links ? offsets(table.links.span, table.rows) : undefined
  const count = (first: Uint32Array | undefined, row: number) =>
    first === undefined ? 1 : Math.max(1, first[row + 1]! - first[row]!)
  let rows = 0
  for (let row = 0; row < table.rows; row++) rows += count(firstEvent, row) * count(firstLink, row)
  const span = new Uint32Array(rows)
  const event = events ? new Int32Array(rows) : null
  const link = links ? new Int32Array(rows) : null
  let at = 0
  for (let row = 0; row < table.rows; row++) {
    for (let e = 0; e < count(firstEvent, row); e++) {
      for (let l = 0; l < count(firstLink, row); l++) {
        span[at] = row
        if (event !== null) event[at] = childAt(firstEvent!, row, e)
        if (link !== null) link[at] = childAt(firstLink!, row, l)
        at++
      }
    }
  }
  return { table, rows, span, event, link }
}

function childAt(first: Uint32Array, row: number, i: number): number {
  return first[row] === first[row + 1] ? -1 : first[row]! + i
}

/** Children stand in span order, so those of a span are a range: from `result[row]` to `result[row + 1]`. */
function offsets(owner: Uint32Array, rows: number): Uint32Array {
  const first = new Uint32Array(rows + 1)
  for (const row of owner) first[row + 1]!++
  for (let row = 0; row < rows; row++) first[row + 1]! += first[row]!
  return first
}

function anyOfSpan(mask: Mask, { table, span }: Frame): Mask {
  if (typeof mask === 'boolean') return mask
  const result = new Uint8Array(table.rows)
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1) result[span![i]!] = 1
  return result
}

/** The rows for which a boolean expression holds. */
function truth(expression: FieldExpression, frame: Frame): Mask {
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
    case '=':
    case '!=':
    case '>':
    case '>=':
    case '<':
    case '<=':
      return compare(expression.op, expression, frame)
    case '=~':
    case '!~':
      return match(expression, frame)
    default:
      return false
  }
}

const TRUE: ConstantVector = { is: 'constant', type: 'bool', value: true }
const FALSE: ConstantVector = { is: 'constant', type: 'bool', value: false }

const FLIPPED = { '=': '=', '!=': '!=', '>': '<', '>=': '<=', '<': '>', '<=': '>=' } as const

function compare(op: keyof typeof FLIPPED, { left, right }: Binary, frame: Frame): Mask {
  if (isNil(left) || isNil(right)) return existence(op, isNil(left) ? right : left, frame)
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

function isField(expression: FieldExpression): expression is Field {
  return expression.kind === 'attribute' || expression.kind === 'intrinsic'
}

function isAttribute(expression: FieldExpression): boolean {
  return expression.kind === 'attribute'
}

function isNil(expression: FieldExpression): boolean {
  return expression.kind === 'literal' && expression.type === 'nil'
}

export function isConstant(expression: FieldExpression): boolean {
  if (expression.kind === 'unary') return isConstant(expression.of)
  return expression.kind === 'binary'
    ? isConstant(expression.left) && isConstant(expression.right)
    : expression.kind === 'literal'
}

function isTraceId(expression: FieldExpression): boolean {
  return expression.kind === 'intrinsic' && (expression.name === 'trace:id' || expression.name === 'link:traceID')
}

/** Search results trim the zeros in front of trace ids, so both forms must be found. */
function fullId(constant: ConstantVector): ConstantVector {
  return { ...constant, value: String(constant.value).toLowerCase().padStart(32, '0') }
}

/** `x = nil` and `x != nil`. On an event or link, `= nil` asks for one that lacks the attribute. */
function existence(op: ComparisonOperator, of: FieldExpression, frame: Frame): Mask {
  if (isNil(of) || (op !== '=' && op !== '!=')) return false
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
  op: keyof typeof FLIPPED,
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

function compareNumbers(
  op: keyof typeof FLIPPED,
  { data, type }: NumberVector,
  constant: ConstantVector,
  strict: boolean,
): Mask {
  if (!comparable(type, constant.type, strict)) return false
  const wanted = Number(constant.value)
  const mask = new Uint8Array(data.length)
  // A loop per operator: the engine turns each into a tight one.
  switch (op) {
    case '=':
      for (let row = 0; row < data.length; row++) mask[row] = data[row]! === wanted ? 1 : 0
      break
    case '!=':
      for (let row = 0; row < data.length; row++) mask[row] = data[row]! < wanted || data[row]! > wanted ? 1 : 0
      break
    case '>':
      for (let row = 0; row < data.length; row++) mask[row] = data[row]! > wanted ? 1 : 0
      break
    case '>=':
      for (let row = 0; row < data.length; row++) mask[row] = data[row]! >= wanted ? 1 : 0
      break
    case '<':
      for (let row = 0; row < data.length; row++) mask[row] = data[row]! < wanted ? 1 : 0
      break
    case '<=':
      for (let row = 0; row < data.length; row++) mask[row] = data[row]! <= wanted ? 1 : 0
      break
  }
  return mask
}

function byCode(
  vector: DictionaryVector,
  test: (type: VectorType, value: AttributeValue | undefined) => boolean,
): Mask {
  const { codes, values, types } = vector
  const hits = new Uint8Array(values.length)
  let found = 0
  for (let code = 0; code < values.length; code++)
    if (types[code] !== 'nil' && test(types[code]!, values[code])) found += hits[code] = 1
  if (found === 0) return false
  if (found === values.length) return true
  const mask = new Uint8Array(codes.length)
  for (let row = 0; row < codes.length; row++) mask[row] = hits[codes[row]!]!
  return mask
}

const matchers = new WeakMap<FieldExpression, Matcher>()

function match({ op, left, right }: Binary, frame: Frame): Mask {
  const matcher = memo(matchers, right, () => compileRegex(right.kind === 'literal' ? String(right.value) : ''))
  const vector = evaluate(left, frame)
  const negated = op === '!~'
  if (vector.is === 'dictionary') return byCode(vector, (type, value) => matchValue(matcher, negated, type, value))
  if (vector.is === 'constant') return matchValue(matcher, negated, vector.type, vector.value)
  return false
}

/** The value of an expression on each row of the frame. */
export function evaluate(expression: FieldExpression, frame: Frame): Vector {
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

export function and(left: Mask, right: Mask): Mask {
  if (typeof left === 'boolean') return left ? right : false
  if (typeof right === 'boolean') return right ? left : false
  const mask = new Uint8Array(left.length)
  for (let row = 0; row < mask.length; row++) mask[row] = left[row]! & right[row]!
  return mask
}

export function or(left: Mask, right: Mask): Mask {
  if (typeof left === 'boolean') return left ? true : right
  if (typeof right === 'boolean') return right ? true : left
  const mask = new Uint8Array(left.length)
  for (let row = 0; row < mask.length; row++) mask[row] = left[row]! | right[row]!
  return mask
}

function not(mask: Mask): Mask {
  return typeof mask === 'boolean' ? !mask : mask.map((bit) => 1 - bit)
}
