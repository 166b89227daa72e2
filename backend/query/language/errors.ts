/** Why a query gets no answer: one class for both languages. Each derives its own, which words the message. */

/**
 * `syntax`: can't be read. `type`: parses but makes no sense. `unsupported`: valid, but left out here; these three are
 * known before any data is read. `evaluation`: the data don't fit the query. `limit`: the answer would take too much.
 */
export type QueryErrorKind = 'syntax' | 'type' | 'unsupported' | 'evaluation' | 'limit'

/** Both count from 1; 0 = no particular place. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface QueryErrorDetails {
  /** What the user reads; the reason alone when absent. */
  readonly message?: string
  readonly position?: Position
  /** What to write instead, where that is known. */
  readonly hint?: string | undefined
}

/** The client's fault, whatever the kind: its `message` is meant for whoever wrote the query. */
export class QueryError extends Error {
  readonly kind: QueryErrorKind
  readonly line: number
  readonly column: number
  /** What is wrong, without place and hint. */
  readonly reason: string
  readonly hint: string | undefined

  constructor(kind: QueryErrorKind, reason: string, { message, position, hint }: QueryErrorDetails = {}) {
    super(message ?? reason)
    this.name = new.target.name
    this.kind = kind
    this.line = position?.line ?? 0
    this.column = position?.column ?? 0
    this.reason = reason
    this.hint = hint
  }
}

/** Where a character offset lies in a text. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}
