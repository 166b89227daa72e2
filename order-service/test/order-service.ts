/** What the tests of order-service share: the service on a fresh database, with a recorder in place of nothing at all. */
import { METRICS } from '@sightline/contracts'
import type { TestDatabase } from '@sightline/db/testing'
import { startInProcess, type TestService } from '@sightline/service-kit/testing'
import { type Config, environment } from '../config.ts'
import { compose } from '../main.ts'

/** Starts order-service in this process; `env` decides the next service and the timing of the relay. */
export function startOrderService(
  database: TestDatabase,
  env: Record<string, string> = {},
): Promise<TestService<Config>> {
  return startInProcess({
    name: 'order-service',
    schema: environment,
    catalogue: METRICS,
    compose,
    connection: database.connection('order_service'),
    env: { OUTBOX_POLL_MS: '50', ...env },
  })
}

/** Events, orders and audit rows as they are now, of the orders after `since`, for the promises about them. */
export async function ledger(database: TestDatabase, since = 0) {
  const [row] = await database.query<{
    orders: number
    audited: number
    waiting: number
    dead: number
    twice: number
  }>(
    `
    with later as (select * from orders where id > $1)
    select (select count(*)::integer from later) as orders,
      (select count(*)::integer from later o join audit_logs a using (event_id)) as audited,
      (select count(*)::integer from outbox where order_id > $1 and dead_at is null) as waiting,
      (select count(*)::integer from outbox where order_id > $1 and dead_at is not null) as dead,
      (select count(*)::integer
       from (select order_id from audit_logs where order_id > $1 group by order_id having count(*) > 1) d) as twice`,
    [since],
  )
  return row!
}
