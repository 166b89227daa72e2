/**
 * The server span of a request, by OpenTelemetry's HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
 * Made here and not by an instrumentation of `node:http`: that one ends it when the event loop hears that the connection took
 * the answer, which under load is after the caller has read it, and with the status that Koa happens to hold then.
 */
import type { Socket } from 'node:net'
import { type Attributes, context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { getRPCMetadata, RPCType, setRPCMetadata, suppressTracing } from '@opentelemetry/core'
import type { Context } from 'koa'
import { type Ending, endingOf } from './listen.ts'
import { localTarget } from './request-target.ts'
import { NO_SPAN } from './spans.ts'
import { REQUEST_ROOT } from './telemetry/context.ts'
import { telemetry } from './telemetry/state.ts'

/** `error.type` of a request whose client closed the connection before there was an answer: Nginx' 499, by its name. */
export const CLIENT_GONE = 'client_closed_request'

const tracer = trace.getTracer('@sightline/service-kit')

/**
 * Runs `work` in the server span, below the span of the caller's headers. It ends when `work` does: all that was done for
 * the request lies inside, and the answer has not left yet, so it ends before its caller's span.
 */
export function inServerSpan(ctx: Context, work: () => Promise<void>): Promise<void> {
  if (isProbe(ctx)) return context.with(suppressTracing(context.active()), work)
  const caller = propagation.extract(REQUEST_ROOT, ctx.headers)
  // Log lines keep the id of the trace that the request belongs to.
  if (telemetry.untraced?.test(ctx.path)) return context.with(suppressTracing(caller), work)
  if (telemetry.onlyPassesOn) return context.with(trace.getSpan(caller) ? caller : trace.setSpan(caller, NO_SPAN), work)
  const known = methodLabel(ctx.method) !== '_OTHER'
  const options = { kind: SpanKind.SERVER, attributes: requestAttributes(ctx) }
  const span = tracer.startSpan(known ? ctx.method : 'HTTP', options, caller)
  const active = setRPCMetadata(trace.setSpan(caller, span), { type: RPCType.HTTP, span })
  return context.with(active, async () => {
    try {
      await work()
    } finally {
      span.end()
    }
  })
}

/** Scrapes and probes would bury the traces of real requests; one whose trace is recorded is somebody's question. */
function isProbe({ req, url }: Context): boolean {
  return telemetry.probes.has(url) && !/^[^-]{2}-[^-]{32}-[^-]{16}-.[13579bdf]/.test(textOf(req.headers.traceparent))
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']

/** The method, or `_OTHER`: it comes from outside, and neither labels nor names of spans may grow without end. */
export function methodLabel(method: string): string {
  return METHODS.includes(method) ? method : '_OTHER'
}

function requestAttributes({ req, method, url }: Context): Attributes {
  const { socket, headers } = req
  const known = methodLabel(method)
  const [path, query] = splitTarget(url)
  const attributes: Attributes = {
    'http.request.method': known,
    'url.scheme': 'http',
    'url.path': path,
    'network.peer.address': socket.remoteAddress,
    'network.peer.port': socket.remotePort,
    'network.protocol.version': req.httpVersion,
  }
  if (known !== method) attributes['http.request.method_original'] = method
  if (query !== '') attributes['url.query'] = query
  // Where the gateway is in front, it says what it was asked for and by whom.
  const [host, port] = splitHost(textOf(headers['x-forwarded-host']) || textOf(headers.host))
  if (host !== '') {
    attributes['server.address'] = host
    attributes['server.port'] = port
  }
  const client = textOf(headers['x-forwarded-for']).split(',')[0]!.trim() || socket.remoteAddress
  if (client !== undefined) attributes['client.address'] = client
  const agent = textOf(headers['user-agent'])
  if (agent !== '') attributes['user_agent.original'] = agent
  return attributes
}

/** Node joins what comes more than once. */
const textOf = (header: string | string[] | undefined) => (typeof header === 'string' ? header : '')

/** `[::1]:8080` and `example.com` alike; a port that is not said is that of HTTP. */
function splitHost(text: string): [host: string, port: number] {
  const colon = text.lastIndexOf(':')
  const port = colon < 0 ? '' : text.slice(colon + 1)
  return /^\d+$/.test(port) ? [text.slice(0, colon), Number(port)] : [text, 80]
}

/** Path and query of a request line, which may hold a whole URL or nonsense: Koa's own reading of it throws on some. */
function splitTarget(target: string): [path: string, query: string] {
  const local = localTarget(target)
  const mark = local.indexOf('?')
  return mark < 0 ? [local || '/', ''] : [local.slice(0, mark) || '/', local.slice(mark + 1)]
}

/** The server span of the request in which this is called; undefined without one. */
export function serverSpan() {
  return getRPCMetadata(context.active())?.span
}

/**
 * To be asked when all work is done: whether `ctx.status` will be sent on the request's `socket`. Where the connection is gone
 * it never is, whatever Koa holds by then (404 until a handler has answered).
 */
export function outcomeOf(ctx: Context, socket: Socket): Ending {
  // Koa can't tell of a response that still waits for the one before it on the same connection (pipelining).
  if (ctx.writable && !socket.destroyed) return { status: ctx.status, errorType: undefined }
  return endingOf(socket) ?? { status: undefined, errorType: CLIENT_GONE }
}

/**
 * The last word on the server span. A client that went away leaves the span's status unset: the service has not failed, and
 * nobody can use up its error budget by closing connections.
 */
export function markServerSpan({ status, errorType }: Ending): void {
  const span = serverSpan()
  if (errorType !== undefined) span?.setAttribute('error.type', errorType)
  if (status === undefined) return
  span?.setAttribute('http.response.status_code', status)
  if (status >= 500) span?.setStatus({ code: SpanStatusCode.ERROR })
}
