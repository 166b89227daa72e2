/** A place in the tokens of one query: the parsers' only way to read them. */
import type { QueryError } from './errors.ts'
import type { Token } from './token.ts'

export interface Cursor<T extends Token> {
  /** The whole query. */
  readonly text: string
  /** The next token, or one further on; at the end always `end`. */
  peek(ahead?: number): T
  /** Steps over the next token. */
  next(): T
  /** Whether the next token is this operator, punctuation or word. */
  at(text: string): boolean
  /** Steps over the token if it is next. */
  accept(text: string): boolean
  /** Steps over the token or throws, saying what was expected. */
  expect(text: string): T
  /** Runs `body` one level deeper; throws beyond the language's depth. */
  nested<R>(body: () => R): R
  /** A syntax error at a token, to be thrown. */
  error(token: Token, reason: string, hint?: string): QueryError
  /** The same for a token that may not stand where it is; `wanted` says what may. */
  unexpected(token: T, wanted: string, hint?: string): QueryError
}

/** What the languages do each in their own way. */
export interface CursorOptions<T extends Token> {
  /** Parentheses and signs may nest this deep; later phases recurse over the tree and rely on it. */
  readonly maxDepth: number
  /** Says that the query nests deeper. */
  readonly tooDeep: string
  error(offset: number, reason: string, hint?: string): QueryError
  /** `before`: the token in front of it. */
  unexpected(
    token: T,
    before: T | undefined,
    wanted: string,
  ): { readonly reason: string; readonly hint?: string | undefined }
}

/** `tokens` ends with one of kind `end`. */
export function createCursor<T extends Token>(
  text: string,
  tokens: readonly T[],
  options: CursorOptions<T>,
): Cursor<T> {
  let index = 0
  let depth = 0
  const peek = (ahead = 0) => tokens[Math.min(index + ahead, tokens.length - 1)]!
  const next = () => tokens[index === tokens.length - 1 ? index : index++]!
  const at = (wanted: string) => peek().text === wanted && standsForItself(peek())
  const error = (token: Token, reason: string, hint?: string) => options.error(token.at, reason, hint)
  const unexpected = (token: T, wanted: string, hint?: string) => {
    const slip = options.unexpected(token, tokens[tokens.indexOf(token) - 1], wanted)
    return error(token, slip.reason, hint ?? slip.hint)
  }
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
      if (++depth > options.maxDepth) throw error(peek(), options.tooDeep)
      const result = body()
      depth--
      return result
    },
  }
}

function standsForItself({ kind }: Token): boolean {
  return kind === 'operator' || kind === 'punctuation' || kind === 'word' || kind === 'keyword'
}
