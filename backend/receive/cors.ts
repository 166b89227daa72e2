/**
 * Main thread. Pages that may send telemetry from a browser (https://fetch.spec.whatwg.org/#http-cors-protocol): those of
 * this machine, on any port, and those of listed origins.
 */
import type { IncomingMessage } from 'node:http'
import { type AllowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'
import { type ApiResponse, httpError } from '../http.ts'

/** As browsers write them: `https://shop.example`, `http://10.0.0.7:8000`. */
export type Origins = ReadonlySet<string>

const OF_THIS_MACHINE = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/
/** So long a browser needn't ask again, in seconds; none takes more than two hours. */
const MAX_AGE = '7200'
const TOKENS = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/

/** The list of OTLP_CORS_ORIGINS. Throws an Error that says what to write when an entry is no origin. */
export function corsOrigins(list = ''): Origins {
  const entries = list.split(',').map((entry) => entry.trim())
  const origins = entries.filter((entry) => entry !== '').map((entry) => entry.replace(/\/$/, '').toLowerCase())
  for (const origin of origins) {
    // Also what no browser sends: a path, a name and password, a port that is the scheme's own, a pattern.
    if (/^https?:[^*]+$/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin) continue
    throw new Error(
      `${origin} is no origin; write scheme, host and port where it isn't the usual: https://shop.example`,
    )
  }
  return new Set(origins)
}

/**
 * The origin of the page that asks, when it may; undefined when no page asks, or one that only `hosts` lets in. Throws an
 * HttpError, 421 or 403, as every port does; a listed origin is none of another site.
 */
export function pageOf(req: IncomingMessage, hosts: AllowedHosts, origins: Origins): string | undefined {
  const { origin } = req.headers
  const page = origin !== undefined && (OF_THIS_MACHINE.test(origin) || origins.has(origin)) ? origin : undefined
  const headers = page === undefined ? req.headers : { ...req.headers, origin: undefined }
  const refusal = refusalOf({ url: req.url ?? '/', headers }, hosts)
  if (refusal) throw httpError(refusal.status, refusal.detail)
  return page
}

/** A browser that asks before it sends. */
export const isPreflight = ({ method, headers }: IncomingMessage) =>
  method === 'OPTIONS' && headers['access-control-request-method'] !== undefined

/** What may be sent: a POST with any headers, which exporters can be told to add. */
export function preflightAnswer({ headers }: IncomingMessage): ApiResponse {
  const wanted = headers['access-control-request-headers'] ?? ''
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': 'POST',
      ...(TOKENS.test(wanted) && { 'access-control-allow-headers': wanted }),
      'access-control-max-age': MAX_AGE,
    },
    body: '',
  }
}

/**
 * The answer as `page` may read it. With credentials, which nothing here looks at: `navigator.sendBeacon` always has them,
 * and a browser drops what it sends without this word.
 */
export const readableBy = (page: string, response: ApiResponse): ApiResponse => ({
  ...response,
  headers: {
    ...response.headers,
    'access-control-allow-origin': page,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'retry-after',
    vary: 'origin, access-control-request-headers',
  },
})
