/** Request parameters as Loki reads them. Every refusal is a 400 that names the parameter. */
import { httpError } from '../../http.ts'
import { parseSignedDuration } from '../language/durations.ts'

export interface TimeWindow {
  readonly startNs: bigint
  readonly endNs: bigint
}

/** `start`, `end`, `since`: by default the hour before `nowNs`. */
export function readWindow(query: URLSearchParams, nowNs: bigint, defaultSinceNs = 3_600_000_000_000n): TimeWindow {
  const endNs = readTime(query, 'end') ?? nowNs
  const since = query.get('since')
  const sinceNs = since ? BigInt(readDuration(since, 'since')) : defaultSinceNs
  const startNs = readTime(query, 'start') ?? (endNs < nowNs ? endNs : nowNs) - sinceNs
  if (endNs < startNs) throw httpError(400, 'end timestamp must not be before or equal to start time')
  return { startNs, endNs }
}

/** Nanoseconds, seconds with a fraction, or RFC 3339; undefined when absent. */
export function readTime(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const time = parseTimestamp(text)
  if (time === undefined) {
    throw httpError(400, `cannot parse ${name}=${JSON.stringify(text)}: use nanoseconds, seconds or RFC 3339`)
  }
  return time
}

const MAX_NS = 1n << 63n

/**
 * Nanoseconds, seconds with a fraction or RFC 3339 -> nanoseconds since the epoch; undefined for others and beyond 64
 * bits.
 */
export function parseTimestamp(text: string): bigint | undefined {
  let ns: bigint | undefined
  if (/^-?\d+$/.test(text)) {
    // Ten digits and less are seconds; nobody means the first seconds of 1970.
    ns = text.length <= 10 ? BigInt(text) * 1_000_000_000n : BigInt(text.slice(0, 40))
  } else if (/^-?\d+\.\d*(e[+-]?\d+)?$|^-?\d+e[+-]?\d+$/i.test(text)) {
    const [whole = '', fraction = ''] = text.split('.')
    // Digits as they stand are exact; what else there is has no more than a double's precision anyway.
    ns = /^\d+\.\d*$/.test(text)
      ? BigInt(whole.slice(0, 40)) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
      : floatNs(Number(text))
  } else {
    ns = parseRfc3339(text)
  }
  return ns !== undefined && ns < MAX_NS && ns > -MAX_NS ? ns : undefined
}

function floatNs(seconds: number): bigint | undefined {
  const ns = Math.round(seconds * 1e9)
  return Number.isFinite(ns) ? BigInt(ns) : undefined
}

function parseRfc3339(text: string): bigint | undefined {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  const ms = found ? Date.parse(`${found[1]}${found[3]}`) : Number.NaN
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt((found![2] ?? '').padEnd(9, '0'))
}

/** `5m`, `15.5s` or seconds, in nanoseconds. */
export function readDuration(text: string, name: string): number {
  const ns = /^(?:\d+(?:\.\d+)?|\.\d+)(e[+-]?\d+)?$/i.test(text)
    ? Math.round(Number(text) * 1e9)
    : parseSignedDuration(text)
  if (ns === undefined || !Number.isFinite(ns) || ns < 0) {
    throw httpError(400, `cannot parse ${name}=${JSON.stringify(text)} to a valid duration such as 30s or 5m`)
  }
  return ns
}

/** Points a range query may have per series. */
const MAX_POINTS = 11_000

/** By default 250 points over the window, at least a second apart. */
export function readStep(query: URLSearchParams, { startNs, endNs }: TimeWindow): bigint {
  const step = readStepWidth(query)
  const spanNs = endNs - startNs
  if (step === undefined) {
    const seconds = spanNs / 250n / 1_000_000_000n
    return (seconds < 1n ? 1n : seconds) * 1_000_000_000n
  }
  if (spanNs / step > MAX_POINTS) {
    throw httpError(
      400,
      'exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter',
    )
  }
  return step
}

/** `step` by itself, nanoseconds; undefined when absent. */
export function readStepWidth(query: URLSearchParams): bigint | undefined {
  const text = query.get('step')
  if (!text) return undefined
  const step = BigInt(readDuration(text, 'step'))
  if (step > 0n) return step
  throw httpError(400, 'zero or negative query resolution step widths are not accepted. Try a positive integer')
}

/** Lines in an answer. */
export const MAX_ENTRIES = 5_000

/** `limit`, from 1 to `most`. */
export function readLimit(query: URLSearchParams, fallback = 100, most = MAX_ENTRIES): number {
  const text = query.get('limit')
  if (!text) return fallback
  if (!/^-?\d+$/.test(text)) throw httpError(400, `cannot parse limit=${JSON.stringify(text)}: use a whole number`)
  const limit = Number(text)
  if (limit <= 0) throw httpError(400, 'limit must be a positive value')
  if (limit > most) {
    throw httpError(
      400,
      `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${most})`,
    )
  }
  return limit
}

/** `direction`; backward, newest lines first, when absent. */
export function readDirection(query: URLSearchParams): 'forward' | 'backward' {
  const text = (query.get('direction') ?? 'backward').toLowerCase()
  if (text === 'forward' || text === 'backward') return text
  throw httpError(400, `invalid direction ${JSON.stringify(text)}: use forward or backward`)
}

/** The text of a parameter that may not be absent or empty. */
export function requireQuery(query: URLSearchParams, name = 'query'): string {
  const text = query.get(name)
  if (!text) throw httpError(400, `the parameter ${name} is missing`)
  return text
}
