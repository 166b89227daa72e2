/**
 * The client of the next service: kept connections, the caller's shrinking time budget, bounded retries with jitter, and
 * errors that say which of the service's failures it was. The active span says what was tried.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { context, propagation, type Span, trace } from '@opentelemetry/api'
import type { Dispatcher } from 'undici'
// Not by its index, which loads everything else as well: fetch, WebSocket, caches, mocks.
import Pool from 'undici/lib/dispatcher/pool.js'
import type { z } from 'zod'
import { CircuitOpenError, type CircuitState, createCircuitBreaker } from './circuit-breaker.ts'
import { roundMs } from './durations.ts'
import type { Logger } from './logging.ts'
import { isUtf8, parseMediaType } from './media-type.ts'
import { type Metrics, observe } from './metrics.ts'
import { badGateway, deadlineExceeded, gatewayTimeout, ProblemError, unavailable } from './problems.ts'
import { currentRequest, remainingMs } from './request-context.ts'
import { telemetry } from './telemetry/state.ts'

/** Whom to call, and how long a call may take. */
export interface ServiceClientOptions {
  /** Base URL of the next service. */
  url: string
  /** Its name, for metrics and messages. */
  peer: string
  metrics: Metrics
  logger: Logger
  /** Longest time one call may take, tries included, milliseconds (default 10,000). */
  timeoutMs?: number
}

/** One POST, and what its answer has to be. */
export interface ServiceCall<Answer extends z.ZodType> {
  path: string
  /** Sent as JSON. */
  body: unknown
  /** Schema of the body of a 2xx answer. */
  answer: Answer
  /** Besides what every call has. */
  headers?: Record<string, string>
  /** Doing it twice is the same as once: a call that may have arrived can be tried again too. */
  idempotent: boolean
}

/** The service behind this one, as its caller sees it. */
export interface ServiceClient {
  readonly peer: string
  /**
   * Resolves to the body of a 2xx answer as the schema makes it. Rejects with a ProblemError to pass on: what the client is
   * to know (404, 409, a reused Idempotency-Key) as the service said it; 502 for a failure, another refusal (`isRefusal`) or
   * an answer that does not fit the schema; 503 for a service that is away, not available or left alone by the circuit
   * breaker; 504 for one that is too slow (`next-hop-timeout`) and for a budget that was used up before
   * (`deadline-exceeded`).
   */
  post<Answer extends z.ZodType>(call: ServiceCall<Answer>): Promise<z.output<Answer>>
  /**
   * One GET, past the circuit breaker; resolves whatever the status. Rejects after `timeoutMs` milliseconds, when nothing
   * answers, and when the answer is not JSON.
   */
  get(path: string, timeoutMs: number): Promise<{ status: number; body: unknown }>
  /** Resolves when calls under way have ended and no connection is open. */
  close(): Promise<void>
}

const ATTEMPTS = 3
/** Most that are kept open. */
const CONNECTIONS = 128
/** Part of the caller's budget that is kept back for this service's own answer. */
const MARGIN_MS = 50
/** An idle connection is closed by its owner, before a stopping server would do it. */
const IDLE_MS = 2_000
const FAULTS_TO_OPEN = 10
const OPEN_MS = 1_000
/** A caller with hardly any time left says nothing about the service. */
const FAIR_TIMEOUT_MS = 1_000
/** As http_client_circuit_state has them. */
const CIRCUIT: Record<CircuitState, number> = { closed: 0, 'half-open': 1, open: 2 }
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
/** The request never left: always safe to try again. */
const CONNECT_ERRORS = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]
/** The connection broke: the request may have arrived. */
const BROKEN = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']

