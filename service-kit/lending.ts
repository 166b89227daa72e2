/**
 * Lends the connections of a pool, through a restart of its server: a request waits for a server that takes none, and does once more
 * what the restart has cut off where that can't be twice.
 */
import { trace } from '@opentelemetry/api'
import type pg from 'pg'
import { roundMs } from './durations.ts'
import type { Logger } from './logging.ts'
import type { Metrics } from './metrics.ts'
import { watchOutages } from './outage.ts'
import {
  causeOf,
  databaseProblem,
  isAcquireTimeout,
  isConnectionRefused,
  isSilence,
  isSpent,
} from './postgres-errors.ts'
import { currentRequest, remainingMs } from './request-context.ts'

/** A connection while it is lent. */
export interface Loan {
  client: pg.PoolClient
  /** The statement that found it gone. */
  lost?: Lost
}

interface Lost {
  error: unknown
  /** It was not carried out, for certain. */
  isUntouched: boolean
}

interface LoanTerms {
  /** Whether the work may be done once more after this; never, unless told. */
  mayRepeat?: (lost: Lost) => boolean
  /** Before the connection goes back after a failure: with an error it is not lent again. */
  giveUp?: (loan: Loan, error: unknown) => Promise<Error | undefined>
  /** How long a server that takes no connections is waited for, milliseconds. */
  waitMs?: () => number
}

/** An outage of so many times `outageWaitMs` is not one that a request should wait for. */
const LONG_OUTAGE = 5
/** Of what is left of a request's time it waits for a server no longer than this part: the rest is for what it came for. */
const WAITING_PART = 0.5

/** Everything rejects with what a caller can act on (`databaseProblem`). */
export function createLending(
  pool: pg.Pool,
  { metrics, logger, outageWaitMs }: { metrics: Metrics; logger: Logger; outageWaitMs: number },
) {
  const timeouts = metrics.counter('db_client_connection_timeouts_total')
  const retries = metrics.counter('db_client_retries_total')
  const outages = watchOutages({
    longestMs: outageWaitMs * LONG_OUTAGE,
    isRefused: async () => {
      try {
        const client = await pool.connect()
        client.release()
        return false
      } catch (error) {
        return isAway(error)
      }
    },
    onAway: (error) => logger.warn('requests wait for the database', { reason: reasonOf(error) }),
    onBack: (ms, waited) => logger.info('the database is back', { away_ms: roundMs(ms), waited }),
  })
  /** Grows when a connection is lost: those of before are dead as well, or about to be, and pg may not have heard of it. */
  let generation = 0
  const generationOf = new WeakMap<pg.PoolClient, number>()
  const connected = new Set<pg.PoolClient>()
  pool.on('remove', (client) => connected.delete(client))
  pool.on('connect', (client) => {
    connected.add(client)
    generationOf.set(client, generation)
    begunOn.set(client, 0)
    wireOf(client).on('bindComplete', () => begunOn.set(client, statementsBegun(client) + 1))
    outages.back()
  })

  /** Who waited for one of the pool's connections while none of them was there has waited for attempts that nobody answers. */
  function isAway(error: unknown): boolean {
    return isConnectionRefused(error) || isSilence(error) || (isAcquireTimeout(error) && connected.size === 0)
  }

  /** A connection; one that is refused is tried again for so long. */
  async function connect(patienceMs: number): Promise<pg.PoolClient> {
    const deadline = performance.now() + patienceMs
    const known = outages.waitedFor
    // Not each with attempts of its own: those would be as many as requests come.
    if (known !== undefined && pool.idleCount === 0 && (await outages.wait(patienceMs))) tellRetry('connect', 1, known)
    for (let attempt = 1; ; attempt++) {
      try {
        return await take()
      } catch (error) {
        if (isAcquireTimeout(error)) timeouts.inc()
        if (!isAway(error)) throw databaseProblem(error)
        outages.refused(error)
        if (!(await outages.wait(deadline - performance.now()))) throw databaseProblem(error)
        tellRetry('connect', attempt, error)
      }
    }
  }

  async function take(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await pool.connect()
      if (generationOf.get(client) === generation) return client
      client.release(true)
    }
  }

  /** How long the caller may wait for a server that refuses connections, milliseconds; 0 outside of requests. */
  function patience(): number {
    const request = currentRequest()
    if (request === undefined || request.isProbe) return 0
    return Math.min(outageWaitMs, remainingMs() * WAITING_PART)
  }

  function tellRetry(operation: string, attempt: number, error: unknown): void {
    const reason = reasonOf(causeOf(error))
    retries.inc({ operation, reason })
    trace.getActiveSpan()?.addEvent('db.retry', { 'recovery.attempt': attempt, 'recovery.reason': reason })
    if (operation === 'connect') return
    const next = operation === 'commit' ? 'asking whether it was committed' : `${operation} again`
    logger.warn(`lost the database connection: ${next}`, { reason })
  }

  /** Does `work` on a connection, and once more on another where the first was lost and `mayRepeat` knows that it does no harm. */
  async function lend<Result>(
    operation: string,
    work: (loan: Loan) => Promise<Result>,
    { mayRepeat = () => false, giveUp = spent, waitMs = patience }: LoanTerms = {},
  ): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      const loan: Loan = { client: await connect(waitMs()) }
      let broken: Error | undefined
      try {
        return await work(loan)
      } catch (error) {
        const { lost } = loan
        if (lost !== undefined && generationOf.get(loan.client) === generation) generation += 1
        broken = await giveUp(loan, error)
        // Work that has made another error of it has drawn its own conclusion.
        if (lost === undefined || lost.error !== error || !mayRepeat(lost) || attempt > 1 || waitMs() <= 0) throw error
        tellRetry(operation, attempt, error)
      } finally {
        loan.client.release(broken)
      }
    }
  }

  return { connect, lend, tellRetry }
}

const spent = async (_: Loan, error: unknown): Promise<Error | undefined> =>
  isSpent(causeOf(error)) ? (error as Error) : undefined

/** An error's code; pg has none for a socket that was closed. */
const reasonOf = (error: unknown): string => (error as { code?: string }).code ?? 'closed'

const begunOn = new WeakMap<pg.PoolClient, number>()

/** How many statements the server has begun on a connection, of those with a name or with values: it answers their Bind. */
export const statementsBegun = (client: pg.PoolClient): number => begunOn.get(client) ?? 0

/** What @types/pg leaves out of a client. */
const wireOf = (client: pg.PoolClient) => (client as unknown as { connection: NodeJS.EventEmitter }).connection
