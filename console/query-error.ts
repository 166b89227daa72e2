/** Why a panel's SQL has no answer: an HTTP status, and a message for whoever looks at the panel. */
export interface QueryError extends Error {
  readonly status: number
}

/** 400: the question is wrong. 404: there is no such panel. 413: too large. 503: nobody answers. 504: not in time. */
export const queryError = (status: number, message: string, cause?: unknown): QueryError =>
  Object.assign(new Error(message, { cause }), { status })

/** Whether the reader may be told; anything else is a fault of ours. */
export const isQueryError = (error: unknown): error is QueryError =>
  error instanceof Error && typeof (error as Partial<QueryError>).status === 'number'
