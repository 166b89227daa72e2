/** What the tests of this service share: the service itself, events with their orders, sealed rows, and ways to damage them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type AuditEvent, METRICS } from '@sightline/contracts'
import type { TestDatabase } from '@sightline/db/testing'
import { sessionQueries } from '@sightline/service-kit'
import { until } from '@sightline/service-kit/poll'
import { sample, startInProcess, type TestService } from '@sightline/service-kit/testing'
import pg from 'pg'
import { type Config, environment } from '../config.ts'
import { compose } from '../main.ts'
import { verifyChain } from '../verify.ts'

export function startAudit(database: TestDatabase, env: Record<string, string> = {}): Promise<TestService<Config>> {
  const connection = database.connection('audit_service')
  return startInProcess({ name: 'audit-service', schema: environment, catalogue: METRICS, compose, connection, env })
}

/** The same, whose sealer has looked for rows, and looks no more: who seals is the test. */
export async function startQuiet(
  database: TestDatabase,
  env: Record<string, string> = {},
): Promise<TestService<Config>> {
  const service = await startAudit(database, { SEAL_POLL_MS: '60000', ...env })
  await until('the sealer has looked', 20, async () => {
    const { text } = await service.call('GET', '/metrics')
    return /^db_client_operation_duration_seconds_count\{.*"unsealed_row"/m.test(text)
  })
  return service
}

export function event(orderId: number, fields: Partial<AuditEvent> = {}): AuditEvent {
  return {
    event_id: randomUUID(),
    event_type: 'order.completed',
    occurred_at: '2026-01-02T03:04:05.678Z',
    source: 'order-service',
    user_id: 1 + (orderId % 3),
    order_id: orderId,
    action: 'purchase',
    trace_id: null,
    request_id: null,
    details: { items: [], total: 1.5, currency: 'USD' },
    ...fields,
  }
}

/** The orders that the events are of, as order-service commits them: a row without its order is a fault. */
export async function placeOrders(database: TestDatabase, events: AuditEvent[]): Promise<void> {
  await database.query('insert into users (id) select distinct unnest($1::integer[]) on conflict do nothing', [
    events.map(({ user_id }) => user_id),
  ])
  await database.query(
    `insert into orders (id, event_id, user_id, action, status, total, currency) overriding system value
     select order_id, event_id, user_id, action, 'completed', (details ->> 'total')::numeric, details ->> 'currency'
     from jsonb_to_recordset($1::jsonb) as event (order_id bigint, event_id uuid, user_id integer, action text, details jsonb)`,
    [JSON.stringify(events)],
  )
}

/** Orders with their audit rows, written straight to the tables; the rows wait for their seals. */
export async function recordOrders(database: TestDatabase, count: number): Promise<void> {
  await database.query('insert into users (id) values (1) on conflict do nothing')
  await database.query(
    `with placed as (
       insert into orders (event_id, user_id, action, status, total, currency)
       select gen_random_uuid(), 1, 'purchase', 'completed', 1.5, 'USD' from generate_series(1, ${count}) returning *
     )
     insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, details)
     select event_id, 'order.completed', '2026-01-02T03:04:05.678Z', 'order-service', user_id, id, action,
       jsonb_build_object('n', id, 'total', total, 'currency', currency)
     from placed order by id`,
  )
}

/** The same, sealed as they come, and in the tree. */
export async function sealedRows(database: TestDatabase, count: number): Promise<void> {
  await recordOrders(database, count)
  const service = await startAudit(database, { SEAL_POLL_MS: '10' })
  try {
    await until('all sealed', 20, async () => {
      const { text } = await service.call('GET', '/metrics')
      return ['audit_chain_length', 'audit_tree_size'].every((name) => sample(text, name) === count)
    })
  } finally {
    await service[Symbol.asyncDispose]()
  }
}

/** What was done to a log: in words, as a statement, which place verification must name, and with which reason. */
export type Damage = [
  what: string,
  statement: string,
  where: { position: number | null; audit_id: number | null },
  reason: RegExp,
]

/** What audit-service's role finds after a change that only the database's owner can make. It is taken back: one log serves many. */
export async function assertNamed(database: TestDatabase, [, statement, where, reason]: Damage): Promise<void> {
  const client = new pg.Client(database.connection())
  await client.connect()
  try {
    await client.query('begin; set local session_replication_role = replica')
    await client.query(`${statement}; set local role audit_service`)
    const { status, first_broken } = await verifyChain(sessionQueries(client))
    assert.equal(status, 'broken')
    const { position, audit_id, reason: given } = first_broken!
    assert.deepEqual({ position, audit_id }, where, given)
    assert.match(given, reason)
  } finally {
    await client.end()
  }
}

/** Changes the trail as only the database's owner can: with the triggers off. */
export async function tamper(database: TestDatabase, text: string): Promise<void> {
  const client = new pg.Client(database.connection())
  await client.connect()
  try {
    await client.query(`set session_replication_role = replica`)
    await client.query(text)
  } finally {
    await client.end()
  }
}
