/** What a wrong query is answered with, and where the nodes of a tree stood in its text. */
export interface Position {
  /** Both count from 1; 0 = no particular place. */
  readonly line: number
  readonly col: number
}

export interface LogQLError extends Error {
  readonly name: 'LogQLError'
  /** `parse` and `unsupported` are known before anything is read; `evaluate` comes from the data, `limit` from a limit. */
  readonly reason: 'parse' | 'unsupported' | 'evaluate' | 'limit'
  readonly line: number
  readonly col: number
  readonly hint?: string
}

/** A query that can't be read. The message is complete: place, reason and, where there is one, a hint. */
export function parseError(message: string, at: Position = { line: 0, col: 0 }, hint?: string): LogQLError {
  const place = at.line ? ` at line ${at.line}, col ${at.col}` : ' '
  const full = `parse error${place}: ${message}${hint ? `. Hint: ${hint}` : ''}`
  return make('parse', full, at, hint)
}

/** Valid LogQL that this engine doesn't evaluate: names the construct. */
export function unsupported(construct: string, at: Position = { line: 0, col: 0 }, hint?: string): LogQLError {
  const place = at.line ? ` (line ${at.line}, col ${at.col})` : ''
  return make('unsupported', `${construct} is not supported${place}${hint ? `. Hint: ${hint}` : ''}`, at, hint)
}

export function evaluationError(message: string): LogQLError {
  return make('evaluate', message, { line: 0, col: 0 })
}

export function limitError(message: string): LogQLError {
  return make('limit', message, { line: 0, col: 0 })
}

export function isLogQLError(error: unknown): error is LogQLError {
  return error instanceof Error && error.name === 'LogQLError'
}

function make(reason: LogQLError['reason'], message: string, at: Position, hint?: string): LogQLError {
  return Object.assign(new Error(message), {
    name: 'LogQLError' as const,
    reason,
    line: at.line,
    col: at.col,
    ...(hint !== undefined && { hint }),
  })
}

const positions = new WeakMap<object, Position>()

/** Remembers where a node begins; returns the node. */
export function at<T extends object>(node: T, position: Position): T {
  positions.set(node, position)
  return node
}

export function positionOf(node: object): Position | undefined {
  return positions.get(node)
}