/** A client of one service; nothing is connected before the first call. */
export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  const { peer, metrics, logger } = options
  const base = new URL(options.url)
  const prefix = base.pathname.replace(/\/$/, '')
  const pool = new Pool(base.origin, {
    connections: CONNECTIONS,
    connect: { timeout: 1_000 },
    // Short, and the server's own hint of 75 s not followed: see how a server drains, in http-server.ts.
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    pipelining: 1,
  })
  const duration = metrics.histogram('http_client_request_duration_seconds')
  const retries = metrics.counter('http_client_retries_total')
  const breaker = createCircuitBreaker({ faultsToOpen: FAULTS_TO_OPEN, openMs: OPEN_MS, isFault })
  metrics.gauge('http_client_circuit_state', (gauge) => gauge.set({ peer_service: peer }, CIRCUIT[breaker.state]))

  async function post<Answer extends z.ZodType>(call: ServiceCall<Answer>): Promise<z.output<Answer>> {
    const { status, body } = await postUntilAnswered(call)
    const answer = call.answer.safeParse(body)
    if (!answer.success) throw badGateway(`${peer} answered ${status} with an unexpected body`, answer.error)
    return answer.data
  }

  async function postUntilAnswered(call: ServiceCall<z.ZodType>): Promise<{ status: number; body: unknown }> {
    const deadline = performance.now() + Math.min(options.timeoutMs ?? 10_000, remainingMs() - MARGIN_MS)
    for (let attempt = 1; ; attempt++) {
      const left = deadline - performance.now()
      if (left <= 0) throw deadlineExceeded()
      const span = trace.getActiveSpan()
      try {
        return await breaker.run(async () => {
          if (span) countTry(span)
          return readAnswer(await send('POST', call.path, left, call), peer)
        })
      } catch (error) {
        const reason = retryReason(error, call.idempotent)
        const pause = 20 * 2 ** attempt * (0.5 + Math.random())
        if (reason === undefined || attempt >= ATTEMPTS || deadline - performance.now() <= pause)
          throw callProblem(error, peer)
        retries.inc({ peer_service: peer, reason })
        span?.addEvent('hop.retry', { 'recovery.attempt': triesBelow.get(span) ?? 0, 'recovery.reason': reason })
        await delay(pause)
      }
    }
  }

  async function send(
    method: 'GET' | 'POST',
    path: string,
    timeoutMs: number,
    { body, headers }: { body?: unknown; headers?: Record<string, string> | undefined } = {},
  ) {
    const started = performance.now()
    const labels = { http_request_method: method, peer_service: peer, http_response_status_code: '', error_type: '' }
    try {
      const response = await exchange(
        pool,
        timeoutMs,
        (status) => (labels.http_response_status_code = String(status)),
        {
          method,
          path: prefix + path,
          headers: { ...requestHeaders(timeoutMs, body !== undefined), ...headers },
          body: body === undefined ? null : JSON.stringify(body),
        },
      )
      return {
        status: response.status,
        contentType: String(response.headers['content-type'] ?? ''),
        retryAfter: secondsToWait(response.headers['retry-after']),
        text: response.text,
      }
    } catch (error) {
      labels.error_type = (error as { code?: string }).code ?? (error as Error).name
      throw error
    } finally {
      const ms = performance.now() - started
      observe(duration, labels, ms / 1000)
      // Of requests only, as statements are.
      if (logger.isDebugEnabled() && trace.getActiveSpan() !== undefined) {
        const { http_response_status_code: status, error_type } = labels
        const outcome = error_type === '' ? { status: Number(status) } : { error_type }
        const fields = { ...outcome, duration_ms: roundMs(ms), budget_ms: Math.round(timeoutMs) }
        logger.debug(`called ${peer} ${method} ${path}`, fields)
      }
    }
  }

  return {
    peer,
    post,
    async get(path, timeoutMs) {
      const { status, text } = await send('GET', path, timeoutMs)
      return { status, body: JSON.parse(text) }
    },
    close: () => pool.close(),
  }
}

interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/**
 * One request and its whole answer, told to undici's handler: `pool.request` makes a stream of every answer and an AbortSignal for
 * every limit, neither of which is wanted here. `onStatus` hears the status also where the rest doesn't follow. Rejects
 * with a HopTimeout after `timeoutMs`, with undici's error, or with a 502 for too large an answer.
 */
