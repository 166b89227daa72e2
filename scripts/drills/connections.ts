/** Every connection that PostgreSQL allows is taken by somebody else. */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { closeBooks, openBooks } from './books.ts'
import { type Drill, type DrillRun, secondsUntil, services } from './drill.ts'
import { isClear, isRefused, outcomes } from './load.ts'

const ROLES = ['user_service', 'order_service', 'audit_service']

export const connections: Drill = {
  name: 'connections',
  does: 'takes all database connections away from the services',
  run,
}

async function run(run: DrillRun): Promise<void> {
  const { system, database, options, say, expect } = run
  const opening = await openBooks(run)
  const load = run.load()
  await delay(1_000)
  const pids = services.map((name) => system.pid(name)).join()
  const held: pg.Client[] = []
  const began = performance.now()
  try {
    await takeAll(run, held)
    say(`${held.length} connections taken, none left for the services`)
    const from = performance.now()
    await delay(options.seconds * 1000)
    await until('a first refusal', 10, () => load.since(from).some(isRefused))
    const during = load.since(from)
    const refused = during.filter(isRefused)
    const clear = refused.filter(isClear)
    const counted = `${clear.length} of ${refused.length} (${outcomes(during)})`
    expect(
      'what is refused meanwhile is 502, 503 or 504 with Retry-After',
      clear.length === refused.length && clear.length > 0,
      counted,
    )
  } finally {
    await Promise.all(held.map((client) => client.end()))
  }
  const took = await secondsUntil('an order is taken again', 15, () => answers(system.urls.gateway))
  expect(
    'served again within 15 s, without a restart',
    services.map((name) => system.pid(name)).join() === pids,
    `after ${took.toFixed(1)} s`,
  )
  await delay(1_000)
  await load.stop()
  const slowest = load.since(began).reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0)
  expect('no request hangs', slowest < 12_000, `slowest ${(slowest / 1000).toFixed(1)} s`)
  const { rows } = await database.query('select count(*)::int as open from pg_stat_activity where usename = any($1)', [
    ROLES,
  ])
  expect('the services hold no more than their pools', rows[0].open <= 3 * 10, `${rows[0].open} connections`)
  await closeBooks(run, load, opening)
}

/** Takes what is free, ends what the services have, and takes that too, until nothing is left to them. */
async function takeAll({ system, database }: DrillRun, held: pg.Client[]): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    while (await takeOne(system.postgres, held));
    const { rows } = await database.query(
      'select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity where usename = any($1)',
      [ROLES],
    )
    if (rows[0].ended === 0) return
    if (performance.now() > deadline) throw new Error('the services keep getting connections')
  }
}

/** False when PostgreSQL has no more to give. */
async function takeOne(connection: DrillRun['system']['postgres'], held: pg.Client[]): Promise<boolean> {
  const client = new pg.Client({ ...connection, application_name: 'drill: taken' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    held.push(client)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === '53300') return false
    throw error
  }
}

async function answers(gateway: string): Promise<void> {
  const response = await fetch(`${gateway}/api/v1/orders?limit=1`)
  if (response.status !== 200) throw new Error(`GET /api/v1/orders answered ${response.status}`)
}
