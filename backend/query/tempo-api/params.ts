/** Reads Tempo's query parameters; what is wrong is a 400 that names the parameter. */
import { httpError } from '../../http.ts'
import { parseDuration } from '../language/durations.ts'
import type { TimeRange } from '../traceql/index.ts'

const NS_PER_SECOND = 1_000_000_000n

/** A whole number of at most nine digits; undefined when absent. */
export function readCount(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^\d{1,9}$/.test(text)) throw httpError(400, `invalid ${name}: ${JSON.stringify(text)} is not a whole number`)
  return Number(text)
}

/** `start` and `end` in whole seconds since the epoch (nanoseconds are understood too); both or neither. */
export function readSearchRange(query: URLSearchParams): TimeRange {
  const startNs = readTime(query, 'start')
  const endNs = readTime(query, 'end')
  if (startNs !== undefined && endNs !== undefined && startNs >= endNs) {
    throw httpError(
      400,
      `http parameter start must be before end. received start=${query.get('start')} end=${query.get('end')}`,
    )
  }
  return { startNs, endNs }
}

function readTime(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name)
  if (text === null || text === '' || text === '0') return undefined
  const time = parseTimestamp(text)
  if (time === undefined) throw httpError(400, `invalid ${name}: ${JSON.stringify(text)} is not a time in seconds`)
  return time
}

/** Seconds, with or without a fraction; milliseconds and nanoseconds are told by their length; or RFC 3339. */
function parseTimestamp(text: string): bigint | undefined {
  if (/^\d+$/.test(text)) {
    if (text.length > 19) return undefined
    if (text.length > 15) return BigInt(text)
    if (text.length > 11) return BigInt(text) * 1_000_000n
    return BigInt(text) * NS_PER_SECOND
  }
  if (/^\d{1,11}\.\d+$/.test(text)) return BigInt(Math.round(Number(text) * 1e6)) * 1000n
  // Without a zone the time would be the server's.
  const parsed = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(parsed) ? undefined : BigInt(parsed) * 1_000_000n
}

/** For metrics: `start` and `end`, or `since` (1h when nothing is said) up to now. Nanoseconds. */
export function readMetricsRange(query: URLSearchParams, nowNs: bigint): { startNs: bigint; endNs: bigint } {
  const { startNs, endNs = nowNs } = searchTimes(query)
  const since = readDuration(query, 'since') ?? 3600e9
  const from = startNs ?? endNs - BigInt(Math.round(since))
  if (from >= endNs) throw httpError(400, 'end must be greater than start')
  return { startNs: from, endNs }
}

const searchTimes = (query: URLSearchParams) => ({ startNs: readTime(query, 'start'), endNs: readTime(query, 'end') })

/** Durations have 64 bits with a sign, in nanoseconds: 292 years. */
const LONGEST_NS = 2 ** 63

/** Go's notation (`1m30s`) or plain seconds -> nanoseconds. */
export function readDuration(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const nanoseconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1e9 : parseDuration(text)
  if (nanoseconds === undefined || !(nanoseconds < LONGEST_NS))
    throw httpError(400, `cannot parse ${JSON.stringify(text)} to a valid duration (${name})`)
  return nanoseconds
}
