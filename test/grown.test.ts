/**
 * What is read does not grow with the tables: each statement that three services run for POSTs, lists, scrapes and their work beside, counted
 * by PostgreSQL itself on a small database and on one with five times as many orders. Pages are counted, not milliseconds.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { METRICS } from '@sightline/contracts'
import { growDatabase } from '@sightline/db/grown'
import { findPrograms } from '@sightline/db/server'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { withClient } from '@sightline/db/with-client'
import { startInProcess } from '@sightline/service-kit/testing'
import { environment as auditEnvironment } from '../audit-service/config.ts'
import * as audit from '../audit-service/main.ts'
import { WAITING } from '../audit-service/tree-builder.ts'
import { fillSql } from '../console/panel-sql.ts'
import { environment as orderEnvironment } from '../order-service/config.ts'
import * as order from '../order-service/main.ts'
import { environment as userEnvironment } from '../user-service/config.ts'
import * as user from '../user-service/main.ts'

const SMALL = 1_000
const TIMES = 5
/** A b-tree of five times as many rows may be one page deeper, and rows on a page lie elsewhere. */
const MORE_PAGES = 1.5
const PAGES_BESIDE = 8
/** Rows that wait are counted up to a bound, which these tables are below. */
const COUNTED = /greatest\(n, pg_stat_get_live_tuples/
/** Run besides, to see that it is noticed. */
const GROWS = 'select max(recorded_at) from audit_logs'
/** So often each list is asked for: a statement is planned for good after the fifth time. */
const ASKED = 7
/** DEEP is an id in the middle. */
const READS: Record<string, string[]> = {
  'user-service': ['/users?limit=5', '/users?limit=5&cursor=1100', '/metrics'],
  'order-service': [
    '/orders?limit=5',
    '/orders?limit=5&cursor=60',
    '/orders?limit=5&cursor=DEEP',
    '/orders/60',
    '/metrics',
  ],
  'audit-service': [
    '/audit?limit=5',
    '/audit?limit=5&cursor=60',
    '/audit?limit=5&cursor=DEEP',
    '/audit?limit=5&user_id=1010',
    '/audit?limit=2&user_id=1010&cursor=DEEP',
    '/audit?limit=5&order_id=60',
    `/audit?limit=5&trace_id=${'0'.repeat(32)}`,
    '/audit/60/proof',
    '/audit/dead-letters?limit=5',
    '/metrics',
  ],
}

const module = join(dirname(findPrograms().postgres), '../lib/postgresql/pg_stat_statements.so')
const skip = existsSync(module) ? false : `this PostgreSQL has no ${module}`

let cluster: TestCluster
before(async () => {
  if (skip) return
  cluster = await startTestCluster({
    shared_preload_libraries: 'pg_stat_statements',
    'pg_stat_statements.track': 'all',
  })
})
after(() => cluster?.stop())

test('no statement takes more pages of larger tables', { skip }, async () => {
  await using small = await grown(SMALL)
  await using large = await grown(SMALL * TIMES)
  const [of, after] = [await pagesOf(small, SMALL), await pagesOf(large, SMALL * TIMES)]
  const compared = [...after].filter(([query]) => of.has(query) && !COUNTED.test(query))
  assert.ok(compared.length > 40, `only ${compared.length} statements were seen on both`)
  const grew = compared.filter(([query, pages]) => pages > of.get(query)! * MORE_PAGES + PAGES_BESIDE)
  assert.deepEqual(
    grew
      .map(([query, pages]) => `${query}: ${of.get(query)!.toFixed(0)} -> ${pages.toFixed(0)} pages`)
      .filter((one) => !one.startsWith(GROWS)),
    [],
  )
  assert.ok(
    grew.some(([query]) => query === GROWS),
    'a statement that reads its table was not noticed',
  )
})

test('whether the tree is behind is seen from few pages without statistics, as after a restore', { skip }, async () => {
  await using database = await cluster.createDatabase()
  await growDatabase(database, SMALL)
  await database.query("delete from pg_statistic where starelid = 'audit_chain'::regclass")
  const looks = { audit_grow: 'select audit_grow(1)', row_outside_tree: WAITING.text }
  await withClient(database.connection(), async (client) => {
    // As the index of a large table is reckoned.
    await client.query('set random_page_cost = 100')
    for (const [name, text] of Object.entries(looks)) {
      // The first time it is the catalogues that are read.
      await client.query(text)
      const { rows } = await client.query(`explain (analyze, buffers, format json) ${text}`)
      const { Plan: plan } = rows[0]['QUERY PLAN'][0]
      const pages = plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
      assert.ok(pages < SMALL / 5, `${name}: ${pages} pages`)
    }
  })
})

/** With a quarter of its orders undelivered. */
async function grown(rows: number): Promise<TestDatabase> {
  const database = await cluster.createDatabase()
  await database.query('create extension pg_stat_statements')
  await growDatabase(database, rows)
  await database.query(
    `with placed as (
       insert into orders (event_id, user_id, action, status, total, currency)
       select gen_random_uuid(), 1001, 'purchase', 'completed', 1, 'USD' from generate_series(1, $1::integer / 4) returning *
     ) insert into outbox (event_id, order_id, payload, next_attempt_at) select event_id, id, '{}', now() + interval '1 hour' from placed`,
    [rows],
  )
  await database.query(`update outbox set dead_at = now() where order_id > (select max(order_id) - 10 from outbox)`)
  await database.query('vacuum analyze')
  return database
}

/** By statement, the pages that a call of it takes. */
async function pagesOf(database: TestDatabase, rows: number): Promise<Map<string, number>> {
  await database.query(
    'select pg_stat_statements_reset(dbid => (select oid from pg_database where datname = current_database()))',
  )
  await useServices(database, rows)
  await database.query(GROWS)
  for (const board of panels(rows)) await withClient(database.connection('dashboards'), (client) => client.query(board))
  const counted = await database.query<{ query: string; pages: number }>(
    `select query, sum(shared_blks_hit + shared_blks_read)::float8 / sum(calls) as pages from pg_stat_statements
     where dbid = (select oid from pg_database where datname = current_database()) group by query`,
  )
  return new Map(counted.map(({ query, pages }) => [query.replace(/\s+/g, ' '), pages]))
}

async function useServices(database: TestDatabase, rows: number): Promise<void> {
  const env = { OTEL_SDK_DISABLED: 'true', DB_POOL_MAX: '2' }
  await using audits = await startInProcess({
    ...{ name: 'audit-service', schema: auditEnvironment, catalogue: METRICS, compose: audit.compose },
    connection: database.connection('audit_service'),
    env: { ...env, SEAL_POLL_MS: '20' },
  })
  await using orders = await startInProcess({
    ...{ name: 'order-service', schema: orderEnvironment, catalogue: METRICS, compose: order.compose },
    connection: database.connection('order_service'),
    env: { ...env, NEXT_SERVICE_URL: audits.url },
  })
  await using users = await startInProcess({
    ...{ name: 'user-service', schema: userEnvironment, catalogue: METRICS, compose: user.compose },
    connection: database.connection('user_service'),
    env: { ...env, NEXT_SERVICE_URL: orders.url },
  })
  const services = { 'user-service': users, 'order-service': orders, 'audit-service': audits }
  for (let n = 0; n < 12; n++) {
    const items = n % 2 ? [{ product_id: 'phone-001', quantity: 1 }] : undefined
    const key: Record<string, string> = n % 3 ? { 'idempotency-key': `grown-${n}` } : {}
    // Seals and leaves of several rows at once take more pages, and how many come at once is chance: each is waited for.
    const headers = { prefer: 'receipt, wait=9', ...key }
    const {
      status,
      text,
      headers: answered,
    } = await users.call('POST', '/process', { user_id: 1001 + n, action: 'purchase', items }, headers)
    assert.equal(status, 200, text)
    assert.equal(answered.get('preference-applied'), 'receipt', text)
  }
  for (const [name, paths] of Object.entries(READS)) {
    for (const path of Array.from({ length: ASKED }, () => paths).flat()) {
      const { status, text } = await services[name as keyof typeof services].call(
        'GET',
        path.replace('DEEP', String(rows / 2)),
      )
      assert.equal(status, 200, `${path}: ${text}`)
    }
  }
}

/** The SQL of the boards over five minutes in the middle, without a filter and with one. */
function panels(rows: number): string[] {
  const { panels } = JSON.parse(readFileSync('observability/grafana/dashboards/audit.json', 'utf8'))
  const sql = JSON.stringify(panels)
    .match(/"rawSql":("(?:[^"\\]|\\.)*")/g)!
    .map((text) => JSON.parse(text.slice(9)) as string)
  assert.ok(sql.length > 0)
  const middle = Date.now() - (rows / 2) * 3_000
  const variable = (text: string) => ({ text, values: [text], multi: false })
  const variables = (user: string) =>
    new Map(Object.entries({ user_id: user, order_id: '', trace_id: '' }).map(([name, text]) => [name, variable(text)]))
  const range = { from: middle - 300_000, to: middle }
  return sql.flatMap((text) =>
    ['', '1010'].map((user) =>
      fillSql(text, { range, intervalMs: 1_000, variables: variables(user) }).replace('LIMIT 200', 'LIMIT 5'),
    ),
  )
}
