/** Field expressions: what stands between the braces of a filter and in the parentheses of `by` and aggregates. */
import type { Field, FieldExpression, FieldOperator, Literal } from './ast.ts'
import type { Cursor } from './cursor.ts'
import { plainInt, type Token } from './lexer.ts'
import { KIND_WORDS, PRECEDENCE, STATUS_WORDS, UNARY_PRECEDENCE } from './print.ts'

const FIELD_OPERATORS = new Set('= != > >= < <= =~ !~ + - * / % ^ && ||'.split(' '))

const WORD_LITERALS: ReadonlyMap<string, Omit<Literal, 'kind' | 'at'>> = new Map<string, Omit<Literal, 'kind' | 'at'>>([
  ['true', { type: 'bool', value: true }],
  ['false', { type: 'bool', value: false }],
  ['nil', { type: 'nil', value: null }],
  ['minInt', { type: 'int', value: -9_223_372_036_854_775_808n }],
  ['maxInt', { type: 'int', value: 9_223_372_036_854_775_807n }],
  ...STATUS_WORDS.map((word, i) => [word, { type: 'status', value: i }] as const),
  ...KIND_WORDS.map((word, i) => [word, { type: 'kind', value: i }] as const),
])

/** An expression whose operators all bind at least as strongly as `weakest`. */
export function parseFieldExpression(cursor: Cursor, weakest = 0): FieldExpression {
  let left = parseOperand(cursor)
  for (;;) {
    const token = cursor.peek()
    if (token.kind !== 'operator' || !FIELD_OPERATORS.has(token.text)) return left
    const op = token.text as FieldOperator
    const level = PRECEDENCE[op]
    if (level < weakest) return left
    cursor.next()
    const right = parseFieldExpression(cursor, op === '^' ? level : level + 1)
    left = { kind: 'binary', op, left, right, at: token.at }
  }
}

function parseOperand(cursor: Cursor): FieldExpression {
  const token = cursor.next()
  switch (token.kind) {
    case 'attribute':
    case 'intrinsic':
      return fieldOf(token)
    case 'word':
    case 'string':
    case 'int':
    case 'float':
    case 'duration':
      return literalOf(cursor, token)
    default:
  }
  if (token.text === '(' && token.kind === 'punctuation') {
    const inner = cursor.nested(() => parseFieldExpression(cursor))
    cursor.expect(')')
    return inner
  }
  if (token.kind === 'operator' && (token.text === '-' || token.text === '!')) {
    const of = cursor.nested(() => parseFieldExpression(cursor, UNARY_PRECEDENCE))
    return token.text === '-' ? negate(of, token.at) : { kind: 'unary', op: '!', of, at: token.at }
  }
  throw cursor.unexpected(token, 'an attribute, an intrinsic or a value')
}

/** `-5` is a value of its own; the sign of anything else stays in the tree. */
function negate(of: FieldExpression, at: number): FieldExpression {
  return (of.kind === 'literal' && negative(of, at)) || { kind: 'unary', op: '-', of, at }
}

/** The literal with its sign turned, or undefined when it is no number. */
export function negative(literal: Literal, at: number): Literal | undefined {
  if (literal.type !== 'int' && literal.type !== 'float' && literal.type !== 'duration') return undefined
  const { type, value } = literal
  // Of 64 bits, as Tempo's: -minInt is minInt again.
  if (type === 'int')
    return { kind: 'literal', type, value: plainInt(BigInt.asIntN(64, -BigInt(value as number | bigint))), at }
  return { kind: 'literal', type, value: type === 'duration' ? 0 - (value as number) : -(value as number), at }
}

/** One attribute or intrinsic, as in `select(...)`. Throws a `TraceQLError` for anything else. */
export function parseFieldName(cursor: Cursor): Field {
  const token = cursor.next()
  if (token.kind === 'attribute' || token.kind === 'intrinsic') return fieldOf(token)
  if (token.kind === 'word') throw unknownWord(cursor, token)
  throw cursor.unexpected(token, 'an attribute or an intrinsic')
}

/** One constant, perhaps negative. Throws a `TraceQLError` for anything else. */
export function parseLiteral(cursor: Cursor): Literal {
  const token = cursor.next()
  if (token.kind === 'operator' && token.text === '-') {
    const literal = negative(literalOf(cursor, cursor.next()), token.at)
    if (literal !== undefined) return literal
  }
  return literalOf(cursor, token)
}

function literalOf(cursor: Cursor, token: Token): Literal {
  const { kind, at } = token
  if (kind === 'string') return { kind: 'literal', type: 'string', value: token.text, at }
  if (kind === 'int' || kind === 'float' || kind === 'duration') {
    return { kind: 'literal', type: kind, value: token.number!, at }
  }
  const word = kind === 'word' ? WORD_LITERALS.get(token.text) : undefined
  if (word !== undefined) return { kind: 'literal', ...word, at }
  if (kind === 'word') throw unknownWord(cursor, token)
  throw cursor.unexpected(token, 'a value')
}

function unknownWord(cursor: Cursor, token: Token) {
  const hint = cursor.at('(')
    ? 'functions stand after a |, outside the braces'
    : token.text === 'childCount'
      ? 'write span:childCount'
      : `write span.${token.text} or resource.${token.text} for an attribute, "${token.text}" for a string`
  return cursor.error(token, `unknown identifier: ${token.text}`, hint)
}

function fieldOf(token: Token): Field {
  return token.kind === 'attribute'
    ? { kind: 'attribute', scope: token.scope!, parent: token.parent!, name: token.text, at: token.at }
    : { kind: 'intrinsic', name: token.intrinsic!, at: token.at }
}
