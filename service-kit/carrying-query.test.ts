/** A real server says what it was told, and what of it is left afterwards. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { createTraceState, type Span, trace } from '@opentelemetry/api'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import pg from 'pg'
import { CarryingQuery } from './carrying-query.ts'
import { sql } from './postgres.ts'

const SERVICE = 'carrying-query.test'
const spanContext = (n: number, traceFlags = 1) => ({
  traceId: String(n).repeat(32),
  spanId: String(n).repeat(16),
  traceFlags,
})
const traceparent = (n: number, flags = '01') => `00-${String(n).repeat(32)}-${String(n).repeat(16)}-${flags}`

let cluster: TestCluster
let owner: TestDatabase
let client: pg.Client
before(async () => {
  cluster = await startTestCluster()
  owner = await cluster.createDatabase()
  client = new pg.Client({ ...owner.connection(), application_name: SERVICE })
  await client.connect()
})
after(async () => {
  await client?.end()
  await owner?.drop()
  await cluster?.stop()
})

type Given = { spanContext?: ReturnType<typeof spanContext>; span?: Span; values?: unknown[]; on?: pg.Client }

function run<Row>(statement: { name: string; text: string }, { spanContext, span, values, on = client }: Given = {}) {
  return new Promise<Row[]>((resolve, reject) => {
    const query = new CarryingQuery(statement, values)
    query.span = span ?? (spanContext && trace.wrapSpanContext(spanContext))
    query.callback = (error, result) => (error ? reject(error) : resolve(result.rows as Row[]))
    on.query(query)
  })
}

const NAME = sql('own_name', "select current_setting('application_name') as name")
async function nameSeen(given: Given = {}): Promise<string> {
  return (await run<{ name: string }>(NAME, given))[0]!.name
}
const begin = () => run({ name: '', text: 'begin' })

test('a statement runs under its traceparent, sampled or not, and the next one never under an old one', async () => {
  assert.equal(await nameSeen({ spanContext: spanContext(1) }), traceparent(1))
  assert.equal(await nameSeen(), SERVICE)
  assert.equal(await nameSeen({ spanContext: spanContext(2, 0) }), traceparent(2, '00'))
  assert.equal(await nameSeen({ spanContext: spanContext(3) }), traceparent(3))
  assert.equal(await nameSeen(), SERVICE)
})

test('in a transaction others see the trace of its last statement until it ends, however it ends', async () => {
  const [row] = await run<{ pid: number }>(sql('pid', 'select pg_backend_pid() as pid'))
  const seen = async () => {
    const rows = await owner.query<{ application_name: string }>(
      'select application_name from pg_stat_activity where pid = $1',
      [row!.pid],
    )
    return rows[0]!.application_name
  }
  for (const end of ['commit', 'rollback']) {
    await begin()
    assert.equal(await nameSeen({ spanContext: spanContext(4) }), traceparent(4))
    assert.equal(await nameSeen({ spanContext: spanContext(5) }), traceparent(5))
    assert.equal(await seen(), traceparent(5))
    await run({ name: '', text: end })
    assert.equal(await seen(), SERVICE)
  }
})

test('statements that fail, at whichever step, leave neither a context nor a wrong note of what is prepared', async () => {
  await using other = await opened()
  const on = other.client
  const missing = sql('missing', 'select 1 from not_there')
  for (let i = 0; i < 2; i++) await assert.rejects(run(missing, { spanContext: spanContext(6), on }), { code: '42P01' })
  await owner.query('create table not_there (id int)')
  assert.deepEqual(await run(missing, { spanContext: spanContext(6), on }), [])
  const divide = sql('divide', 'select 1 / $1::int as n')
  for (let i = 0; i < 2; i++) {
    await assert.rejects(run(divide, { spanContext: spanContext(6), values: [0], on }), { code: '22012' })
  }
  assert.deepEqual(await run(divide, { spanContext: spanContext(6), values: [1], on }), [{ n: 1 }])
  const circle: Record<string, unknown> = {}
  circle.self = circle
  await assert.rejects(run(sql('bad_value', 'select $1::text'), { spanContext: spanContext(6), values: [circle], on }))
  assert.equal(await nameSeen({ on }), SERVICE)
  // In a failed transaction the carrier is what is refused, with the error the statement would have had.
  await run({ name: '', text: 'begin' }, { on })
  await assert.rejects(run(divide, { spanContext: spanContext(7), values: [0], on }))
  for (const statement of [divide, sql('new_here', 'select 2 as n')]) {
    const refused = run(statement, { spanContext: spanContext(7), values: statement === divide ? [1] : [], on })
    await assert.rejects(refused, { code: '25P02' })
  }
  await run({ name: '', text: 'rollback' }, { on })
  assert.deepEqual(await run(sql('new_here', 'select 2 as n'), { spanContext: spanContext(8), on }), [{ n: 2 }])
  assert.equal(await nameSeen({ on }), SERVICE)
})

test('plans are kept: after five calls a statement has its generic plan, whichever trace it belongs to', async () => {
  await using other = await opened()
  const on = other.client
  const find = sql('find_user', 'select id, name from users where id = $1')
  for (let n = 0; n < 9; n++) await run(find, { spanContext: spanContext(n || 9), values: [n], on })
  const plans = sql(
    'plans',
    `select name, generic_plans::int as generic, custom_plans::int as custom from pg_prepared_statements
     where parameter_types <> '{}' order by name`,
  )
  assert.deepEqual(await run(plans, { on }), [
    { name: 'find_user', generic: 4, custom: 5 },
    { name: 'set_traceparent', generic: 4, custom: 5 },
  ])
})

test('what carries it leaves in the same write, before the same Sync: no round trip more', async () => {
  await using other = await opened()
  const on = other.client
  const { stream } = (on as unknown as { connection: { stream: Socket } }).connection
  const writes: string[] = []
  stream._writev = ((writev) => (chunks, done) => {
    writes.push(chunks.map(({ chunk }) => String.fromCharCode((chunk as Buffer)[0]!)).join(''))
    writev.call(stream, chunks, done)
  })(stream._writev!)
  for (let i = 0; i < 2; i++) await nameSeen({ spanContext: spanContext(1), on })
  await nameSeen({ on })
  for (let i = 0; i < 2; i++) await nameSeen({ span: recording('0'.repeat(32)).span, on })
  // Parse, Bind, Execute, Describe, Sync: https://www.postgresql.org/docs/current/protocol-message-formats.html
  assert.deepEqual(writes, ['PBPBDES', 'BBDES', 'BDES', 'BPBBDEBS', 'BBBDEBS'])
})

/** A span that is kept, as far as a query asks, and what it was told. */
function recording(traceId: string, keep = false) {
  const told: Record<string, unknown> = {}
  const traceState = keep ? createTraceState('sightline=keep') : undefined
  const span = Object.assign(trace.wrapSpanContext({ traceId, spanId: '1'.repeat(16), traceFlags: 1, traceState }), {
    isRecording: () => true,
    setAttribute: (name: string, value: unknown) => Object.assign(told, { [name]: value }),
  })
  return { span: span as unknown as Span, told }
}

