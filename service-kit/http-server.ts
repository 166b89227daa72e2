/**
 * What every request meets, in this order: identity and time budget -> is it meant for us -> route -> checks of its parts -> handler -> answer.
 * Errors from anywhere become an answer in one place (`answerProblem`).
 */
import { METHODS } from 'node:http'
import Router from '@koa/router'
import { trace } from '@opentelemetry/api'
import Koa, { type Context, type Next } from 'koa'
import type { z } from 'zod'
import { type AllowedHosts, refusalOf } from './allowed-hosts.ts'
import { hasBody, readJson } from './body.ts'
import { roundMs } from './durations.ts'
import type { Ending } from './listen.ts'
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
  refusedHost,
} from './problems.ts'
import {
  currentRequest,
  type RequestContext,
  remainingMs,
  requestContextFrom,
  runInRequest,
} from './request-context.ts'
import { inServerSpan, markServerSpan, methodLabel, outcomeOf, serverSpan } from './server-span.ts'
import { failSpan, withBaggage } from './spans.ts'
import { telemetry } from './telemetry/state.ts'

/** The part of a contract's endpoint that a server needs; contracts define many, the kit knows none. */
export interface RouteDefinition {
  method: 'get' | 'post'
  /** OpenAPI template: `/users/{id}`; `{+rest}` takes slashes too. */
  path: string
  params?: z.ZodType
  query?: z.ZodType
  body?: z.ZodType
  /** Makes the same of a query, for a request that has no body and says it there. */
  fieldsInQuery?: z.ZodType
  /**
   * Asked by machines every few seconds: answered under overload and without a look at the time budget, kept out of the
   * log, and traced only when the request carries a trace.
   */
  probe?: boolean
}

type Output<Schema> = NonNullable<Schema> extends z.ZodType ? z.output<NonNullable<Schema>> : undefined
/** What a handler gets: parameters, query and body as their schemas have made them; undefined where there is no schema. */
export interface RouteRequest<Definition extends RouteDefinition> {
  params: Output<Definition['params']>
  query: Output<Definition['query']>
  body: Output<Definition['body']>
  headers: Context['headers']
}
/** What a handler gives back. */
export interface Answer {
  status: number
  /** Sent as JSON; a string or bytes are sent as they are (they must be JSON, or have their own content type). */
  body: unknown
  headers?: Record<string, string>
}

/** Takes the routes of an app, in the order in which they are tried. */
export interface Routes {
  /** The handler is asked with a request that has passed its schemas; what has not is a 422 that names every fault. */
  add<Definition extends RouteDefinition>(
    definition: Definition,
    handler: (request: RouteRequest<Definition>) => Promise<Answer> | Answer,
  ): void
}

/** What an app is made with; a service passes its KitParts. */
export interface HttpAppOptions {
  logger: Logger
  metrics: Metrics
  /** REQUEST_BUDGET_MS: time budget of a request whose caller gives none. */
  config: { REQUEST_BUDGET_MS: number; SIGHTLINE_ALLOWED_HOSTS: AllowedHosts }
  /** Asked before work starts; an error it returns is the answer (overload). */
  admit?: () => ProblemError | undefined
}

/**
 * A Koa app with the routes that `addRoutes` adds, and everything around them: identity, time budget, checks, metrics, one
 * log line and one span per request. A handler throws what is to become the answer: a ProblemError as it says, Koa's own
 * 4xx errors with their text, anything else as a 500 that says nothing. Errors are answered in problem details (RFC 9457).
 */
