/** Loki's `tail` behind the console's own origin: the one WebSocket that its pages open. What follows the handshake goes through as it is. */
import { type IncomingMessage, request, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type AllowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'

const TAIL = '/loki/api/v1/tail'
const HANDSHAKE_MS = 10_000
/** What the handshake consists of (RFC 6455, 4.1), and nothing else of the page. */
const HANDSHAKE = ['upgrade', 'connection', 'sec-websocket-key', 'sec-websocket-version'] as const

/**
 * Takes WebSocket upgrades of the server: of the tail for whom `hosts` lets in, 404 for any other path. `lokiUrl` is Loki's base URL. The
 * returned function ends all tails.
 */
export function attachConsoleTail(server: Server, lokiUrl: string, hosts: AllowedHosts): () => void {
  const open = new Set<Duplex>()
  const upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Node takes its own listener off an upgraded socket, and an error nobody listens to ends the process.
    socket.on('error', () => socket.destroy())
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    const refusal = refusalOf(req, hosts)
    const [path, query = ''] = (req.url ?? '').split(/\?(.*)/s)
    if (refusal) refuse(socket, refusal.status)
    else if (path !== `/api/loki${TAIL}`) refuse(socket, 404)
    else passOn(req, socket, head, `${lokiUrl.replace(/\/$/, '')}${TAIL}?${query}`)
  }
  server.on('upgrade', upgrade)
  return () => {
    server.off('upgrade', upgrade)
    for (const socket of open) socket.destroy()
  }
}

function passOn(req: IncomingMessage, socket: Duplex, head: Buffer, target: string): void {
  const headers = Object.fromEntries(
    HANDSHAKE.flatMap((name) => (req.headers[name] ? [[name, String(req.headers[name])]] : [])),
  )
  // A browser's WebSocket has no headers of its own: labels and fields are told apart on its behalf.
  headers['x-loki-response-encoding-flags'] = 'categorize-labels'
  const upstream = request(target, { headers })
  const late = setTimeout(() => upstream.destroy(new Error('no answer')), HANDSHAKE_MS)
  upstream.once('upgrade', (answer, behind: Duplex, early: Buffer) => {
    clearTimeout(late)
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
        `sec-websocket-accept: ${answer.headers['sec-websocket-accept']}\r\n\r\n`,
    )
    behind.on('error', () => socket.destroy())
    behind.once('close', () => socket.destroy())
    socket.once('close', () => behind.destroy())
    if (early.length > 0) socket.write(early)
    if (head.length > 0) behind.write(head)
    behind.pipe(socket).pipe(behind)
  })
  upstream.once('response', (answer) => {
    answer.resume()
    refuse(socket, answer.statusCode ?? 502)
  })
  upstream.on('error', () => refuse(socket, 502))
  upstream.once('close', () => clearTimeout(late))
  socket.once('close', () => upstream.destroy())
  upstream.end()
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
