/** The type checker: refuses what parses but has no meaning, before any data is read. */
import type {
  Binary,
  FieldExpression,
  Literal,
  LiteralType,
  MetricsCompare,
  MetricsExpression,
  Query,
  Scalar,
  ScalarFilter,
  SpansetExpression,
  Stage,
  Unary,
} from './ast.ts'
import { INTRINSICS } from './ast.ts'
import { TraceQLError } from './errors.ts'
import { printField, printScalar, printStage } from './print.ts'
import { compileRegex } from './regex.ts'

/** `any`: an attribute, whose type only the data knows. */
type Type = LiteralType | 'any'

type Fail = (at: number, reason: string, hint?: string) => TraceQLError

/** Throws a `TraceQLError` of kind `type` or `unsupported`; returns the query otherwise. */
export function check(query: Query): Query {
  const fail: Fail = (at, reason, hint) => new TraceQLError('type', query.text, at, reason, hint)
  if (query.kind === 'search') checkStages(query.stages, fail, query.text)
  else checkMetrics(query.expression, fail, query.text)
  return query
}

function checkMetrics(expression: MetricsExpression, fail: Fail, text: string): void {
  switch (expression.kind) {
    case 'metrics':
      checkStages(expression.stages, fail, text)
      if (expression.of !== null && !isNumber(typeOf(expression.of, fail))) {
        throw fail(expression.of.at, `${expression.fn} needs a number: ${printField(expression.of)}`)
      }
      for (const quantile of expression.quantiles) {
        if (quantile < 0 || quantile > 1) throw fail(expression.at, `quantiles lie between 0 and 1: ${quantile}`)
      }
      return
    case 'compare':
      checkStages(expression.stages, fail, text)
      checkCompare(expression, fail, text)
      return
    case 'rank':
      refuseCompare(expression.of, expression.at, fail)
      if (expression.limit < 1) throw fail(expression.at, `${expression.fn} keeps at least 1 series`)
      checkMetrics(expression.of, fail, text)
      return
    case 'threshold':
      refuseCompare(expression.of, expression.at, fail)
      checkMetrics(expression.of, fail, text)
      return
    case 'metricsArithmetic':
      for (const side of [expression.left, expression.right]) refuseCompare(side, expression.at, fail)
      checkMetrics(expression.left, fail, text)
      checkMetrics(expression.right, fail, text)
      return
    case 'number':
  }
}

/** As many values of an attribute as Tempo's documentation lets one ask for. */
const MAX_COMPARED = 1_000

function checkCompare({ selection, limit, window, at }: MetricsCompare, fail: Fail, text: string): void {
  checkStage(selection, fail, text)
  if (limit < 1 || limit > MAX_COMPARED) {
    throw fail(at, `compare() answers 1 to ${MAX_COMPARED} values of each attribute: ${limit}`)
  }
  if (window !== null && window.endNs <= window.startNs) {
    throw fail(at, 'compare() needs an end after its start', 'both in nanoseconds since 1970')
  }
}

/** Its series count different things: to rank or to add them would mean nothing. */
function refuseCompare(of: MetricsExpression, at: number, fail: Fail): void {
  if (of.kind === 'compare')
    throw fail(
      at,
      'nothing may follow compare()',
      'narrow the spans before it: { kind = server } | compare({ status = error })',
    )
}

function checkStages(stages: readonly Stage[], fail: Fail, text: string): void {
  if (stages[0]?.kind === 'coalesce')
    throw fail(stages[0].at, 'coalesce() needs spansets before it', 'write { } | by(...) | coalesce()')
  for (const stage of stages) checkStage(stage, fail, text)
}

function checkStage(stage: Stage, fail: Fail, text: string): void {
  switch (stage.kind) {
    case 'filter': {
      if (stage.where === null) return
      const type = typeOf(stage.where, fail)
      if (type !== 'bool' && type !== 'any') {
        throw fail(stage.where.at, `span filter field expressions must resolve to a boolean: ${printStage(stage)}`)
      }
      return
    }
    case 'combine':
      if (stage.op !== '&&' && stage.op !== '||') for (const side of [stage.left, stage.right]) refuseGroups(side, fail)
      checkStage(stage.left, fail, text)
      checkStage(stage.right, fail, text)
      return
    case 'wrapped':
      checkStages(stage.stages, fail, text)
      return
    case 'scalarFilter': {
      const [left, right] = [typeOfScalar(stage.left, fail, text), typeOfScalar(stage.right, fail, text)]
      refuseNumberFirst(stage, fail)
      if (!isNumber(left) || !isNumber(right))
        throw fail(stage.at, `only numbers can be compared here: ${printStage(stage)}`)
      return
    }
    case 'by':
      typeOf(stage.of, fail)
      if (!mentionsSpan(stage.of))
        throw fail(stage.at, `grouping field expressions must reference the span: ${printStage(stage)}`)
      return
    default:
  }
}

/** Tempo takes the number behind the aggregate only. */
function refuseNumberFirst({ op, left, right }: ScalarFilter, fail: Fail): void {
  if (left.kind !== 'literal' || right.kind === 'literal') return
  const turned = TURNED[op as keyof typeof TURNED] ?? op
  throw fail(
    left.at,
    `the number stands behind: ${printScalar(left)} ${op} ${printScalar(right)}`,
    `write ${printScalar(right)} ${turned} ${printScalar(left)}`,
  )
}

const TURNED = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const

/** Relations between spans need one set of spans per trace on each side. */
function refuseGroups(side: SpansetExpression, fail: Fail): void {
  if (side.kind !== 'wrapped') return
  const lastGroup = side.stages.findLastIndex((stage) => stage.kind === 'by')
  if (lastGroup >= 0 && !side.stages.slice(lastGroup).some((stage) => stage.kind === 'coalesce')) {
    throw fail(side.at, 'structural operators are not supported for several spansets per trace', 'add | coalesce()')
  }
}

