/** Syntax tree to text. `parse(print(query))` is the same query, whatever spelling it was written in. */
import { printDuration } from '../language/durations.ts'
import type {
  Attribute,
  FieldExpression,
  FieldOperator,
  Hint,
  Literal,
  MetricsExpression,
  Query,
  Scalar,
  SpansetExpression,
  SpansetOperator,
  Stage,
} from './ast.ts'

/** By OTLP number. */
export const STATUS_WORDS = ['unset', 'ok', 'error'] as const
/** By OTLP number. */
export const KIND_WORDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const

/** Binding strength, weakest first. `&&` and `||` share a level, as they do in Tempo; only `^` groups to the right. */
export const PRECEDENCE: Readonly<Record<FieldOperator | SpansetOperator, number>> = {
  '&&': 1,
  '||': 1,
  '=': 2,
  '!=': 2,
  '>': 2,
  '>=': 2,
  '<': 2,
  '<=': 2,
  '=~': 2,
  '!~': 2,
  '>>': 2,
  '<<': 2,
  '~': 2,
  '!>': 2,
  '!>>': 2,
  '!<': 2,
  '!<<': 2,
  '&>': 2,
  '&>>': 2,
  '&<': 2,
  '&<<': 2,
  '&~': 2,
  '+': 3,
  '-': 3,
  '*': 5,
  '/': 5,
  '%': 5,
  '^': 6,
}
/** `-a * b` is `-(a * b)` and `!a = b` is `(!a) = b`: a sign binds less than a product and more than a sum. */
export const UNARY_PRECEDENCE = 4

/** One line, with one spelling for each meaning. */
export function print(query: Query): string {
  const body = query.kind === 'search' ? printStages(query.stages) : printMetrics(query.expression)
  return query.hints.length === 0 ? body : `${body} with(${query.hints.map(printHint).join(', ')})`
}

function printHint({ name, value }: Hint): string {
  return `${name}=${printLiteral(value)}`
}

function printMetrics(expression: MetricsExpression): string {
  switch (expression.kind) {
    case 'metrics': {
      const arguments_ = [
        ...(expression.of === null ? [] : [printField(expression.of)]),
        ...expression.quantiles.map(printFloat),
      ]
      const by = expression.by.length === 0 ? '' : ` by(${expression.by.map(printField).join(', ')})`
      return `${printStages(expression.stages)} | ${expression.fn}(${arguments_.join(', ')})${by}`
    }
    case 'compare': {
      const { stages, selection, limit, window } = expression
      const within = window === null ? '' : `, ${window.startNs}, ${window.endNs}`
      return `${printStages(stages)} | compare(${printStage(selection)}, ${limit}${within})`
    }
    case 'rank':
      return `${printMetricsHead(expression.of)} | ${expression.fn}(${expression.limit})`
    case 'threshold':
      return `${printMetricsHead(expression.of)} ${expression.op} ${printFloat(expression.value)}`
    case 'metricsArithmetic':
      return `${printMetricsOperand(expression.left)} ${expression.op} ${printMetricsOperand(expression.right)}`
    case 'number':
      return printFloat(expression.value)
  }
}

function printMetricsHead(expression: MetricsExpression): string {
  return expression.kind === 'metricsArithmetic' ? `(${printMetrics(expression)})` : printMetrics(expression)
}

function printMetricsOperand(expression: MetricsExpression): string {
  return expression.kind === 'number' && expression.value >= 0
    ? printFloat(expression.value)
    : `(${printMetrics(expression)})`
}

/** A pipeline, with `|` between its stages. */
export function printStages(stages: readonly Stage[]): string {
  return stages.map(printStage).join(' | ')
}

/** One stage of a pipeline. */
export function printStage(stage: Stage): string {
  switch (stage.kind) {
    case 'by':
      return `by(${printField(stage.of)})`
    case 'coalesce':
      return 'coalesce()'
    case 'select':
      return `select(${stage.fields.map(printField).join(', ')})`
    case 'scalarFilter':
      return `${printScalar(stage.left)} ${stage.op} ${printScalar(stage.right)}`
    default:
      return printSpanset(stage)
  }
}

