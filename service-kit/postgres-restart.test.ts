/** What a request notices of a PostgreSQL that is restarted: nothing, unless its outcome can't be known. */
import assert from 'node:assert/strict'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from './poll.ts'
import { type DatabaseOptions, type Queries, repeatable, sql } from './postgres.ts'
import { ProblemError } from './problems.ts'
import { runInRequest } from './request-context.ts'
import { inSpan } from './spans.ts'
import { NO_SERVER, startEmptyPooler } from './test/empty-pooler.ts'
import { loseAnswer } from './test/lose-answer.ts'
import { type MemoryTelemetry, startMemoryTelemetry } from './test/memory-telemetry.ts'
import { type OpenedDatabase, openDatabase } from './test/opened-database.ts'

let cluster: TestCluster
let owner: TestDatabase
let telemetry: MemoryTelemetry
before(async () => {
  telemetry = startMemoryTelemetry()
  cluster = await startTestCluster()
  owner = await cluster.createDatabase()
  // A row of `cut_at_commit` ends its session where it would be committed.
  await owner.query(`
    create table things (id int8 primary key);
    create table cut_at_commit () inherits (things);
    create function end_session() returns trigger language plpgsql as
      'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
    create constraint trigger end_session after insert on cut_at_commit deferrable initially deferred
      for each row execute function end_session()`)
})
after(async () => {
  await owner?.drop()
  await cluster?.stop()
  await telemetry?.[Symbol.asyncDispose]()
})

let opened: OpenedDatabase
beforeEach(() => {
  opened = open()
})
afterEach(() => opened[Symbol.asyncDispose]())

