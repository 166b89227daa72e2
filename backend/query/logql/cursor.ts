/** The cursor over LogQL's tokens. */
import { createCursor as createTokenCursor, type Cursor as TokenCursor } from '../language/cursor.ts'
import { parseError } from './errors.ts'
import { type Token, type TokenKind, tokenize } from './lexer.ts'

const MAX_DEPTH = 200
/** Chains like `a or b or c` make trees as deep as they are long. */
const MAX_OPERATORS = 1_000

export interface Cursor extends TokenCursor<Token> {
  /** Steps over a token of this kind or throws. */
  expectKind(kind: TokenKind): Token
  /** Steps over a `+` or `-` if one is next; -1 for the latter. */
  sign(): 1 | -1
  /** Steps over a function's name, however it is written, if it and a `(` are next. */
  acceptFunction(name: string): boolean
  /** Called for each operator that adds a level to the tree; throws when there are too many. */
  countOperator(): void
}

/** Splits the query into tokens. Throws a `LogQLError` for what starts no token. */
export function createCursor(text: string): Cursor {
  const cursor = createTokenCursor(text, tokenize(text), {
    maxDepth: MAX_DEPTH,
    tooDeep: `the query is nested deeper than ${MAX_DEPTH} levels`,
    error: (offset, reason, hint) => parseError(text, offset, reason, hint),
    unexpected: (token, _, wanted) => ({ reason: `syntax error: unexpected ${describe(token)}, expecting ${wanted}` }),
  })
  let operators = 0
  return {
    ...cursor,
    expectKind(kind) {
      const token = cursor.peek()
      if (token.kind !== kind) throw cursor.unexpected(token, KIND_NAMES[kind])
      return cursor.next()
    },
    sign() {
      if (cursor.accept('-')) return -1
      cursor.accept('+')
      return 1
    },
    acceptFunction(name) {
      const token = cursor.peek()
      const found = token.kind === 'word' && token.text.toLowerCase() === name && cursor.peek(1).text === '('
      if (found) cursor.next()
      return found
    },
    countOperator() {
      operators += 1
      if (operators > MAX_OPERATORS) {
        throw cursor.error(cursor.peek(), `the query has more than ${MAX_OPERATORS} operators`)
      }
    },
  }
}

/** Kinds as Loki's messages call them. */
export const KIND_NAMES: Readonly<Record<TokenKind, string>> = {
  word: 'IDENTIFIER',
  keyword: 'KEYWORD',
  string: 'STRING',
  number: 'NUMBER',
  duration: 'DURATION',
  bytes: 'BYTES',
  flag: 'FLAG',
  operator: 'OPERATOR',
  end: 'end of query',
}

function describe({ kind, text }: Token): string {
  if (kind === 'end') return KIND_NAMES.end
  return kind === 'operator' || kind === 'keyword' ? `"${text}"` : `${KIND_NAMES[kind]} ${JSON.stringify(text)}`
}
