/** What a real server writes, as it is stored: by trace, and without personal data. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { trace } from '@opentelemetry/api'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { ExportLogsServiceRequestSchema, type LogRecord } from '@sightline/otlp-messages'
import { until } from '@sightline/service-kit/poll'
import { CarryingQuery } from '@sightline/service-kit/testing'
import pg from 'pg'
import type { Follower } from '../gateway-log/follow-file.ts'
import { type PostgresLogOptions, startPostgresLog } from './index.ts'
import { parsePostgresRecord } from './record.ts'

const EMAIL = 'john.doe@example.com'
const folder = mkdtempSync(join(tmpdir(), 'sightline-postgres-log-'))
// PostgreSQL may run as another user, and writes here.
chmodSync(folder, 0o777)
const log = join(folder, 'server.json')

let cluster: TestCluster
let database: TestDatabase
before(async () => {
  cluster = await startTestCluster({
    logging_collector: 'on',
    log_destination: 'jsonlog',
    log_directory: folder,
    log_filename: 'server.log',
    log_file_mode: '0644',
    shared_preload_libraries: 'auto_explain',
    log_min_duration_statement: '50ms',
    log_lock_waits: 'on',
    deadlock_timeout: '10ms',
    'auto_explain.log_min_duration': '50ms',
    'auto_explain.log_format': 'json',
    'auto_explain.log_parameter_max_length': '0',
  })
  database = await cluster.createDatabase()
})
after(async () => {
  await database?.drop()
  await cluster?.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Line {
  body: string
  level: string
  traceId: string
  spanId: string
  fields: Record<string, unknown>
}

const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const lineOf = (record: LogRecord): Line => ({
  body: String(record.body!.value.value),
  level: record.severityText,
  traceId: hex(record.traceId),
  spanId: hex(record.spanId),
  fields: Object.fromEntries(record.attributes.map(({ key, value }) => [key, plain(value!.value.value)])),
})

/** A store in memory with the real one's promise: batch and cursor together. */
function memoryStore() {
  const store = { lines: [] as Line[], cursor: undefined as string | undefined, errors: [] as unknown[], refuse: 0 }
  const sink: PostgresLogOptions['sink'] = {
    cursor: () => store.cursor,
    async ingestLogs(bytes, { value }) {
      if (store.refuse-- > 0) throw new Error('refused')
      for (const { resource, scopeLogs } of fromBinary(ExportLogsServiceRequestSchema, bytes).resourceLogs) {
        assert.ok(
          resource!.attributes.some(({ key, value }) => key === 'service.name' && value!.value.value === 'postgresql'),
        )
        store.lines.push(...scopeLogs[0]!.logRecords.map(lineOf))
      }
      store.cursor = value
    },
  }
  const onError = (error: unknown) => void store.errors.push(error)
  return {
    store,
    follow: (path: string, env = {}) =>
      startPostgresLog({ log: path, environment: 'test', env, sink, onError, pollMs: 5 }),
  }
}

const spanContext = (n: number) => ({ traceId: String(n).repeat(32), spanId: String(n).repeat(16), traceFlags: 1 })

