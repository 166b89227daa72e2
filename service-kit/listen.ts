/** A listening socket that can be drained: stops accepting, finishes what is in flight, cuts what takes too long. */
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { errorType, problemBody, unreadable } from './problems.ts'

/** A server that listens. */
export interface HttpServer {
  /** Port it listens on. */
  port: number
  /**
   * Stops accepting, finishes what is in flight, then closes; what is still open after `timeoutMs` is cut. An idle
   * connection stays for `keepIdleMs` (default 4,000) after its last answer, for its owner to close or to use once more.
   */
  close(timeoutMs: number, keepIdleMs?: number): Promise<void>
}

/** The first descriptor that a process is handed beside its standard ones: LISTEN_FDS of systemd's sd_listen_fds(3). */
const HANDED_FD = 3

/**
 * Longer than any of our callers keeps an idle connection (2 s: the gateway's upstreams and the pools of the hops), so that
 * none is closed here at the moment in which a request is written to it there. That request could not be told from one that
 * was taken and lost, and a POST is then not tried again.
 */
const KEEP_IDLE_MS = 4_000
const SWEEP_MS = 20
/** More than the gateway lets through (32 KiB and what it adds itself), so that what is too much is refused there, once. */
const MAX_HEADER_BYTES = 48 * 1024

/** How a request ended for its client: with a status or without one, and the `error.type` of what was in the way. */
export interface Ending {
  status: number | undefined
  errorType: string | undefined
}

const endings = new WeakMap<Socket, Ending>()

/** Of the request under way on a connection that the server has ended by itself; undefined where it was the client. */
export function endingOf(socket: Socket): Ending | undefined {
  return endings.get(socket)
}

/** Listens on `port` (0: any free one); rejects with a message that names the port when it is taken. */
export function listen(handler: RequestListener, host: string, port: number): Promise<HttpServer> {
  return listenOn(handler, { host, port }, `${host}:${port}`, 'another process has this port; set PORT to a free one')
}

/**
 * Listens on the socket that this process was handed, which others may listen on too: when this one stops, they take what
 * waits in its queue. Rejects when there is none.
 */
export function listenOnHanded(handler: RequestListener, fd = HANDED_FD): Promise<HttpServer> {
  return listenOn(handler, { fd }, `descriptor ${fd}`, 'it is in use')
}

async function listenOn(
  handler: RequestListener,
  where: { host: string; port: number } | { fd: number },
  named: string,
  inUse: string,
): Promise<HttpServer> {
  let draining = false
  /** Open connections: when each became idle, or undefined while it has a request. */
  const connections = new Map<Socket, number | undefined>()
  const server = createServer(
    {
      keepAliveTimeout: 75_000,
      headersTimeout: 15_000,
      requestTimeout: 30_000,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
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
  server.on('clientError', refuseUnreadable)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === 'EADDRINUSE' ? inUse : cause.message
      reject(new Error(`can't listen on ${named}: ${reason}`, { cause }))
    })
    server.listen(where, resolve)
  })

  function cutAll(): void {
    for (const [socket, idleSince] of connections)
      if (idleSince === undefined) endings.set(socket, { status: undefined, errorType: 'server_stopped' })
    server.closeAllConnections()
  }

  function closeIdle(keepIdleMs: number): void {
    const before = performance.now() - keepIdleMs
    for (const [socket, idleSince] of connections) if (idleSince !== undefined && idleSince <= before) socket.destroy()
  }

  return {
    port: (server.address() as { port: number }).port,
    close: (timeoutMs, keepIdleMs = KEEP_IDLE_MS) =>
      new Promise((resolve) => {
        draining = true
        const cut = setTimeout(cutAll, timeoutMs)
        const sweep = setInterval(() => closeIdle(keepIdleMs), SWEEP_MS)
        // Not http.Server's own close, which drops every idle connection at once. In the check phase, right after the loop
        // has accepted all that waits: the kernel resets what is in the queue of a socket that nobody else listens on.
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

/** What Node refuses before there is a request: said on the socket, in the form of every other problem. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const problem = unreadable(error.code)
  const { status, title } = problem.details
  endings.set(socket, { status, errorType: errorType(problem) })
  const ids = { trace_id: randomBytes(16).toString('hex'), request_id: randomUUID() }
  const body = JSON.stringify(problemBody(problem, ids))
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-ID: ${ids.request_id}`,
    `X-Trace-Id: ${ids.trace_id}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
