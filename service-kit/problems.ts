/**
 * Errors a client may see, and how any error becomes an RFC 9457 answer. `status` and `type` decide; the text of a 5xx
 * never leaves the service, only its title does.
 */

export interface FieldError {
  /** JSON pointer into the body. */
  pointer?: string
  /** Name of a query, path or header parameter. */
  parameter?: string
  detail: string
}

export interface ProblemDetails {
  status: number
  /** Short name, such as `unknown-product`: `/problems/unknown-product` on the wire, `unknown_product` as error.type. */
  kind: string
  title: string
  /** For the client when status < 500; else for logs only. */
  detail: string
  errors?: FieldError[]
  /** Seconds after which another try makes sense. */
  retryAfter?: number
  cause?: unknown
}

export class ProblemError extends Error {
  readonly details: ProblemDetails
  constructor(details: ProblemDetails) {
    super(details.detail, { cause: details.cause })
    this.name = details.kind
    this.details = details
  }
}

/** Value of `error.type` on spans and metrics. */
export function errorType(error: unknown): string {
  if (error instanceof ProblemError) return error.details.kind.replaceAll('-', '_')
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string') return code
  return error instanceof Error ? error.name : '_OTHER'
}

export function badRequest(detail: string): ProblemError {
  return new ProblemError({ status: 400, kind: 'malformed-body', title: 'Malformed body', detail })
}

export function payloadTooLarge(limit: number): ProblemError {
  const detail = `The body is larger than ${limit} bytes; send less.`
  return new ProblemError({ status: 413, kind: 'body-too-large', title: 'Body too large', detail })
}

export function unsupportedMediaType(got: string): ProblemError {
  const detail = `The content type is ${got}; send application/json in UTF-8.`
  return new ProblemError({ status: 415, kind: 'unsupported-media-type', title: 'Unsupported media type', detail })
}

export function invalid(errors: FieldError[], kind = 'invalid-request'): ProblemError {
  const detail = errors.map((error) => `${error.pointer ?? error.parameter ?? 'body'}: ${error.detail}`).join('; ')
  return new ProblemError({ status: 422, kind, title: 'Invalid request', detail, errors })
}

/** `what` is the kind of thing (`product`), `id` the one that is not there. */
export function notFound(what: string, id: string | number): ProblemError {
  const title = `Unknown ${what}`
  return new ProblemError({ status: 404, kind: `unknown-${what}`, title, detail: `There is no ${what} ${id}.` })
}

export function conflict(kind: string, title: string, detail: string): ProblemError {
  return new ProblemError({ status: 409, kind, title, detail })
}

export function unavailable(kind: string, detail: string, retryAfter: number, cause?: unknown): ProblemError {
  return new ProblemError({ status: 503, kind, title: 'Not available now', detail, retryAfter, cause })
}

export function badGateway(detail: string, cause?: unknown): ProblemError {
  return new ProblemError({
    status: 502,
    kind: 'bad-gateway',
    title: 'The next hop failed',
    detail,
    retryAfter: 1,
    cause,
  })
}

export function gatewayTimeout(detail: string, cause?: unknown): ProblemError {
  return new ProblemError({
    status: 504,
    kind: 'next-hop-timeout',
    title: 'The next hop is too slow',
    detail,
    retryAfter: 1,
    cause,
  })
}

export function deadlineExceeded(): ProblemError {
  const detail = 'The time budget of the request is used up; nothing was written.'
  return new ProblemError({
    status: 504,
    kind: 'deadline-exceeded',
    title: 'Time budget used up',
    detail,
    retryAfter: 1,
  })
}

/** Any thrown value as a problem; what is unknown is a 500 that says nothing. */
export function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  const { status, expose, message } = (error ?? {}) as { status?: number; expose?: boolean; message?: string }
  if (typeof status === 'number' && status >= 400 && status < 500 && expose === true) {
    const title = HTTP_TITLES[status] ?? 'Request refused'
    return new ProblemError({
      status,
      kind: title.toLowerCase().replaceAll(' ', '-'),
      title,
      detail: String(message),
      cause: error,
    })
  }
  const detail = error instanceof Error ? error.message : String(error)
  return new ProblemError({ status: 500, kind: 'internal', title: 'Internal error', detail, cause: error })
}

const HTTP_TITLES: Record<number, string> = { 404: 'Not found', 405: 'Method not allowed', 400: 'Bad request' }

/** The body of the answer. */
export function problemBody(problem: ProblemError, ids: { trace_id?: string; request_id?: string }) {
  const { status, kind, title, detail, errors } = problem.details
  return {
    type: `/problems/${kind}`,
    title,
    status,
    detail: status < 500 ? detail : (PUBLIC_DETAIL[status] ?? 'Something went wrong here; the trace id finds it.'),
    ...ids,
    ...(errors ? { errors } : {}),
  }
}

const PUBLIC_DETAIL: Record<number, string> = {
  501: 'This method is not implemented.',
  502: 'A service behind this one gave no usable answer. Try again.',
  503: 'This can not be served right now. Try again after the time in Retry-After.',
  504: 'There was no answer in time. Try again; with an Idempotency-Key nothing happens twice.',
}
