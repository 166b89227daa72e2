/** A pool of PostgreSQL connections: named (prepared) statements, transactions, metrics, and errors a caller can act on. */
import { performance } from 'node:perf_hooks'
import { trace } from '@opentelemetry/api'
import pg from 'pg'
import { CarryingQuery } from './carrying-query.ts'
import { type Copy, copyFrom } from './copy-rows.ts'
import { roundMs } from './durations.ts'
import { createLending, type Loan, statementsBegun } from './lending.ts'
import type { Logger } from './logging.ts'
import { type Metrics, observe } from './metrics.ts'
import { causeOf, databaseProblem, isCutOff, isSpent, isUntouched } from './postgres-errors.ts'
import { telemetry } from './telemetry/state.ts'

/** A statement with the name it is prepared under; the name is also the span's and the metric's. */
export interface Statement {
  readonly name: string
  readonly text: string
  /** Carried out twice it leaves, and tells, what once would have. */
  readonly repeatable?: boolean
}

/** Named queries cost PostgreSQL 40 % less CPU than unnamed ones: they are planned once per connection. */
export function sql(name: string, text: string): Statement {
  return { name, text: text.replace(/\s+/g, ' ').trim() }
}

/**
 * The same for one that only reads, or whose key makes a second time the same as one: cut off by a restart of PostgreSQL, it is
 * carried out again whatever had become of it.
 */
export function repeatable(name: string, text: string): Statement {
  return { ...sql(name, text), repeatable: true }
}

/** In SQL: no id is beyond it, so that a page without a cursor is one with it. */
export const LAST_ID = "'9223372036854775807'::bigint"

/** So many rows are counted one by one. */
const COUNTED = 10_000

/**
 * In SQL: how many rows of a table there are, with a condition if any. What waits for long is many rows, and a scrape must not read them all:
 * beyond COUNTED it is what PostgreSQL's statistics have of the table, the other rows of which are few.
 */
export function countOf(table: string, condition = 'true'): string {
  return `(select case when n <= ${COUNTED} then n else greatest(n, pg_stat_get_live_tuples('${table}'::regclass)) end
    from (select count(*) as n from (select from ${table} where ${condition} limit ${COUNTED + 1}) first) counted)`
}

/** A pool or a transaction: both run statements. */
export interface Queries {
  /** Runs a statement and returns its rows. */
  query<Row extends object>(statement: Statement, values?: unknown[]): Promise<Row[]>
}

/** For statements with more rows than objects should be made of. */
export interface BulkQueries extends Queries {
  /**
   * Runs statements in one go, in their order: while the rows of one are taken, PostgreSQL is at the next ones. Rejects as `query` does,
   * and with what an `onRow` throws. `name` is the metric's.
   */
  copyRows(name: string, copies: readonly Copy[]): Promise<void>
}

/** A pool of connections to one database. */
export interface Database extends BulkQueries {
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. In a request `work` is done once more, on
   * another connection, where the first was lost before PostgreSQL took its COMMIT. Lost after that it rejects, unless `isCommitted` is
   * given, which asks whether what `work` resolved to is there, and says so.
   */
  transaction<T>(work: (tx: Queries) => Promise<T>, isCommitted?: (result: T) => Promise<boolean>): Promise<T>
  /**
   * Opens so many of the pool's connections, ten unless told, so that the first requests of a process wait for none. Resolves to how many
   * there are: fewer, with a warning in the log, when the database is away or takes no more of them.
   */
  open(count?: number): Promise<number>
  /** Resolves when the database answers. */
  check(): Promise<void>
  /** Resolves when all connections are given back and closed; statements under way are finished. */
  close(): Promise<void>
  /** For its counts; whoever took a connection from it would be without the errors and metrics of this module. */
  readonly pool: pg.Pool
}

/** Where the database is, and how long anything may take. */
export interface DatabaseOptions {
  connection: { host: string; port: number; database: string; user: string; password: string }
  applicationName: string
  poolMax: number
  metrics: Metrics
  logger: Logger
  /** A statement that takes longer is cancelled, milliseconds (default 5,000). */
  statementTimeoutMs?: number
  /** How long to wait for a free connection, milliseconds (default 2,000). */
  acquireTimeoutMs?: number
  /** How long a request waits for a server that takes no connections, milliseconds (default: as `acquireTimeoutMs`). */
  outageWaitMs?: number | undefined
  /** false: PostgreSQL is not told in which trace a statement runs (default true). */
  carriesTrace?: boolean
  /** false: a side connection that the gauges of the service's pool leave out (default true). */
  poolMetrics?: boolean
}

