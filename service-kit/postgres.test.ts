/** A real server: what a caller gets for its failures, and what becomes of the connection. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { trace } from '@opentelemetry/api'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import log4js from 'log4js'
import type { CopiedRow } from './copy-rows.ts'
import { until } from './poll.ts'
import { countOf, type Database, type DatabaseOptions, sql } from './postgres.ts'
import { isConnectionLoss, SQLSTATE } from './postgres-errors.ts'
import { ProblemError } from './problems.ts'
import { telemetry } from './telemetry/state.ts'
import { sample } from './test/index.ts'
import { openDatabase } from './test/opened-database.ts'

let cluster: TestCluster
let owner: TestDatabase
before(async () => {
  cluster = await startTestCluster()
  owner = await cluster.createDatabase()
  await owner.query('create table things (id int8 primary key, name text not null)')
})
after(async () => {
  await owner?.drop()
  await cluster?.stop()
})

const open = (options: Partial<DatabaseOptions> = {}) => openDatabase({ connection: owner.connection(), ...options })

const PID = sql('own_pid', 'select pg_backend_pid() as pid')
const ADD = sql('add_thing', 'insert into things (id, name) values ($1, $2) returning id, name')
const COUNT = sql('count_things', 'select count(*) as n from things where id = any($1)')
const SLEEP = sql('sleep', 'select pg_sleep($1)')

async function pidOf(db: Database): Promise<number> {
  return (await db.query<{ pid: number }>(PID))[0]!.pid
}

const unavailableFor = (seconds: number) => (error: unknown) => {
  assert.ok(error instanceof ProblemError, String(error))
  const { status, kind, retryAfter } = error.details
  assert.deepEqual({ status, kind, retryAfter }, { status: 503, kind: 'database-unavailable', retryAfter: seconds })
  return true
}
const isUnavailable = unavailableFor(1)

test('a statement is one line and prepared once per connection under its name; int8 comes as a number', async () => {
  await using opened = open()
  const statement = sql(
    'named',
    ` select id,
       name   from things where id = $1 `,
  )
  assert.equal(statement.text, 'select id, name from things where id = $1')
  assert.deepEqual(await opened.db.query(ADD, [1, 'one']), [{ id: 1, name: 'one' }])
  for (let i = 0; i < 2; i++) assert.deepEqual(await opened.db.query(statement, [1]), [{ id: 1, name: 'one' }])
  const prepared = sql('prepared', 'select name, statement from pg_prepared_statements order by prepare_time')
  assert.deepEqual(
    (await opened.db.query<{ name: string }>(prepared)).map(({ name }) => name),
    ['add_thing', 'named', 'prepared'],
  )
})

test('a statement carries the span that it is told on its way to pg, unless it is not to', async () => {
  const name = sql('own_name', "select current_setting('application_name') as name")
  const spanContext = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 0 }
  for (const [carriesTrace, expected] of [
    [true, `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`],
    [false, 'postgres.test'],
  ] as const) {
    await using opened = open({ carriesTrace })
    // As the instrumentation does, inside of the call.
    opened.db.pool.on('connect', (client) => {
      const send = client.query
      client.query = ((...args: unknown[]) => {
        if (telemetry.statement) telemetry.statement.span = trace.wrapSpanContext(spanContext)
        return Reflect.apply(send, client, args)
      }) as typeof send
    })
    assert.deepEqual(await opened.db.query(name), [{ name: expected }])
    assert.equal(telemetry.statement, undefined)
  }
})

test('copied rows come in the order of their statements, with nulls and without an end; failures are those of a query', async () => {
  await using opened = open()
  const { db } = opened
  const values: Array<string | null> = []
  const note = ({ bytes, starts, lengths }: CopiedRow) => {
    const [start, length] = [starts[1]!, lengths[1]!]
    values.push(length < 0 ? null : bytes.toString('utf8', start, start + length))
    return bytes.readInt32BE(starts[0]!)
  }
  const numbers: number[] = []
  const onRow = (row: CopiedRow) => void numbers.push(note(row))
  await db.copyRows('two', [
    { text: "select n, case when n <> 2 then 'row ' || n end from generate_series(1, 3) n", onRow },
    { text: 'select 1 where false', onRow },
    { text: "select 4, 'é'", onRow },
  ])
  assert.deepEqual(
    [numbers, values],
    [
      [1, 2, 3, 4],
      ['row 1', null, 'row 3', 'é'],
    ],
  )
  assert.match((await opened.metrics.scrape()).body, /db_query_summary="two"/)
  // Of every length: their messages end anywhere in what a socket gives, and some are longer than that.
  const lengths: number[] = []
  const many =
    'select n, repeat(chr(97 + n % 26), case n when 300 then 200000 else n end) from generate_series(0, 600) n'
  await db.copyRows('split', [
    {
      text: many,
      onRow: ({ bytes, starts, lengths: of }) => {
        const n = bytes.readInt32BE(starts[0]!)
        const text = bytes.toString('latin1', starts[1]!, starts[1]! + of[1]!)
        assert.equal(text, String.fromCharCode(97 + (n % 26)).repeat(n === 300 ? 200_000 : n))
        lengths.push(n)
      },
    },
  ])
  assert.deepEqual(lengths, [...Array(601).keys()])
  await assert.rejects(
    db.copyRows('bad', [{ text: 'select 1 / (3 - n) from generate_series(1, 3) n', onRow: () => {} }]),
    {
      code: '22012',
    },
  )
  const refuse = () => assert.fail('no such row')
  await assert.rejects(db.copyRows('refused', [{ text: 'select 1', onRow: refuse }]), /no such row/)
  await assert.rejects(
    db.copyRows('slow', [{ text: 'select pg_terminate_backend(pg_backend_pid())', onRow: refuse }]),
    isUnavailable,
  )
  assert.deepEqual(await db.query(COUNT, [[0]]), [{ n: 0 }])
})

test('a transaction commits what it did when its work resolves, and nothing when it rejects', async () => {
  await using opened = open()
  const added = await opened.db.transaction(async (tx) => {
    await tx.query(ADD, [11, 'a'])
    return (await tx.query<{ id: number }>(ADD, [12, 'b']))[0]!.id
  })
  assert.equal(added, 12)
  const refused = new Error('the business says no')
  const failing = opened.db.transaction(async (tx) => {
    await tx.query(ADD, [13, 'c'])
    throw refused
  })
  await assert.rejects(failing, (error) => error === refused)
  // A violated constraint breaks the transaction, not the connection, and keeps its code for the caller.
  const pid = await pidOf(opened.db)
  const duplicate = opened.db.transaction(async (tx) => {
    await tx.query(ADD, [14, 'd'])
    await tx.query(ADD, [11, 'again'])
  })
  await assert.rejects(duplicate, { code: SQLSTATE.unique_violation, stack: /postgres\.test\.ts/ })
  assert.deepEqual(await opened.db.query(COUNT, [[11, 12, 13, 14]]), [{ n: 2 }])
  assert.equal(await pidOf(opened.db), pid)
})

test('what passes is 503, soon or in a while; every other code reaches the caller', async () => {
  await using opened = open()
  const raise = (code: string) => opened.db.query(sql('', `do $$ begin raise sqlstate '${code}'; end $$`))
  // Class 53, 58, read-only: https://www.postgresql.org/docs/current/errcodes-appendix.html
  for (const code of ['53000', '53100', '53200', '53400', '58000', '58030', '25006'])
    await assert.rejects(raise(code), unavailableFor(10), code)
  for (const code of [
    '53300',
    '57014',
    '57P01',
    '57P02',
    '57P03',
    '57P05',
    '08006',
    '55P03',
    '40001',
    '40P01',
    '25P03',
    '25P04',
  ])
    await assert.rejects(raise(code), isUnavailable, code)
  const { unique_violation, foreign_key_violation, check_violation, insufficient_privilege } = SQLSTATE
  // Damage and missing files do not pass: somebody has to come.
  const lasting = [
    unique_violation,
    foreign_key_violation,
    check_violation,
    insufficient_privilege,
    '22P02',
    '58P01',
    'XX001',
  ]
  for (const code of lasting) await assert.rejects(raise(code), { code })
})

test('a role that has no connection left is 503, and served when there is one', async () => {
  await owner.query(`
    create role narrow login password 'narrow' connection limit 1;
    grant connect on database ${owner.name} to narrow`)
  const connection = { ...owner.connection(), user: 'narrow', password: 'narrow' }
  await using second = open({ connection })
  {
    await using first = open({ connection })
    await pidOf(first.db)
    await assert.rejects(pidOf(second.db), isUnavailable)
  }
  await until('the first has left', 10, () => pidOf(second.db).catch(() => undefined))
})

test('a server that only reads is 503, and its connection is not lent again: another server may write by now', async () => {
  await using opened = open()
  const before = await pidOf(opened.db)
  await opened.db.query(sql('', 'set default_transaction_read_only = on'))
  await assert.rejects(opened.db.query(ADD, [70, 'read only']), unavailableFor(10))
  assert.notEqual(await pidOf(opened.db), before)
  assert.deepEqual(await opened.db.query(ADD, [70, 'written']), [{ id: 70, name: 'written' }])
  await opened.db.query(sql('', 'set default_transaction_read_only = on'))
  const late = opened.db.transaction((tx) => tx.query(ADD, [71, 'read only']))
  await assert.rejects(late, unavailableFor(10))
  assert.deepEqual(await opened.db.query(ADD, [71, 'written']), [{ id: 71, name: 'written' }])
})

test('an opened pool has its connections before the first statement, and says how many it could not open', async () => {
  await using opened = open({ poolMax: 3, acquireTimeoutMs: 15_000 })
  assert.equal(await opened.db.open(), 3)
  assert.deepEqual([opened.db.pool.totalCount, opened.db.pool.idleCount], [3, 3])
  const warnings: unknown[] = []
  const logger = Object.assign(log4js.getLogger('nowhere'), { warn: (message: unknown) => warnings.push(message) })
  await using nowhere = open({ poolMax: 3, logger, connection: { ...owner.connection(), host: '/nowhere' } })
  assert.equal(await nowhere.db.open(), 0)
  assert.deepEqual(warnings, ['0 of 3 database connections are open'])
})

test('a socket that is not there is 503', async () => {
  await using opened = open({ connection: { ...owner.connection(), host: '/nowhere' } })
  await assert.rejects(opened.db.check(), isUnavailable)
})

test('a statement over its time limit is cancelled, and the connection goes on', async () => {
  await using opened = open({ statementTimeoutMs: 50 })
  const pid = await pidOf(opened.db)
  await assert.rejects(opened.db.query(SLEEP, [30]), isUnavailable)
  assert.equal(await pidOf(opened.db), pid)
})

test('no free connection in time is 503 and counted; who waits is seen', async () => {
  await using opened = open({ acquireTimeoutMs: 2_000 })
  // The time covers connecting, too: the one connection is there before anything depends on it.
  await until('a connection', 15, () => opened.db.query(PID))
  const { promise: busy, resolve: release } = Promise.withResolvers<void>()
  const holding = opened.db.transaction(() => busy)
  await until('the connection is lent', 15, () => opened.db.pool.totalCount === 1 && opened.db.pool.idleCount === 0)
  const waiting = assert.rejects(opened.db.query(PID), isUnavailable)
  const { body } = await opened.metrics.scrape()
  const gauges = {
    max: sample(body, 'db_client_connection_max'),
    used: sample(body, 'db_client_connection_count{state="used"}'),
    idle: sample(body, 'db_client_connection_count{state="idle"}'),
    pending: sample(body, 'db_client_connection_pending_requests'),
  }
  assert.deepEqual(gauges, { max: 1, used: 1, idle: 0, pending: 1 })
  await waiting
  release()
  await holding
  assert.equal(sample((await opened.metrics.scrape()).body, 'db_client_connection_timeouts_total'), 1)
  assert.equal((await opened.db.query(PID)).length, 1)
})

test('a connection that breaks during a statement is 503 and not lent again', async () => {
  await using opened = open()
  const pid = await pidOf(opened.db)
  const sleeping = assert.rejects(opened.db.query(SLEEP, [30]), isUnavailable)
  const state = 'select 1 from pg_stat_activity where pid = $1 and wait_event = $2'
  await until('it sleeps', 15, async () => (await owner.query(state, [pid, 'PgSleep'])).length === 1)
  await owner.query('select pg_terminate_backend($1)', [pid])
  await sleeping
  assert.equal(opened.db.pool.totalCount, 0)
  assert.notEqual(await pidOf(opened.db), pid)
})

test('a connection that breaks between two statements of a transaction: 503, and process and pool go on', async () => {
  await using opened = open()
  const lost = opened.db.transaction(async (tx) => {
    const [row] = await tx.query<{ pid: number }>(PID)
    await terminate(opened.db, row!.pid)
    await tx.query(PID)
  })
  await assert.rejects(lost, isUnavailable)
  assert.equal((await opened.db.query(PID)).length, 1)
})

test('a rollback that fails leaves no connection of unknown state in the pool', async () => {
  await using opened = open()
  const refused = new Error('the business says no')
  const lost = opened.db.transaction(async (tx) => {
    const [row] = await tx.query<{ pid: number }>(PID)
    await terminate(opened.db, row!.pid)
    throw refused
  })
  await assert.rejects(lost, (error) => error === refused)
  assert.equal(opened.db.pool.totalCount, 0)
  assert.equal((await opened.db.query(PID)).length, 1)
})

test('an idle connection that breaks is replaced without anybody noticing', async () => {
  await using opened = open()
  const pid = await pidOf(opened.db)
  await owner.query('select pg_terminate_backend($1)', [pid])
  await until('the pool has heard of it', 15, () => opened.db.pool.totalCount === 0)
  assert.notEqual(await pidOf(opened.db), pid)
})

test('a database that is away is 503 until it is back', async () => {
  await using opened = open()
  await opened.db.check()
  await cluster.pause()
  try {
    await assert.rejects(opened.db.check(), isUnavailable)
  } finally {
    await cluster.resume()
  }
  await opened.db.check()
})

test('each statement is one observation under its name, with its error; a transaction counts by its text', async () => {
  await using opened = open()
  await opened.db.transaction((tx) => tx.query(PID))
  await assert.rejects(opened.db.query(ADD, [null, null]))
  const { body } = await opened.metrics.scrape()
  const counted = [...body.matchAll(/^db_client_operation_duration_seconds_count\{(.*)\} (\d+)$/gm)]
  assert.deepEqual(
    counted.map(([, labels, count]) => `${labels} ${count}`),
    [
      'db_query_summary="begin",error_type="" 1',
      'db_query_summary="own_pid",error_type="" 1',
      'db_query_summary="commit",error_type="" 1',
      'db_query_summary="add_thing",error_type="23502" 1',
    ],
  )
})

test('which errors mean that the connection is gone', () => {
  for (const code of ['57P01', '08006', 'ECONNRESET', 'EPIPE', 'ENOTFOUND']) assert.ok(isConnectionLoss({ code }), code)
  for (const code of ['57014', '23505', 'ENOENT']) assert.equal(isConnectionLoss({ code }), false, code)
  assert.ok(isConnectionLoss(new Error('Connection terminated unexpectedly')))
  for (const other of [new Error('no'), undefined, null, 'text']) assert.equal(isConnectionLoss(other), false)
})

/** Ends a connection of the pool while no statement runs on it, and waits until the pool's client has seen it. */
async function terminate(db: Database, pid: number): Promise<void> {
  const [client] = (db.pool as unknown as { _clients: NodeJS.EventEmitter[] })._clients.filter(
    (one) => (one as unknown as { processID: number }).processID === pid,
  )
  const ended = new Promise((done) => client!.once('end', done))
  await owner.query('select pg_terminate_backend($1)', [pid])
  await ended
}

test('what waits is counted one by one up to ten thousand, and told by the statistics beyond', async () => {
  await using opened = open()
  await owner.query('create table waiting (n integer) with (autovacuum_enabled = off)')
  // A session that counted a moment ago tells the statistics after ten idle seconds only, unless it is told to.
  const add = (count: number) =>
    owner.query(`
      insert into waiting select n from generate_series(1, ${count}) n;
      select pg_stat_force_next_flush()`)
  const count = async (condition?: string) =>
    (await opened.db.query<{ n: number }>(sql('', `select ${countOf('waiting', condition)} as n`)))[0]!.n
  await add(9_999)
  assert.deepEqual([await count(), await count('n <= 20')], [9_999, 20])
  await add(2)
  // The statistics are not there yet, or they are.
  assert.equal(await count(), 10_001)
  await add(20_000)
  await until('the statistics know', 30, async () => (await count()) === 30_001)
})
