/** Text to tokens. */
import { parseDuration } from '../language/durations.ts'
import { parseBytes } from '../language/sizes.ts'
import { type Token as LanguageToken, LETTER_ESCAPES, matchAt } from '../language/token.ts'
import { parseError } from './errors.ts'

export type TokenKind = 'word' | 'keyword' | 'string' | 'number' | 'duration' | 'bytes' | 'flag' | 'operator' | 'end'

export interface Token extends LanguageToken {
  readonly kind: TokenKind
  /** Of numbers, durations (nanoseconds) and bytes; otherwise NaN. */
  readonly value: number
}

// Longest first, so that `|=` is not read as `|` and `=`.
const OPERATOR = /\|=|\|~|\|>|!>|!=|!~|=~|==|>=|<=|\||=|>|<|\{|\}|\(|\)|\[|\]|,|\+|-|\*|\/|%|\^/y
const SPACE = /(?:[ \t\r\n]+|#[^\n]*)+/y
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y
/** Words that can be no names, however they are written: `BY` is `by`. Those of functions are names where no `(` follows. */
const KEYWORDS = new Set(
  `and bool by decolorize drop group_left group_right ignoring json keep label_format line_format logfmt of offset on or pattern regexp
  unless unpack unwrap variants without`.split(/\s+/),
)
const NUMBER = /(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+)?(?![\w.µμ])/y
const QUANTITY = /(?:(?:\d+(?:\.\d*)?|\.\d+)[a-zA-Zµ]+)+/y
/** As Go writes whole numbers that are not decimal; one of a 0 and more digits would be octal. */
const NOT_DECIMAL = /0(?:[xXoO]\w*|[bB]\d\w*|\d*[89]\d*(?![\d.eE]))/y
/** Whole numbers, the larger unit first, as Prometheus writes durations: all of a range, or one with days and longer. */
export const CALENDAR = /^(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?$/
const SIZE = /^[\d.]+(?:B|[kKMGTPE](?:B|iB?)?)$/
/** Nanoseconds of the longest duration, 292 years. */
const LONGEST = 2 ** 63
const FLAG = /--[a-z][a-z-]*/y
const STRING = /"(?:[^"\\\n]|\\[^\n])*"/y

/** Splits the whole query; the last token is `end`. Throws a `LogQLError` for anything that starts no token. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = skipSpace(text, 0)
  while (at < text.length) {
    const token = nextToken(text, at)
    tokens.push(token)
    at = skipSpace(text, token.end)
  }
  tokens.push({ kind: 'end', text: '', at: text.length, end: text.length, value: Number.NaN })
  return tokens
}

function skipSpace(text: string, at: number): number {
  return at + (matchAt(SPACE, text, at)?.length ?? 0)
}

function nextToken(text: string, at: number): Token {
  const token = (kind: TokenKind, written: string, value = Number.NaN): Token => ({
    kind,
    text: written,
    at,
    end: at + written.length,
    value,
  })
  const char = text[at]!
  if (char === '"' || char === '`') return stringToken(text, at)
  if (char === "'") {
    throw parseError(text, at, "unexpected character '", 'write strings in double quotes or backticks')
  }
  if (char === '.' && !/\d/.test(text[at + 1] ?? '')) {
    throw parseError(text, at, 'unexpected "."', 'names have underscores for dots: service_name for service.name')
  }
  const word = matchAt(WORD, text, at)
  if (word !== undefined) {
    const keyword = word.toLowerCase()
    return KEYWORDS.has(keyword) ? { ...token('keyword', word), text: keyword } : token('word', word)
  }
  if (/[0-9.]/.test(char)) {
    const foreign = matchAt(NOT_DECIMAL, text, at)
    if (foreign !== undefined) throw parseError(text, at, `${foreign} is no decimal number`)
    const digits = matchAt(NUMBER, text, at)
    const value = Number(digits?.replaceAll('_', ''))
    if (digits !== undefined && Number.isFinite(value)) return token('number', digits, value)
    const quantity = matchAt(QUANTITY, text, at) ?? ''
    const duration = parseDuration(quantity, CALENDAR.test(quantity))
    if (duration !== undefined && duration < LONGEST) return token('duration', quantity, duration)
    const bytes = SIZE.test(quantity) ? parseBytes(quantity) : undefined
    if (bytes !== undefined) return token('bytes', quantity, bytes)
    throw parseError(
      text,
      at,
      `${JSON.stringify(digits ?? (quantity || char))} is no number, duration or size`,
      'durations look like 1h30m or 250ms, sizes like 20KB or 1.5MiB',
    )
  }
  const flag = matchAt(FLAG, text, at)
  if (flag !== undefined) return token('flag', flag)
  const operator = matchAt(OPERATOR, text, at)
  if (operator === undefined) throw parseError(text, at, `unexpected character ${JSON.stringify(char)}`)
  return token('operator', operator)
}

function stringToken(text: string, at: number): Token {
  const token = (decoded: string, end: number): Token => ({ kind: 'string', text: decoded, at, end, value: Number.NaN })
  if (text[at] === '`') {
    const end = text.indexOf('`', at + 1)
    if (end < 0) throw parseError(text, at, 'literal not terminated', 'close the string with a backtick')
    return token(text.slice(at + 1, end), end + 1)
  }
  const quoted = matchAt(STRING, text, at)
  if (quoted === undefined) {
    throw parseError(text, at, 'literal not terminated', 'close the string with a double quote')
  }
  return token(decodeEscapes(text, at + 1, quoted.slice(1, -1)), at + quoted.length)
}

/** The escapes of Go's quoted strings. Anything else is refused: it is most often a regular expression. */
function decodeEscapes(text: string, at: number, body: string): string {
  if (!body.includes('\\')) return body
  const bytes: number[] = []
  const flush = (): string => Buffer.from(bytes.splice(0)).toString('utf8')
  let out = ''
  for (let i = 0; i < body.length; i += 1) {
    if (body[i] !== '\\') {
      out += flush() + body[i]
      continue
    }
    const code = /^(?:x([0-9a-fA-F]{2})|([0-7]{3}))/.exec(body.slice(i + 1, i + 4))
    const point = /^(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(body.slice(i + 1, i + 10))
    const simple = LETTER_ESCAPES.get(body[i + 1]!)
    const codePoint = point ? Number.parseInt((point[1] ?? point[2])!, 16) : 0
    if (code) {
      // \xNN and \NNN are bytes: several of them may make up one character.
      bytes.push(code[1] ? Number.parseInt(code[1], 16) : Number.parseInt(code[2]!, 8) & 255)
      i += code[0].length
    } else if (point && codePoint <= 0x10ffff) {
      out += flush() + String.fromCodePoint(codePoint)
      i += point[0].length
    } else if (simple !== undefined) {
      out += flush() + simple
      i += 1
    } else {
      const hint = 'write regular expressions in backticks, or double the backslash'
      throw parseError(text, at + i, `invalid char escape \\${body[i + 1]}`, hint)
    }
  }
  return out + flush()
}
