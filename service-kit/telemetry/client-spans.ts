/**
 * Client spans of undici's requests, by OpenTelemetry's HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/),
 * and the context on their way out. Heard on the channels that undici publishes, as instrumentation-undici does, which parses
 * a URL for each request, makes a map of its headers and records metrics that nobody reads; telemetry.test.ts holds the two together.
 */
import { channel } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import {
  type Attributes,
  context,
  diag,
  isSpanContextValid,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'

/** What the channels say of a request: undici's own object, the same one each time. */
interface UndiciRequest {
  readonly method: string
  readonly path: string
  readonly origin: string | URL
  /** Names and values in turn. */
  readonly headers: readonly (string | string[])[]
  addHeader(name: string, value: string): void
}

const tracer = trace.getTracer('@sightline/service-kit')
const open = new WeakMap<UndiciRequest, Span>()

/** From now on each request that is sent in a span has one of its own, and carries the context in any case. Called once. */
export function makeClientSpans(): void {
  channel('undici:request:create').subscribe((message) => begin((message as { request: UndiciRequest }).request))
  channel('undici:client:sendHeaders').subscribe((message) => {
    const { request, socket } = message as { request: UndiciRequest; socket: Socket & { alpnProtocol?: string } }
    open.get(request)?.setAttributes({
      'network.peer.address': socket.remoteAddress,
      'network.peer.port': socket.remotePort,
      'network.protocol.version': socket.alpnProtocol === 'h2' ? '2' : '1.1',
    })
  })
  channel('undici:request:headers').subscribe((message) => {
    const { request, response } = message as { request: UndiciRequest; response: { statusCode: number } }
    answered(open.get(request), response.statusCode)
  })
  channel('undici:request:trailers').subscribe((message) => end((message as { request: UndiciRequest }).request))
  channel('undici:request:error').subscribe((message) => {
    const { request, error } = message as { request: UndiciRequest; error: Error & { code?: string } }
    end(request, error)
  })
}

function begin(request: UndiciRequest): void {
  if (request.method === 'CONNECT') return
  let active = context.active()
  const parent = trace.getSpanContext(active)
  if (parent && isSpanContextValid(parent)) {
    const method = METHODS.has(request.method.toUpperCase()) ? request.method.toUpperCase() : '_OTHER'
    const attributes = attributesOf(request, method)
    if (attributes === undefined) return
    const span = tracer.startSpan(method === '_OTHER' ? 'HTTP' : method, { kind: SpanKind.CLIENT, attributes }, active)
    open.set(request, span)
    active = trace.setSpan(active, span)
  }
  const carrier: Record<string, string> = {}
  propagation.inject(active, carrier)
  for (const name in carrier) request.addHeader(name, carrier[name]!)
}

const METHODS = new Set(['CONNECT', 'OPTIONS', 'HEAD', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY'])

/** undefined of a request that has no URL. */
function attributesOf(request: UndiciRequest, method: string): Attributes | undefined {
  const target = targetOf(String(request.origin), request.path)
  if (target === undefined) return undefined
  const attributes: Attributes = {
    'http.request.method': method,
    'http.request.method_original': request.method,
    ...target,
  }
  const { headers } = request
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!
    if (typeof name !== 'string' || name.length !== 10 || name.toLowerCase() !== 'user-agent') continue
    const value = headers[at + 1]!
    attributes['user_agent.original'] = typeof value === 'string' ? value : value.at(-1)
  }
  return attributes
}

/** Few targets are asked again and again; ids in paths must not fill the memory. */
const targets = new Map<string, Attributes>()
const MOST_TARGETS = 256

/** The part of the attributes that follows from the URL. */
function targetOf(origin: string, path: string): Attributes | undefined {
  const key = origin + path
  const known = targets.get(key)
  if (known) return known
  let url: URL
  try {
    url = new URL(path, origin)
  } catch (error) {
    diag.warn(`no client span: ${error}`)
    return undefined
  }
  const scheme = url.protocol.slice(0, -1)
  const port = url.port || { http: '80', https: '443' }[scheme]
  const target: Attributes = {
    'url.full': url.href,
    'url.path': url.pathname,
    'url.query': url.search,
    'url.scheme': scheme,
    'server.address': url.hostname,
    ...(port ? { 'server.port': Number(port) } : {}),
  }
  if (targets.size >= MOST_TARGETS) targets.clear()
  targets.set(key, target)
  return target
}

function answered(span: Span | undefined, status: number): void {
  if (span === undefined) return
  span.setAttribute('http.response.status_code', status)
  if (status < 400) return
  span.setAttribute('error.type', String(status))
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** A request that its sender has taken back has not failed. */
function end(request: UndiciRequest, error?: Error & { code?: string }): void {
  const span = open.get(request)
  if (span === undefined) return
  open.delete(request)
  if (error !== undefined && error.name !== 'AbortError') {
    span.setAttribute('error.type', error.code || error.name || 'Error')
    span.recordException(error)
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message })
  }
  span.end()
}
