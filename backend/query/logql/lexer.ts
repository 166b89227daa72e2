/** Text -> tokens. Positions count characters from 1. */
import { type Position, parseError } from './errors.ts'
import { parseBytes, parseDuration } from './units.ts'

export type TokenType = 'IDENTIFIER' | 'STRING' | 'NUMBER' | 'DURATION' | 'BYTES' | 'FLAG' | 'OPERATOR' | 'end of query'

export interface Token extends Position {
  readonly type: TokenType
  /** As written; of a string its decoded value. */
  readonly text: string
  /** Of NUMBER, DURATION (nanoseconds) and BYTES. */
  readonly value: number
  readonly offset: number
}

// Longest first, so that `|=` is not read as `|` and `=`.
const operators = /\|=|\|~|\|>|!>|!=|!~|=~|==|>=|<=|\||=|>|<|\{|\}|\(|\)|\[|\]|,|\+|-|\*|\/|%|\^/y
const blank = /(?:[ \t\r\n]+|#[^\n]*)+/y
const word = /[A-Za-z_][A-Za-z0-9_]*/y
const number = /(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.µμ])/y
const quantity = /(?:(?:\d+(?:\.\d*)?|\.\d+)[a-zA-Zµμ]+)+/y
const flag = /--[a-z][a-z-]*/y

export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const place = placer(text)
  let offset = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset
    return pattern.exec(text)?.[0]
  }
  const push = (type: TokenType, length: number, shown: string, value = Number.NaN): void => {
    tokens.push({ type, text: shown, value, offset, ...place(offset) })
    offset += length
  }
  while (true) {
    offset += take(blank)?.length ?? 0
    if (offset >= text.length) break
    const char = text[offset]!
    if (char === '"' || char === '`') {
      const [decoded, length] = readString(text, offset, place)
      push('STRING', length, decoded)
      continue
    }
    if (char === "'") {
      throw parseError("unexpected character '", place(offset), 'write strings in double quotes or backticks')
    }
    if (char === '.' && !/\d/.test(text[offset + 1] ?? '')) {
      throw parseError(
        'unexpected "."',
        place(offset),
        'names have underscores for dots: service_name for service.name',
      )
    }
    const name = take(word)
    if (name !== undefined) {
      push('IDENTIFIER', name.length, name)
      continue
    }
    if (/[0-9.]/.test(char)) {
      const digits = take(number)
      if (digits !== undefined) push('NUMBER', digits.length, digits, Number(digits))
      else pushQuantity(take(quantity))
      continue
    }
    const option = take(flag)
    if (option !== undefined) {
      push('FLAG', option.length, option)
      continue
    }
    const operator = take(operators)
    if (operator === undefined) throw parseError(`unexpected character ${JSON.stringify(char)}`, place(offset))
    push('OPERATOR', operator.length, operator)
  }
  push('end of query', 0, '')
  return tokens

  function pushQuantity(written: string | undefined): void {
    const duration = written === undefined ? undefined : parseDuration(written)
    if (written !== undefined && duration !== undefined) {
      push('DURATION', written.length, written, duration)
      return
    }
    const bytes = written === undefined ? undefined : parseBytes(written)
    if (written !== undefined && bytes !== undefined) {
      push('BYTES', written.length, written, bytes)
      return
    }
    throw parseError(
      `${JSON.stringify(written ?? text[offset])} is no number, duration or size`,
      place(offset),
      'durations look like 1h30m or 250ms, sizes like 20KB or 1.5MiB',
    )
  }
}

function placer(text: string): (offset: number) => Position {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let line = starts.length
    while (starts[line - 1]! > offset) line -= 1
    return { line, col: offset - starts[line - 1]! + 1 }
  }
}

function readString(text: string, start: number, place: (offset: number) => Position): [string, number] {
  if (text[start] === '`') {
    const end = text.indexOf('`', start + 1)
    if (end < 0) throw parseError('literal not terminated', place(start), 'close the string with a backtick')
    return [text.slice(start + 1, end), end - start + 1]
  }
  const body = /"((?:[^"\\\n]|\\[^\n])*)"/y
  body.lastIndex = start
  const found = body.exec(text)
  if (!found) throw parseError('literal not terminated', place(start), 'close the string with a double quote')
  return [unescapeString(found[1]!, (inner) => place(start + 1 + inner)), found[0].length]
}

const simpleEscapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}

/** The escapes of Go's quoted strings. Anything else is refused: it is most often a regular expression. */
function unescapeString(body: string, place: (offset: number) => Position): string {
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
    const simple = simpleEscapes[body[i + 1]!]
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
      throw parseError(`invalid char escape \\${body[i + 1]}`, place(i), hint)
    }
  }
  return out + flush()
}
