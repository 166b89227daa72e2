/** A place in a list of tokens, shared by the parsers of fields and of pipelines. */
import { TraceQLError } from './errors.ts'
import { type Token, tokenize } from './lexer.ts'

/** Parentheses and signs may nest this deep; later phases recurse over the tree and rely on it. */
const MAX_DEPTH = 100

export interface Cursor {
  readonly text: string
  peek(): Token
  next(): Token
  /** Whether the next token is this operator, punctuation or word. */
  at(text: string): boolean
  /** Steps over the token if it is next. */
  accept(text: string): boolean
  /** Steps over the token or throws, saying what was expected. */
  expect(text: string): Token
  /** Runs `body` one level deeper. */
  nested<T>(body: () => T): T
  error(token: Token, reason: string, hint?: string): TraceQLError
  unexpected(token: Token, wanted: string): TraceQLError
}

export function createCursor(text: string): Cursor {
  const tokens = tokenize(text)
  let index = 0
  let depth = 0
  const peek = () => tokens[index]!
  const next = () => tokens[index === tokens.length - 1 ? index : index++]!
  const at = (wanted: string) => isSign(peek()) && peek().text === wanted
  const error = (token: Token, reason: string, hint?: string) =>
    new TraceQLError('syntax', text, token.at, reason, hint)
  const unexpected = (token: Token, wanted: string) =>
    error(
      token,
      `unexpected ${shown(text, token)}, expected ${wanted}`,
      commonSlip(text, token, tokens[tokens.indexOf(token) - 1]),
    )
  return {
    text,
    peek,
    next,
    at,
    error,
    unexpected,
    accept: (wanted) => {
      const found = at(wanted)
      if (found) next()
      return found
    },
    expect: (wanted) => {
      if (!at(wanted)) throw unexpected(peek(), JSON.stringify(wanted))
      return next()
    },
    nested: (body) => {
      if (++depth > MAX_DEPTH) throw error(peek(), `the query nests deeper than ${MAX_DEPTH} levels`)
      const result = body()
      depth--
      return result
    },
  }
}

function isSign(token: Token): boolean {
  return token.kind === 'operator' || token.kind === 'punctuation' || token.kind === 'word'
}

function shown(text: string, token: Token): string {
  return token.kind === 'end' ? 'end of the query' : JSON.stringify(text.slice(token.at, token.end))
}

function commonSlip(text: string, token: Token, before: Token | undefined): string | undefined {
  if (token.text === '=' && before?.text === '=') return 'equality is written with one ='
  if (/^and$/i.test(token.text)) return 'write &&'
  if (/^or$/i.test(token.text)) return 'write ||'
  if (token.kind === 'attribute' && before?.kind === 'attribute' && text.slice(before.end, token.at) === '') {
    return 'put spaces around operators: attribute names may contain + - * / and %'
  }
  return undefined
}
