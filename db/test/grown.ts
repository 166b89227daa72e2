/** A database with history: what as many orders leave behind, written by few statements. */
import { withClient } from '../with-client.ts'
import type { TestDatabase } from './cluster.ts'

/** Rows a statement. */
const STEP = 50_000
const BATCH = 10_000
const USERS = 200

/**
 * Adds so many orders of one line, three seconds apart and the last of them now, with their users, idempotency keys (of one in three), audit
 * rows, seals and leaves; the last events have passed through the outbox. Chain and tree verify afterwards: the database's own functions
 * make them. Foreign keys and the queue's trigger are left out, because each row fits and is queued here.
 */
export async function growDatabase(database: TestDatabase, rows: number): Promise<void> {
  await withClient(database.connection(), async (client) => {
    await client.query(
      `insert into users (id, name, email) select 1001 + n, 'Load User ' || 1001 + n, 'load-' || 1001 + n || '@example.com'
       from generate_series(0, ${USERS - 1}) n on conflict (id) do nothing`,
    )
    for (let done = 0; done < rows; done += STEP) {
      const step = Math.min(STEP, rows - done)
      await client.query('set session_replication_role = replica')
      await client.query(
        `with placed as (
           insert into orders (event_id, user_id, action, status, total, currency, trace_id, request_id, created_at)
           select gen_random_uuid(), 1001 + n % ${USERS}, 'purchase', 'completed', 9.99, 'USD',
             replace(gen_random_uuid()::text, '-', ''), gen_random_uuid(), now() - (${rows - done} - n) * interval '3 seconds'
           from generate_series(1, ${step}) n returning *
         ), items as (
           insert into order_items (order_id, line, product_id, quantity, unit_price, line_total)
           select id, 1, 'standard-action', 1, 9.99, 9.99 from placed
         ), keyed as (
           insert into idempotency_keys (key, request_hash, order_id, created_at)
           select request_id, sha256(request_id::bytea), id, created_at from placed where id % 3 = 0
         ), events as (
           insert into outbox (event_id, order_id, payload, request_id, next_attempt_at)
           select event_id, id, '{}', request_id, now() from placed where ${done + step === rows}
         ), recorded as (
           insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, trace_id, request_id, details)
           select event_id, 'order.completed', created_at, 'order-service', user_id, id, action, trace_id, request_id,
             jsonb_build_object('items', jsonb_build_array(jsonb_build_object('product_id', 'standard-action', 'quantity', 1,
               'unit_price', 9.99, 'line_total', 9.99)), 'total', total, 'currency', currency)
           from placed order by id returning id
         )
         insert into audit_unsealed (audit_id) select id from recorded`,
      )
      await client.query('set session_replication_role = origin')
      for (const batch of ['audit_seal', 'audit_grow']) {
        while ((await client.query(`select ${batch}(${BATCH}) as done`)).rows[0].done > 0);
      }
    }
    await client.query('delete from outbox')
    await client.query('vacuum analyze')
  })
}
