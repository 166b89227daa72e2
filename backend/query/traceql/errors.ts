/**
 * `syntax`: does not parse. `type`: parses but makes no sense. `unsupported`: valid TraceQL that this engine leaves out.
 * `limit`: the answer would be too large.
 */
export type ErrorKind = 'syntax' | 'type' | 'unsupported' | 'limit'

/** Why a query was refused. `line` and `column` count from 1; `hint` says what to write instead, where that is known. */
export class TraceQLError extends Error {
  readonly kind: ErrorKind
  readonly line: number
  readonly column: number
  readonly reason: string
  readonly hint: string | undefined

  constructor(kind: ErrorKind, text: string, offset: number, reason: string, hint?: string) {
    const { line, column } = position(text, offset)
    const prefix = kind === 'syntax' ? `parse error at line ${line}, col ${column}` : `line ${line}, col ${column}`
    super(`${prefix}: ${reason}${hint === undefined ? '' : ` (${hint})`}`)
    this.name = 'TraceQLError'
    this.kind = kind
    this.line = line
    this.column = column
    this.reason = reason
    this.hint = hint
  }
}

function position(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}
