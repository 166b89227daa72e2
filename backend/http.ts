/**
 * HTTP at the edge of the embedded backend.
 *
 * The query APIs are plain functions from request to response (`ApiHandler`): they run in the worker thread, where there
 * are no sockets, and in tests, where there needn't be. `listen` puts one behind a port.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { Duplex } from 'node:stream'
import { type AllowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'
import { localTarget } from '@sightline/service-kit/request-target'

export interface ApiRequest {
  readonly method: string
  /** Decoded by nobody yet: percent-escapes are as the client sent them. No query string. */
  readonly path: string
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
}

export interface ApiResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

export type ApiHandler = (request: ApiRequest) => ApiResponse | Promise<ApiResponse>

/** One that makes more of a body: `grown` is told of the bytes it decompressed, which count while the request is under way. */
export type BodyHandler = (request: ApiRequest, grown: (bytes: number) => void) => ApiResponse | Promise<ApiResponse>

/** A refusal that the client may read: its message is sent as it is, with the status. */
export interface HttpError extends Error {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A refusal with this status; `headers` in lower case, e.g. `retry-after`. To be thrown by a handler. */
export function httpError(status: number, message: string, headers: Record<string, string> = {}): HttpError {
  return Object.assign(new Error(message), { status, headers })
}

/** Errors are told apart by what they carry, not by a class. */
export function isHttpError(error: unknown): error is HttpError {
  return error instanceof Error && typeof (error as { status?: unknown }).status === 'number'
}

/**
 * What the client is told of an error, in one place for both threads: a refusal as it is, of anything else 500 and no
 * more. `onError` gets what is not the client's fault.
 */
export function errorAnswer(error: unknown, onError: (error: unknown) => void): ApiResponse {
  if (isHttpError(error)) return text(error.status, `${error.message}\n`, { ...error.headers })
  onError(error)
  return text(500, 'internal error\n')
}

/** One part of a path, its percent-escapes resolved; refused when they are none. */
export function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw httpError(400, `${part} is not percent-encoded text`)
  }
}

/** A text/plain answer. `headers` in lower case. */
export const text = (status: number, body: string, headers: Record<string, string> = {}): ApiResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  body,
})

/** An application/json answer of whatever JSON.stringify takes. `headers` in lower case. */
export const json = (status: number, value: unknown, headers: Record<string, string> = {}): ApiResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value),
})

/** Queries come in the address, percent-encoded: Node's 16 KiB would cut off the long ones of dashboards. */
const MAX_HEADER_BYTES = 64 * 1024
/** An upload that moves may take so long, however slowly it moves; one that stands still is cut by `createUploads`. */
const LONGEST_UPLOAD_MS = 600_000

/**
 * Starts a server on `port` (0: any free one) and resolves when it listens. Rejects with the port's number and
 * `variable`, which chooses it.
 */
export async function listen(listener: RequestListener, host: string, port: number, variable: string): Promise<Server> {
  const server = createServer(
    { keepAliveTimeout: 65_000, requestTimeout: LONGEST_UPLOAD_MS, maxHeaderSize: MAX_HEADER_BYTES },
    listener,
  )
  server.on('clientError', refuseUnreadable)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'is in use' : `can't be opened (${error.code})`
      reject(
        new Error(`Port ${port} ${reason}. Stop what holds it, or choose another by ${variable}.`, { cause: error }),
      )
    })
    server.listen(port, host, resolve)
  })
  return server
}

/** What Node can't read is no request yet: the answer goes to the socket. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const [status, message] = UNREADABLE[error.code ?? ''] ?? [400, 'What arrived can not be read as HTTP.']
  const body = `${message}\n`
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  )
}

const UNREADABLE: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, `Address and headers are longer than ${MAX_HEADER_BYTES} bytes. Shorten the query.`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time. Send it without a pause.'],
}

const SWEEP_EVERY_MS = 50

/**
 * Takes no more connections and resolves when all are closed: each after its answer, or cut when `drainMs` are over.
 */
