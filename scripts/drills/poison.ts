/** An audit event that audit-service will never take. */
import { setTimeout as delay } from 'node:timers/promises'
import { withClient } from '@sightline/db/with-client'
import { replay } from '@sightline/order-service/replay'
import { until } from '@sightline/service-kit/poll'
import { closeBooks, openBooks } from './books.ts'
import type { Drill, DrillRun } from './drill.ts'

export const poison: Drill = {
  name: 'poison',
  does: 'puts an audit event into the outbox that audit-service refuses',
  // Each further try waits twice as long: twenty take hours.
  env: { OUTBOX_MAX_ATTEMPTS: '3' },
  run,
}

async function run(run: DrillRun): Promise<void> {
  const { system, database, expect } = run
  const opening = await openBooks(run)
  await system.stopComponent('audit-service')
  const order = await placeOrder(system.urls.gateway)
  const { rows } = await database.query<{ event_id: string; payload: object }>(
    `update outbox set payload = jsonb_set(payload, '{action}', '"not an action!"'), next_attempt_at = now()
     where order_id = $1 returning event_id, payload`,
    [order],
  )
  const event = rows[0]!.event_id
  await system.startComponent('audit-service')
  const load = run.load()

  const letter = await until(`${event} is a dead letter`, 60, async () =>
    (await deadLetters(system.urls.gateway)).find(({ event_id }) => event_id === event),
  )
  expect('it becomes a dead letter', letter.order_id === order, `after ${letter.attempts} tries: ${letter.last_error}`)
  const metrics = await (await fetch(`${system.urls.orderService}/metrics`)).text()
  const count = Number(/^outbox_dead_letters(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? Number.NaN)
  expect('it is visible', count === 1, `GET /api/v1/audit/dead-letters, and outbox_dead_letters is ${count}`)
  await delay(1_000)
  await load.stop()
  const { rows: others } = await database.query(
    'select count(*)::int as waiting from outbox where dead_at is null and attempts > 0',
  )
  expect(
    'it holds up nobody else',
    others[0].waiting === 0,
    `${load.sent.length} orders beside it, ${others[0].waiting} of them delayed`,
  )

  await database.query(`update outbox set payload = jsonb_set(payload, '{action}', '"drill"') where event_id = $1`, [
    event,
  ])
  const replayed = await withClient(system.postgres, (client) => replay(client, [event]))
  const audited = await until(`${event} has an audit row`, 30, async () => {
    const { rows } = await database.query('select 1 from audit_logs where event_id = $1', [event])
    return rows.length > 0 && rows.length
  })
  expect('mended and replayed, it arrives once', audited === 1, `${replayed.length} replayed, ${audited} audit row`)
  await closeBooks(run, load, opening)
}

async function placeOrder(gateway: string): Promise<number> {
  const response = await fetch(`${gateway}/api/v1/process`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: 1, action: 'drill' }),
  })
  if (response.status !== 202)
    throw new Error(`an order without audit-service was answered ${response.status}, not 202`)
  return ((await response.json()) as { order: { id: number } }).order.id
}

interface DeadLetter {
  event_id: string
  order_id: number
  attempts: number
  last_error: string | null
}

async function deadLetters(gateway: string): Promise<DeadLetter[]> {
  const response = await fetch(`${gateway}/api/v1/audit/dead-letters`)
  if (!response.ok) throw new Error(`GET /api/v1/audit/dead-letters answered ${response.status}`)
  return ((await response.json()) as { items: DeadLetter[] }).items
}