function exchange(
  pool: Pool,
  timeoutMs: number,
  onStatus: (status: number) => void,
  request: Dispatcher.DispatchOptions,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let answer: Omit<RawAnswer, 'text'>
    let running: Dispatcher.DispatchController | undefined
    let late: HopTimeout | undefined
    const timer = setTimeout(() => {
      late = new HopTimeout(timeoutMs)
      // One that still waits for a connection can't be taken back: it is given up here, and ended when it starts.
      if (running) running.abort(late)
      else reject(late)
    }, timeoutMs)
    pool.dispatch(request, {
      onRequestStart(controller) {
        running = controller
        if (late) controller.abort(late)
      },
      onResponseStart(_, status, headers) {
        // 1xx: the answer is still to come.
        if (status < 200) return
        answer = { status, headers }
        onStatus(status)
      },
      onResponseData(controller, chunk) {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) controller.abort(badGateway(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      },
      onResponseEnd() {
        clearTimeout(timer)
        resolve({ ...answer, text: (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8') })
      },
      onResponseError(_, error) {
        clearTimeout(timer)
        reject(error)
      },
    })
  })
}

/** Tries below each span so far: who repeats a call does not begin to count anew, nor does a second client. */
const triesBelow = new WeakMap<Span, number>()

/** Counts what is sent; a call that the circuit breaker refuses is none. */
function countTry(span: Span): void {
  const tries = (triesBelow.get(span) ?? 0) + 1
  triesBelow.set(span, tries)
  span.setAttribute('recovery.attempts', tries)
}

/** Its name is a value of error_type in http_client_request_duration_seconds. */
class HopTimeout extends Error {
  readonly timeoutMs: number
  constructor(timeoutMs: number) {
    super(`no answer within ${Math.round(timeoutMs)} ms`)
    this.name = 'HopTimeout'
    this.timeoutMs = timeoutMs
  }
}

/** What opens the circuit: the service is gone, broken or too slow; not what it refuses for good reasons. */
function isFault(error: unknown): boolean {
  if (isRefusal(error)) return false
  if (error instanceof HopTimeout) return error.timeoutMs >= FAIR_TIMEOUT_MS
  return !(error instanceof ProblemError) || error.details.status >= 500
}

/** The budget travels as milliseconds left: clocks of two machines never agree well enough for a point in time. */
function requestHeaders(timeoutMs: number, hasBody: boolean): Record<string, string> {
  const request = currentRequest()
  const headers = {
    accept: 'application/json',
    ...(hasBody ? { 'content-type': 'application/json' } : {}),
    ...(request ? { 'x-request-id': request.requestId, 'x-request-deadline': String(Math.floor(timeoutMs)) } : {}),
  }
  if (telemetry.onlyPassesOn) propagation.inject(context.active(), headers)
  return headers
}

/** Retry-After is a number of seconds or a date (RFC 9110, 10.2.3); 1 for none and for what is neither. */
function secondsToWait(header: string | string[] | undefined): number {
  const text = (Array.isArray(header) ? header[0] : header)?.trim() ?? ''
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - Date.now()) / 1000)
  return seconds > 0 ? seconds : 1
}

/** 2xx JSON is the answer; business failures pass through as the service said them; the rest is its fault. */
function readAnswer(answer: { status: number; contentType: string; retryAfter: number; text: string }, peer: string) {
  const { status, contentType, text } = answer
  let body: unknown
  try {
    const media = parseMediaType(contentType)
    const isJson = media !== undefined && /^application\/(?:.+\+)?json$/.test(media.type) && isUtf8(media)
    if (!isJson) throw new Error(`content type is ${contentType || 'absent'}`)
    body = JSON.parse(text)
  } catch (cause) {
    throw badGateway(`${peer} answered ${status} with something that is not JSON`, cause)
  }
  if (status >= 200 && status < 300) return { status, body }
  const { type, title, detail, errors } = body as { type?: unknown; title?: unknown; detail?: unknown; errors?: never }
  const kind = typeof type === 'string' ? type.replace(/^\/problems\//, '') : ''
  if (status === 404 || status === 409 || (status === 422 && kind === 'idempotency-key-reused')) {
    throw new ProblemError({
      status,
      kind,
      title: String(title),
      detail: String(detail),
      ...(errors ? { errors } : {}),
    })
  }
  const said = `${peer} answered ${status} ${kind}`
  if (status === 503) throw unavailable('next-hop-unavailable', said, answer.retryAfter)
  if (status === 504) throw gatewayTimeout(said)
  throw badGateway(said, status < 500 ? REFUSED : undefined)
}

const REFUSED = new Error('the hop refused the request')

/** The service is well and does not take this request, for a reason that its caller can't pass on as its own answer. */
export const isRefusal = (error: unknown): boolean => error instanceof ProblemError && error.details.cause === REFUSED

function retryReason(error: unknown, idempotent: boolean): string | undefined {
  const code = (error as { code?: string }).code ?? ''
  if (CONNECT_ERRORS.includes(code)) return code
  return idempotent && BROKEN.includes(code) ? code : undefined
}

function callProblem(error: unknown, peer: string): ProblemError {
  if (error instanceof ProblemError) return error
  const code = (error as { code?: string }).code ?? ''
  if (error instanceof CircuitOpenError) {
    return unavailable('next-hop-unavailable', `${peer} keeps failing and is left alone for a moment`, 1, error)
  }
  if (error instanceof HopTimeout) return gatewayTimeout(`${peer}: ${error.message}`, error)
  if (CONNECT_ERRORS.includes(code))
    return unavailable('next-hop-unavailable', `${peer} can't be reached: ${code}`, 1, error)
  return badGateway(`${peer}: ${error instanceof Error ? error.message : String(error)}`, error)
}
