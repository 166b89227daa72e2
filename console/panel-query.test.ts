/** SQL of dashboards' files, run by the console's server on a real PostgreSQL as the role `dashboards`. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import fc from 'fast-check'
import pg from 'pg'
import { anyCharacter } from '../test/any-text.ts'
import { createReader } from './postgres.ts'
import { createConsoleServer } from './server.ts'

const MINUTE = 60_000
const ROWS = 5_000

let cluster: TestCluster
let database: TestDatabase
let boards: string
let console_: Server
let url: string

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
  // Row `id` was recorded at minute `id`.
  await database.query(`
    insert into audit_logs (id, event_id, event_type, occurred_at, recorded_at, source, user_id, action, trace_id, details)
    overriding system value
    select id, gen_random_uuid(), 'order.completed', at, at, 'test', case when id = 2 then 4 else 42 end,
      case when id = 2 then 'o''clock' when id % 50 = 0 then 'refund' else 'purchase' end,
      case when id = 2 then null else lpad(to_hex(id), 32, '0') end, '{"total": "9.99"}'
    from generate_series(1, ${ROWS}) id, lateral (select to_timestamp(id * 60) as at) times`)
  boards = await mkdtemp(join(tmpdir(), 'console-sql-'))
  console_ = createConsoleServer({
    dist: boards,
    dashboards: boards,
    tempoUrl: '',
    lokiUrl: '',
    prometheusUrl: '',
    auditUrl: '',
    database: database.connection('dashboards'),
  })
  url = await listen(console_)
})

after(async () => {
  console_.closeAllConnections()
  await new Promise((done) => console_.close(done))
  await rm(boards, { recursive: true })
  await database.drop()
  await cluster.stop()
})

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Answer {
  status: number
  error?: string
  sql?: string
  schema: { refId: string; fields: { name: string; type: string }[]; meta: { executedQueryString: string } }
  data: { values: unknown[][] }
}

const WIDE = { from: '0', to: String(10 * ROWS * MINUTE), intervalMs: '15000' }

async function post(form: Record<string, string>, base = url): Promise<Answer> {
  const response = await fetch(`${base}/api/postgres/query`, { method: 'POST', body: new URLSearchParams(form) })
  return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) }
}

/** Puts the SQL into a dashboard's file and asks for it. */
async function ask(rawSql: string, form: Record<string, string> = {}, base = url): Promise<Answer> {
  const panels = [{ id: 1, type: 'row', panels: [{ id: 7, type: 'table', targets: [{ refId: 'B', rawSql }] }] }]
  await writeFile(join(boards, 'asked.json'), JSON.stringify({ uid: 'asked', panels }))
  return post({ dashboard: 'asked', panel: '7', refId: 'B', ...WIDE, ...form }, base)
}

async function ids(rest: string, form: Record<string, string> = {}): Promise<unknown> {
  const answer = await ask(`SELECT id FROM audit_logs WHERE ${rest}`, form)
  assert.equal(answer.status, 200, answer.error)
  return answer.data.values[0]
}

const range = (from: number, to: number) => ({ from: String(from * MINUTE), to: String(to * MINUTE) })