export function createHttpApp(options: HttpAppOptions, addRoutes: (routes: Routes) => void): Koa {
  const app = new Koa()
  // All of Node's methods, so that one without a route is a 405 with Allow, never a 501.
  const router = new Router({ methods: METHODS })
  const exact = new Map<string, string[]>()
  const answered = options.metrics.histogram('http_server_request_duration_seconds')
  const active = options.metrics.gauge('http_server_active_requests')

  app.use((ctx, next) => inServerSpan(ctx, () => serve(ctx, next, options, answered, active)))
  // Koa's instrumentation patches the routes that exist when the router is used, so they are added first.
  addRoutes({
    add(definition, handler) {
      const methods = definition.method === 'get' ? ['HEAD', 'GET'] : ['POST']
      exact.set(definition.path, [...(exact.get(definition.path) ?? []), ...methods])
      addRoute(router, definition, handler, options)
    },
  })
  app.use(refuseUnanswered)
  app.use((ctx, next) => preferExact(ctx, next, exact))
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

/**
 * A path that a route names word for word is that route's, as OpenAPI has it, and no other's with a parameter there: the router would
 * answer its further methods by the other.
 */
async function preferExact(ctx: Context, next: Next, exact: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const methods = exact.get(ctx.path)
  if (methods === undefined || methods.includes(ctx.method)) return next()
  ctx.set('Allow', methods.join(', '))
  if (ctx.method === 'OPTIONS') ctx.body = ''
  else ctx.status = 405
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
  // A request whose body is not read to its end has none any more.
  const { socket } = ctx.req
  ctx.set('X-Request-ID', request.requestId)
  ctx.set('X-Trace-Id', request.traceId)
  active.inc()
  await runInRequest(request, () =>
    withBaggage({ 'request.id': request.requestId }, async () => {
      try {
        const refusal = refusalOf(ctx.req, options.config.SIGHTLINE_ALLOWED_HOSTS)
        if (refusal) throw refusedHost(refusal)
        await next()
      } catch (error) {
        answerProblem(ctx, error, options)
      }
      active.dec()
      finish(ctx, request, outcomeOf(ctx, socket), options, answered)
    }),
  )
}

/** Span, metric and log line end at one moment: all work is done, and Koa sends the answer next. */
function finish(
  ctx: Context,
  request: RequestContext,
  outcome: Ending,
  options: HttpAppOptions,
  answered: ReturnType<Metrics['histogram']>,
) {
  const seconds = (performance.now() - request.startedAt) / 1000
  const { status } = outcome
  const lost = (status === undefined && outcome.errorType) || ''
  const method = methodLabel(ctx.method)
  const route = (ctx.state.route as string | undefined) ?? ''
  markServerSpan(outcome)
  const labels = {
    http_request_method: method,
    http_route: route,
    http_response_status_code: status ?? '',
    error_type: lost,
  }
  observe(answered, labels, seconds)
  if (ctx.state.probe) return
  const what = `${ctx.method} ${route || 'unknown route'}`
  const took = { duration_ms: roundMs(seconds * 1000) }
  // What a handler did stays done: an order that its client no longer waits for is placed.
  if (status === undefined)
    options.logger.warn(`${what} not answered`, { method: ctx.method, route, error_type: lost, ...took })
  else options.logger.info(`${what} ${status}`, { method: ctx.method, route, status, ...took })
}

function addRoute<Definition extends RouteDefinition>(
  router: Router,
  definition: Definition,
  handler: (request: RouteRequest<Definition>) => Promise<Answer> | Answer,
  options: HttpAppOptions,
): void {
  const { probe = false } = definition
  const path = definition.path.replaceAll('{+', '{')
  if (probe) telemetry.probes.add(path)
  const pattern = definition.path.replace(/\{(\w+)\}/g, ':$1').replace(/\{\+(\w+)\}/g, '*$1')
  router[definition.method](pattern, async (ctx) => {
    ctx.state.probe = probe
    currentRequest()!.isProbe = probe
    nameRoute(ctx, path)
    // Caught here, inside the route's span: an error that left it would be recorded there a second time.
    try {
      if (!probe) {
        const refusal = options.admit?.()
        if (refusal) throw refusal
        const left = remainingMs()
        serverSpan()?.setAttribute('deadline.remaining_ms', Math.round(left))
        options.logger.debug(`${ctx.method} ${path} begins`, {
          method: ctx.method,
          route: path,
          budget_ms: Math.round(left),
        })
        if (left <= 0) throw deadlineExceeded()
      }
      const answer = await handler(await checkRequest(ctx, definition))
      ctx.status = answer.status
      for (const [name, value] of Object.entries(answer.headers ?? {})) ctx.set(name, value)
      // Before the body and in full: Koa would guess the type of a text, and then look up the one that was meant.
      if (answer.headers?.['Content-Type'] === undefined) ctx.set('Content-Type', 'application/json; charset=utf-8')
      const { body } = answer
      ctx.body = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    } catch (error) {
      answerProblem(ctx, error, options)
    }
  })
}

/** The route as the API writes it, `/users/{id}`, for metrics, logs and the server span's name. */
function nameRoute(ctx: Context, path: string): void {
  ctx.state.route = path
  const span = serverSpan()
  span?.updateName(`${ctx.method} ${path}`)
  span?.setAttribute('http.route', path)
  trace.getActiveSpan()?.setAttribute('http.route', path)
}

/** What is wrong at a place in a part of a request, as that part names its places. */
type FaultAt = (path: PropertyKey[], detail: string) => FieldError

/** All faults of a request are named at once, each where it is. */
async function checkRequest<Definition extends RouteDefinition>(
  ctx: Context & { params?: Record<string, string> },
  definition: Definition,
): Promise<RouteRequest<Definition>> {
  const errors: FieldError[] = []
  const check = (schema: z.ZodType | undefined, value: unknown, faultAt: FaultAt) => {
    if (schema === undefined) return undefined
    const result = schema.safeParse(value, { error: inWords })
    if (result.success) return result.data
    errors.push(...faultsOf(result.error.issues, faultAt))
    return undefined
  }
  const asked = { ...ctx.query }
  const inPath: FaultAt = (path, detail) => ({ parameter: path.map(String).join('.'), detail })
  const inQuery: FaultAt = ([name = 'query'], detail) => {
    const given = asked[String(name)]
    const twice = Array.isArray(given) ? `is given ${given.length} times; give it once` : undefined
    return { parameter: String(name), detail: twice ?? detail }
  }
  const inBody: FaultAt = (path, detail) => ({
    pointer: path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
    detail,
  })
  const params = check(definition.params, { ...ctx.params }, inPath)
  const { fieldsInQuery } = definition
  const saysMore = fieldsInQuery !== undefined && Object.keys(asked).length > 0
  const query = check(definition.query, saysMore ? {} : asked, inQuery)
  let body: unknown
  if (saysMore && !hasBody(ctx.req)) body = check(fieldsInQuery, asked, inQuery)
  else if (definition.body) {
    if (saysMore)
      errors.push({ parameter: 'query', detail: 'there is a body: give all fields there, or all in the query' })
    body = check(definition.body, await readJson(ctx.req, fieldsInQuery !== undefined), inBody)
  }
  if (errors.length > 0) throw invalid(errors)
  return { params, query, body, headers: ctx.headers } as RouteRequest<Definition>
}

/** What zod says in words of its own that mean nothing to a client; undefined leaves it to zod. */
function inWords({ code, input }: { code?: string; input?: unknown }): string | undefined {
  return code === 'invalid_type' && input === undefined ? 'is missing' : undefined
}

/**
 * One fault for each reason at each place. A number can be beyond two limits, those of its format and those of its own schema: the
 * latter come last, are the narrower, and stand for both.
 */
function faultsOf(issues: readonly z.core.$ZodIssue[], faultAt: FaultAt): FieldError[] {
  const faults = new Map<string, FieldError>()
  for (const { path, code, message } of issues) {
    const reason = code === 'too_big' || code === 'too_small' ? code : message
    faults.set(JSON.stringify([path.map(String), reason]), faultAt(path, message))
  }
  return [...faults.values()]
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
  if (status >= 500) {
    const span = trace.getActiveSpan()
    if (span) failSpan(span, error)
    options.logger.error(problem.details.detail, error instanceof Error ? error : { error })
  } else {
    options.logger.warn(problem.details.detail, { status, kind: problem.details.kind })
  }
  serverSpan()?.setAttribute('error.type', status >= 500 ? errorType(error) : errorType(problem))
}
