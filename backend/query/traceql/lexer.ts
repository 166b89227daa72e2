/** Text to tokens. Attributes are one token, whatever characters their name has: `span."a b".c`. */
import { DURATION_TOKEN, parseDuration } from '../language/durations.ts'
import { type Token as LanguageToken, LETTER_ESCAPES, matchAt } from '../language/token.ts'
import type { AttributeScopeName, IntrinsicName } from './ast.ts'
import { TraceQLError } from './errors.ts'

export type TokenKind =
  | 'punctuation'
  | 'operator'
  | 'string'
  | 'int'
  | 'float'
  | 'duration'
  | 'word'
  | 'attribute'
  | 'intrinsic'
  | 'end'

/** Of strings and attributes, `text` is what they stand for, without quotes, escapes and scope. */
export interface Token extends LanguageToken {
  readonly kind: TokenKind
  readonly number?: number | bigint
  readonly scope?: AttributeScopeName
  readonly parent?: boolean
  readonly intrinsic?: IntrinsicName
}

/** Far beyond what a person or a dashboard writes; they bound time and recursion for the phases that follow. */
const MAX_LENGTH = 65_536
const MAX_TOKENS = 4_000

const SCOPES = new Set(['resource', 'span', 'event', 'link', 'instrumentation'])

/** Intrinsics that are a bare word. */
export const BARE_INTRINSICS: ReadonlyMap<string, IntrinsicName> = new Map(
  (
    [
      'duration',
      'name',
      'status',
      'statusMessage',
      'kind',
      'rootName',
      'rootServiceName',
      'traceDuration',
      'nestedSetLeft',
      'nestedSetRight',
      'nestedSetParent',
      'parent',
    ] as const
  ).map((name) => [name, name]),
)

/** Intrinsics with a scope and a colon. */
export const SCOPED_INTRINSICS: ReadonlyMap<string, IntrinsicName> = new Map([
  ['span:duration', 'duration'],
  ['span:name', 'name'],
  ['span:status', 'status'],
  ['span:statusMessage', 'statusMessage'],
  ['span:kind', 'kind'],
  ['span:childCount', 'span:childCount'],
  ['span:id', 'span:id'],
  ['span:parentID', 'span:parentID'],
  ['trace:duration', 'traceDuration'],
  ['trace:rootName', 'rootName'],
  ['trace:rootService', 'rootServiceName'],
  ['trace:id', 'trace:id'],
  ['event:name', 'event:name'],
  ['event:timeSinceStart', 'event:timeSinceStart'],
  ['link:traceID', 'link:traceID'],
  ['link:spanID', 'link:spanID'],
  ['instrumentation:name', 'instrumentation:name'],
  ['instrumentation:version', 'instrumentation:version'],
])

const SPACE = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y
const NUMBER = /(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?/y
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y
const OPERATOR = /&&|\|\||!>>|!<<|&>>|&<<|!>|!<|!~|!=|&>|&<|&~|=~|>=|<=|>>|<<|[=<>!~+\-*/%^]/y
const PUNCTUATION = /[{}(),|]/y
const NAME_PART = /[^\s"{}()=~!<>&|^,]+/y
const STRING = /"(?:[^"\\\n]|\\[\s\S])*"|`[^`]*`/y

/** Splits the whole query; the last token is `end`. Throws a syntax error for anything that starts no token. */
export function tokenize(text: string): Token[] {
  if (text.length > MAX_LENGTH) {
    throw new TraceQLError(
      'syntax',
      text,
      0,
      `the query has ${text.length} characters, at most ${MAX_LENGTH} are allowed`,
    )
  }
  const tokens: Token[] = []
  let at = skipSpace(text, 0)
  while (at < text.length) {
    if (tokens.length >= MAX_TOKENS) {
      throw new TraceQLError(
        'syntax',
        text,
        at,
        `the query is too long: at most ${MAX_TOKENS} words and signs are allowed`,
      )
    }
    const token = nextToken(text, at)
    tokens.push(token)
    at = skipSpace(text, token.end)
  }
  tokens.push({ kind: 'end', text: '', at: text.length, end: text.length })
  return tokens
}

function skipSpace(text: string, at: number): number {
  return at + (matchAt(SPACE, text, at)?.length ?? 0)
}

function nextToken(text: string, at: number): Token {
  const char = text[at]!
  if (char === '"' || char === '`') return stringToken(text, at)
  if (/\d/.test(char) || (char === '.' && /\d/.test(text[at + 1] ?? ''))) return numberToken(text, at)
  if (char === '.') return attributeToken(text, at, at + 1, 'any', false)
  const word = matchAt(WORD, text, at)
  if (word !== undefined) return wordToken(text, at, word)
  const operator = matchAt(OPERATOR, text, at)
  if (operator !== undefined) return { kind: 'operator', text: operator, at, end: at + operator.length }
  const punctuation = matchAt(PUNCTUATION, text, at)
  if (punctuation !== undefined) return { kind: 'punctuation', text: punctuation, at, end: at + 1 }
  const hint = char === "'" ? 'write strings in double quotes' : undefined
  throw new TraceQLError('syntax', text, at, `unexpected character ${JSON.stringify(char)}`, hint)
}

