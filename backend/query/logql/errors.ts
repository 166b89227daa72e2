import { positionAt, QueryError, type QueryErrorKind } from '../language/errors.ts'

/**
 * Why a LogQL query gets no answer, worded as Loki's clients know it: `parse error at line 1, col 3: reason. Hint:
 * hint`.
 */
export class LogQLError extends QueryError {
  /** `at`: offset in the query's text of what is wrong; undefined = no particular place. */
  constructor(kind: QueryErrorKind, text: string, at: number | undefined, reason: string, hint?: string) {
    const position = at === undefined ? undefined : positionAt(text, at)
    const place = position && `line ${position.line}, col ${position.column}`
    const advice = hint === undefined ? '' : `. Hint: ${hint}`
    const messages: Partial<Record<QueryErrorKind, string>> = {
      syntax: `parse error${place ? ` at ${place}` : ' '}: ${reason}${advice}`,
      unsupported: `${reason}${place ? ` (${place})` : ''}${advice}`,
    }
    super(kind, reason, { message: messages[kind] ?? reason, position, hint })
  }
}

/** A query that can't be read, or that makes no sense. */
export function parseError(text: string, at: number | undefined, reason: string, hint?: string): LogQLError {
  return new LogQLError('syntax', text, at, reason, hint)
}

/** Valid LogQL that this engine doesn't evaluate: names the construct. */
export function unsupported(text: string, at: number, construct: string, hint?: string): LogQLError {
  return new LogQLError('unsupported', text, at, `${construct} is not supported`, hint)
}

/** What only the data show: several series where one is wanted, a line that can't be read. */
export function evaluationError(reason: string): LogQLError {
  return new LogQLError('evaluation', '', undefined, reason)
}

/** More time, series or points than a query may take. */
export function limitError(reason: string): LogQLError {
  return new LogQLError('limit', '', undefined, reason)
}