export async function closeServer(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // A connection is kept for a next request; here there will be none.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_EVERY_MS)
  const cut = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearInterval(sweep)
  clearTimeout(cut)
}

/** Throws an HttpError when the request is for another name than `hosts` has, or from another site's page. */
export function assertAllowed(req: IncomingMessage, hosts: AllowedHosts): void {
  const refusal = refusalOf(req, hosts)
  if (refusal) throw httpError(refusal.status, refusal.detail)
}

const MAX_BODY_BYTES = 8 << 20

/**
 * Serves a handler to whom `hosts` lets in. A body beyond 8 MiB is refused with 413, what the handler throws is told
 * by `errorAnswer`.
 */
export function serveApi(
  handler: BodyHandler,
  hosts: AllowedHosts,
  onError: (error: unknown) => void,
  uploads: Uploads = createUploads(8 * MAX_BODY_BYTES),
): RequestListener {
  return (req, res) => {
    void answer(handler, hosts, req, uploads)
      .catch((error: unknown) => errorAnswer(error, onError))
      .then((response) => send(req, res, response))
  }
}

async function answer(
  handler: BodyHandler,
  hosts: AllowedHosts,
  req: IncomingMessage,
  uploads: Uploads,
): Promise<ApiResponse> {
  assertAllowed(req, hosts)
  const [path, query] = splitUrl(req.url ?? '/')
  const request = { method: req.method ?? 'GET', path, query, headers: flatHeaders(req) }
  if (req.method === 'GET' || req.method === 'HEAD') return handler(request, () => {})
  return uploads.take(req, MAX_BODY_BYTES, (body, grown) => handler({ ...request, body }, grown))
}

/** `/path?a=b`, or that as a whole URL (RFC 9112, 3.2.2) -> [`/path`, a=b]. The path stays percent-encoded. */
export function splitUrl(target: string): [path: string, query: URLSearchParams] {
  const url = localTarget(target)
  const mark = url.indexOf('?')
  return mark < 0 ? [url, new URLSearchParams()] : [url.slice(0, mark), new URLSearchParams(url.slice(mark + 1))]
}

/** Headers as ApiRequest has them: lower-case names, values sent several times joined by `, `. */
export function flatHeaders(req: IncomingMessage): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return flat
}

export interface Uploads {
  /**
   * Reads the whole body and hands it to `use`, with a function that is told of further bytes made of it (decompressed
   * ones); until `use` is done they count. Rejects with an HttpError: 413 as soon as the body is known to be larger than
   * `limit` bytes, 408 when it stands still, 429 when it had to make room, 400 when the client went away.
   */
  take<T>(
    req: IncomingMessage,
    limit: number,
    use: (body: Buffer, grown: (bytes: number) => void) => T | Promise<T>,
  ): Promise<T>
}

interface Upload {
  bytes: number
  readonly startedMs: number
  /** While it is being read; undefined once its body is whole. */
  cut: ((error: HttpError) => void) | undefined
}

/**
 * Bodies that are under way to one port, `maxBytes` of them at once, counted as they arrive: what is only announced takes
 * nothing from others. One that sends nothing for `idleMs` is cut. When there is no more room, the one that moves most slowly
 * makes some, if it has been at it for so long; otherwise the newest is told to come back.
 */
export function createUploads(maxBytes: number, idleMs = 10_000): Uploads {
  const open = new Set<Upload>()
  let held = 0

  function grow(upload: Upload, bytes: number): void {
    upload.bytes += bytes
    held += bytes
    while (held > maxBytes) {
      const slow = slowest(open, performance.now(), idleMs)
      if (slow === undefined || slow === upload) throw FULL()
      // Its room is free at once, not when its client hears of it.
      close(slow)
      slow.cut!(FULL())
    }
  }

  function close(upload: Upload): void {
    if (open.delete(upload)) held -= upload.bytes
  }

  return {
    async take(req, limit, use) {
      const upload: Upload = { bytes: 0, startedMs: performance.now(), cut: undefined }
      open.add(upload)
      try {
        const body = await readBody(req, limit, {
          idleMs,
          arrived: (bytes) => grow(upload, bytes),
          cuttable: (cut) => {
            upload.cut = cut
          },
        })
        return await use(body, (bytes) => grow(upload, bytes))
      } finally {
        close(upload)
      }
    },
  }
}

