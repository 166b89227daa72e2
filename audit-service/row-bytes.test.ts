/** Times and texts that are rare: what is written here of them is what PostgreSQL has hashed. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster } from '@sightline/db/testing'
import { sessionQueries } from '@sightline/service-kit'
import pg from 'pg'
import { tamper } from './test/testing.ts'
import { verifyChain } from './verify.ts'

let cluster: TestCluster

before(async () => {
  cluster = await startTestCluster()
})

after(async () => {
  await cluster?.stop()
})

const TIMES = [
  'infinity',
  '-infinity',
  '4714-11-24 00:00:00+00 BC',
  '0044-03-15 12:00:00.000001+00 BC',
  '0001-01-01 00:00:00+00 BC',
  '0001-12-31 23:59:59.999999+00 BC',
  '0001-01-01 00:00:00+00',
  '0004-02-29 23:59:59.5+00',
  '1582-10-15 00:00:00+00',
  '1700-02-28 23:59:59+00',
  '1714-06-01 00:00:00.000007+00',
  '1900-02-28 23:59:59.999999+00',
  '1969-12-31 23:59:59.999999+00',
  '1999-12-31 23:59:59.999999+00',
  '2000-02-29 12:00:00+00',
  '2100-03-01 00:00:00+00',
  '2286-01-01 00:00:00.123456+00',
  '9999-12-31 23:59:59.999999+00',
  '12026-01-01 00:00:00+00',
  '294276-12-31 23:59:59.999999+00',
]

test('every time of PostgreSQL, every column without a value and every size of text is hashed as it is there', async () => {
  await using database = await cluster.createDatabase()
  await database.query('insert into users (id) values (1)')
  await tamper(database, 'alter table audit_logs alter event_type drop not null, alter details drop not null')
  await database.query(
    `with placed as (
       insert into orders (event_id, user_id, action, status, total, currency)
       select gen_random_uuid(), 1, 'purchase', 'completed', 1.5, 'USD' from generate_series(1, $2) returning *
     )
     insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, details)
     select event_id, 'order.completed', ($1::text[])[id]::timestamptz, repeat('"', (id * 997)::integer), user_id, id, action,
       jsonb_build_object('total', total, 'currency', currency, 'text', repeat(chr(7) || 'é', (id * 1009)::integer))
     from placed order by id`,
    [TIMES, TIMES.length],
  )
  await tamper(database, 'update audit_logs set event_type = null where id = 3')
  await database.query('select audit_seal(1000)')
  await database.query('select audit_grow(1000)')
  const client = new pg.Client(database.connection('audit_service'))
  await client.connect()
  try {
    const { status, checked, tree_size, first_broken } = await verifyChain(sessionQueries(client))
    assert.deepEqual([status, checked, tree_size, first_broken], ['intact', TIMES.length, TIMES.length, null])
    await tamper(
      database,
      `update audit_logs set occurred_at = occurred_at - interval '1 us' where id = ${TIMES.length}`,
    )
    assert.equal((await verifyChain(sessionQueries(client))).first_broken?.position, TIMES.length)
  } finally {
    await client.end()
  }
})