/** Takes connections on a free port of its own. */
async function tcpDoor(taken: (socket: Socket) => void): Promise<AsyncDisposable & { port: number }> {
  const server = createServer(taken)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** Nothing here is a matter of time, unless a test sets a limit. */
const open = (options: Partial<DatabaseOptions> = {}) =>
  openDatabase({ connection: owner.connection(), acquireTimeoutMs: 60_000, ...options })

function inRequest<T>(work: () => Promise<T>, more: { isProbe?: boolean; budgetMs?: number } = {}): Promise<T> {
  const { budgetMs = 600_000, ...rest } = more
  const startedAt = performance.now()
  return runInRequest({ requestId: 'test', traceId: '', startedAt, deadlineAt: startedAt + budgetMs, ...rest }, work)
}

const PID = repeatable('own_pid', 'select pg_backend_pid() as pid')
const ADD = sql('add_thing', 'insert into things (id) values ($1)')
const CUT_AT_COMMIT = sql('cut_at_commit', 'insert into cut_at_commit (id) values ($1)')
/** Ends the session that it runs in if that is the given one. */
const END = (make: typeof sql) =>
  make(
    'end_session',
    'select case when pg_backend_pid() = $1 then pg_terminate_backend($1) end, pg_backend_pid() as pid',
  )

const pidOf = async (database: Queries) => (await database.query<{ pid: number }>(PID))[0]!.pid
const thingsOf = async (id: number) => (await owner.query('select from things where id = $1', [id])).length
const isUnavailable = (error: unknown) =>
  error instanceof ProblemError && error.details.status === 503 && error.details.kind === 'database-unavailable'

/** `operation reason` of each retry, with its number. */
async function retriesOf({ metrics }: OpenedDatabase): Promise<Record<string, number>> {
  const { body } = await metrics.scrape()
  const found = body.matchAll(/^db_client_retries_total\{operation="(\w+)",reason="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...found].map(([, operation, reason, count]) => [`${operation} ${reason}`, Number(count)]))
}

test('requests wait for a server that is away, and are answered when it is back; probes and others are told at once', async () => {
  await using many = open({ poolMax: 4 })
  const { db } = many
  await cluster.pause()
  const asked = inSpan('asks', {}, () => inRequest(() => Promise.all(Array.from({ length: 20 }, () => db.query(PID)))))
  try {
    await assert.rejects(db.query(PID), isUnavailable)
    await assert.rejects(
      inRequest(() => db.check()),
      isUnavailable,
    )
    await assert.rejects(
      inRequest(() => db.query(PID), { isProbe: true }),
      isUnavailable,
    )
  } finally {
    await cluster.resume()
  }
  assert.equal((await asked).length, 20)
  // Each once, or more often where the server answered before it was ready.
  const retries = await retriesOf(many)
  assert.ok(retries['connect ECONNREFUSED']! >= 20, JSON.stringify(retries))
  const { events, status } = telemetry.span('asks')
  assert.equal(status.code, 0)
  const [first] = events
  assert.deepEqual(
    [first!.name, first!.attributes],
    ['db.retry', { 'recovery.attempt': 1, 'recovery.reason': 'ECONNREFUSED' }],
  )
})

test('a server that stays away is 503 when the limit, or half of the request’s time, is over', async () => {
  const connection = { ...owner.connection(), host: '/nowhere' }
  await using limited = open({ connection, outageWaitMs: 50 })
  await assert.rejects(
    inRequest(() => limited.db.query(PID)),
    isUnavailable,
  )
  await using patient = open({ connection })
  const asked = performance.now()
  await assert.rejects(
    inRequest(() => patient.db.query(PID), { budgetMs: 200 }),
    isUnavailable,
  )
  assert.ok(performance.now() - asked >= 95, 'it waited')
  assert.deepEqual([await retriesOf(limited), await retriesOf(patient)], [{}, {}])
})

test('an attempt that nobody answers, as at an address that is gone with its container, is made again while there is time', async () => {
  const connection = owner.connection()
  let attempts = 0
  await using door = await tcpDoor((socket) => {
    if (attempts++ === 0) return
    const inside = connect(connection.port, connection.host)
    socket.pipe(inside).pipe(socket)
    for (const end of [socket, inside]) end.on('error', () => socket.destroy())
  })
  const through = { ...connection, host: '127.0.0.1', port: door.port }
  await using patient = open({ connection: through, acquireTimeoutMs: 500, outageWaitMs: 60_000, poolMax: 1 })
  // The second waits for the one connection of the pool, which is that attempt.
  const asked = [1, 2].map(() => inRequest(() => patient.db.query(PID)))
  assert.equal((await Promise.all(asked)).length, 2)
  attempts = 0
  await using limited = open({ connection: through, acquireTimeoutMs: 50 })
  await assert.rejects(
    inRequest(() => limited.db.query(PID)),
    isUnavailable,
  )
})

test('a statement that the server never took is carried out on a new connection, once, whatever it is', async () => {
  await using many = open({ poolMax: 3 })
  const { db } = many
  assert.equal(await db.open(), 3)
  for (const client of clientsOf(many)) await endUnheard(client)
  await inRequest(() => db.query(ADD, [1]))
  assert.equal(await thingsOf(1), 1)
  assert.deepEqual(await retriesOf(many), { 'statement 57P01': 1 })
})

test('a statement that is cut off is carried out again where that is harmless, and once more only', async () => {
  const { db } = opened
  const pid = await pidOf(db)
  await assert.rejects(
    inRequest(() => db.query(END(sql), [pid])),
    isUnavailable,
  )
  const second = await pidOf(db)
  const [row] = await inRequest(() => db.query<{ pid: number }>(END(repeatable), [second]))
  assert.notEqual(row!.pid, second)
  assert.deepEqual(await retriesOf(opened), { 'statement 57P01': 1 })
  const always = repeatable('end_any_session', 'select pg_terminate_backend(pg_backend_pid())')
  await assert.rejects(
    inRequest(() => db.query(always)),
    isUnavailable,
  )
  // Who is no request has its own way to try again.
  await assert.rejects(db.query(END(repeatable), [await pidOf(db)]), isUnavailable)
  assert.deepEqual(await retriesOf(opened), { 'statement 57P01': 2 })
})

test('a transaction that is cut off before COMMIT is done once, on another connection', async () => {
  const { db } = opened
  const pids: number[] = []
  const work = async (tx: Queries) => {
    pids.push(await pidOf(tx))
    await tx.query(ADD, [2])
    await tx.query(END(sql), [pids[0]])
    return pids.length
  }
  assert.equal(await inRequest(() => db.transaction(work)), 2)
  assert.notEqual(pids[0], pids[1])
  assert.equal(await thingsOf(2), 1)
  assert.deepEqual(await retriesOf(opened), { 'transaction 57P01': 1 })
})

test('a transaction whose COMMIT the server never took is done once, on another connection', async () => {
  let times = 0
  const work = async (tx: Queries) => {
    await tx.query(ADD, [6])
    if (++times === 1) await endUnheard(clientsOf(opened)[0]!)
  }
  await inRequest(() => opened.db.transaction(work))
  assert.deepEqual([times, await thingsOf(6)], [2, 1])
  assert.deepEqual(await retriesOf(opened), { 'transaction 57P01': 1 })
})

test('work that makes something else of a lost connection has its way', async () => {
  const refused = new Error('the business says no')
  const lost = inRequest(() =>
    opened.db.transaction(async (tx) => {
      await tx.query(END(sql), [await pidOf(tx)]).catch(() => {
        throw refused
      })
    }),
  )
  await assert.rejects(lost, (error) => error === refused)
  assert.deepEqual(await retriesOf(opened), {})
})

test('a transaction that is cut off at COMMIT is not done again', async () => {
  let times = 0
  const work = async (tx: Queries) => {
    times += 1
    await tx.query(CUT_AT_COMMIT, [3])
  }
  await assert.rejects(
    inRequest(() => opened.db.transaction(work)),
    isUnavailable,
  )
  // Nor where the database, asked, knows nothing of it.
  const isThere = async () => (await thingsOf(3)) > 0
  await assert.rejects(
    inRequest(() => opened.db.transaction(work, isThere)),
    isUnavailable,
  )
  assert.deepEqual([times, await thingsOf(3)], [2, 0])
})

test('a transaction whose COMMIT was carried out and whose answer was lost is told as it is, where the database can be asked', async () => {
  const { db } = opened
  const loseCommit = () => loseAnswer(db.pool, ({ text }) => text === 'commit')
  loseCommit()
  const add = (id: number) => (tx: Queries) => tx.query(ADD, [id])
  await assert.rejects(
    inRequest(() => db.transaction(add(4))),
    isUnavailable,
  )
  assert.equal(await thingsOf(4), 1)
  loseCommit()
  await inRequest(() => db.transaction(add(5), async () => (await thingsOf(5)) > 0))
  assert.equal(await thingsOf(5), 1)
  assert.deepEqual(await retriesOf(opened), { 'commit closed': 1 })
})

test('a pooler that has no server is waited for as a server is that refuses', async () => {
  await using pooler = await startEmptyPooler(owner.connection())
  await using through = open({ connection: { ...owner.connection(), port: pooler.port } })
  pooler.refusal = NO_SERVER
  const asked = inRequest(() => through.db.query(ADD, [7]))
  await until('it has asked twice', 15, async () => pooler.refused > 1)
  pooler.refusal = undefined
  await asked
  assert.equal(await thingsOf(7), 1)
  assert.ok((await retriesOf(through))['connect 08P01']! >= 1)
})

test('a statement that a pooler had no server for is carried out on a new connection, one whose server it has lost is not', async () => {
  await using pooler = await startEmptyPooler(owner.connection())
  await using through = open({ connection: { ...owner.connection(), port: pooler.port } })
  await through.db.check()
  pooler.answerOnce = NO_SERVER
  await inRequest(() => through.db.query(ADD, [8]))
  pooler.answerOnce = NO_SERVER
  await inRequest(() => through.db.transaction((tx) => tx.query(ADD, [9])))
  assert.deepEqual([await thingsOf(8), await thingsOf(9)], [1, 1])
  pooler.answerOnce = 'server conn crashed?'
  await assert.rejects(
    inRequest(() => through.db.query(ADD, [10])),
    isUnavailable,
  )
  assert.deepEqual(await retriesOf(through), { 'statement 08P01': 1, 'transaction 08P01': 1 })
})

interface Client {
  processID: number
  connection: { stream: NodeJS.ReadableStream & { write: (...args: unknown[]) => boolean; destroy(): void } }
}

const clientsOf = ({ db }: OpenedDatabase) => (db.pool as unknown as { _clients: Client[] })._clients

/** Ends the session of a connection: what the server says of it waits in the socket until the next statement has been sent. */
async function endUnheard({ connection: { stream }, processID }: Client): Promise<void> {
  stream.pause()
  await owner.query('select pg_terminate_backend($1)', [processID])
  const session = () => owner.query('select from pg_stat_activity where pid = $1', [processID])
  await until('the session has ended', 15, async () => (await session()).length === 0)
  const { write } = stream
  stream.write = (...args: unknown[]) => {
    stream.resume()
    return Reflect.apply(write, stream, args)
  }
}