function printSpanset(expression: SpansetExpression): string {
  switch (expression.kind) {
    case 'filter':
      return expression.where === null ? '{ }' : `{ ${printField(expression.where)} }`
    case 'wrapped':
      return `(${printStages(expression.stages)})`
    case 'combine': {
      const level = PRECEDENCE[expression.op]
      const side = (operand: SpansetExpression, strictly: boolean) =>
        operand.kind === 'combine' && (strictly ? PRECEDENCE[operand.op] <= level : PRECEDENCE[operand.op] < level)
          ? `(${printSpanset(operand)})`
          : printSpanset(operand)
      return `${side(expression.left, false)} ${expression.op} ${side(expression.right, true)}`
    }
  }
}

/** A number of spansets; the key of an aggregate in results: `avg(duration)`. */
export function printScalar(scalar: Scalar): string {
  switch (scalar.kind) {
    case 'literal':
      return printLiteral(scalar)
    case 'aggregate':
      return `${scalar.fn}(${scalar.of === null ? '' : printField(scalar.of)})`
    case 'scalarPipeline':
      return `(${printStages(scalar.stages)} | ${printScalar(scalar.aggregate)})`
    case 'arithmetic': {
      const operand = (side: Scalar) =>
        side.kind === 'arithmetic' || isNegative(side) ? `(${printScalar(side)})` : printScalar(side)
      return `${operand(scalar.left)} ${scalar.op} ${operand(scalar.right)}`
    }
  }
}

/** A field expression, without braces. Doubles as the name of a column in results: `by(name)`, `avg(duration)`. */
export function printField(expression: FieldExpression): string {
  switch (expression.kind) {
    case 'literal':
      return printLiteral(expression)
    case 'intrinsic':
      return expression.name
    case 'attribute':
      return printAttribute(expression)
    case 'unary': {
      const inner = expression.of
      const bare = inner.kind === 'attribute' || inner.kind === 'intrinsic'
      return `${expression.op}${bare ? printField(inner) : `(${printField(inner)})`}`
    }
    case 'binary': {
      const level = PRECEDENCE[expression.op]
      const rightGroups = expression.op === '^'
      return `${operand(expression.left, level, rightGroups)} ${expression.op} ${operand(expression.right, level, !rightGroups)}`
    }
  }
}

function operand(expression: FieldExpression, level: number, strictly: boolean): string {
  const own =
    expression.kind === 'binary'
      ? PRECEDENCE[expression.op]
      : expression.kind === 'unary' || isNegative(expression)
        ? UNARY_PRECEDENCE
        : Number.POSITIVE_INFINITY
  return own < level || (strictly && own === level) ? `(${printField(expression)})` : printField(expression)
}

const MIN_INT = -9_223_372_036_854_775_808n

function isNegative(expression: FieldExpression | Scalar): boolean {
  if (expression.kind !== 'literal') return false
  const { value } = expression
  if (value === MIN_INT) return false
  return (typeof value === 'number' || typeof value === 'bigint') && (value < 0 || Object.is(value, -0))
}

function printAttribute({ scope, parent, name }: Attribute): string {
  const prefix = `${parent ? 'parent.' : ''}${scope === 'any' ? '' : `${scope}.`}`
  const plain = /^[^\s"\\{}()=~!<>&|^,]+$/.test(name) && !(prefix === '' && /^\d/.test(name))
  const ambiguous = parent && scope === 'any' && /^(resource|span|event|link|instrumentation)\./.test(name)
  return `${prefix === '' ? '.' : prefix}${plain && !ambiguous ? name : JSON.stringify(name)}`
}

function printLiteral({ type, value }: Literal): string {
  switch (type) {
    case 'string':
      return JSON.stringify(value)
    case 'float':
      return printFloat(value as number)
    case 'duration':
      return printDuration(value as number)
    case 'status':
      return STATUS_WORDS[value as number]!
    case 'kind':
      return KIND_WORDS[value as number]!
    case 'nil':
      return 'nil'
    case 'int':
      // The only int whose digits are none without their sign.
      return value === MIN_INT ? 'minInt' : String(value)
    case 'bool':
      return String(value)
  }
}

/** A float keeps its point, or it would come back as an int. */
export function printFloat(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}
