/**
 * Main thread. One line of PostgreSQL's jsonlog (https://www.postgresql.org/docs/current/runtime-config-logging.html) as values, without
 * what may be personal data: literals in statements and plans, and details of errors, which name the values of keys.
 */
import { maskText } from '@sightline/service-kit/masking'

export interface PostgresRecord {
  /** Unix milliseconds. */
  time: number
  /** LOG, ERROR, ...: https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-SEVERITY-LEVELS */
  severity: string
  /** The first line says it all; a plan is not in it. */
  message: string
  /** Of the statement's span; null outside of a trace. */
  trace: { traceId: string; spanId: string; flags: number } | null
  pid: number
  /** What kind of process wrote it, e.g. `client backend`. */
  backendType: string
  role: string
  database: string
  /** SQLSTATE; '' where nothing went wrong. */
  state: string
  /** Of locks and deadlocks alone. */
  detail: string
  context: string
  /** Text and name of the statement; '' where the line is about none, or it has no name. */
  query: string
  queryName: string
  /** As in pg_stat_statements; a plan is written when it is another statement's turn. */
  queryId: string
  durationMs: number | null
  /** What auto_explain says, as JSON. */
  plan: string
  /** Processes that hold the lock that is waited for. */
  holders: string
}

/** More of a statement or a plan is cut off. */
const MOST_TEXT = 16_384
const CARRIED = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const DURATION = /^duration: (\d+\.\d+) ms/
const EXECUTED =
  /^duration: \d+\.\d+ ms {2}(?:(?:parse|bind|execute)(?: fetch from)? ([^:/\s]+)(?:\/[^:\s]*)?|statement): (.*)$/s
const PLANNED = /^duration: \d+\.\d+ ms {2}plan:\s*(\{.*\})$/s
/** Details and contexts of these name processes, locks and statements; of others they may quote what was sent. */
const OF_LOCKS = /^(process \d+ |deadlock detected)/
const HOLDERS = /^Process(?:es)? holding the locks?: (\d+(?:, \d+)*)\./
/** More digits than a number has here. Quotes inside of values are escaped. */
const QUERY_ID = /"query_id":(-?[1-9]\d*)/
const NO_ERROR = '00000'

/** Who asks whether a server is up already is told that it is not (cannot_connect_now), as often as it asks: that is no event. */
export const isNotUpYet = ({ state }: Pick<PostgresRecord, 'state'>): boolean => state === '57P03'

/** The values of a line, or null when it is no complete entry. `showsPersonalData`: nothing is taken out. */
export function parsePostgresRecord(line: string, showsPersonalData: boolean): PostgresRecord | null {
  const entry = parseJson(line)
  const time = timeOf(entry?.timestamp)
  if (!entry || time === null || typeof entry.error_severity !== 'string') return null
  const text = (name: string) => (typeof entry[name] === 'string' ? (entry[name] as string) : '')
  const safe = showsPersonalData ? (value: string) => value : withoutLiterals
  const message = text('message')
  const [, name = '', executed = ''] = EXECUTED.exec(message) ?? []
  const plan = planOf(message, safe)
  const more = (name: string) => (OF_LOCKS.test(message) || showsPersonalData ? safe(text(name)) : '')
  const carried = CARRIED.exec(text('application_name'))
  const state = text('state_code')
  const duration = DURATION.exec(message)
  return {
    time,
    severity: entry.error_severity,
    message: safe(plan ? `${duration![0]}  plan of ${plan.query}` : message),
    trace: carried && { traceId: carried[1]!, spanId: carried[2]!, flags: Number.parseInt(carried[3]!, 16) },
    pid: Number(entry.pid) || 0,
    backendType: text('backend_type'),
    role: text('user'),
    database: text('dbname'),
    state: state === NO_ERROR ? '' : state,
    detail: more('detail'),
    context: more('context'),
    query: safe(executed || plan?.query || text('statement')).slice(0, MOST_TEXT),
    queryName: name === '<unnamed>' ? '' : name,
    queryId: plan ? '' : (QUERY_ID.exec(line)?.[1] ?? ''),
    durationMs: duration ? Number(duration[1]) : null,
    plan: plan?.text ?? '',
    holders: HOLDERS.exec(text('detail'))?.[1] ?? '',
  }
}

function parseJson(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    // Cut by a crash, or no line of the log: the caller counts it.
    return null
  }
}

/** `2026-11-30 12:00:00.123 UTC` */
function timeOf(text: unknown): number | null {
  const parts = typeof text === 'string' ? /^(\S+) (\S+) (?:UTC|GMT)$/.exec(text) : null
  const time = parts ? Date.parse(`${parts[1]}T${parts[2]}Z`) : Number.NaN
  return Number.isNaN(time) ? null : time
}

/** Parameters of a plan that was made for them stand in it as literals. */
function planOf(message: string, safe: (text: string) => string): { query: string; text: string } | null {
  const text = PLANNED.exec(message)?.[1]
  const plan = text === undefined ? null : parseJson(text)
  if (plan === null) return null
  const { 'Query Text': query = '', ...rest } = plan
  const compact = JSON.stringify(rest, (_, value: unknown) => (typeof value === 'string' ? safe(value) : value))
  return { query: String(query), text: compact.length > MOST_TEXT ? '' : compact }
}

/**
 * What stands between single quotes or dollar quotes, and between the double quotes in which errors repeat what was sent; the texts that
 * are left are masked as everywhere. Names in double quotes are left where they look like names.
 */
function withoutLiterals(text: string): string {
  const bare = text
    .replace(/'(?:[^']|'')*'?/g, '?')
    .replace(/\$(\w*)\$.*?(?:\$\1\$|$)/gs, '?')
    .replace(/: "(?:[^"]|"")*"$/gm, ': ?')
  return maskText(bare)
}
