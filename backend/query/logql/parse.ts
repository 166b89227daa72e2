/** Text -> tree. A query is a log query (`{...} | ...`) or a metric query. */
import {
  type BinaryOp,
  type Grouping,
  type LogQuery,
  type Matching,
  type MetricQuery,
  precedence,
  type Query,
  type RangeOp,
  rangeOps,
  type Stage,
  type Unwrap,
  type VectorOp,
  vectorOps,
} from './ast.ts'
import { check } from './check.ts'
import { type Cursor, createCursor } from './cursor.ts'
import { at, parseError, unsupported } from './errors.ts'
import { readPipeline, readSelector } from './parse-log.ts'

/** Longer queries are refused: nobody writes them, and every phase walks the whole text. */
const maxLength = 128 << 10

/** Reads and checks a query. Throws a LogQLError that names the place. */
export function parse(text: string): Query {
  if (text.length > maxLength) throw parseError(`the query is longer than ${maxLength} characters`)
  const cursor = createCursor(text)
  if (cursor.peek().type === 'end of query') {
    throw parseError('syntax error: unexpected end of query', cursor.peek(), 'try {service_name=~".+"}')
  }
  const query = isLogQuery(cursor) ? readLogQuery(cursor) : readMetric(cursor, 0)
  if (cursor.sees('[')) {
    throw parseError('unexpected "["', cursor.peek(), 'a range belongs into a function: count_over_time({...}[5m])')
  }
  if (cursor.peek().type !== 'end of query') cursor.refuse('an operator or the end of the query')
  check(query)
  return query
}

/** A selector, perhaps in parentheses. */
function isLogQuery(cursor: Cursor): boolean {
  let ahead = 0
  while (cursor.peek(ahead).text === '(' && cursor.peek(ahead).type === 'OPERATOR') ahead += 1
  return cursor.peek(ahead).type === 'OPERATOR' && cursor.peek(ahead).text === '{'
}

function readLogQuery(cursor: Cursor): LogQuery {
  const start = cursor.peek()
  const inner = readLogRange(cursor, false)
  if (inner.unwrap) {
    throw parseError(
      'unwrap in a log query',
      start,
      'unwrap belongs into a function: sum_over_time({...} | unwrap x [5m])',
    )
  }
  return inner.query
}

interface LogRange {
  readonly query: LogQuery
  readonly unwrap?: Unwrap | undefined
  readonly rangeNs?: number | undefined
  readonly offsetNs?: number | undefined
}

/** Selector, pipeline and, where `ranged`, `[5m] offset 1h`: behind the pipeline or right behind the selector. */
function readLogRange(cursor: Cursor, ranged: boolean): LogRange {
  const start = cursor.peek()
  let read: LogRange
  const stages: Stage[] = []
  if (cursor.accept('(')) {
    const inner = cursor.nested(() => readLogRange(cursor, ranged))
    cursor.expect(')')
    stages.push(...inner.query.stages)
    read = { ...inner, query: { ...inner.query, stages } }
  } else {
    read = { query: { kind: 'log', selector: readSelector(cursor), stages } }
  }
  let unwrap = read.unwrap ?? readPipeline(cursor, stages)
  if (ranged && cursor.sees('[') && read.rangeNs === undefined) {
    read = { ...read, ...readRange(cursor) }
    unwrap ??= readPipeline(cursor, stages)
  }
  return { ...read, query: at(read.query, start), unwrap }
}

function readRange(cursor: Cursor): { rangeNs: number; offsetNs: number } {
  cursor.expect('[')
  const range = cursor.peek()
  if (range.type !== 'DURATION') cursor.refuse('DURATION', 'a range looks like [5m]')
  cursor.next()
  cursor.expect(']')
  return { rangeNs: range.value, offsetNs: readOffset(cursor) ?? 0 }
}

function readOffset(cursor: Cursor): number | undefined {
  if (!cursor.acceptWord('offset')) return undefined
  const sign = cursor.accept('-') ? -1 : 1
  return sign * cursor.expectType('DURATION').value
}

function readMetric(cursor: Cursor, minimum: number): MetricQuery {
  let left = cursor.nested(() => readOperand(cursor))
  while (true) {
    const token = cursor.peek()
    const known = (token.type === 'OPERATOR' || token.type === 'IDENTIFIER') && Object.hasOwn(precedence, token.text)
    const op = token.text as BinaryOp
    if (!known || precedence[op] < minimum) return left
    cursor.next()
    cursor.countOperator()
    const bool = cursor.acceptWord('bool')
    const matching = readMatching(cursor)
    // `^` groups to the right, all others to the left.
    const right = cursor.nested(() => readMetric(cursor, op === '^' ? precedence[op] : precedence[op] + 1))
    left = at({ kind: 'binary', op, bool, matching, left, right }, token)
  }
}

function readMatching(cursor: Cursor): Matching | undefined {
  const on = cursor.seesWord('on')
  if (!on && !cursor.seesWord('ignoring')) return undefined
  cursor.next()
  const labels = readLabelList(cursor)
  const group = cursor.peek()
  if (!cursor.acceptWord('group_left') && !cursor.acceptWord('group_right')) return { on, labels }
  const side = group.text === 'group_left' ? 'left' : 'right'
  // `on (x) group_left (expr)` is ambiguous with an include list: a list holds names and commas only.
  const include = isLabelList(cursor) ? readLabelList(cursor) : []
  return { on, labels, group: { side, include } }
}

