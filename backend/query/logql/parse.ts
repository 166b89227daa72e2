/** Text -> tree. A query is a log query (`{...} | ...`) or a metric query. */
import {
  type BinaryOp,
  type Grouping,
  type LogQuery,
  type Matching,
  type MetricQuery,
  PRECEDENCE,
  type Query,
  RANGE_OPS,
  type RangeOp,
  type Stage,
  type Unwrap,
  VECTOR_OPS,
  type VectorOp,
} from './ast.ts'
import { check } from './check.ts'
import { type Cursor, createCursor } from './cursor.ts'
import { parseError, unsupported } from './errors.ts'
import { CALENDAR } from './lexer.ts'
import { parseList, parseMinus, parsePipeline, parseSelector } from './parse-log.ts'

/** Longer queries are refused: nobody writes them, and every phase walks the whole text. */
const MAX_LENGTH = 128 << 10

/** Reads and checks a query. Throws a LogQLError that names the place. */
export function parse(text: string): Query {
  if (text.length > MAX_LENGTH) throw parseError(text, undefined, `the query is longer than ${MAX_LENGTH} characters`)
  const cursor = createCursor(text)
  if (cursor.peek().kind === 'end') {
    throw cursor.error(cursor.peek(), 'syntax error: unexpected end of query', 'try {service_name=~".+"}')
  }
  const query = isLogQuery(cursor) ? parseLogQuery(cursor) : parseMetric(cursor, 0)
  if (cursor.at('[')) {
    throw cursor.error(cursor.peek(), 'unexpected "["', 'a range belongs into a function: count_over_time({...}[5m])')
  }
  if (cursor.peek().kind !== 'end') throw cursor.unexpected(cursor.peek(), 'an operator or the end of the query')
  check(query, text)
  return query
}

/** A selector, perhaps in parentheses. */
function isLogQuery(cursor: Cursor): boolean {
  let ahead = 0
  while (cursor.peek(ahead).text === '(' && cursor.peek(ahead).kind === 'operator') ahead += 1
  return cursor.peek(ahead).kind === 'operator' && cursor.peek(ahead).text === '{'
}

