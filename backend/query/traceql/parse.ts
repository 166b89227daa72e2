/**
 * Tokens to syntax tree, for whole queries. A parenthesis may open a spanset, a number or a metrics query; which one is
 * known only at its end, so operands carry what they turned out to be and `combine` decides what an operator means.
 */
import type {
  Aggregate,
  AggregateFunction,
  ArithmeticOperator,
  Field,
  Filter,
  Hint,
  Literal,
  MetricsAggregate,
  MetricsCompare,
  MetricsExpression,
  MetricsFunction,
  Query,
  Scalar,
  ScalarFilter,
  SpansetExpression,
  SpansetOperator,
  Stage,
} from './ast.ts'
import { type Cursor, createCursor } from './cursor.ts'
import { TraceQLError } from './errors.ts'
import type { Token } from './lexer.ts'
import { calculateNumbers } from './operators.ts'
import { negative, parseFieldExpression, parseFieldName, parseLiteral } from './parse-field.ts'
import { PRECEDENCE } from './print.ts'

type Part =
  | { readonly is: 'spansets'; readonly node: SpansetExpression }
  | { readonly is: 'stage'; readonly node: ScalarFilter }
  | { readonly is: 'scalar'; readonly node: Scalar }
  | { readonly is: 'metrics'; readonly node: MetricsExpression }

interface Pipeline {
  readonly stages: readonly Stage[]
  /** What the pipeline ends in when it isn't spansets: a bare aggregate or a metrics query. */
  readonly end: Extract<Part, { is: 'scalar' | 'metrics' }> | undefined
}

const AGGREGATES = new Set<string>(['count', 'avg', 'min', 'max', 'sum'] satisfies AggregateFunction[])
const METRICS = new Set<string>([
  'rate',
  'count_over_time',
  'min_over_time',
  'max_over_time',
  'avg_over_time',
  'sum_over_time',
  'quantile_over_time',
  'histogram_over_time',
  'compare',
] satisfies (MetricsFunction | MetricsCompare['kind'])[])
const COMPARISONS = new Set(['=', '!=', '>', '>=', '<', '<='])
const SPANSET_OPERATORS = new Set('&& || > >> < << ~ !> !>> !< !<< !~ &> &>> &< &<< &~'.split(' '))
const ARITHMETIC = new Set(['+', '-', '*', '/', '%', '^'])

/** Parses a query. Throws a `TraceQLError` of kind `syntax` or `unsupported`; types are checked by `check`. */
export function parse(text: string): Query {
  const cursor = createCursor(text)
  const { stages, end } = parsePipeline(cursor)
  const hints = cursor.accept('with') ? parseHints(cursor) : []
  if (cursor.peek().kind !== 'end') throw cursor.unexpected(cursor.peek(), 'a | or the end of the query')
  if (end === undefined) return { kind: 'search', stages, hints, text }
  if (end.is === 'metrics' && end.node.kind !== 'number') return { kind: 'metrics', expression: end.node, hints, text }
  throw new TraceQLError('syntax', text, end.node.at, 'a number is no answer', 'compare it: | count() > 2')
}

function parsePipeline(cursor: Cursor): Pipeline {
  const stages: Stage[] = []
  for (;;) {
    const token = cursor.peek()
    if (token.kind === 'word' && METRICS.has(token.text) && stages.length > 0) {
      const node = token.text === 'compare' ? parseCompare(cursor, stages) : parseMetrics(cursor, stages)
      return { stages: [], end: { is: 'metrics', node: parseSecondStages(cursor, node) } }
    }
    const part = parseStage(cursor, stages.length === 0)
    if ('is' in part && part.is === 'metrics') {
      if (stages.length > 0) throw cursor.error(token, 'a metrics query cannot be a stage of a pipeline')
      return { stages, end: { is: 'metrics', node: parseSecondStages(cursor, part.node) } }
    }
    if ('is' in part && part.is === 'scalar') return { stages, end: part }
    stages.push('is' in part ? part.node : part)
    if (!cursor.accept('|')) return { stages, end: undefined }
  }
}

