/**
 * The query APIs behind the console's own origin. Only what reads is let through: what could write, delete or
 * reconfigure isn't in the list, whatever the backend behind a name offers.
 */
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'

export interface Upstream {
  readonly url: string
  /** [method, path after the upstream's name] */
  readonly allowed: readonly (readonly [method: 'GET' | 'POST', path: RegExp])[]
}

export type Upstreams = Readonly<Record<string, Upstream>>

/** Base URLs -> what of each may be asked. Paths are those after `/api/<name>`. */
export function queryUpstreams(urls: {
  tempo: string
  loki: string
  prometheus: string | undefined
  alertmanager: string | undefined
  audit: string | undefined
}): Upstreams {
  return {
    tempo: {
      url: urls.tempo,
      allowed: [['GET', /^\/api\/(search|traces|v2\/traces|v2\/search|metrics|echo|status\/buildinfo)(\/|$)/]],
    },
    loki: {
      url: urls.loki,
      allowed: [
        [
          'GET',
          /^\/loki\/api\/v1\/(query|query_range|labels|label\/[^/]+\/values|series|index\/\w+|detected_fields|detected_labels|patterns|format_query)$/,
        ],
      ],
    },
    ...(urls.prometheus && {
      prometheus: {
        url: urls.prometheus,
        allowed: [
          [
            'GET',
            /^\/api\/v1\/(query|query_range|query_exemplars|labels|label\/[^/]+\/values|series|metadata|targets|rules|alerts|status\/buildinfo)$/,
          ],
          ['POST', /^\/api\/v1\/(query|query_range|query_exemplars|labels|series)$/],
        ],
      },
    }),
    ...(urls.alertmanager && {
      alertmanager: { url: urls.alertmanager, allowed: [['GET', /^\/api\/v2\/(alerts|silences|receivers)$/]] },
    }),
    ...(urls.audit && {
      audit: { url: urls.audit, allowed: [['GET', /^\/audit(\/(verify|checkpoint|\d+\/(proof|receipt)))?$/]] },
    }),
  }
}

/** A request body is a form of query parameters. */
const MAX_BODY = 256 * 1024
/** Said with a 413. */
export const TOO_LARGE = `A query may have ${MAX_BODY} bytes at most, and must say its length.`

/** Judged by its headers: larger than a query may be, or of unknown length. */
export const isTooLarge = ({ headers }: IncomingMessage): boolean =>
  Number(headers['content-length'] ?? 0) > MAX_BODY || headers['transfer-encoding'] !== undefined

const TIMEOUT_MS = 30_000
const PASSED_ON = [
  'accept',
  'accept-encoding',
  'content-type',
  'content-length',
  'x-loki-response-encoding-flags',
] as const

export type Proxy = (req: IncomingMessage, res: ServerResponse, name: string, path: string, search: string) => void

/**
 * Passes a request on, and the answer back with its status. Refuses with 403 what is not allowed, 404 a name it doesn't know, 413
 * what is too large, 502 and 504 when the other side is away or slow.
 */
export function createProxy(
  upstreams: Upstreams,
  refuse: (res: ServerResponse, status: number, message: string) => void,
): Proxy {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  return (req, res, name, path, search) => {
    const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined
    if (!upstream) return refuse(res, 404, `There is no data source "${name}".`)
    if (!upstream.allowed.some(([method, pattern]) => method === req.method && pattern.test(path))) {
      return refuse(res, 403, `${req.method} ${path} of ${name} is not one of the queries this console passes on.`)
    }
    if (isTooLarge(req)) return refuse(res, 413, TOO_LARGE)
    const target = new URL(upstream.url.replace(/\/$/, '') + path + search)
    const headers = Object.fromEntries(
      PASSED_ON.flatMap((header) => (req.headers[header] ? [[header, req.headers[header]!]] : [])),
    )
    const forwarded = httpRequest(target, { method: req.method, headers, agent, timeout: TIMEOUT_MS }, (answer) => {
      const kept = ['content-type', 'content-encoding', 'content-length', 'retry-after'].flatMap((header) =>
        answer.headers[header] ? [[header, answer.headers[header]!] as const] : [],
      )
      res.writeHead(answer.statusCode ?? 502, { 'cache-control': 'no-store', ...Object.fromEntries(kept) })
      answer.pipe(res)
      answer.once('error', () => res.destroy())
    })
    forwarded.once('timeout', () => forwarded.destroy(new Error('timeout')))
    forwarded.once('error', (cause) => {
      if (res.headersSent) {
        res.destroy()
        return
      }
      const late = cause.message === 'timeout'
      refuse(
        res,
        late ? 504 : 502,
        late
          ? `${name} did not answer within ${TIMEOUT_MS / 1000} s.`
          : `${name} can't be reached at ${target.origin}.`,
      )
    })
    res.once('close', () => forwarded.destroy())
    req.pipe(forwarded)
  }
}
