/** What is known about the request being served, wherever in the call chain one stands: libraries included. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { context, isSpanContextValid, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { deadlineExceeded } from './problems.ts'

/** One request while it is served. */
export interface RequestContext {
  requestId: string
  /** Of the active trace; without telemetry that of the caller, else a random one (of a UUID: Node keeps random bytes for those). */
  traceId: string
  /** performance.now() at the moment the request was taken. */
  startedAt: number
  /** performance.now() at which the caller stops waiting. */
  deadlineAt: number
  /** Asks how the service is: answered at once, never later. */
  isProbe?: boolean
}

const storage = new AsyncLocalStorage<RequestContext>()

/** The request in which this is called, however deep; undefined outside of one. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore()
}

/** `work`, and everything it waits for, belongs to `request`. */
export function runInRequest<T>(request: RequestContext, work: () => T): T {
  return storage.run(request, work)
}

/** For background work that a request happens to set off: its spans and log lines must not count as that request's. */
export function outsideRequests<T>(work: () => T): T {
  return storage.exit(() => context.with(ROOT_CONTEXT, work))
}

/** For a call that is to leave no trace of where it came from; the request stays known. */
export function outsideTraces<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work)
}

const REQUEST_ID = /^[A-Za-z0-9_.-]{1,128}$/
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/**
 * Takes the caller's id, trace and time budget from its headers, as far as they are valid: `X-Request-ID` of 1 to 128 of
 * `A-Za-z0-9_.-`, `traceparent` (W3C Trace Context, version 00; where no span is active), and `X-Request-Deadline`, the
 * milliseconds that the caller will still wait, up to `budgetMs`.
 */
export function requestContextFrom(headers: NodeJS.Dict<string | string[]>, budgetMs: number): RequestContext {
  const startedAt = performance.now()
  const id = headers['x-request-id']
  const offered = Number(headers['x-request-deadline'] || Number.NaN)
  const remaining = Number.isFinite(offered) ? Math.min(offered, budgetMs) : budgetMs
  return {
    requestId: typeof id === 'string' && REQUEST_ID.test(id) ? id : randomUUID(),
    traceId: activeTraceId() ?? traceIdOf(headers.traceparent) ?? randomUUID().replaceAll('-', ''),
    startedAt,
    deadlineAt: startedAt + remaining,
  }
}

/** undefined also where a disabled SDK has made a span of zeros, because the caller has sent no context. */
function activeTraceId(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext()
  return span && isSpanContextValid(span) ? span.traceId : undefined
}

function traceIdOf(traceparent: string | string[] | undefined): string | undefined {
  return typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined
}

/** Milliseconds until the caller stops waiting; Infinity outside of a request. */
export function remainingMs(): number {
  const request = storage.getStore()
  return request ? request.deadlineAt - performance.now() : Number.POSITIVE_INFINITY
}

/** Throws 504 when nobody waits for the answer any more: called before work that would be durable. */
export function checkDeadline(): void {
  if (remainingMs() <= 0) throw deadlineExceeded()
}