/** So many connections a new process opens before it takes requests. */
const OPEN_AT_ONCE = 10

/** int8 as number (ids and cents stay far below 2^53); all else as pg does it. */
const INT8 = 20
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
}

/**
 * A pool that connects with its first statement. Everything it runs rejects with a ProblemError 503
 * (`database-unavailable`; one second, ten where PostgreSQL is out of disk or memory or only reads) when the database is away,
 * too slow, overloaded or in need, or with PostgreSQL's own error, whose `code` is its SQLSTATE. A connection in an unknown
 * state is not lent again.
 *
 * A request lives through a restart of PostgreSQL: it waits for a server that refuses connections, up to `outageWaitMs` and half of
 * its time, and what the restart has cut off is done once more where that can't be twice. What stands outside of requests does neither, since
 * it tries again by itself; nor do probes, which are to tell the truth at once.
 */
export function createDatabase(options: DatabaseOptions): Database {
  const { metrics, logger, carriesTrace = true, acquireTimeoutMs = 2_000 } = options
  const outageWaitMs = options.outageWaitMs ?? acquireTimeoutMs
  const pool = new pg.Pool({
    ...options.connection,
    max: options.poolMax,
    application_name: options.applicationName,
    connectionTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs ?? 5_000,
    lock_timeout: 3_000,
    // A server that stands still, or a cut network, can't enforce its own limit.
    query_timeout: (options.statementTimeoutMs ?? 5_000) + 1_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  })
  // An idle connection that breaks is replaced by the pool; unheard, the event would end the process.
  pool.on('error', (error) => logger.warn('idle database connection lost', error))
  // The same for one that breaks while it is lent but between two statements: the next statement fails, which is enough.
  pool.on('connect', (client) => client.on('error', (error) => logger.debug('database connection lost', error)))
  const { connect, lend, tellRetry } = createLending(pool, { metrics, logger, outageWaitMs })
  const duration = metrics.histogram('db_client_operation_duration_seconds')
  if (options.poolMetrics ?? true) registerPoolMetrics(pool, metrics, options.poolMax)

  async function run<Row extends object>(loan: Loan, statement: Statement, values?: unknown[]): Promise<Row[]> {
    const { client } = loan
    const begun = statementsBegun(client)
    try {
      return await observed(statement, async () => {
        const result = await execute(client, statement, values, carriesTrace)
        return [result.rows as Row[], result.rowCount ?? 0]
      })
    } catch (error) {
      const cause = causeOf(error)
      const isBegun = !isBound(statement) || statementsBegun(client) !== begun
      if (isCutOff(cause)) loan.lost = { error, isUntouched: isUntouched(cause, isBegun) }
      throw error
    }
  }

  /** Counts, times and logs what runs a statement and resolves to its result and its number of rows. */
  async function observed<Result>(statement: Statement, work: () => Promise<[Result, number]>): Promise<Result> {
    const started = performance.now()
    let failure: string | undefined
    let rows = 0
    try {
      const [result, count] = await work()
      rows = count
      return result
    } catch (error) {
      // By itself it leads to the socket that brought it; from here on, to who has asked.
      if (error instanceof Error) Error.captureStackTrace(error)
      failure = (error as { code?: string }).code ?? (error as Error).name
      throw databaseProblem(error)
    } finally {
      const summary = statement.name || statement.text
      const ms = performance.now() - started
      observe(duration, { db_query_summary: summary, error_type: failure ?? '' }, ms / 1000)
      // Of requests only: probes and what runs in the background would bury them. Never the values.
      if (logger.isDebugEnabled() && trace.getActiveSpan() !== undefined) {
        const outcome = failure === undefined ? { rows } : { error_type: failure }
        logger.debug(`statement ${summary}`, { ...outcome, duration_ms: roundMs(ms) })
      }
    }
  }

  const query = <Row extends object>(statement: Statement, values?: unknown[]) =>
    lend('statement', (loan) => run<Row>(loan, statement, values), {
      mayRepeat: ({ isUntouched }) => isUntouched || statement.repeatable === true,
    })

  // A row that was handed out can't be taken back.
  const copyRows = (name: string, copies: readonly Copy[]) =>
    lend('copy', ({ client }) => observed({ name, text: '' }, async () => [undefined, await copyFrom(client, copies)]))

  async function transaction<T>(
    work: (tx: Queries) => Promise<T>,
    isCommitted?: (result: T) => Promise<boolean>,
  ): Promise<T> {
    let done: { result: T } | undefined
    const once = async (loan: Loan) => {
      done = undefined
      await run(loan, BEGIN)
      const result = await work({ query: (statement, values) => run(loan, statement, values) })
      done = { result }
      await run(loan, COMMIT)
      return result
    }
    let atCommit: unknown
    try {
      return await lend('transaction', once, {
        mayRepeat: ({ error, isUntouched }) => {
          if (done === undefined || isUntouched) return true
          atCommit = error
          return false
        },
        giveUp: rollBack,
      })
    } catch (error) {
      if (error !== atCommit || isCommitted === undefined) throw error
      tellRetry('commit', 1, error)
      if (await isCommitted(done!.result).catch(() => false)) return done!.result
      throw error
    }
  }

  async function rollBack(loan: Loan, error: unknown): Promise<Error | undefined> {
    if (isSpent(causeOf(error))) return error as Error
    try {
      await run(loan, ROLLBACK)
      return undefined
    } catch (failure) {
      // Its state is unknown: the pool must not lend it again.
      return failure as Error
    }
  }

  async function open(count = OPEN_AT_ONCE): Promise<number> {
    const wanted = Math.min(options.poolMax, count)
    const clients: pg.PoolClient[] = []
    // Two at a time: a server that starts a process and checks a password for each has other things to do as well.
    const openSome = async () => {
      while (pool.totalCount < wanted) clients.push(await connect(0))
    }
    const failures = (await Promise.allSettled([openSome(), openSome()])).filter(({ status }) => status === 'rejected')
    for (const client of clients) client.release()
    if (failures.length > 0) {
      const { reason } = failures[0] as PromiseRejectedResult
      logger.warn(`${clients.length} of ${wanted} database connections are open`, reason as Error)
    }
    return clients.length
  }

  return {
    query,
    copyRows,
    transaction,
    open,
    check: async () => {
      await lend('check', (loan) => run(loan, PING), { waitMs: () => 0 })
    },
    close: () => pool.end(),
    pool,
  }
}

