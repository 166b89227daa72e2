/**
 * What every request meets, in this order: identity and time budget -> route -> checks of its parts -> handler -> answer.
 * Errors from anywhere become an answer in one place (`answerProblem`).
 */
import { createServer, METHODS, type Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import Router from '@koa/router'
import { context, trace } from '@opentelemetry/api'
import { getRPCMetadata, RPCType } from '@opentelemetry/core'
import Koa, { type Context, type Next } from 'koa'
import type { z } from 'zod'
import { readJson } from './body.ts'
import { roundMs } from './durations.ts'
import type { Logger } from './logging.ts'
import { type Metrics, observe } from './metrics.ts'
import {
  asProblem,
  deadlineExceeded,
  errorType,
  type FieldError,
  invalid,
  type ProblemError,
  problemBody,
} from './problems.ts'
import {
  currentRequest,
  type RequestContext,
  remainingMs,
  requestContextFrom,
  runInRequest,
} from './request-context.ts'
import { failSpan, withBaggage } from './spans.ts'

/** The part of a contract's endpoint that a server needs; contracts define many, the kit knows none. */
export interface RouteDefinition {
  method: 'get' | 'post'
  /** OpenAPI template: `/users/{id}`. */
  path: string
  params?: z.ZodType
  query?: z.ZodType
  body?: z.ZodType
}

type Output<Schema> = NonNullable<Schema> extends z.ZodType ? z.output<NonNullable<Schema>> : undefined
export interface RouteRequest<Definition extends RouteDefinition> {
  params: Output<Definition['params']>
  query: Output<Definition['query']>
  body: Output<Definition['body']>
  headers: Context['headers']
}
export interface Answer {
  status: number
  /** Sent as JSON; a string is sent as it is (it must be JSON, or have its own content type). */
  body: unknown
  headers?: Record<string, string>
}

export interface Routes {
  add<Definition extends RouteDefinition>(
    definition: Definition,
    handler: (request: RouteRequest<Definition>) => Promise<Answer> | Answer,
  ): void
}

export interface HttpAppOptions {
  service: { name: string; version: string }
  logger: Logger
  metrics: Metrics
  /** REQUEST_BUDGET_MS: time budget of a request whose caller gives none. */
  config: { REQUEST_BUDGET_MS: number }
  /** Asked before work starts; an error it returns is the answer (overload). */
  admit?: () => ProblemError | undefined
}

export function createHttpApp(options: HttpAppOptions, addRoutes: (routes: Routes) => void): Koa {
  const app = new Koa()
  // All of Node's methods, so that one without a route is a 405 with Allow, never a 501.
  const router = new Router({ methods: METHODS })
  const answered = options.metrics.histogram('http_server_request_duration_seconds')
  const active = options.metrics.gauge('http_server_active_requests')

  app.use((ctx, next) => serve(ctx, next, options, answered, active))
  // Koa's instrumentation patches the routes that exist when the router is used, so they are added first.
  addRoutes({ add: (definition, handler) => addRoute(router, definition, handler, options) })
  app.use(refuseUnanswered)
  app.use(router.routes())
  app.use(router.allowedMethods())
  // Broken sockets while answering: the client has gone, there is nobody to tell.
  app.on('error', (error) => options.logger.debug('response failed', error))
  return app
}

/** No route: 404; a route, but not for this method: 405, with the Allow that the router has set. */
async function refuseUnanswered(ctx: Context, next: Next): Promise<void> {
  await next()
  if (ctx.status === 404 && ctx.body == null) ctx.throw(404, `There is nothing at ${ctx.path}.`)
  if (ctx.status === 405) ctx.throw(405, `${ctx.method} is not served here; Allow lists what is.`)
}

/** One request from its headers to its metrics. */
async function serve(
  ctx: Context,
  next: Next,
  options: HttpAppOptions,
  answered: ReturnType<Metrics['histogram']>,
  active: ReturnType<Metrics['gauge']>,
): Promise<void> {
  const request = requestContextFrom(ctx.headers, options.config.REQUEST_BUDGET_MS)
  ctx.set('X-Request-ID', request.requestId)
  ctx.set('X-Trace-Id', request.traceId)
  active.inc()
  await runInRequest(request, () =>
    withBaggage({ 'request.id': request.requestId }, async () => {
      try {
        await next()
      } catch (error) {
        answerProblem(ctx, error, options)
      }
      active.dec()
      finish(ctx, request, options, answered)
    }),
  )
}

function finish(
  ctx: Context,
  request: RequestContext,
  options: HttpAppOptions,
  answered: ReturnType<Metrics['histogram']>,
) {
  const seconds = (performance.now() - request.startedAt) / 1000
  const route = (ctx.state.route as string | undefined) ?? ''
  const labels = {
    http_request_method: methodLabel(ctx.method),
    http_route: route,
    http_response_status_code: ctx.status,
  }
  observe(answered, labels, seconds)
  if (route === '/metrics' || route === '/ready' || route === '/health') return
  const fields = { method: ctx.method, route, status: ctx.status, duration_ms: roundMs(seconds * 1000) }
  options.logger.info(`${ctx.method} ${route || 'unknown route'} ${ctx.status}`, fields)
}

/** Method names come from outside; the label must not grow without end. */
function methodLabel(method: string): string {
  return ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'].includes(method) ? method : '_OTHER'
}

function addRoute<Definition extends RouteDefinition>(
  router: Router,
  definition: Definition,
  handler: (request: RouteRequest<Definition>) => Promise<Answer> | Answer,
  options: HttpAppOptions,
): void {
  const probes = definition.path === '/health' || definition.path === '/ready' || definition.path === '/metrics'
  router[definition.method](definition.path.replace(/\{(\w+)\}/g, ':$1'), async (ctx) => {
    nameRoute(ctx, definition.path)
    // Caught here, inside the route's span: an error that left it would be recorded there a second time.
    try {
      if (!probes) {
        const refusal = options.admit?.()
        if (refusal) throw refusal
        const left = remainingMs()
        getRPCMetadata(context.active())?.span?.setAttribute('deadline.remaining_ms', Math.round(left))
        if (left <= 0) throw deadlineExceeded()
      }
      const answer = await handler(await checkRequest(ctx, definition))
      ctx.status = answer.status
      for (const [name, value] of Object.entries(answer.headers ?? {})) ctx.set(name, value)
      ctx.body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
      if (answer.headers?.['Content-Type'] === undefined) ctx.type = 'application/json'
    } catch (error) {
      answerProblem(ctx, error, options)
    }
  })
}

/** The route as the API writes it, `/users/{id}`, for metrics, logs and the server span's name. */
function nameRoute(ctx: Context, path: string): void {
  ctx.state.route = path
  const rpc = getRPCMetadata(context.active())
  if (rpc?.type === RPCType.HTTP) rpc.route = path
  trace.getActiveSpan()?.setAttribute('http.route', path)
}

/** All faults of a request are named at once, each where it is. */
async function checkRequest<Definition extends RouteDefinition>(
  ctx: Context & { params?: Record<string, string> },
  definition: Definition,
): Promise<RouteRequest<Definition>> {
  const errors: FieldError[] = []
  const check = (
    schema: z.ZodType | undefined,
    value: unknown,
    at: (path: PropertyKey[]) => Omit<FieldError, 'detail'>,
  ) => {
    if (schema === undefined) return undefined
    const result = schema.safeParse(value)
    if (result.success) return result.data
    for (const issue of result.error.issues) errors.push({ ...at(issue.path), detail: issue.message })
    return undefined
  }
  const parameter = (path: PropertyKey[]) => ({ parameter: path.map(String).join('.') || 'query' })
  const pointer = (path: PropertyKey[]) => ({
    pointer: path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
  })
  const params = check(definition.params, { ...ctx.params }, parameter)
  const query = check(definition.query, { ...ctx.query }, parameter)
  const body = definition.body ? check(definition.body, await readJson(ctx.req), pointer) : undefined
  if (errors.length > 0) throw invalid(errors)
  return { params, query, body, headers: ctx.headers } as RouteRequest<Definition>
}

/** The one place where an error becomes an answer, a log line and, when nothing inside did it, a mark on the span. */
function answerProblem(ctx: Context, error: unknown, options: HttpAppOptions): void {
  const problem = asProblem(error)
  const { status, retryAfter } = problem.details
  const request = currentRequest()
  ctx.status = status
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
  ctx.type = 'application/problem+json'
  ctx.body = JSON.stringify(problemBody(problem, { trace_id: request?.traceId, request_id: request?.requestId }))
  // An unread body would be taken for the next request.
  if (!ctx.req.complete) ctx.set('Connection', 'close')
  const server = getRPCMetadata(context.active())?.span
  if (status >= 500) {
    const span = trace.getActiveSpan()
    if (span) failSpan(span, error)
    options.logger.error(problem.details.detail, error instanceof Error ? error : { error })
  } else {
    options.logger.warn(problem.details.detail, { status, kind: problem.details.kind })
  }
  server?.setAttribute('error.type', status >= 500 ? errorType(error) : errorType(problem))
}

export interface HttpServer {
  server: Server
  /** Port it listens on. */
  port: number
  /**
   * Stops accepting, finishes what is in flight, then closes; what is still open after `timeoutMs` is cut. An idle
   * connection stays for `keepIdleMs` (default 4,000) after its last answer, for its owner to close or to use once more.
   */
  close(timeoutMs: number, keepIdleMs?: number): Promise<void>
}

export interface ListenOptions {
  /** Lets a successor listen on the same port before this process is gone (SO_REUSEPORT; where the system has it). */
  reusePort?: boolean
}

/**
 * Longer than any of our callers keeps an idle connection (2 s: the gateway's upstreams and the pools of the hops), so that
 * none is closed here at the moment in which a request is written to it there. That request could not be told from one that
 * was taken and lost, and a POST is then not tried again.
 */
const KEEP_IDLE_MS = 4_000
const SWEEP_MS = 20

/** Listens; rejects with a message that names the port when it is taken. */
export async function listen(app: Koa, host: string, port: number, options: ListenOptions = {}): Promise<HttpServer> {
  const handler = app.callback()
  let draining = false
  /** Open connections: when each became idle, or undefined while it has a request. */
  const connections = new Map<Socket, number | undefined>()
  const server = createServer(
    { keepAliveTimeout: 75_000, headersTimeout: 15_000, requestTimeout: 30_000 },
    (req, res) => {
      // A kept connection would bring further requests to a server that is going away.
      if (draining) res.setHeader('Connection', 'close')
      connections.set(req.socket, undefined)
      res.once('close', () => {
        if (connections.has(req.socket)) connections.set(req.socket, performance.now())
      })
      return handler(req, res)
    },
  )
  server.on('connection', (socket: Socket) => {
    connections.set(socket, performance.now())
    socket.once('close', () => connections.delete(socket))
  })
  server.on('clientError', (_error: Error, socket: Socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === 'EADDRINUSE' ? 'another process has this port; set PORT to a free one' : cause.message
      reject(new Error(`can't listen on ${host}:${port}: ${reason}`, { cause }))
    })
    server.listen({ port, host, reusePort: options.reusePort ?? false }, resolve)
  })

  function closeIdle(keepIdleMs: number): void {
    const before = performance.now() - keepIdleMs
    for (const [socket, idleSince] of connections) if (idleSince !== undefined && idleSince <= before) socket.destroy()
  }

  return {
    server,
    port: (server.address() as { port: number }).port,
    close: (timeoutMs, keepIdleMs = KEEP_IDLE_MS) =>
      new Promise((resolve) => {
        draining = true
        const cut = setTimeout(() => server.closeAllConnections(), timeoutMs)
        const sweep = setInterval(() => closeIdle(keepIdleMs), SWEEP_MS)
        // Not http.Server's own close, which drops every idle connection at once. In the check phase, right after the loop
        // has accepted all that waits: what a successor's port mate leaves in its queue is reset by the kernel.
        setImmediate(() => {
          NetServer.prototype.close.call(server, () => {
            clearTimeout(cut)
            clearInterval(sweep)
            resolve()
          })
          closeIdle(keepIdleMs)
        })
      }),
  }
}
