import { setTimeout as delay } from 'node:timers/promises'
import { withClient } from '@sightline/db/with-client'
import { type Incident, milliseconds, ofStatement, within } from '../incident.ts'

const SLOW_MS = 250
const HELD_MS = 1_200
const FREE_MS = 700

/** Lock contention: another session holds the stock's rows again and again. */
export const stuckCheckout: Incident = {
  name: 'stuck-checkout',
  title: 'The stuck checkout',
  level: 2,
  symptom:
    'Baskets with real products take anything from no time to over a second, in waves; simple orders are quick. The processors are idle.',
  seed: 'checkout-17',
  flags: {},
  background: (owner, signal) =>
    withClient({ ...owner, application_name: 'nightly-stocktake' }, async (client) => {
      while (!signal.aborted) {
        await client.query('begin')
        await client.query('select product_id, on_hand from inventory for update')
        await delay(HELD_MS, undefined, { signal }).catch(() => {})
        await client.query('commit')
        await delay(FREE_MS, undefined, { signal }).catch(() => {})
      }
    }),
  load: { requestsPerSecond: 5, mix: { orders: 30, baskets: 70 } },
  hints: [
    'Which statement has the time in a slow basket, and is it always that slow?',
    'A statement that works is about as slow each time; one that waits is as slow as somebody else wants. It says "for update".',
    'While it waits, select pid, application_name, state, query from pg_stat_activity shows a session that holds what it waits for.',
  ],
  cause: {
    service: 'order-service',
    operations: [
      'check_inventory',
      'lock_inventory',
      'create_order',
      'POST /process',
      'add_inventory',
      'POST /inventory/{product_id}/add',
    ],
    mechanism: 'lock-contention',
  },
  shows: (span, trace) =>
    within(
      'order-service',
      span,
      trace,
      (one) => /^pg\.query:(lock|add|take)_inventory/.test(one.name) && milliseconds(one) >= SLOW_MS,
    ),
  metric: {
    names:
      /^(db_client_operation_duration_seconds_(sum|bucket)|traces_spanmetrics_latency_(sum|bucket)|pg_locks_waiting)$/,
    series: (labels) => labels.__name__ === 'pg_locks_waiting' || ofStatement(/^(lock|add)_inventory$/).series(labels),
  },
}