test('a span is told its rows, and in some traces what the server took, whatever is prepared, fails or is in a transaction', async () => {
  await using other = await opened()
  const on = other.client
  const [timed, untimed] = [`${'1'.repeat(31)}0`, '1'.repeat(32)]
  const told = async (text: string, traceId: string, keep = false) => {
    const { span, told } = recording(traceId, keep)
    const rows = await run(sql(text, text), { span, on })
    const { 'postgresql.duration_ms': ms, ...rest } = told
    return { rows: rows.length, isTimed: ms !== undefined, ms: ms as number | undefined, told: rest }
  }
  await owner.query('create table numbers (n int)')
  for (const traceId of [untimed, timed, timed]) {
    const isTimed = traceId === timed
    const expected = async (text: string, rows: number, attributes: object) => {
      const { ms, ...found } = await told(text, traceId)
      assert.deepEqual(found, { rows, isTimed, told: attributes }, text)
    }
    await expected('insert into numbers values (1), (2) returning n', 2, {
      'db.response.returned_rows': 2,
      'postgresql.affected_rows': 2,
    })
    await expected('update numbers set n = 0', 0, { 'postgresql.affected_rows': 2 })
    await expected('select n from numbers', 2, { 'db.response.returned_rows': 2 })
    await expected('select n from numbers where n > 5', 0, { 'db.response.returned_rows': 0 })
    await expected('delete from numbers', 0, { 'postgresql.affected_rows': 2 })
    await expected('delete from numbers', 0, { 'postgresql.affected_rows': 0 })
  }
  await run({ name: '', text: 'begin' }, { on })
  const slow = await told('select pg_sleep(0.03)', untimed, true)
  assert.ok(slow.ms! >= 30, 'who asks for the trace has all times')
  await run({ name: '', text: 'rollback' }, { on })
  for (let i = 0; i < 2; i++) await assert.rejects(told("select 1 / length('')", timed), { code: '22012' })
  for (let i = 0; i < 2; i++) await assert.rejects(told('select 1 from not_anywhere', timed), { code: '42P01' })
  await run({ name: '', text: 'begin' }, { on })
  await assert.rejects(told("select 1 / length('')", timed), { code: '22012' })
  for (const text of ["select 1 / length('')", 'select 3']) await assert.rejects(told(text, timed), { code: '25P02' })
  await run({ name: '', text: 'rollback' }, { on })
  assert.deepEqual((await told('select 3', timed)).told, { 'db.response.returned_rows': 1 })
  assert.equal((await told('select 1', timed)).isTimed, true)
})

/** A further connection, which has prepared nothing. */
async function opened() {
  const client = new pg.Client({ ...owner.connection(), application_name: SERVICE })
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end() }
}
