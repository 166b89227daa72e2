/**
 * Main thread. `tail`: new lines of a log query by WebSocket, in Loki's shape, as they come in.
 *
 * It asks the query API again and again for the last moments and sends what it hasn't sent yet. Lines may come in late
 * and out of order, so each question reaches back a little further than the last answer did.
 */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type AllowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'
import { WebSocket, WebSocketServer } from 'ws'
import { type ApiHandler, splitUrl } from '../../http.ts'
import { parseTimestamp } from './params.ts'
import type { Stream } from './streams.ts'

export interface TailDeps {
  /** Answers `query_range`. */
  readonly loki: ApiHandler
  /** A page of any site may open a WebSocket anywhere: what it sends is for those of these hosts. */
  readonly hosts: AllowedHosts
  /** How often to ask, in milliseconds. */
  readonly intervalMs?: number
  /** How late a line may come in and still be sent, in milliseconds. */
  readonly lateMs?: number
  readonly onError: (error: unknown) => void
}

const TAIL_PATH = '/loki/api/v1/tail'
const MAX_TAILS = 20
/** Bytes a slow client may leave unread before lines are left out for it. */
const MAX_BUFFERED = 4 << 20
/** A tail is listened to: all it may say is to close, or to ask for a sign of life. */
const MAX_PAYLOAD_BYTES = 1024

/** Takes WebSocket upgrades of the server. The returned function ends all tails. */
export function attachTail(server: Server, deps: TailDeps): () => void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD_BYTES })
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Node takes its own listener off an upgraded socket, and an error nobody listens to ends the process.
    socket.on('error', () => socket.destroy())
    const refusal = refusalOf(request, deps.hosts)
    if (refusal) {
      const reason = STATUS_CODES[refusal.status]
      socket.end(`HTTP/1.1 ${refusal.status} ${reason}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const [path, query] = splitUrl(request.url ?? '/')
    if (path !== TAIL_PATH) {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
      return
    }
    if (sockets.clients.size >= MAX_TAILS) {
      socket.end('HTTP/1.1 429 Too Many Requests\r\nretry-after: 10\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, (client) => follow(client, query, encodingOf(request), deps))
  }
  server.on('upgrade', upgrade)
  return () => {
    server.off('upgrade', upgrade)
    for (const client of sockets.clients) client.terminate()
    sockets.close()
  }
}

/** How the lines are to be told, as `query_range` takes it. */
function encodingOf({ headers }: IncomingMessage): Record<string, string> {
  const flags = headers['x-loki-response-encoding-flags']
  return flags === undefined ? {} : { 'x-loki-response-encoding-flags': String(flags) }
}

function follow(client: WebSocket, query: URLSearchParams, headers: Record<string, string>, deps: TailDeps): void {
  const { intervalMs = 300, lateMs = 5_000 } = deps
  const limit = Math.min(Math.max(Math.trunc(Number(query.get('limit') ?? 100)) || 100, 1), 5_000)
  const delayNs =
    BigInt(Math.min(Math.max(Math.trunc(Number(query.get('delay_for') ?? 0)) || 0, 0), 5)) * 1_000_000_000n
  const now = (): bigint => BigInt(Date.now()) * 1_000_000n
  const openedNs = now()
  const startNs = parseTimestamp(query.get('start') ?? '') ?? openedNs - 3_600_000_000_000n
  // Keys of the lines sent, with their times: kept as long as the next questions reach back to them.
  const sent = new Map<string, bigint>()
  let first = true
  // Set by a first answer that was cut off: older lines were left out, not late.
  let leftOutNs = -1n
  let timer: NodeJS.Timeout | undefined

  const ask = async (): Promise<void> => {
    const untilNs = now() - delayNs
    const reach = untilNs - BigInt(lateMs) * 1_000_000n
    let fromNs = startNs
    if (!first && reach > fromNs) fromNs = reach
    if (leftOutNs >= fromNs) fromNs = leftOutNs + 1n
    const params = new URLSearchParams({
      query: query.get('query') ?? '',
      start: String(fromNs),
      end: String(untilNs + 1n),
      // At first only the last lines; then all of them, oldest first.
      limit: String(first ? limit : 5_000),
      direction: first ? 'backward' : 'forward',
    })
    const response = await deps.loki({ method: 'GET', path: '/loki/api/v1/query_range', query: params, headers })
    if (client.readyState !== WebSocket.OPEN) return
    if (response.status !== 200) {
      // 1003: what was sent can't be used. Reasons are at most 123 bytes.
      const reason = Buffer.from(Buffer.from(response.body).subarray(0, 120).toString().trim()).subarray(0, 120)
      client.close(1003, reason.toString().replace(/\ufffd+$/, ''))
      return
    }
    const { data } = JSON.parse(Buffer.from(response.body).toString()) as { data: QueryData }
    deliver(data)
    if (first) leftOutNs = cutOff(data, limit)
    for (const [key, timeNs] of sent) if (timeNs < reach) sent.delete(key)
    first = false
    timer = setTimeout(run, intervalMs)
  }

  const deliver = (data: QueryData): void => {
    if (data.resultType !== 'streams') {
      client.close(1003, 'only log queries can be tailed')
      return
    }
    const streams: Stream[] = []
    const dropped: { labels: Stream['stream']; timestamp: string }[] = []
    for (const { stream, values } of data.result) {
      const seen = new Map<string, number>()
      const fresh = values.filter(([time, line]) => {
        // Equal lines of one moment are told apart by counting them.
        const text = `${JSON.stringify(stream)}\0${time}\0${line}`
        const nth = (seen.get(text) ?? 0) + 1
        seen.set(text, nth)
        const key = `${text}\0${nth}`
        if (sent.has(key)) return false
        sent.set(key, BigInt(time))
        return true
      })
      if (fresh.length === 0) continue
      if (client.bufferedAmount > MAX_BUFFERED) {
        for (const [timestamp] of fresh) dropped.push({ labels: stream, timestamp })
      } else {
        streams.push({ stream, values: fresh.sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1)) })
      }
    }
    if (streams.length === 0 && dropped.length === 0) return
    client.send(JSON.stringify({ streams, ...(dropped.length > 0 && { dropped_entries: dropped }) }))
  }

  const run = (): void => {
    ask().catch((error: unknown) => {
      deps.onError(error)
      client.close(1011, 'internal error')
    })
  }
  client.on('close', () => clearTimeout(timer))
  client.on('error', (error: NodeJS.ErrnoException) => {
    // A frame that is too long or no frame at all is the client's fault, and the socket has been closed with its code.
    if (!error.code?.startsWith('WS_ERR_')) deps.onError(error)
  })
  run()
}

/** What `query_range` answers under `data`. */
interface QueryData {
  readonly resultType: string
  readonly result: Stream[]
}

/** The time of the oldest line of a full answer; -1 when everything was in it. */
function cutOff({ result }: QueryData, limit: number): bigint {
  const times = result.flatMap(({ values }) => values.map(([time]) => BigInt(time)))
  if (times.length < limit) return -1n
  return times.sort((a, b) => (a < b ? -1 : 1))[0]!
}
