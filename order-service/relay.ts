/**
 * The relay delivers what a request could not: events whose audit service was away, and those of a process that was
 * killed between commit and delivery. Any number of instances may run; a claimed row is left alone by the others.
 */
import { randomUUID } from 'node:crypto'
import { auditProcessAnswer } from '@sightline/contracts'
import {
  again,
  badGateway,
  type Component,
  errorType,
  inSpan,
  isRefusal,
  type KitParts,
  linkTo,
  ProblemError,
  runInRequest,
  sql,
  withBaggage,
} from '@sightline/service-kit'
import type { Config } from './config.ts'

interface DueEvent {
  event_id: string
  order_id: number
  payload: { trace_id: string | null }
  traceparent: string | null
  tracestate: string | null
  request_id: string | null
  attempts: number
}

/** A claim is a lease: when this process dies, the row is due again by itself. */
const CLAIM = sql(
  'claim_events',
  `update outbox set next_attempt_at = now() + $2::double precision * interval '1 millisecond'
   where event_id in (
     select event_id from outbox where dead_at is null and next_attempt_at <= now()
     order by next_attempt_at limit $1 for update skip locked)
   returning event_id, order_id, payload, traceparent, tracestate, request_id, attempts`,
)
const DELETE = sql('delete_relayed_event', 'delete from outbox where event_id = $1')
const RETRY = sql(
  'retry_event',
  `update outbox set attempts = $2, last_error = $3, next_attempt_at = now() + $4::double precision * interval '1 millisecond',
     dead_at = case when $5 then now() end
   where event_id = $1`,
)
const BATCH = 16
const CONCURRENCY = 8
const AWAY_MS = 1_000
const BROKEN_FACTOR = 10
const LONGEST_PAUSE_MS = 60_000

/** Looks for due events every OUTBOX_POLL_MS from its start on until it is stopped; what is under way then is finished. */
export function createRelay(
  deps: Pick<KitParts<Config>, 'config' | 'database' | 'nextService' | 'logger' | 'metrics'>,
): Component {
  const { config, database, nextService, logger } = deps
  const deliveries = deps.metrics.counter('outbox_deliveries_total')

  /** Resolves to how long to wait for more. */
  async function deliverDue(stopping: AbortSignal): Promise<number> {
    const due = await claim()
    const reached = await deliverAll(due, stopping)
    if (!reached) return AWAY_MS
    return due.length === BATCH ? 0 : config.OUTBOX_POLL_MS
  }

  function claim(): Promise<DueEvent[]> {
    // Longer than the deliveries of a batch can take, so that a second instance doesn't deliver meanwhile.
    const longest = Math.ceil(BATCH / CONCURRENCY) * config.HOP_TIMEOUT_MS
    return database.query<DueEvent>(CLAIM, [BATCH, longest + 5_000])
  }

  /** False when the next service was away: no use in trying at full speed. */
  async function deliverAll(due: DueEvent[], stopping: AbortSignal): Promise<boolean> {
    const queue = [...due]
    let reached = true
    const worker = async () => {
      for (let event = queue.shift(); event !== undefined && !stopping.aborted; event = queue.shift()) {
        if (!(await deliverOne(event))) reached = false
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, worker))
    return reached
  }

  /** A trace of its own, linked to the one of the order: that one ended long ago. */
  async function deliverOne(event: DueEvent): Promise<boolean> {
    const request = {
      requestId: event.request_id ?? randomUUID(),
      traceId: event.payload.trace_id ?? '',
      startedAt: performance.now(),
      deadlineAt: performance.now() + config.HOP_TIMEOUT_MS,
    }
    const links = linkTo(event.traceparent, event.tracestate)
    const attributes = { 'audit.event_id': event.event_id, 'recovery.attempt': event.attempts + 1 }
    return runInRequest(request, () =>
      withBaggage({ 'request.id': request.requestId, 'order.id': event.order_id }, async () => {
        try {
          await inSpan('relay_audit_event', attributes, () => send(event), links)
          await database.query(DELETE, [event.event_id])
          deliveries.inc({ path: 'relay', outcome: 'done' })
          logger.info('audit event delivered later', { order_id: event.order_id, attempt: event.attempts + 1 })
          return true
        } catch (error) {
          deliveries.inc({ path: 'relay', outcome: 'failed' })
          return retryLater(event, error)
        }
      }),
    )
  }

  async function send(event: DueEvent): Promise<void> {
    if (nextService === undefined) throw badGateway('NEXT_SERVICE_URL is not set')
    await nextService.post({ path: '/process', body: event.payload, idempotent: true, answer: auditProcessAnswer })
  }

  /**
   * A service that is away says nothing about the event, which then keeps its tries: an outage of any length makes no dead
   * letters. One that refuses the event counts. One that breaks may do so because of it, or be broken for hours: that
   * counts, with ten times as many tries.
   */
  async function retryLater(event: DueEvent, error: unknown): Promise<boolean> {
    const away = isAway(error)
    const attempts = away ? event.attempts : event.attempts + 1
    const dead = attempts >= config.OUTBOX_MAX_ATTEMPTS * (isRefusal(error) ? 1 : BROKEN_FACTOR)
    const backoff = away ? AWAY_MS : Math.min(500 * 2 ** attempts, LONGEST_PAUSE_MS)
    const pause = backoff * (0.5 + Math.random())
    const fields = { order_id: event.order_id, event_id: event.event_id, attempts, error_type: errorType(error) }
    if (dead) logger.error('audit event is a dead letter: look at GET /audit/dead-letters', fields, error as Error)
    else logger.warn('audit event still waits', fields)
    await database.query(RETRY, [event.event_id, attempts, (error as Error).message.slice(0, 500), pause, dead])
    return !away
  }

  return again(deliverDue, (error) => {
    logger.warn('the outbox can not be read for now', error)
    return AWAY_MS
  })
}

function isAway(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return false
  return ['next-hop-unavailable', 'next-hop-timeout', 'deadline-exceeded', 'database-unavailable'].includes(
    error.details.kind,
  )
}
