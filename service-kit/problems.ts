/**
 * Errors a client may see, and how any error becomes an RFC 9457 answer. `status` and `type` decide; the text of a 5xx
 * never leaves the service, only its title does. Every kind has its heading in docs/errors.md: a new one begins with an
 * entry in contracts/problem-kinds.ts.
 */
import type { HostRefusal } from './allowed-hosts.ts'

/** What is wrong with one part of a request; either `pointer` or `parameter` says which. */
export interface FieldError {
  /** JSON pointer into the body. */
  pointer?: string
  /** Name of a query, path or header parameter. */
  parameter?: string
  detail: string
}

/** Everything that is known of a problem; `problemBody` decides what of it the client is told. */
export interface ProblemDetails {
  /** HTTP status of the answer, 400 to 599. */
  status: number
  /** Short name, such as `unknown-product`: `/problems/unknown-product` on the wire, `unknown_product` as error.type. */
  kind: string
  /** The same for every problem of a kind. */
  title: string
  /** For the client when status < 500; else for logs only. */
  detail: string
  errors?: FieldError[]
  /** Seconds after which another try makes sense. */
  retryAfter?: number
  cause?: unknown
}

/** Thrown anywhere below a route, it becomes the answer; its name is the kind. */
export class ProblemError extends Error {
  readonly details: ProblemDetails
  constructor(details: ProblemDetails) {
    super(details.detail, { cause: details.cause })
    this.name = details.kind
    this.details = details
  }
}

/** Value of `error.type` on spans and metrics: the kind with `_`, else the code of a system or database error, else a name. */
export function errorType(error: unknown): string {
  if (error instanceof ProblemError) return error.details.kind.replaceAll('-', '_')
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string') return code
  return error instanceof Error ? error.name : '_OTHER'
}

/** 400: the body is not JSON; `detail` says where and must not quote it. */
export function badRequest(detail: string): ProblemError {
  return new ProblemError({ status: 400, kind: 'malformed-body', title: 'Malformed body', detail })
}

/** 431, 408 or 400 for a request that could not be read, by the code of Node's error. */
export function unreadable(code: string | undefined): ProblemError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = 'The headers are too large; send less than 32 KiB together.'
    return new ProblemError({
      status: 431,
      kind: 'headers-too-large',
      title: 'Request Header Fields Too Large',
      detail,
    })
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const detail = 'The request did not arrive in time.'
    return new ProblemError({ status: 408, kind: 'request-timeout', title: 'Request Timeout', detail })
  }
  const detail = 'The request could not be read as HTTP.'
  return new ProblemError({ status: 400, kind: 'malformed-request', title: 'Bad Request', detail })
}

/** 413: the body is larger than `limit` bytes. */
export function payloadTooLarge(limit: number): ProblemError {
  const detail = `The body is larger than ${limit} bytes; send less.`
  return new ProblemError({ status: 413, kind: 'body-too-large', title: 'Body too large', detail })
}

/** What a route that takes the fields of its body in the query adds to a refusal of the body. */
export const OR_QUERY = ', or no body and its fields as query parameters'

/** 415: `got` is what the request says its body is; `orQuery`: it needn't have a body. */
export function unsupportedMediaType(got: string, orQuery = false): ProblemError {
  const wanted = orQuery ? `a JSON body as application/json in UTF-8${OR_QUERY}` : 'application/json in UTF-8'
  const detail = `The content type is ${got}; send ${wanted}.`
  return new ProblemError({ status: 415, kind: 'unsupported-media-type', title: 'Unsupported media type', detail })
}

/** 422 with every fault of the request at once; `kind` for a fault that a client must tell from a bad field. */
export function invalid(errors: FieldError[], kind = 'invalid-request'): ProblemError {
  // The pointer to a whole body is the empty text (RFC 6901, 5).
  const detail = errors.map((error) => `${error.pointer || error.parameter || 'body'}: ${error.detail}`).join('; ')
  return new ProblemError({ status: 422, kind, title: 'Invalid request', detail, errors })
}

/** 404: `what` is the kind of thing (`product`), `id` the one that is not there. */
export function notFound(what: string, id: string | number): ProblemError {
  const title = `Unknown ${what}`
  return new ProblemError({ status: 404, kind: `unknown-${what}`, title, detail: `There is no ${what} ${id}.` })
}

/** 409: not possible in the present state, which `detail` states; `retryAfter` where it passes by itself, in so many seconds. */
export function conflict(kind: string, title: string, detail: string, retryAfter?: number): ProblemError {
  return new ProblemError({ status: 409, kind, title, detail, ...(retryAfter === undefined ? {} : { retryAfter }) })
}

/** 429: refused to spare what others need; nothing was done, and after `retryAfter` seconds it may be asked again. */
export function tooMany(kind: string, title: string, detail: string, retryAfter: number): ProblemError {
  return new ProblemError({ status: 429, kind, title, detail, retryAfter })
}

/** 421 or 403: the request is for another name, or from another site's page. */
export function refusedHost({ status, detail }: HostRefusal): ProblemError {
  if (status === 421)
    return new ProblemError({ status, kind: 'misdirected-request', title: 'Misdirected Request', detail })
  return new ProblemError({ status, kind: 'foreign-origin', title: 'Foreign origin', detail })
}

/** 503: something this service needs is away; `retryAfter` in seconds, `detail` for the log only. */
export function unavailable(kind: string, detail: string, retryAfter: number, cause?: unknown): ProblemError {
  return new ProblemError({ status: 503, kind, title: 'Not available now', detail, retryAfter, cause })
}

/** 502: the next hop broke the connection or answered with something unusable; `detail` for the log only. */
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

/** 504: the next hop did not answer in time; `detail` for the log only. */
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

/** 504: the caller has stopped waiting, so the work is not begun. */
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
    const known = status === 404 ? NOT_FOUND : status === 405 ? METHOD_NOT_ALLOWED : BAD_REQUEST
    return new ProblemError({ ...known, detail: String(message), cause: error })
  }
  // Turning any object into text runs code of its own, which may throw in its turn.
  const isObject = typeof error === 'object' || typeof error === 'function'
  const detail =
    error instanceof Error ? error.message : isObject ? 'something that is no Error was thrown' : String(error)
  return new ProblemError({ status: 500, kind: 'internal', title: 'Internal error', detail, cause: error })
}

// What Koa and its router refuse; the last for anything else of theirs that is the client's fault.
const NOT_FOUND = { status: 404, kind: 'not-found', title: 'Not found' }
const METHOD_NOT_ALLOWED = { status: 405, kind: 'method-not-allowed', title: 'Method not allowed' }
const BAD_REQUEST = { status: 400, kind: 'bad-request', title: 'Bad request' }

/** The body of the answer (RFC 9457). From 500 on the client gets a fixed `detail`, whatever the problem's own says. */
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
  502: 'A service behind this one gave no usable answer. Try again.',
  503: 'This can not be served right now. Try again after the time in Retry-After.',
  504: 'There was no answer in time. Try again; with an Idempotency-Key nothing happens twice.',
}
