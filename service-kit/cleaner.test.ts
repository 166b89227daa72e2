/** On a real table: what one step may take, and what a failure costs. */
import assert from 'node:assert/strict'
import { after, before, mock, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import log4js from 'log4js'
import { CLEAN_STEP, createCleaner } from './cleaner.ts'
import { createMetrics } from './metrics.ts'
import { until } from './poll.ts'
import { createDatabase, type Database, sql } from './postgres.ts'
import { KIT_METRICS } from './test/catalogue.ts'

const HOUR_MS = 3_600_000
const EXPIRE = sql(
  'expire_things',
  `delete from things where id in (select id from things where expired limit ${CLEAN_STEP}) returning id`,
)
let cluster: TestCluster
let owner: TestDatabase
let database: Database
before(async () => {
  cluster = await startTestCluster()
  owner = await cluster.createDatabase()
  await owner.query('create table things (id int primary key, expired boolean not null)')
  const metrics = createMetrics({ name: 'test', version: '1' }, KIT_METRICS)
  const logger = log4js.getLogger('cleaner')
  database = createDatabase({ connection: owner.connection(), applicationName: 'test', poolMax: 2, metrics, logger })
  log4js.configure({
    appenders: { kept: { type: log4js.recording() } },
    categories: { default: { appenders: ['kept'], level: 'info' } },
  })
})
after(async () => {
  await database?.close()
  await owner?.drop()
  await cluster?.stop()
})

const count = async () => (await owner.query<{ n: number }>('select count(*)::int as n from things'))[0]!.n
const fill = (from: number, to: number) =>
  owner.query('insert into things select id, id % 10 > 0 from generate_series($1::int, $2::int) id', [from, to])

test('everything expired goes at the start, in steps, and again each hour; nothing after the stop', async () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const cleaner = createCleaner({ database, logger: log4js.getLogger('cleaner') }, 'old things', EXPIRE)
  try {
    await fill(1, 12_000)
    await cleaner.start!()
    await until('two whole steps and a part are removed', 20, async () => (await count()) === 1_200)
    await fill(12_001, 12_010)
    mock.timers.tick(HOUR_MS)
    await until('the next hour removes what has expired since', 20, async () => (await count()) === 1_201)
    await cleaner.stop()
    await fill(12_011, 12_020)
    mock.timers.tick(HOUR_MS)
    await database.check()
    assert.equal(await count(), 1_211)
  } finally {
    await cleaner.stop()
    mock.timers.reset()
  }
})

test('a failure is a warning and waits for the next hour', async () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const cleaner = createCleaner({ database, logger: log4js.getLogger('cleaner') }, 'old things', EXPIRE)
  const warnings = () =>
    log4js
      .recording()
      .replay()
      .map(({ level, data }) => `${level.levelStr} ${data[0]}`)
  try {
    await owner.query('alter table things rename to other')
    await cleaner.start!()
    await until('the warning', 20, () => warnings().length > 0)
    assert.deepEqual(warnings(), ['WARN old things were not removed'])
    await owner.query('alter table other rename to things')
    await owner.query('truncate things')
    await fill(1, 10)
    mock.timers.tick(HOUR_MS)
    await until('the next hour works again', 20, async () => (await count()) === 1)
  } finally {
    await cleaner.stop()
    mock.timers.reset()
  }
})