function stringToken(text: string, at: number): Token {
  const raw = matchAt(STRING, text, at)
  if (raw === undefined) throw new TraceQLError('syntax', text, at, 'the string is not closed')
  const body = raw.slice(1, -1)
  const value = raw.startsWith('`') ? body : decodeEscapes(text, at + 1, body)
  return { kind: 'string', text: value, at, end: at + raw.length }
}

function decodeEscapes(text: string, at: number, body: string): string {
  return body.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[\s\S])/g,
    (whole, code: string, i) => {
      const simple = LETTER_ESCAPES.get(code)
      if (simple !== undefined) return simple
      const point = /^[0-7]{3}$/.test(code) ? Number.parseInt(code, 8) : Number.parseInt(code.slice(1), 16)
      if (code.length === 1 || !(point <= 0x10ffff)) {
        throw new TraceQLError(
          'syntax',
          text,
          at + i,
          `unknown escape ${whole}`,
          'write \\\\ for a backslash, or use `backticks`',
        )
      }
      return String.fromCodePoint(point)
    },
  )
}

const MAX_INT = 9_223_372_036_854_775_807n

function numberToken(text: string, at: number): Token {
  const duration = matchAt(DURATION_TOKEN, text, at)
  if (duration !== undefined) {
    const ns = parseDuration(duration)!
    if (ns > MAX_INT) throw new TraceQLError('syntax', text, at, `${duration} is longer than 64 bits of nanoseconds`)
    return { kind: 'duration', text: duration, at, end: at + duration.length, number: ns }
  }
  const digits = matchAt(NUMBER, text, at)!
  const end = at + digits.length
  const trailing = matchAt(WORD, text, end)
  if (trailing !== undefined) {
    throw new TraceQLError(
      'syntax',
      text,
      end,
      `unknown unit ${JSON.stringify(trailing)}`,
      'units are ns us ms s m h d w y',
    )
  }
  if (/[.eE]/.test(digits)) {
    const number = Number(digits)
    if (!Number.isFinite(number)) throw new TraceQLError('syntax', text, at, `${digits} is no 64-bit float`)
    return { kind: 'float', text: digits, at, end, number }
  }
  const value = BigInt(digits)
  if (value > MAX_INT) throw new TraceQLError('syntax', text, at, `${digits} is no 64-bit integer`)
  return { kind: 'int', text: digits, at, end, number: plainInt(value) }
}

/** Ints stay bigint only where a double can't hold them. */
export function plainInt(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function wordToken(text: string, at: number, word: string): Token {
  const end = at + word.length
  const next = text[end]
  if (next === ':') return scopedIntrinsic(text, at, word)
  if (next === '.') {
    if (SCOPES.has(word)) return attributeToken(text, at, end + 1, word as AttributeScopeName, false)
    if (word === 'parent') {
      const scope = /(?:resource|span|event|link|instrumentation)(?=\.)/y
      const inner = matchAt(scope, text, end + 1)
      if (inner === undefined) return attributeToken(text, at, end + 1, 'any', true)
      return attributeToken(text, at, end + inner.length + 2, inner as AttributeScopeName, true)
    }
    throw unscopedName(text, at)
  }
  const intrinsic = BARE_INTRINSICS.get(word)
  if (intrinsic !== undefined) return { kind: 'intrinsic', text: word, at, end, intrinsic }
  return { kind: 'word', text: word, at, end }
}

function scopedIntrinsic(text: string, at: number, scope: string): Token {
  const name = matchAt(WORD, text, at + scope.length + 1) ?? ''
  const spelled = `${scope}:${name}`
  const intrinsic = SCOPED_INTRINSICS.get(spelled)
  if (intrinsic !== undefined) return { kind: 'intrinsic', text: spelled, at, end: at + spelled.length, intrinsic }
  const known = [...SCOPED_INTRINSICS.keys()].filter((key) => key.startsWith(`${scope}:`))
  const hint =
    known.length > 0
      ? `after ${scope}: stands one of ${known.map((key) => key.slice(scope.length + 1)).join(', ')}; attributes are written ${scope}.name`
      : 'scopes of intrinsics are span, trace, event, link, instrumentation'
  throw new TraceQLError('syntax', text, at, `unknown intrinsic ${spelled}`, hint)
}

/** A dotted name without a scope is the commonest mistake of newcomers, so it gets the name to write instead. */
function unscopedName(text: string, at: number): TraceQLError {
  const name = matchAt(NAME_PART, text, at)!
  const scope = /^(service|k8s|deployment|host|process|telemetry|cloud|container|os|faas|device)\./.test(name)
    ? 'resource'
    : 'span'
  return new TraceQLError(
    'syntax',
    text,
    at,
    `unknown identifier: ${name}`,
    `write ${scope}.${name}, or .${name} for any scope`,
  )
}

function attributeToken(text: string, at: number, from: number, scope: AttributeScopeName, parent: boolean): Token {
  let name = ''
  let end = from
  for (;;) {
    const part = matchAt(NAME_PART, text, end)
    if (part !== undefined) {
      name += part
      end += part.length
    } else if (text[end] === '"') {
      const quoted = stringToken(text, end)
      name += quoted.text
      end = quoted.end
    } else break
  }
  if (name === '') throw new TraceQLError('syntax', text, end, 'an attribute name is missing after the dot')
  return { kind: 'attribute', text: name, at, end, scope, parent }
}