function parseStage(cursor: Cursor, first: boolean): Stage | Part {
  const token = cursor.peek()
  if (token.kind === 'word') {
    switch (token.text) {
      case 'by': {
        cursor.next()
        return { kind: 'by', of: inParentheses(cursor, () => parseFieldExpression(cursor)), at: token.at }
      }
      case 'coalesce':
        cursor.next()
        inParentheses(cursor, () => undefined)
        return { kind: 'coalesce', at: token.at }
      case 'select':
        cursor.next()
        return { kind: 'select', fields: inParentheses(cursor, () => parseFieldNames(cursor)), at: token.at }
      case 'topk':
      case 'bottomk':
        throw cursor.error(token, `${token.text} ranks series`, 'put a metrics function such as rate() before it')
      default:
        if (METRICS.has(token.text) && first) {
          throw cursor.error(token, `${token.text} needs spans`, `write { } | ${token.text}(...)`)
        }
    }
  }
  return parseExpression(cursor, 0)
}

/** Spansets, numbers or series joined by operators that bind at least as strongly as `weakest`. */
function parseExpression(cursor: Cursor, weakest: number): Part {
  let left = parseOperand(cursor)
  for (;;) {
    const token = cursor.peek()
    const level = token.kind === 'operator' ? PRECEDENCE[token.text as keyof typeof PRECEDENCE] : undefined
    if (level === undefined || level < weakest) return left
    cursor.next()
    left = combine(cursor, token, left, parseExpression(cursor, token.text === '^' ? level : level + 1))
  }
}

function parseOperand(cursor: Cursor): Part {
  const token = cursor.next()
  if (token.kind === 'punctuation' && token.text === '{') {
    return { is: 'spansets', node: parseFilter(cursor, token) }
  }
  if (token.kind === 'punctuation' && token.text === '(') {
    const inner = cursor.nested(() => parsePipeline(cursor))
    cursor.expect(')')
    return parenthesised(cursor, token, inner)
  }
  if (token.kind === 'word' && AGGREGATES.has(token.text)) return { is: 'scalar', node: parseAggregate(cursor, token) }
  if (token.kind === 'int' || token.kind === 'float' || token.kind === 'duration') {
    return { is: 'scalar', node: { kind: 'literal', type: token.kind, value: token.number!, at: token.at } }
  }
  if (token.kind === 'operator' && token.text === '-') {
    const operand = cursor.nested(() => parseOperand(cursor))
    const literal = operand.is === 'scalar' && operand.node.kind === 'literal' && negative(operand.node, token.at)
    if (literal) return { is: 'scalar', node: literal }
  }
  throw cursor.unexpected(token, 'a filter such as { status = error }, an aggregate or a parenthesis')
}

/** What follows an opening brace. */
function parseFilter(cursor: Cursor, { at }: Token): Filter {
  if (cursor.accept('}')) return { kind: 'filter', where: null, at }
  const where = cursor.nested(() => parseFieldExpression(cursor))
  cursor.expect('}')
  return { kind: 'filter', where, at }
}

function parenthesised(cursor: Cursor, open: Token, { stages, end }: Pipeline): Part {
  if (end?.is === 'metrics') return end
  if (end?.is === 'scalar') {
    if (stages.length === 0) return end
    if (end.node.kind !== 'aggregate') {
      throw cursor.error(open, 'a pipeline used as a number ends in one aggregate', 'calculate outside the parentheses')
    }
    return { is: 'scalar', node: { kind: 'scalarPipeline', stages, aggregate: end.node, at: open.at } }
  }
  const only = stages.length === 1 ? stages[0]! : undefined
  if (only?.kind === 'filter' || only?.kind === 'combine' || only?.kind === 'wrapped')
    return { is: 'spansets', node: only }
  return { is: 'spansets', node: { kind: 'wrapped', stages, at: open.at } }
}

