/** The services' statements through PgBouncer as deploy/kubernetes has it, where the program is (PGBOUNCER, or in PATH). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Span, trace } from '@opentelemetry/api'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { sql } from '@sightline/service-kit'
import { CarryingQuery } from '@sightline/service-kit/testing'
import pg from 'pg'
import { findPgBouncer, startPooler } from '../scripts/drills/pooler.ts'

const program = findPgBouncer()
const skip = program === undefined && 'there is no PgBouncer here: PGBOUNCER names one'
/** Two clients in turns on one connection of the server. */
const ONE = { default_pool_size: '1' }
const NAME = sql('own_name', "select current_setting('application_name') as name, pg_backend_pid() as pid")
const LIMITS = sql(
  'limits',
  "select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock",
)
const FAILS = sql('fails', 'select 1 / $1::int as n')

let cluster: TestCluster
let database: TestDatabase
before(async () => {
  if (skip) return
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
})
after(async () => {
  await database?.drop()
  await cluster?.stop()
})

test('in the mode that the cluster has, statements by name, limits at connect and traces work, and no client wears another’s trace', {
  skip,
}, async () => {
  await using through = await pooled({ parameters: ONE })
  const first = await through.client('first')
  const [one] = await first.ask(1)
  assert.equal(one!.name, traceparent(1))
  // PgBouncer passes over what a service asks for at connect: what holds is its role's.
  assert.deepEqual(await first.run(LIMITS), [{ statement: '1min', lock: '3s' }])
  await first.seenInTransaction(20)
  await assert.rejects(first.run(FAILS, 3, [0]), { code: '22012' })
  assert.equal((await first.ask())[0]!.name, 'first')
  await first.end()
  const second = await through.client('second')
  const [other] = await second.ask()
  assert.deepEqual(other, { name: 'second', pid: one!.pid })
  await second.end()
})

test('where a connection changes hands with each transaction, no client wears another’s trace', {
  skip,
}, async (t) => {
  await using through = await pooled({ parameters: ONE, poolMode: 'transaction' })
  if (!through.knowsStatements) return t.skip(`${through.version} knows no statements by name in this mode`)
  const [first, second] = [await through.client('first'), await through.client('second')]
  for (let n = 1; n < 4; n++) {
    assert.equal((await first.ask(n))[0]!.name, traceparent(n))
    assert.equal((await second.ask())[0]!.name, 'second')
    await first.seenInTransaction(n)
    await assert.rejects(first.run(FAILS, n, [0]), { code: '22012' })
    const [[mine], [others]] = [await first.ask(), await second.ask(n * 10)]
    assert.deepEqual([mine!.name, others!.name], ['first', traceparent(n * 10)])
    assert.equal(mine!.pid, others!.pid)
  }
  await first.end()
  await second.end()
})

const traceparent = (n: number) => `00-${String(n).padStart(32, '0')}-${String(n).padStart(16, '0')}-01`
/** One whose number ends in 0 asks PostgreSQL for its time as well. */
function spanOf(n: number): Span {
  const [traceId, spanId] = [String(n).padStart(32, '0'), String(n).padStart(16, '0')]
  return Object.assign(trace.wrapSpanContext({ traceId, spanId, traceFlags: 1 }), { isRecording: () => true })
}

/** A pooler with its clients, which connect as the services do. */
async function pooled(options: { parameters: Record<string, string>; poolMode?: string }) {
  const { database: name, ...upstream } = database.connection()
  const pooler = await startPooler(upstream, options)
  return {
    version: pooler.version,
    knowsStatements: Number(/ 1\.(\d+)/.exec(pooler.version)?.[1]) >= 21,
    client: (application_name: string) =>
      connected({
        ...{ host: pooler.host, port: pooler.port, user: 'order_service', password: upstream.password, database: name },
        ...{ application_name, statement_timeout: 5_000, lock_timeout: 3_000 },
      }),
    [Symbol.asyncDispose]: () => pooler.stop(),
  }
}

async function connected(config: pg.ClientConfig) {
  const client = new pg.Client(config)
  await client.connect()
  const run = <Row>(statement: { name: string; text: string }, span?: number, values?: unknown[]) =>
    new Promise<Row[]>((resolve, reject) => {
      const query = new CarryingQuery(statement, values)
      if (statement.name) query.queryMode = 'extended'
      if (span !== undefined) query.span = spanOf(span)
      query.callback = (error, result) => (error ? reject(error) : resolve(result.rows as Row[]))
      client.query(query)
    })
  const ask = (span?: number) => run<{ name: string; pid: number }>(NAME, span)
  return {
    run,
    ask,
    /** While it is open, who looks sees the trace of the last statement; afterwards the client's name or nobody's. */
    async seenInTransaction(span: number) {
      await run({ name: '', text: 'begin' })
      const [row] = await ask(span)
      const seen = async () =>
        (await database.query('select application_name from pg_stat_activity where pid = $1', [row!.pid]))[0]!
          .application_name
      assert.equal(await seen(), traceparent(span))
      await run({ name: '', text: 'commit' })
      assert.equal(await seen(), config.application_name)
    },
    end: () => client.end(),
  }
}
