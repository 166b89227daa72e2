import { positionAt, QueryError, type QueryErrorKind } from '../language/errors.ts'

/**
 * Why a TraceQL query was refused: `line 1, col 3: reason (hint)`, with `parse error at` in front where it doesn't
 * parse.
 */
export class TraceQLError extends QueryError {
  /** `at`: offset in the query's text of what is wrong. */
  constructor(kind: QueryErrorKind, text: string, at: number, reason: string, hint?: string) {
    const position = positionAt(text, at)
    const place = `line ${position.line}, col ${position.column}`
    const prefix = kind === 'syntax' ? `parse error at ${place}` : place
    super(kind, reason, {
      message: `${prefix}: ${reason}${hint === undefined ? '' : ` (${hint})`}`,
      position,
      hint,
    })
  }
}
