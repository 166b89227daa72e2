/** What operators mean for single values. Columns apply them once per distinct value. */
import type { ArithmeticOperator, ComparisonOperator } from './ast.ts'
import type { Matcher } from './regex.ts'
import type { AttributeValue, Scalar } from './span-table.ts'
import type { VectorType } from './vector.ts'

/** A comparison of values; regular expressions are matched elsewhere. */
export type Comparison = Exclude<ComparisonOperator, '=~' | '!~'>

/** Whether an operator compares values, other than by a pattern. */
export function isComparison(op: string): op is Comparison {
  return op === '=' || op === '!=' || op === '>' || op === '>=' || op === '<' || op === '<='
}

/** Types that can be calculated with. */
export function isNumeric(type: VectorType): boolean {
  return type === 'int' || type === 'float' || type === 'duration'
}

/** Whether values of these types can be compared at all; see `compareValues`. */
export function comparable(left: VectorType, right: VectorType, strict: boolean): boolean {
  if (left === 'nil' || right === 'nil') return false
  return left === right || (!strict && isNumeric(left) && isNumeric(right))
}

/**
 * Compares two values. Types that differ never match, not even with `!=`, except that numbers of different types
 * compare by value unless `strict`: an attribute beside a constant matches values of the constant's own type only.
 * An array matches when one of its elements does.
 */
export function compareValues(
  op: Comparison,
  leftType: VectorType,
  left: AttributeValue | undefined,
  rightType: VectorType,
  right: AttributeValue | undefined,
  strict: boolean,
): boolean {
  if (isArray(leftType)) {
    const types = elementTypes(leftType, left as readonly Scalar[])
    return types.some((type, i) => compareValues(op, type, (left as readonly Scalar[])[i], rightType, right, strict))
  }
  if (isArray(rightType)) {
    const types = elementTypes(rightType, right as readonly Scalar[])
    return types.some((type, i) => compareValues(op, leftType, left, type, (right as readonly Scalar[])[i], strict))
  }
  return comparable(leftType, rightType, strict) && compareScalars(op, left as Scalar, right as Scalar)
}

function compareScalars(op: Comparison, left: Scalar, right: Scalar): boolean {
  switch (op) {
    case '=':
      // An int beyond 2^53 is a bigint, which only relational operators compare with plain numbers.
      return typeof left === typeof right ? left === right : !(left < right) && !(left > right)
    case '!=':
      return !compareScalars('=', left, right)
    case '>':
      return left > right
    case '>=':
      return left >= right
    case '<':
      return left < right
    case '<=':
      return left <= right
  }
}

/** Whether a string, or an element of an array of strings, matches. Nothing else does, nor `!~`-matches. */
export function matchValue(
  matcher: Matcher,
  negated: boolean,
  type: VectorType,
  value: AttributeValue | undefined,
): boolean {
  if (type === 'string') return matcher(value as string) !== negated
  if (!isArray(type)) return false
  return (value as readonly Scalar[]).some((item) => typeof item === 'string' && matcher(item) !== negated)
}

/** Types that have elements. */
export const isArray = (type: VectorType): type is 'array' | 'floats' => type === 'array' || type === 'floats'

/** Elements of arrays have no type of their own in a table: whole numbers count as ints, but not beside fractions. */
export function elementTypes(
  type: 'array' | 'floats',
  values: readonly Scalar[],
): ('string' | 'bool' | 'int' | 'float')[] {
  const number = type === 'floats' || values.some(isFraction) ? 'float' : 'int'
  return values.map((value) => (typeof value === 'string' ? 'string' : typeof value === 'boolean' ? 'bool' : number))
}

export interface Typed {
  readonly type: VectorType
  readonly value: AttributeValue | undefined
}

const NIL: Typed = { type: 'nil', value: undefined }

/**
 * Arithmetic on two values: ints stay ints (and divide as ints), a duration keeps its type beside plain numbers. What
 * cannot be calculated, a division by zero too, is absent.
 */
export function calculate(op: ArithmeticOperator, left: Typed, right: Typed): Typed {
  if (!isNumeric(left.type) || !isNumeric(right.type)) return NIL
  const type = resultType(op, left, right)
  if (type === 'int') return calculateInts(op, left.value as number | bigint, right.value as number | bigint)
  const value = calculateNumbers(op, Number(left.value), Number(right.value))
  return Number.isFinite(value) ? { type, value } : NIL
}

function resultType(op: ArithmeticOperator, left: Typed, right: Typed): VectorType {
  if (left.type === 'duration' || right.type === 'duration') return 'duration'
  if (left.type === 'float' || right.type === 'float') return 'float'
  // A column of ints to the power of ints has one type, and fractions where the power was negative.
  if (isFraction(left.value) || isFraction(right.value)) return 'float'
  return op === '^' && Number(right.value) < 0 ? 'float' : 'int'
}

const isFraction = (value: AttributeValue | undefined) => typeof value === 'number' && !Number.isInteger(value)

/** Arithmetic on plain numbers, types aside; what has no finite result gives NaN or an infinity. */
export function calculateNumbers(op: ArithmeticOperator, left: number, right: number): number {
  switch (op) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    case '%':
      return left % right
    case '^':
      return left ** right
  }
}

function calculateInts(op: ArithmeticOperator, left: number | bigint, right: number | bigint): Typed {
  if ((op === '/' || op === '%') && Number(right) === 0) return NIL
  if (typeof left === 'number' && typeof right === 'number') {
    const value = op === '/' ? Math.trunc(left / right) : calculateNumbers(op, left, right)
    if (Number.isSafeInteger(value)) return { type: 'int', value }
  }
  if (op === '^') return NIL
  const [a, b] = [BigInt(left), BigInt(right)]
  const exact = op === '+' ? a + b : op === '-' ? a - b : op === '*' ? a * b : op === '/' ? a / b : a % b
  const wrapped = BigInt.asIntN(64, exact)
  const plain = Number(wrapped)
  return { type: 'int', value: Number.isSafeInteger(plain) ? plain : wrapped }
}
