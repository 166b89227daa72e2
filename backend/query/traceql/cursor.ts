/** The cursor over TraceQL's tokens, shared by the parsers of fields and of pipelines. */
import { createCursor as createTokenCursor, type Cursor as TokenCursor } from '../language/cursor.ts'
import { TraceQLError } from './errors.ts'
import { type Token, tokenize } from './lexer.ts'

const MAX_DEPTH = 100

export type Cursor = TokenCursor<Token>

/** Splits the query into tokens. Throws a `TraceQLError` for what starts no token. */
export function createCursor(text: string): Cursor {
  return createTokenCursor(text, tokenize(text), {
    maxDepth: MAX_DEPTH,
    tooDeep: `the query nests deeper than ${MAX_DEPTH} levels`,
    error: (offset, reason, hint) => new TraceQLError('syntax', text, offset, reason, hint),
    unexpected: (token, before, wanted) => ({
      reason: `unexpected ${describe(text, token)}, expected ${wanted}`,
      hint: commonSlip(text, token, before),
    }),
  })
}

function describe(text: string, token: Token): string {
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