function combine(cursor: Cursor, token: Token, left: Part, right: Part): Part {
  const { text: op, at } = token
  if (left.is === 'spansets' && right.is === 'spansets' && SPANSET_OPERATORS.has(op)) {
    return {
      is: 'spansets',
      node: { kind: 'combine', op: op as SpansetOperator, left: left.node, right: right.node, at },
    }
  }
  if (left.is === 'scalar' && right.is === 'scalar') {
    const sides = { left: left.node, right: right.node, at }
    if (ARITHMETIC.has(op))
      return { is: 'scalar', node: { kind: 'arithmetic', op: op as ArithmeticOperator, ...sides } }
    if (COMPARISONS.has(op))
      return { is: 'stage', node: { kind: 'scalarFilter', op: op as ScalarFilter['op'], ...sides } }
  }
  if (left.is === 'metrics' || right.is === 'metrics') {
    if (COMPARISONS.has(op) && left.is === 'metrics')
      return { is: 'metrics', node: threshold(cursor, token, left.node, right) }
    if (op === '+' || op === '-' || op === '*' || op === '/') {
      const sides = { left: series(cursor, token, left), right: series(cursor, token, right) }
      return { is: 'metrics', node: { kind: 'metricsArithmetic', op, ...sides, at } }
    }
  }
  const hint = left.is === 'stage' || right.is === 'stage' ? 'put the pipeline in parentheses' : undefined
  throw cursor.error(token, `${op} cannot stand between ${NAMES[left.is]} and ${NAMES[right.is]}`, hint)
}

const NAMES = { spansets: 'spansets', stage: 'a comparison', scalar: 'a number', metrics: 'series' } as const

function series(cursor: Cursor, token: Token, part: Part): MetricsExpression {
  if (part.is === 'metrics') return part.node
  if (part.is === 'scalar') return { kind: 'number', value: constant(cursor, part.node), at: part.node.at }
  throw cursor.error(token, `${token.text} cannot stand between series and ${NAMES[part.is]}`, 'add a metrics function')
}

function threshold(cursor: Cursor, token: Token, of: MetricsExpression, right: Part): MetricsExpression {
  if (right.is !== 'scalar') throw cursor.error(token, 'series are compared with a number only')
  return {
    kind: 'threshold',
    op: token.text as ScalarFilter['op'],
    of,
    value: constant(cursor, right.node),
    at: token.at,
  }
}

/** Numbers beside series are plain numbers; durations count in seconds, as series of durations do. */
function constant(cursor: Cursor, scalar: Scalar): number {
  const value = constantValue(cursor, scalar)
  if (Number.isFinite(value)) return value
  throw new TraceQLError('syntax', cursor.text, scalar.at, `this comes to ${value}: no number to compute with`)
}

function constantValue(cursor: Cursor, scalar: Scalar): number {
  if (scalar.kind === 'literal') return scalar.type === 'duration' ? Number(scalar.value) / 1e9 : Number(scalar.value)
  if (scalar.kind === 'arithmetic') {
    const [left, right] = [constant(cursor, scalar.left), constant(cursor, scalar.right)]
    const whole = isWhole(scalar.left) && isWhole(scalar.right)
    const value = calculateNumbers(scalar.op, left, right)
    return whole && scalar.op === '/' ? Math.trunc(value) : value
  }
  throw new TraceQLError('syntax', cursor.text, scalar.at, 'an aggregate of spansets cannot stand beside series')
}

function isWhole(scalar: Scalar): boolean {
  return scalar.kind === 'literal'
    ? scalar.type === 'int'
    : scalar.kind === 'arithmetic' && isWhole(scalar.left) && isWhole(scalar.right)
}

function parseAggregate(cursor: Cursor, token: Token): Aggregate {
  const fn = token.text as AggregateFunction
  const of = inParentheses(cursor, () => (fn === 'count' ? null : parseFieldExpression(cursor)))
  return { kind: 'aggregate', fn, of, at: token.at }
}

function parseMetrics(cursor: Cursor, stages: readonly Stage[]): MetricsAggregate {
  const token = cursor.next()
  const fn = token.text as MetricsFunction
  const { of, quantiles } = inParentheses(cursor, () => {
    if (fn === 'rate' || fn === 'count_over_time') return { of: null, quantiles: [] }
    const field = parseFieldName(cursor)
    return { of: field, quantiles: fn === 'quantile_over_time' ? parseQuantiles(cursor) : [] }
  })
  const by = cursor.accept('by') ? inParentheses(cursor, () => parseFieldNames(cursor)) : []
  return { kind: 'metrics', stages, fn, of, quantiles, by, at: token.at }
}

