/** What a failure of PostgreSQL, or of the way to it, means: for the caller, for the connection, and for another try. */
import { unavailable } from './problems.ts'

/** SQLSTATEs by name, as far as they decide something here. */
export const SQLSTATE = {
  protocol_violation: '08P01',
  unique_violation: '23505',
  foreign_key_violation: '23503',
  check_violation: '23514',
  insufficient_privilege: '42501',
  query_canceled: '57014',
  lock_not_available: '55P03',
  insufficient_resources: '53000',
  disk_full: '53100',
  out_of_memory: '53200',
  too_many_connections: '53300',
  configuration_limit_exceeded: '53400',
  system_error: '58000',
  io_error: '58030',
  read_only_sql_transaction: '25006',
  serialization_failure: '40001',
  deadlock_detected: '40P01',
  idle_in_transaction_session_timeout: '25P03',
  transaction_timeout: '25P04',
  admin_shutdown: '57P01',
  crash_shutdown: '57P02',
  cannot_connect_now: '57P03',
} as const

/** Busy: the next try may do. */
const BUSY: readonly string[] = [
  SQLSTATE.query_canceled,
  SQLSTATE.lock_not_available,
  SQLSTATE.too_many_connections,
  SQLSTATE.serialization_failure,
  SQLSTATE.deadlock_detected,
  SQLSTATE.idle_in_transaction_session_timeout,
  SQLSTATE.transaction_timeout,
]
/** Out of disk or memory, can't read or write its files, or may not write since another server took over: takes a while. */
const IN_NEED: readonly string[] = [
  SQLSTATE.insufficient_resources,
  SQLSTATE.disk_full,
  SQLSTATE.out_of_memory,
  SQLSTATE.configuration_limit_exceeded,
  SQLSTATE.system_error,
  SQLSTATE.io_error,
  SQLSTATE.read_only_sql_transaction,
]
const BUSY_SECONDS = 1
const NEED_SECONDS = 10
/** This process or its machine is out of file descriptors or ports; ENOENT: PostgreSQL's Unix socket is not there. */
const NOT_CONNECTED = ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENETDOWN', 'ENOENT']
const NETWORK = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]

/** The error that PostgreSQL or the socket has given, of the one that a caller gets. */
export const causeOf = (error: unknown): unknown => (error as Error).cause ?? error

/** No connection was free, or made, in time. */
export function isAcquireTimeout(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('timeout exceeded when trying to connect')
}

/** The connection is gone: server stopped (class 57P), protocol broken (class 08), or the network. */
export function isConnectionLoss(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  if (code !== undefined) return code.startsWith('57P') || code.startsWith('08') || NETWORK.includes(code)
  return /Connection terminated|not queryable|Client has encountered a connection error|Query read timeout/.test(
    message ?? '',
  )
}

/** Nothing more can be done on this connection: it is gone, or leads to a server that only reads since another one writes. */
export function isSpent(error: unknown): boolean {
  return isConnectionLoss(error) || (error as { code?: string }).code === SQLSTATE.read_only_sql_transaction
}

/** Down, overloaded, in need or too slow is 503 and passes; anything else keeps its SQLSTATE for the caller. */
export function databaseProblem(error: unknown): Error {
  const { code = '' } = error as { code?: string }
  const retryAfter = IN_NEED.includes(code)
    ? NEED_SECONDS
    : isAcquireTimeout(error) || isConnectionLoss(error) || BUSY.includes(code) || NOT_CONNECTED.includes(code)
      ? BUSY_SECONDS
      : undefined
  if (retryAfter === undefined) return error as Error
  return unavailable('database-unavailable', `database: ${(error as Error).message}`, retryAfter, error)
}

/** The connection was lost at a statement, as a restart does it; to a server that only stays silent, another try would be as long. */
export function isCutOff(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  return isConnectionLoss(error) && code !== 'ETIMEDOUT' && message !== 'Query read timeout'
}

/**
 * Nobody listens, the name is gone with its container, or a server that starts or stops says so itself: a restart looks like this. PgBouncer,
 * whose server is away, has the code of a broken protocol for it, as for all it has to say; PostgreSQL refuses no connection with that.
 */
const REFUSED = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  SQLSTATE.admin_shutdown,
  SQLSTATE.crash_shutdown,
  SQLSTATE.cannot_connect_now,
  SQLSTATE.protocol_violation,
] as const

/**
 * An attempt to connect was answered by nobody. Where the server's address is gone with its container and the name is not yet, or no longer, this is
 * how a restart looks; it takes as long as the wait for a free connection.
 */
export function isSilence(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  return code === 'ETIMEDOUT' || message === 'Connection terminated due to connection timeout'
}

/** A connection was refused, which another attempt in a moment may not be. */
export function isConnectionRefused(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  if (code !== undefined) return (REFUSED as readonly string[]).includes(code)
  return message === 'Connection terminated unexpectedly'
}

/** PgBouncer had no server to give the statement to: it names the setting that says when it looks for one again, or for how long it has waited. */
const NO_SERVER = /\(server_login_retry\)$|^query_wait_timeout$/

/**
 * The statement that failed with it never was carried out, `isBegun` being whether PostgreSQL may have answered its Bind: pg did not send
 * it, or the backend took its leave where it would have read it. A backend that is at a statement has that answer in the same buffer, in
 * front of its last message; it is asked for the place in PostgreSQL, since what stands between may use the same code for another reason.
 */
export function isUntouched(error: unknown, isBegun: boolean): boolean {
  const { code, routine, message } = error as { code?: string; routine?: string; message?: string }
  if (code === SQLSTATE.protocol_violation) return NO_SERVER.test(message ?? '')
  if (code === SQLSTATE.admin_shutdown) return routine === 'ProcessInterrupts' && !isBegun
  return code === undefined && /is not queryable$/.test(message ?? '')
}
