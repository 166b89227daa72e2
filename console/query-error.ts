/** Why a panel's SQL has no answer: an HTTP status, and a message for whoever looks at the panel. */
export interface QueryError extends Error {
  readonly status: number
}

export const queryError = (status: number, message: string, cause?: unknown): QueryError =>
  Object.assign(new Error(message, { cause }), { status })

export const isQueryError = (error: unknown): error is QueryError =>
  error instanceof Error && typeof (error as Partial<QueryError>).status === 'number'