function isLabelList(cursor: Cursor): boolean {
  if (!cursor.sees('(')) return false
  let ahead = 1
  while (cursor.peek(ahead).type === 'IDENTIFIER' || cursor.peek(ahead).text === ',') ahead += 1
  return cursor.peek(ahead).type === 'OPERATOR' && cursor.peek(ahead).text === ')'
}

function readLabelList(cursor: Cursor): string[] {
  cursor.expect('(')
  const labels: string[] = []
  while (!cursor.sees(')')) {
    labels.push(cursor.expectType('IDENTIFIER').text)
    if (!cursor.accept(',')) break
  }
  cursor.expect(')')
  return labels
}

function readOperand(cursor: Cursor): MetricQuery {
  const token = cursor.peek()
  if (cursor.accept('(')) {
    const inner = readMetric(cursor, 0)
    cursor.expect(')')
    return inner
  }
  if (cursor.sees('-') || cursor.sees('+') || token.type === 'NUMBER') {
    return at({ kind: 'number', value: readNumber(cursor) }, token)
  }
  if (cursor.sees('{')) {
    throw parseError('unexpected "{"', token, 'here a number per time is needed: count_over_time({...}[5m])')
  }
  if (token.type !== 'IDENTIFIER') cursor.refuse('a function, a number or "("')
  cursor.next()
  const name = token.text
  if ((rangeOps as readonly string[]).includes(name)) return at(readRangeAggregation(cursor, name as RangeOp), token)
  if ((vectorOps as readonly string[]).includes(name)) return at(readVectorAggregation(cursor, name as VectorOp), token)
  if (name === 'label_replace') return at(readLabelReplace(cursor), token)
  if (name === 'vector') {
    cursor.expect('(')
    const value = readNumber(cursor)
    cursor.expect(')')
    return at({ kind: 'vector-of', value }, token)
  }
  if (name === 'variants') throw unsupported('variants(...) of (...)', token)
  throw parseError(`syntax error: unexpected IDENTIFIER ${JSON.stringify(name)}`, token, suggest(name))
}

const promqlNames: Record<string, string> = {
  increase: 'use count_over_time',
  irate: 'use rate',
  histogram_quantile: 'use quantile_over_time(0.95, {...} | unwrap x [5m])',
  count_values: 'use sum by (label) (count_over_time({...}[5m]))',
}

function suggest(name: string): string {
  if (Object.hasOwn(promqlNames, name)) return promqlNames[name]!
  const near = [...rangeOps, ...vectorOps].find((known) => known.startsWith(name) || name.startsWith(known))
  return near ? `did you mean ${near}?` : 'a query is {...}, a function such as rate({...}[5m]), or a number'
}

function readNumber(cursor: Cursor): number {
  const sign = cursor.sign()
  return sign * cursor.expectType('NUMBER').value
}

function readRangeAggregation(cursor: Cursor, op: RangeOp): MetricQuery {
  cursor.expect('(')
  let parameter: number | undefined
  if (cursor.peek().type === 'NUMBER' || cursor.sees('-') || cursor.sees('+')) {
    parameter = readNumber(cursor)
    cursor.expect(',')
  }
  const range = readLogRange(cursor, true)
  if (range.rangeNs === undefined) cursor.refuse('a range', `write ${op}({...}[5m])`)
  cursor.expect(')')
  const grouping = readGrouping(cursor)
  const { query, unwrap, rangeNs, offsetNs = 0 } = range
  return { kind: 'range', op, parameter, query, unwrap, rangeNs, offsetNs, grouping }
}

function readGrouping(cursor: Cursor): Grouping | undefined {
  const without = cursor.seesWord('without')
  if (!without && !cursor.seesWord('by')) return undefined
  cursor.next()
  return { without, labels: readLabelList(cursor) }
}

function readVectorAggregation(cursor: Cursor, op: VectorOp): MetricQuery {
  const before = readGrouping(cursor)
  cursor.expect('(')
  let parameter: number | undefined
  if (isParameter(cursor)) {
    parameter = readNumber(cursor)
    cursor.expect(',')
  }
  const expression = readMetric(cursor, 0)
  cursor.expect(')')
  return { kind: 'vector', op, parameter, grouping: before ?? readGrouping(cursor), expression }
}

/** A number followed by a comma: otherwise it begins an expression. */
function isParameter(cursor: Cursor): boolean {
  const signed = cursor.sees('-') || cursor.sees('+') ? 1 : 0
  return cursor.peek(signed).type === 'NUMBER' && cursor.peek(signed + 1).text === ','
}

function readLabelReplace(cursor: Cursor): MetricQuery {
  cursor.expect('(')
  const expression = readMetric(cursor, 0)
  const text = (): string => {
    cursor.expect(',')
    return cursor.expectType('STRING').text
  }
  const [target, replacement, source, regex] = [text(), text(), text(), text()]
  cursor.expect(')')
  return { kind: 'label-replace', expression, target, replacement, source, regex }
}