test('conditions', async () => {
  const first = 'AND id <= 10 ORDER BY id'
  assert.deepEqual(await ids('$__timeFilter(recorded_at) ORDER BY id', range(1, 2)), [1, 2])
  assert.deepEqual(await ids("user_id::text = '4'"), [2])
  assert.deepEqual(await ids(`('' = '' OR user_id::text = '') ${first}`), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const user = "(${user_id:sqlstring} = '' OR user_id::text = ${user_id:sqlstring})"
  assert.deepEqual(await ids(`${user} AND id < 5`, { 'var-user_id': '4' }), [2])
  assert.deepEqual(await ids(`${user} AND id < 4 ORDER BY id`, { 'var-user_id': '' }), [1, 2, 3])
  assert.deepEqual(await ids('action = $action', { 'var-action': "o'clock" }), [2])
  assert.deepEqual(await ids("action LIKE 'r%' OR id > 4998 ORDER BY id DESC LIMIT 4"), [5000, 4999, 4950, 4900])
  const trace = `(trace_id <> '${'1'.padStart(32, '0')}') AND id < 4 ORDER BY id`
  assert.deepEqual(await ids(trace), [3], 'a null is neither equal nor unequal')
})

test('order, limit and names', async () => {
  const { schema, data } = await ask('select id as number, action from audit_logs order by id limit 1')
  assert.deepEqual(schema.fields, [
    { name: 'number', type: 'number' },
    { name: 'action', type: 'string' },
  ])
  assert.deepEqual(data.values, [[1], ['purchase']])
})

test('a past range has its rows, the newest or the oldest first', async () => {
  const inRange = '$__timeFilter(recorded_at) ORDER BY id DESC LIMIT 200'
  assert.deepEqual(await ids(inRange, range(1_000, 1_002)), [1_002, 1_001, 1_000])
  assert.equal(((await ids(inRange, range(100, 4_000))) as unknown[]).length, 200)
  assert.deepEqual(await ids("action = 'refund' ORDER BY id DESC LIMIT 3"), [5_000, 4_950, 4_900])
  assert.deepEqual(await ids('$__timeFilter(recorded_at) ORDER BY id LIMIT 2', range(4_000, 5_000)), [4_000, 4_001])
})

test('the Database board leads from a statement that waits to the trace that holds what it waits for', async () => {
  const board = await readFile(join(import.meta.dirname, '../observability/grafana/dashboards/database.json'), 'utf8')
  const { panels } = JSON.parse(board) as { panels: { title: string; targets: { rawSql: string }[] }[] }
  const panel = panels.find(({ title }) => title === 'Who waits for whom')!
  const told = (n: number) => `set application_name = '00-${String(n).repeat(32)}-${String(n).repeat(16)}-01'`
  const [holder, waiter] = [new pg.Client(database.connection()), new pg.Client(database.connection())]
  await Promise.all([holder.connect(), waiter.connect()])
  try {
    await holder.query(`${told(1)}; begin; lock table users; select 'john@example.com'`)
    const waiting = waiter.query(`${told(2)}; begin; lock table users`).catch((error: Error) => error)
    const { schema, data } = await until(
      'it waits',
      15,
      () => ask(panel.targets[0]!.rawSql),
      ({ data }) => {
        assert.equal(data.values[0]?.length, 1)
      },
    )
    const row = Object.fromEntries(schema.fields.map(({ name }, i) => [name, data.values[i]![0]]))
    const { Waits, Behind, State, 'Its trace': its, 'Trace of the holder': holders } = row
    assert.deepEqual([Waits, Behind, State], ['sightline', 'sightline', 'idle in transaction'])
    assert.deepEqual([its, holders], ['2'.repeat(32), '1'.repeat(32)])
    // A cell without a value would show what the panel says of no row.
    assert.ok(
      data.values.every(([cell]) => cell !== null),
      JSON.stringify(row),
    )
    assert.match(String(row['Last statement']), /select \?$/)
    await holder.query('rollback')
    await waiting
  } finally {
    await Promise.all([holder.end(), waiter.end()])
  }
})

test('an answer without end is refused in words', async () => {
  const { status, error } = await ask('SELECT a.id FROM audit_logs a, audit_logs b')
  assert.equal(status, 400)
  assert.match(error ?? '', /more than 20000 rows. Add a LIMIT, or take a shorter time range/)
})

test('all of PostgreSQL’s SQL, in the types of the console', async () => {
  const { schema, data } = await ask(`
    WITH counted AS (SELECT $__timeGroupAlias(recorded_at, '1h'), action, count(*) AS n FROM audit_logs
      WHERE id < 180 GROUP BY 1, 2)
    SELECT "time", action, n, n / 7.0 AS share, n > 5 AS many, NULL AS nothing, '{1,2}'::int[] AS list,
      to_timestamp("time") AS at, date '1970-01-02' AS day, timestamp 'infinity' AS never
    FROM counted ORDER BY 1, 2 LIMIT 2;`)
  const types = ['time', 'string', 'number', 'number', 'boolean', 'string', 'string', 'time', 'time', 'time']
  assert.deepEqual(
    schema.fields.map(({ type }) => type),
    types,
  )
  const hour = 60 * MINUTE
  assert.deepEqual(
    data.values.map((column) => column[0]),
    [0, "o'clock", 1, 1 / 7, false, null, '{1,2}', 0, 24 * hour, null],
  )
})

test('the answer has the SQL with its values, a refusal too', async () => {
  const answer = await ask('SELECT id FROM audit_logs WHERE action = $action', { 'var-action': "o'clock" })
  assert.equal(answer.schema.meta.executedQueryString, "SELECT id FROM audit_logs WHERE action = 'o''clock'")
  const wrong = await ask('SELECT nothing FROM audit_logs WHERE $__timeFilter(recorded_at)', range(0, 1))
  assert.equal(wrong.status, 400)
  assert.equal(wrong.error, 'column "nothing" does not exist')
  assert.match(wrong.sql ?? '', /BETWEEN '1970-01-01T00:00:00.000Z' AND '1970-01-01T00:01:00.000Z'/)
})

test('a value comes back as it was, whatever it holds', async () => {
  const text = fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.string({ unit: fc.constantFrom("'", '"', '\\', '$', '-', '/', '*', ';', 'E', ' ') }),
  )
  await fc.assert(
    fc.asyncProperty(
      text.filter((value) => !value.includes('\0') && value.isWellFormed()),
      async (value) => {
        const { data, error } = await ask("SELECT $x, '<$x>', ${x:sqlstring} /* $x */ -- $x", { 'var-x': value })
        assert.deepEqual(data?.values, [[value], [`<${value}>`], [value]], error)
      },
    ),
    { numRuns: 100 },
  )
})