function typeOfScalar(scalar: Scalar, fail: Fail, text: string): Type {
  switch (scalar.kind) {
    case 'literal':
      return scalar.type
    case 'scalarPipeline':
      throw new TraceQLError(
        'unsupported',
        text,
        scalar.at,
        'a pipeline in parentheses used as a number is not supported',
        `compare within the pipeline: { } | ${printScalar(scalar.aggregate)} > 1`,
      )
    case 'arithmetic': {
      const [left, right] = [typeOfScalar(scalar.left, fail, text), typeOfScalar(scalar.right, fail, text)]
      return left === 'any' || right === 'any' ? 'any' : left
    }
    case 'aggregate': {
      if (scalar.of === null) return 'int'
      const type = typeOf(scalar.of, fail)
      if (!isNumber(type))
        throw fail(scalar.at, `aggregate field expressions must resolve to a number type: ${printScalar(scalar)}`)
      if (!mentionsSpan(scalar.of))
        throw fail(scalar.at, `aggregate field expressions must reference the span: ${printScalar(scalar)}`)
      return type
    }
  }
}

function mentionsSpan(expression: FieldExpression): boolean {
  if (expression.kind === 'unary') return mentionsSpan(expression.of)
  return expression.kind === 'binary'
    ? mentionsSpan(expression.left) || mentionsSpan(expression.right)
    : expression.kind !== 'literal'
}

function typeOf(expression: FieldExpression, fail: Fail): Type {
  switch (expression.kind) {
    case 'literal':
      return expression.type
    case 'attribute':
      return 'any'
    case 'intrinsic':
      return INTRINSICS[expression.name]
    case 'unary':
      return typeOfUnary(expression, fail)
    case 'binary':
      return typeOfBinary(expression, fail)
  }
}

function typeOfUnary(expression: Unary, fail: Fail): Type {
  const type = typeOf(expression.of, fail)
  const fits = expression.op === '!' ? type === 'bool' || type === 'any' : isNumber(type)
  if (!fits) throw fail(expression.at, `illegal operation for the given type: ${printField(expression)}`)
  return expression.op === '!' ? 'bool' : type
}

function typeOfBinary(expression: Binary, fail: Fail): Type {
  const { op, left, right } = expression
  const [a, b] = [typeOf(left, fail), typeOf(right, fail)]
  if (isNil(left) || isNil(right)) return checkNil(expression, fail)
  if (op === '&&' || op === '||') {
    // The data decides what an attribute is, so beside a number or a string it is the operator that doesn't fit.
    if (a !== b && a !== 'any' && b !== 'any') throw differ(expression, fail)
    if (![a, b].every((type) => type === 'bool' || type === 'any')) throw illegal(expression, fail)
    return 'bool'
  }
  if (a !== 'any' && b !== 'any' && a !== b && !(isNumber(a) && isNumber(b))) throw differ(expression, fail)
  if (op === '=~' || op === '!~') return checkRegex(expression, right, [a, b], fail)
  if (op === '=' || op === '!=') return 'bool'
  const ordered = (type: Type) => isNumber(type) || type === 'string'
  if (op === '>' || op === '>=' || op === '<' || op === '<=') {
    if (!ordered(a) || !ordered(b)) throw illegal(expression, fail)
    return 'bool'
  }
  if (!isNumber(a) || !isNumber(b)) throw illegal(expression, fail)
  return a === 'any' ? b : a
}

function differ(expression: Binary, fail: Fail): TraceQLError {
  const { left, right } = expression
  const quoted = [left, right].some((side) => side.kind === 'literal' && side.type === 'string')
  const hint =
    quoted && [left, right].some(isWordValued)
      ? 'status and kind are compared with words without quotes: status = error'
      : undefined
  return fail(expression.at, `binary operations must operate on the same type: ${printField(expression)}`, hint)
}

function illegal(expression: Binary, fail: Fail): TraceQLError {
  return fail(expression.at, `illegal operation for the given types: ${printField(expression)}`)
}

function isWordValued(expression: FieldExpression): boolean {
  return expression.kind === 'intrinsic' && (expression.name === 'status' || expression.name === 'kind')
}

function isNil(expression: FieldExpression): expression is Literal {
  return expression.kind === 'literal' && expression.type === 'nil'
}

function checkNil(expression: Binary, fail: Fail): Type {
  const { op, left, right } = expression
  if (op !== '=' && op !== '!=') throw illegal(expression, fail)
  const other = isNil(left) ? right : left
  if (op === '=' && other.kind === 'intrinsic' && other.name !== 'parent') {
    throw fail(expression.at, `${printField(other)}=nil is not valid because intrinsics cannot be nil`)
  }
  return 'bool'
}

function checkRegex(expression: Binary, pattern: FieldExpression, types: readonly Type[], fail: Fail): Type {
  if (pattern.kind !== 'literal' || pattern.type !== 'string') {
    throw fail(pattern.at, `invalid type for =~ or !~: ${printField(pattern)}`, 'the right side is a pattern in quotes')
  }
  if (!types.every((type) => type === 'string' || type === 'any')) throw illegal(expression, fail)
  try {
    compileRegex(String(pattern.value))
  } catch (error) {
    throw fail(pattern.at, `invalid regex: ${printField(pattern)}: ${(error as Error).message}`)
  }
  return 'bool'
}

function isNumber(type: Type): boolean {
  return type === 'int' || type === 'float' || type === 'duration' || type === 'any'
}