function parseLogQuery(cursor: Cursor): LogQuery {
  const start = cursor.peek()
  const inner = parseLogRange(cursor, false)
  if (inner.unwrap) {
    throw cursor.error(
      start,
      'unwrap in a log query',
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
function parseLogRange(cursor: Cursor, ranged: boolean): LogRange {
  const { at } = cursor.peek()
  let read: LogRange
  const stages: Stage[] = []
  if (cursor.accept('(')) {
    const inner = cursor.nested(() => parseLogRange(cursor, ranged))
    cursor.expect(')')
    stages.push(...inner.query.stages)
    read = { ...inner, query: { ...inner.query, stages } }
  } else {
    read = { query: { kind: 'log', selector: parseSelector(cursor), stages, at } }
  }
  let unwrap = read.unwrap ?? parsePipeline(cursor, stages)
  if (ranged && cursor.at('[') && read.rangeNs === undefined) {
    read = { ...read, ...parseRange(cursor) }
    unwrap ??= parsePipeline(cursor, stages)
  }
  return { ...read, unwrap }
}

function parseRange(cursor: Cursor): { rangeNs: number; offsetNs: number } {
  const open = cursor.expect('[')
  const range = cursor.peek()
  if (range.kind !== 'duration') throw cursor.unexpected(range, 'DURATION', 'a range looks like [5m]')
  if (!CALENDAR.test(range.text) || range.at > open.end || cursor.peek(1).at > range.end) {
    throw cursor.error(range, `${range.text} is no range`, 'a range looks like [1h30m]: whole numbers, no space')
  }
  cursor.next()
  cursor.expect(']')
  return { rangeNs: range.value, offsetNs: parseOffset(cursor) ?? 0 }
}

function parseOffset(cursor: Cursor): number | undefined {
  if (!cursor.accept('offset')) return undefined
  const sign = parseMinus(cursor)
  return sign * cursor.expectKind('duration').value
}

function parseMetric(cursor: Cursor, minimum: number): MetricQuery {
  let left = cursor.nested(() => parseOperand(cursor))
  while (true) {
    const token = cursor.peek()
    const known = (token.kind === 'operator' || token.kind === 'keyword') && Object.hasOwn(PRECEDENCE, token.text)
    const op = token.text as BinaryOp
    if (!known || PRECEDENCE[op] < minimum) return left
    cursor.next()
    cursor.countOperator()
    const bool = cursor.accept('bool')
    const matching = parseMatching(cursor)
    // `^` groups to the right, all others to the left.
    const right = cursor.nested(() => parseMetric(cursor, op === '^' ? PRECEDENCE[op] : PRECEDENCE[op] + 1))
    left = { kind: 'binary', op, bool, matching, left, right, at: token.at }
  }
}

function parseMatching(cursor: Cursor): Matching | undefined {
  const on = cursor.at('on')
  if (!on && !cursor.at('ignoring')) return undefined
  cursor.next()
  const labels = parseLabelList(cursor)
  const group = cursor.peek()
  if (!cursor.accept('group_left') && !cursor.accept('group_right')) return { on, labels }
  const side = group.text === 'group_left' ? 'left' : 'right'
  // `on (x) group_left (expr)` is ambiguous with an include list: a list holds names and commas only.
  const include = isLabelList(cursor) ? parseLabelList(cursor) : []
  return { on, labels, group: { side, include } }
}

function isLabelList(cursor: Cursor): boolean {
  if (!cursor.at('(')) return false
  let ahead = 1
  while (cursor.peek(ahead).kind === 'word' || cursor.peek(ahead).text === ',') ahead += 1
  return cursor.peek(ahead).kind === 'operator' && cursor.peek(ahead).text === ')'
}

function parseLabelList(cursor: Cursor): string[] {
  cursor.expect('(')
  if (cursor.accept(')')) return []
  const labels = parseList(cursor, () => cursor.expectKind('word').text)
  cursor.expect(')')
  return labels
}

function parseOperand(cursor: Cursor): MetricQuery {
  const token = cursor.peek()
  const { at } = token
  if (cursor.accept('(')) {
    const inner = parseMetric(cursor, 0)
    cursor.expect(')')
    return inner
  }
  if (cursor.at('-') || cursor.at('+') || token.kind === 'number') {
    return { kind: 'number', value: parseNumber(cursor), at }
  }
  if (cursor.at('{')) {
    throw cursor.error(token, 'unexpected "{"', 'here a number per time is needed: count_over_time({...}[5m])')
  }
  if (cursor.at('variants')) throw unsupported(cursor.text, at, 'variants(...) of (...)')
  if (token.kind !== 'word') throw cursor.unexpected(token, 'a function, a number or "("')
  cursor.next()
  const name = token.text.toLowerCase()
  if ((RANGE_OPS as readonly string[]).includes(name)) return parseRangeAggregation(cursor, name as RangeOp, at)
  if ((VECTOR_OPS as readonly string[]).includes(name)) return parseVectorAggregation(cursor, name as VectorOp, at)
  if (name === 'label_replace') return parseLabelReplace(cursor, at)
  if (name === 'vector') {
    cursor.expect('(')
    const { value } = cursor.expectKind('number')
    cursor.expect(')')
    return { kind: 'vector-of', value, at }
  }
  throw cursor.error(token, `syntax error: unexpected IDENTIFIER ${JSON.stringify(token.text)}`, suggest(name))
}

const PROMQL_NAMES: Record<string, string> = {
  increase: 'use count_over_time',
  irate: 'use rate',
  histogram_quantile: 'use quantile_over_time(0.95, {...} | unwrap x [5m])',
  count_values: 'use sum by (label) (count_over_time({...}[5m]))',
}

function suggest(name: string): string {
  if (Object.hasOwn(PROMQL_NAMES, name)) return PROMQL_NAMES[name]!
  const near = [...RANGE_OPS, ...VECTOR_OPS].find((known) => known.startsWith(name) || name.startsWith(known))
  return near ? `did you mean ${near}?` : 'a query is {...}, a function such as rate({...}[5m]), or a number'
}

function parseNumber(cursor: Cursor): number {
  const sign = cursor.sign()
  return sign * cursor.expectKind('number').value
}

function parseRangeAggregation(cursor: Cursor, op: RangeOp, at: number): MetricQuery {
  cursor.expect('(')
  let parameter: number | undefined
  if (cursor.peek().kind === 'number' || cursor.at('-') || cursor.at('+')) {
    parameter = parseNumber(cursor)
    cursor.expect(',')
  }
  const range = parseLogRange(cursor, true)
  if (range.rangeNs === undefined) throw cursor.unexpected(cursor.peek(), 'a range', `write ${op}({...}[5m])`)
  cursor.expect(')')
  const grouping = parseGrouping(cursor)
  const { query, unwrap, rangeNs, offsetNs = 0 } = range
  return { kind: 'range', op, parameter, query, unwrap, rangeNs, offsetNs, grouping, at }
}

function parseGrouping(cursor: Cursor): Grouping | undefined {
  const without = cursor.at('without')
  if (!without && !cursor.at('by')) return undefined
  cursor.next()
  return { without, labels: parseLabelList(cursor) }
}

function parseVectorAggregation(cursor: Cursor, op: VectorOp, at: number): MetricQuery {
  const before = parseGrouping(cursor)
  cursor.expect('(')
  let parameter: number | undefined
  if (isParameter(cursor)) {
    const written = cursor.peek()
    parameter = parseNumber(cursor)
    if (!/^[+-]|^\d+$/.test(written.text)) throw cursor.error(written, `${written.text} is no whole number`)
    cursor.expect(',')
  }
  const expression = parseMetric(cursor, 0)
  cursor.expect(')')
  return { kind: 'vector', op, parameter, grouping: before ?? parseGrouping(cursor), expression, at }
}

/** A number followed by a comma: otherwise it begins an expression. */
function isParameter(cursor: Cursor): boolean {
  const signed = cursor.at('-') || cursor.at('+') ? 1 : 0
  return cursor.peek(signed).kind === 'number' && cursor.peek(signed + 1).text === ','
}

function parseLabelReplace(cursor: Cursor, at: number): MetricQuery {
  cursor.expect('(')
  const expression = parseMetric(cursor, 0)
  const text = (): string => {
    cursor.expect(',')
    return cursor.expectKind('string').text
  }
  const [target, replacement, source, regex] = [text(), text(), text(), text()]
  cursor.expect(')')
  return { kind: 'label-replace', expression, target, replacement, source, regex, at }
}
