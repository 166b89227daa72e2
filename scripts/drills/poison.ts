/** An audit event that audit-service will never take. */
import { setTimeout as delay } from 'node:timers/promises'
import { replay } from '@sightline/order-service/replay'
import pg from 'pg'
import { poll } from '../../test/poll.ts'
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

  const listed = await poll(
    60,
    () => deadLetters(system.urls.gateway),
    (letters) => {
      if (!letters.some(({ event_id }) => event_id === event)) throw new Error(`${event} is no dead letter yet`)
    },
  )
  const letter = listed.find(({ event_id }) => event_id === event)!
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
  const replayed = await asOwner(system.postgres, (client) => replay(client, [event]))
  const row = await poll(
    30,
    () => database.query('select count(*)::int as rows from audit_logs where event_id = $1', [event]),
    ({ rows: [counted] }) => {
      if (counted.rows === 0) throw new Error(`${event} has no audit row yet`)
    },
  )
  expect(
    'mended and replayed, it arrives once',
    row.rows[0].rows === 1,
    `${replayed.length} replayed, ${row.rows[0].rows} audit row`,
  )
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

async function asOwner<T>(connection: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