const COMPARE_LIMIT = 10

/** `compare({ selection }, limit, start, end)`; all but the first may be left out, but no start without an end. */
function parseCompare(cursor: Cursor, stages: readonly Stage[]): MetricsCompare {
  const { at } = cursor.next()
  return inParentheses(cursor, () => {
    const brace = cursor.next()
    if (brace.kind !== 'punctuation' || brace.text !== '{') {
      throw cursor.unexpected(brace, 'the spans to compare with the rest, such as { status = error }')
    }
    const selection = parseFilter(cursor, brace)
    const limit = cursor.accept(',') ? Number(parseInteger(cursor, 'how many values of each attribute')) : COMPARE_LIMIT
    const window = cursor.accept(',') ? parseWindow(cursor) : null
    return { kind: 'compare', stages, selection, limit, window, at }
  })
}

/** Zeros mean all times, as they do in Tempo. */
function parseWindow(cursor: Cursor): MetricsCompare['window'] {
  const startNs = parseInteger(cursor, 'the start of the selection in nanoseconds since 1970')
  cursor.expect(',')
  const endNs = parseInteger(cursor, 'the end of the selection in nanoseconds since 1970')
  return startNs === 0n && endNs === 0n ? null : { startNs, endNs }
}

function parseInteger(cursor: Cursor, what: string): bigint {
  const token = cursor.next()
  if (token.kind !== 'int') throw cursor.unexpected(token, what)
  return BigInt(token.number!)
}

function parseQuantiles(cursor: Cursor): number[] {
  const quantiles: number[] = []
  do {
    cursor.expect(',')
    const token = cursor.next()
    if (token.kind !== 'float' && token.kind !== 'int') throw cursor.unexpected(token, 'a quantile between 0 and 1')
    quantiles.push(Number(token.number))
  } while (cursor.at(','))
  return quantiles
}

/** `| topk(5)` and comparisons, in any order and number. */
function parseSecondStages(cursor: Cursor, expression: MetricsExpression): MetricsExpression {
  let of = expression
  for (;;) {
    const token = cursor.peek()
    if (token.kind === 'operator' && COMPARISONS.has(token.text)) {
      cursor.next()
      of = threshold(cursor, token, of, parseExpression(cursor, PRECEDENCE['+']))
    } else if (cursor.accept('|')) of = parseRank(cursor, of)
    else if (token.kind === 'operator' && ARITHMETIC.has(token.text)) {
      throw cursor.error(
        token,
        `${token.text} follows a metrics query`,
        'put each query in parentheses: ({ } | rate()) / ({ } | rate())',
      )
    } else return of
  }
}

function parseRank(cursor: Cursor, of: MetricsExpression): MetricsExpression {
  const token = cursor.next()
  if (token.text !== 'topk' && token.text !== 'bottomk') {
    throw cursor.unexpected(token, 'topk or bottomk after a metrics function')
  }
  const count = inParentheses(cursor, () => {
    const number = cursor.next()
    if (number.kind !== 'int') throw cursor.unexpected(number, 'the number of series to keep')
    return number
  })
  return { kind: 'rank', fn: token.text, limit: Number(count.number), of, at: token.at }
}

function parseFieldNames(cursor: Cursor): Field[] {
  const fields = [parseFieldName(cursor)]
  while (cursor.accept(',')) fields.push(parseFieldName(cursor))
  return fields
}

function parseHints(cursor: Cursor): Hint[] {
  return inParentheses(cursor, () => {
    const hints: { name: string; value: Literal }[] = []
    do {
      const name = cursor.next()
      if (name.kind !== 'word') throw cursor.unexpected(name, "a hint's name")
      cursor.expect('=')
      hints.push({ name: name.text, value: parseLiteral(cursor) })
    } while (cursor.accept(','))
    return hints
  })
}

function inParentheses<T>(cursor: Cursor, body: () => T): T {
  cursor.expect('(')
  const result = cursor.nested(body)
  cursor.expect(')')
  return result
}
