/** Walks over the tokens of one query; the parser's only way to read them. */
import { parseError } from './errors.ts'
import { type Token, type TokenType, tokenize } from './lexer.ts'

/** Nesting beyond this is refused, so that no query can exhaust the stack. */
const maxDepth = 200
/** Chains like `a or b or c` make trees as deep as they are long. */
const maxOperators = 1_000

export interface Cursor {
  peek(ahead?: number): Token
  next(): Token
  /** True when the next token is this operator. */
  sees(operator: string): boolean
  /** True when the next token is this word. */
  seesWord(word: string): boolean
  /** Consumes the operator when it comes next. */
  accept(operator: string): boolean
  acceptWord(word: string): boolean
  /** Consumes a `+` or `-`; -1 for the latter. */
  sign(): 1 | -1
  expect(operator: string): Token
  expectType(type: TokenType): Token
  /** Throws: the next token is none of what may stand here. */
  refuse(expecting: string, hint?: string): never
  /** Called for each operator that adds a level to the tree. */
  countOperator(): void
  /** Runs `read` one level deeper. */
  nested<T>(read: () => T): T
}

export function createCursor(text: string): Cursor {
  const tokens = tokenize(text)
  let index = 0
  let depth = 0
  let operators = 0
  const cursor: Cursor = {
    peek: (ahead = 0) => tokens[Math.min(index + ahead, tokens.length - 1)]!,
    next() {
      const token = cursor.peek()
      if (index < tokens.length - 1) index += 1
      return token
    },
    sees: (operator) => cursor.peek().type === 'OPERATOR' && cursor.peek().text === operator,
    seesWord: (word) => cursor.peek().type === 'IDENTIFIER' && cursor.peek().text === word,
    accept(operator) {
      const found = cursor.sees(operator)
      if (found) index += 1
      return found
    },
    acceptWord(word) {
      const found = cursor.seesWord(word)
      if (found) index += 1
      return found
    },
    sign() {
      if (cursor.accept('-')) return -1
      cursor.accept('+')
      return 1
    },
    expect: (operator) => (cursor.sees(operator) ? cursor.next() : cursor.refuse(`"${operator}"`)),
    expectType: (type) => (cursor.peek().type === type ? cursor.next() : cursor.refuse(type)),
    refuse(expecting, hint) {
      const token = cursor.peek()
      throw parseError(`syntax error: unexpected ${describe(token)}, expecting ${expecting}`, token, hint)
    },
    countOperator() {
      operators += 1
      if (operators > maxOperators) throw parseError(`the query has more than ${maxOperators} operators`, cursor.peek())
    },
    nested(read) {
      depth += 1
      if (depth > maxDepth) throw parseError(`the query is nested deeper than ${maxDepth} levels`, cursor.peek())
      const result = read()
      depth -= 1
      return result
    },
  }
  return cursor
}

function describe(token: Token): string {
  if (token.type === 'end of query') return token.type
  return token.type === 'OPERATOR' ? `"${token.text}"` : `${token.type} ${JSON.stringify(token.text)}`
}