test('waits, slow statements with their plans and errors come with their trace, and without what was sent', async () => {
  await database.query(`create table people (id int primary key, email text unique);
    insert into people values (1, '${EMAIL}'), (2, 'x')`)
  const [holder, waiter] = [new pg.Client(database.connection()), new pg.Client(database.connection())]
  await Promise.all([holder.connect(), waiter.connect()])
  const run = (client: pg.Client, n: number, name: string, text: string, values: unknown[] = []) =>
    new Promise<pg.QueryResult>((resolve, reject) => {
      const query = new CarryingQuery({ name, text }, values)
      query.span = trace.wrapSpanContext(spanContext(n))
      query.callback = (error, result) => (error ? reject(error) : resolve(result))
      client.query(query)
    })
  const { store, follow } = memoryStore()
  const follower = follow(log)
  try {
    await holder.query('begin')
    const UPDATE = 'update people set email = email where email = $1'
    await run(holder, 1, 'hold', UPDATE, [EMAIL])
    const waiting = run(waiter, 2, 'wait', UPDATE, [EMAIL])
    const found = (what: RegExp, traceId: string) =>
      store.lines.find(({ body, ...line }) => what.test(body) && line.traceId === traceId)
    const line = (what: RegExp, n: number) => until(String(what), 10, () => found(what, spanContext(n).traceId))
    const wait = await line(/still waiting for \w+Lock on/, 2)
    const { processID } = holder as unknown as { processID: number }
    assert.equal(wait.fields['postgresql.lock.holders'], String(processID))
    // Long enough by now to be slow, whatever the machine does.
    await database.query('select pg_sleep(0.06)')
    await holder.query('commit')
    await waiting
    const slow = await line(/^duration: [\d.]+ ms {2}execute wait: update people/, 2)
    assert.deepEqual(
      { ...slow.fields, 'postgresql.duration_ms': 0, 'postgresql.backend.pid': 0 },
      {
        'db.system.name': 'postgresql',
        'db.namespace': database.name,
        'db.query.text': UPDATE,
        'db.query.summary': 'wait',
        'postgresql.backend.pid': 0,
        'postgresql.backend.type': 'client backend',
        'postgresql.role': 'sightline',
        'postgresql.duration_ms': 0,
      },
    )
    assert.deepEqual([slow.level, slow.spanId], ['INFO', spanContext(2).spanId])
    assert.ok(Number(slow.fields['postgresql.duration_ms']) >= 50)
    // The plan was made for this e-mail address, and has it in a condition.
    const planned = await line(/^duration: [\d.]+ ms {2}plan of update people/, 2)
    const plan = JSON.parse(String(planned.fields['postgresql.plan']))
    assert.equal(plan.Plan['Node Type'], 'ModifyTable')
    assert.match(String(planned.fields['postgresql.plan']), /email = \?::text/)
    await assert.rejects(run(waiter, 3, 'add', 'insert into people values ($1, $2)', [3, EMAIL]), { code: '23505' })
    await assert.rejects(run(waiter, 4, 'number', 'select $1::int', [EMAIL]), { code: '22P02' })
    await assert.rejects(run(waiter, 5, 'json', 'select $1::json', ['{"name": doe']), { code: '22P02' })
    const refused = await line(/^duplicate key value violates unique constraint "people_email_key"$/, 3)
    assert.deepEqual([refused.level, refused.fields['db.response.status_code']], ['ERROR', '23505'])
    assert.equal(refused.fields['db.query.text'], 'insert into people values ($1, $2)')
    assert.equal((await line(/^invalid input syntax/, 4)).body, 'invalid input syntax for type integer: ?')
    assert.equal((await line(/^invalid input syntax/, 5)).fields['postgresql.context'], undefined)
    await Promise.all([holder.query('begin'), waiter.query('begin')])
    await run(holder, 6, 'one', 'update people set id = id where id = $1', [1])
    await run(waiter, 7, 'one', 'update people set id = id where id = $1', [2])
    const crossed = await Promise.allSettled([
      run(holder, 6, 'other', 'update people set id = id where id = $1', [2]).finally(() => holder.query('rollback')),
      run(waiter, 7, 'other', 'update people set id = id where id = $1', [1]).finally(() => waiter.query('rollback')),
    ])
    const victim = crossed[0].status === 'rejected' ? 6 : 7
    const deadlock = await line(/^deadlock detected$/, victim)
    assert.equal(deadlock.fields['db.response.status_code'], '40P01')
    assert.match(
      String(deadlock.fields['postgresql.detail']),
      /waits for .* blocked by process[\s\S]*: update people set id = id/,
    )
    await waiter.query(`select pg_sleep(0.06), '${EMAIL}', $$${EMAIL}$$`)
    await until('the last one', 10, () =>
      store.lines.some(({ body }) => /statement: select pg_sleep\(0\.06\), \?, \?/.test(body)),
    )
    assert.match(readFileSync(log, 'utf8'), /doe@example/, 'there was something to take out')
    assert.doesNotMatch(JSON.stringify(store.lines), /doe|example\.com/)
    assert.deepEqual(store.errors, [])
  } finally {
    await follower.stop()
    await Promise.all([holder.end(), waiter.end()])
  }
})

const entry = (n: number, more = {}) =>
  `${JSON.stringify({ timestamp: '2026-11-30 12:00:00.123 UTC', error_severity: 'WARNING', message: `m${n}`, pid: n, ...more })}\n`

test('each entry once: across restarts, a refusal of the store, and a file that was cut to bound it; not that a server is not up yet', async () => {
  const path = join(folder, 'made.json')
  const { store, follow } = memoryStore()
  const bodies = () => store.lines.map(({ body }) => body).join(' ')
  let follower: Follower = follow(path)
  try {
    const notUp = entry(0, { error_severity: 'FATAL', state_code: '57P03' })
    writeFileSync(path, `${notUp}${entry(1)}no entry\n${entry(2).slice(0, 30)}`)
    await until('the first', 10, () => bodies() === 'm1')
    assert.match(String(store.errors), /1 lines are no entries of jsonlog/)
    await follower.stop()
    writeFileSync(path, entry(2).slice(30) + entry(3), { flag: 'a' })
    store.refuse = 1
    follower = follow(path)
    await until('all', 10, () => bodies() === 'm1 m2 m3')
    truncateSync(path, 0)
    writeFileSync(path, entry(4), { flag: 'a' })
    await until('the new beginning', 10, () => bodies() === 'm1 m2 m3 m4')
    assert.deepEqual([store.lines[3]!.level, store.lines[3]!.traceId], ['WARN', ''])
  } finally {
    await follower.stop()
  }
})

test('a trace is what stands whole in application_name, nothing else', () => {
  const named = (application_name: string) => {
    const line = { timestamp: '2026-11-30 12:00:00.123 UTC', error_severity: 'LOG', message: 'm', application_name }
    return parsePostgresRecord(JSON.stringify(line), false)!.trace
  }
  assert.deepEqual(named(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`), {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    flags: 0,
  })
  for (const other of [
    'order-service',
    '',
    `00-${'a'.repeat(32)}-${'b'.repeat(16)}`,
    `x00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  ])
    assert.equal(named(other), null, other)
  assert.equal(parsePostgresRecord('{"timestamp":"2026-11-30 12:00:00 CET","error_severity":"LOG"}', false), null)
})