/**
 * pg copies a config object by the descriptors of its properties and makes three promises of each query, its instrumentation four
 * more: its own query object with a callback does without either.
 */
function execute(
  client: pg.Pool | pg.PoolClient,
  statement: Statement,
  values: unknown[] | undefined,
  carriesTrace: boolean,
): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const query = new CarryingQuery(statement, values)
    if (isBound(statement)) query.queryMode = 'extended'
    query.callback = (error, result) => (error ? reject(error) : resolve(result))
    query.isCarrying = carriesTrace
    // Its span is made inside of `client.query`, and is nobody's active one.
    telemetry.statement = query
    try {
      client.query(query)
    } finally {
      telemetry.statement = undefined
    }
  })
}

// Unnamed: PostgreSQL needs no plan for these, and the spans are still told apart by their text.
const BEGIN: Statement = { name: '', text: 'begin' }
const COMMIT: Statement = { name: '', text: 'commit' }
/** The server answers its Bind, before it begins with it. COMMIT so that one that it never took can be told from one that it may have. */
const isBound = (statement: Statement) => statement.name !== '' || statement === COMMIT
const ROLLBACK: Statement = { name: '', text: 'rollback' }
const PING = sql('ping', 'select 1')

function registerPoolMetrics(pool: pg.Pool, metrics: Metrics, max: number): void {
  metrics.gauge('db_client_connection_max').set(max)
  metrics.gauge('db_client_connection_count', (gauge) => {
    gauge.set({ state: 'idle' }, pool.idleCount)
    gauge.set({ state: 'used' }, pool.totalCount - pool.idleCount)
  })
  metrics.gauge('db_client_connection_pending_requests', (gauge) => gauge.set(pool.waitingCount))
}

/** The same statements on one session of a program that has no service around it. */
export function sessionQueries(client: pg.Client): BulkQueries {
  client.setTypeParser(INT8, Number)
  return {
    query: async (statement, values) => (await client.query({ ...statement, values: values ?? [] })).rows,
    copyRows: async (_, copies) => {
      await copyFrom(client, copies)
    },
  }
}