const FULL = () => httpError(429, 'Too much is being received at once. Send this again.', { 'retry-after': '1' })

/** Of the uploads that have been moving for `ms` at least, the one with the fewest bytes a second. */
function slowest(open: Iterable<Upload>, nowMs: number, ms: number): Upload | undefined {
  let slow: Upload | undefined
  const rate = ({ bytes, startedMs }: Upload) => bytes / (nowMs - startedMs)
  for (const upload of open) {
    if (upload.cut === undefined || upload.bytes === 0 || nowMs - upload.startedMs < ms) continue
    if (slow === undefined || rate(upload) < rate(slow)) slow = upload
  }
  return slow
}

interface Reading {
  readonly idleMs: number
  /** Told of each part; what it throws ends the reading. */
  arrived(bytes: number): void
  /** Gets what ends the reading from outside, and undefined once that is too late. */
  cuttable(cut: ((error: HttpError) => void) | undefined): void
}

const stoodStill = (ms: number) =>
  httpError(408, `Nothing of the body came for ${ms / 1000} s. Send the request again.`)

/** With more announced, memory is taken as the body comes. */
const FIRST_BYTES = 256 << 10

function readBody(req: IncomingMessage, limit: number, reading: Reading): Promise<Buffer> {
  const tooLarge = () =>
    httpError(413, `The body is larger than the ${limit} bytes accepted here. Send it in smaller parts.`)
  const announced = Number(req.headers['content-length'] ?? 16_384)
  if (announced > limit) return Promise.reject(tooLarge())
  let body = Buffer.allocUnsafeSlow(Math.min(announced, FIRST_BYTES))
  let size = 0
  let ended = false
  return new Promise((resolve, reject) => {
    const idle = setTimeout(() => {
      // After a busy moment of this process timers come before what has arrived meanwhile: that is looked at first.
      const before = size
      setImmediate(() => {
        if (size === before) end(stoodStill(reading.idleMs))
      })
    }, reading.idleMs)
    const end = (error: unknown): void => {
      if (ended) return
      ended = true
      clearTimeout(idle)
      reading.cuttable(undefined)
      req.off('data', take).off('end', whole).off('error', gone).off('close', gone)
      // Read no further. The answer goes out before the connection is closed (`send`), and a late error has a listener.
      req.on('error', () => {}).pause()
      if (error === undefined) resolve(body.subarray(0, size))
      else reject(error)
    }
    const take = (chunk: Buffer): void => {
      idle.refresh()
      try {
        if (size + chunk.length > limit) throw tooLarge()
        reading.arrived(chunk.length)
      } catch (error) {
        end(error)
        return
      }
      if (size + chunk.length > body.length) {
        const larger = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(body.length * 2, size + chunk.length)))
        body.copy(larger, 0, 0, size)
        body = larger
      }
      size += chunk.copy(body, size)
    }
    const whole = (): void => end(undefined)
    // The client went away: nobody is there to be told, and it is no fault of ours.
    const gone = (): void => end(httpError(400, 'The request ended before its body did.'))
    reading.cuttable(end)
    req.on('data', take).on('end', whole).on('error', gone).on('close', gone)
  })
}

/** Sends an answer: its body is left out for HEAD, and a connection with an unread body is closed after it. */
export function send(req: IncomingMessage, res: ServerResponse, response: ApiResponse): void {
  const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body
  // A body that was refused unread would be taken for the next request on this connection.
  const unread = !req.complete && req.method !== 'GET' && req.method !== 'HEAD'
  res.writeHead(response.status, {
    ...response.headers,
    'content-length': body.length,
    ...(unread && { connection: 'close' }),
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}