test('nothing of the request is run, and only what a file asks', async () => {
  const form = { dashboard: 'asked', panel: '7', refId: 'B', ...WIDE }
  await ask('SELECT 1')
  assert.deepEqual((await post({ ...form, rawSql: 'SELECT 2', sql: 'SELECT 2' })).data.values, [[1]])
  for (const other of [{ dashboard: '../asked' }, { panel: '8' }, { panel: '1' }, { refId: 'A' }]) {
    const { status, error } = await post({ ...form, ...other })
    assert.equal(status, 404, JSON.stringify(other))
    assert.match(error ?? '', /has no SQL as query/)
  }
  const wrongs: Record<string, string>[] = [{ from: '' }, { to: '1e99' }, { intervalMs: '0' }, { 'var-x': 'a\0b' }]
  for (const wrong of wrongs) assert.equal((await post({ ...form, ...wrong })).status, 400, JSON.stringify(wrong))
  assert.equal((await fetch(`${url}/api/postgres/query`)).status, 405)
})

test('a file may ask for what the role may read, and for nothing that changes anything', async () => {
  const before = await database.query('select count(*), max(id) from audit_logs')
  const refused: readonly [string, RegExp][] = [
    ['SELECT * FROM users', /permission denied for table users/],
    ['SELECT payload FROM outbox', /permission denied for table outbox/],
    ["SELECT pg_read_file('/etc/passwd')", /permission denied for function pg_read_file/],
    ["SELECT pg_ls_dir('.')", /permission denied for function pg_ls_dir/],
    ["SELECT lo_import('/etc/passwd')", /permission denied for function lo_import/],
    ["SELECT nextval('audit_logs_id_seq')", /permission denied for sequence|read-only transaction/],
    ['SELECT lo_create(0)', /permission denied|read-only transaction/],
    ["SELECT set_config('transaction_read_only', 'off', true)", /read-write mode/],
    ['DELETE FROM audit_logs', /syntax error at or near "DELETE"/],
    ['WITH gone AS (DELETE FROM audit_logs RETURNING *) SELECT * FROM gone', /must not contain data-modifying/],
    ['SELECT id INTO mine FROM audit_logs', /SELECT ... INTO is not allowed/],
    ['SELECT 1; COMMIT', /cannot insert multiple commands/],
    ['SELECT 1 FOR UPDATE; SELECT 2', /cannot insert multiple commands/],
    ['SELECT id FROM audit_logs FOR UPDATE', /permission denied|read-only transaction/],
    ['SET ROLE sightline', /syntax error/],
    ["COPY audit_logs TO PROGRAM 'true'", /syntax error/],
    ['SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $owner', /permission denied/],
  ]
  const { user } = database.connection()
  for (const [sql, reason] of refused) {
    const { status, error } = await ask(sql, { 'var-owner': user })
    assert.equal(status, 400, sql)
    assert.match(error ?? '', reason, sql)
  }
  assert.deepEqual(await database.query('select count(*), max(id) from audit_logs'), before)
})

test('what a query leaves in its session ends with it', async () => {
  const held = () => database.query(`select from pg_locks where locktype = 'advisory'`)
  const { status } = await ask(
    `SELECT pg_advisory_lock(1), set_config('timezone', 'Asia/Tokyo', false), pg_notify('a', 'b')`,
  )
  assert.equal(status, 200)
  assert.deepEqual((await ask(`SELECT current_setting('timezone')`)).data.values, [['UTC']])
  const deadline = performance.now() + 5_000
  while ((await held()).length > 0) assert.ok(performance.now() < deadline, 'the lock is still held')
})

test('a query that takes too long is ended', async () => {
  const read = createReader(database.connection('dashboards'), 300)
  await assert.rejects(read('SELECT pg_sleep(60)'), { status: 504, message: /needs more than 0.3 s/ })
  await assert.rejects(read(`SELECT set_config('statement_timeout', '0', false), pg_sleep(60)`), { status: 504 })
})

test('without a database, and while PostgreSQL is down, the panel is told so', async (t) => {
  const none = createConsoleServer({
    dist: '',
    dashboards: boards,
    tempoUrl: '',
    lokiUrl: '',
    prometheusUrl: '',
    auditUrl: '',
  })
  t.after(() => none.close())
  const without = await ask('SELECT 1', {}, await listen(none))
  none.closeAllConnections()
  assert.equal(without.status, 503)
  assert.match(without.error ?? '', /without a database to ask: PGPASSWORD is not set/)
  await cluster.pause()
  const down = await ask('SELECT 1')
  assert.equal(down.status, 503)
  assert.match(down.error ?? '', /PostgreSQL can't be asked at 127.0.0.1:\d+: .*ECONNREFUSED.* Is it running\?/)
  await cluster.resume()
  assert.deepEqual((await ask('SELECT 1')).data.values, [[1]])
})
