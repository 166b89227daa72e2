/** SQL of the outbox: events wait here until the audit service has them. */
import { type Component, countOf, type KitParts, outsideRequests, repeatable, sql } from '@sightline/service-kit'
import type { Config } from './config.ts'

const DELETE = sql('delete_delivered_events', 'delete from outbox where event_id = any($1)')
const POSTPONE = repeatable(
  'postpone_event',
  `update outbox set next_attempt_at = now() + interval '1 second', last_error = $2 where event_id = $1`,
)
const STATE = sql(
  'outbox_state',
  `select ${countOf('outbox', 'dead_at is null')} as pending, ${countOf('outbox', 'dead_at is not null')} as dead,
     coalesce(extract(epoch from now() - (select created_at from outbox where dead_at is null order by order_id limit 1)), 0)::double precision as age`,
)
const SWEEP_MS = 100
const SWEEP_AT = 500

/** What a delivery within the request tells the outbox. */
export interface Outbox {
  /** The event has arrived: its row goes with the next sweep. */
  delivered(eventId: string): void
  /** The request could not deliver it: the relay may try at once. */
  failed(eventId: string, reason: string): Promise<void>
  /** Deletes delivered rows in batches: off the request path, and safe to lose, since a second delivery changes nothing. */
  sweeper: Component
}

/** The outbox of this process, with its gauges. */
export function createOutbox(deps: Pick<KitParts<Config>, 'database' | 'logger' | 'metrics'>): Outbox {
  const { database, logger, metrics } = deps
  let done: string[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  registerGauges()

  async function sweep(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const batch = done
    done = []
    if (batch.length === 0) return
    try {
      await database.query(DELETE, [batch])
    } catch (error) {
      logger.warn('delivered events stay in the outbox for now', error as Error)
      // Kept for the next sweep; beyond this number the relay clears up after us by delivering again.
      done = [...batch, ...done].slice(0, 10_000)
    }
  }

  function schedule(): void {
    running = outsideRequests(sweep).finally(() => {
      running = undefined
      if (done.length > 0) timer ??= setTimeout(schedule, SWEEP_MS)
    })
  }

  function registerGauges(): void {
    metrics.gauges(
      async () => (await database.query<{ pending: number; dead: number; age: number }>(STATE))[0]!,
      {
        outbox_pending: (gauge, { pending }) => gauge.set(pending),
        outbox_dead_letters: (gauge, { dead }) => gauge.set(dead),
        outbox_oldest_age_seconds: (gauge, { age }) => gauge.set(age),
      },
      (error) => logger.debug('outbox gauges keep their last values', error),
    )
  }

  return {
    delivered(eventId) {
      done.push(eventId)
      if (running !== undefined) return
      if (done.length >= SWEEP_AT) schedule()
      else timer ??= setTimeout(schedule, SWEEP_MS)
    },
    async failed(eventId, reason) {
      await database.query(POSTPONE, [eventId, reason.slice(0, 500)])
    },
    sweeper: {
      async stop() {
        await running
        await sweep()
      },
    },
  }
}
