/** Rows that leave by an archive: what stays verifies, with and without the file, and whoever removes rows another way is found. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { type BulkQueries, sessionQueries } from '@sightline/service-kit'
import { COMPILED, QUICK_START } from '@sightline/service-kit/testing'
import pg from 'pg'
import { archive, boundaryFault, readArchive, readBoundaries } from './archive.ts'
import { type Checkpoint, makeKeys } from './checkpoint-format.ts'
import { recordOrders, tamper } from './test/testing.ts'
import { verifyChain } from './verify.ts'

const ORIGIN = 'test/log'
const LATER = new Date(Date.now() + 3_600_000)
const key = createPrivateKey(makeKeys().privateKey)
const publicKey = createPublicKey(key)
let cluster: TestCluster
let folder: string

before(async () => {
  cluster = await startTestCluster()
  folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-archive-'))
})
after(async () => {
  await cluster?.stop()
  fs.rmSync(folder, { recursive: true, force: true })
})

interface Log extends AsyncDisposable {
  database: TestDatabase
  session: BulkQueries
  grow(count: number): Promise<void>
  archive(file: string, before?: Date): ReturnType<typeof archive>
  verify(): Promise<string>
  fault(...files: string[]): Promise<string | undefined>
}

async function newLog(): Promise<Log> {
  const database = await cluster.createDatabase()
  const client = new pg.Client(database.connection())
  await client.connect()
  const session = sessionQueries(client)
  const fileOf = (name: string) => path.join(folder, `${database.name}-${name}`)
  return {
    database,
    session,
    async grow(count) {
      await recordOrders(database, count)
      await database.query('select audit_seal(10000)')
      await database.query('select audit_grow(10000)')
    },
    archive: (name, before = LATER) => archive(session, { before, file: fileOf(name), key, origin: ORIGIN }),
    async verify() {
      const { status, first_broken } = await verifyChain(session)
      return first_broken?.reason ?? status
    },
    fault: async (...names) =>
      boundaryFault(session, await readBoundaries(session), ORIGIN, publicKey, names.map(fileOf)),
    async [Symbol.asyncDispose]() {
      await client.end()
      await database.drop()
    },
  }
}

test('rows leave with their orders; what stays verifies, and with every archive all of it', async () => {
  await using log = await newLog()
  const { database } = log
  await log.grow(300)
  const [{ now }] = (await database.query('select clock_timestamp() as now')) as [{ now: Date }]
  await log.grow(300)
  const first = await log.archive('first', now)
  assert.deepEqual([first.boundary?.first, first.boundary?.position, first.removed], [1, 300, 300])
  const sizes =
    await database.query(`select (select count(*)::int from audit_logs) as rows, (select count(*)::int from orders) as orders,
    (select min(position)::int from audit_chain) as first_seal, audit_tree_size()::int as tree`)
  assert.deepEqual(sizes, [{ rows: 300, orders: 300, first_seal: 300, tree: 600 }])
  assert.equal(await log.verify(), 'intact')

  await log.grow(50)
  assert.equal((await log.archive('none', now)).boundary, undefined)
  const second = await log.archive('second')
  assert.deepEqual([second.boundary?.first, second.boundary?.position, second.removed], [301, 650, 350])
  await log.grow(20)
  assert.equal(await log.verify(), 'intact')
  assert.equal((await verifyChain(log.session, { from: 1 })).checked, 20)
  // What was verified, or signed, of rows that have left says nothing of those that stay.
  const known = { position: 100, hash: 'ab'.repeat(32) }
  const checkpoint = { ...known, created_at: '', signature: '' } as unknown as Checkpoint
  assert.equal((await verifyChain(log.session, { known, checkpoint })).status, 'intact')
  assert.equal(await log.fault(), undefined)
  assert.equal(await log.fault('second', 'first'), undefined)
  assert.match((await log.fault('second'))!, /^the archive of the rows 1 to 300 is missing/)

  // Its Idempotency-Key still points at the sixth order: it stays, and so does what comes behind it.
  await database.query(
    `insert into idempotency_keys (key, request_hash, order_id) select 'k', sha256('b'), order_id from audit_logs order by id offset 5 limit 1`,
  )
  assert.equal((await log.archive('part')).boundary?.position, 655)
  assert.equal(await log.verify(), 'intact')
})

test('a run that was stopped leaves a log that verifies, and is ended by the next', async () => {
  await using log = await newLog()
  await log.grow(40)
  await log.database.query(`create function stop_it() returns trigger language plpgsql as $$ begin raise 'stopped'; end $$;
    create trigger stop_it before delete on orders for each row when (old.id > 0) execute function stop_it()`)
  await assert.rejects(log.archive('stopped'), /stopped/)
  assert.equal(await log.verify(), 'intact')
  await log.database.query('drop trigger stop_it on orders')
  assert.deepEqual(await log.archive('more'), { boundary: undefined, removed: 40 })
  assert.equal(await log.verify(), 'intact')
  assert.equal(await log.fault('stopped'), undefined)
})

test('nothing leaves that does not fit its seal, its leaf or the row before', async () => {
  await using log = await newLog()
  await log.grow(30)
  await tamper(log.database, `update audit_logs set action = 'forged' where id = 7`)
  await assert.rejects(
    log.archive('forged'),
    /position 7 of the archive: the audit row is not what was sealed: nothing was removed/,
  )
  assert.deepEqual(await log.database.query('select count(*)::int as rows from audit_logs'), [{ rows: 30 }])
})

test('rows stay for their owner as well until a boundary of chain and tree lets them go', async () => {
  await using log = await newLog()
  const { database } = log
  await log.grow(20)
  for (const text of ['delete from audit_logs where id = 1', 'delete from audit_chain where position = 1'])
    await assert.rejects(database.query(text), { code: '42501' })
  const boundary = (first: number, position: number, seal: string) =>
    database.query(
      `insert into audit_boundaries (first, position, seal, file_hash, origin, signature)
       select $1, $2::bigint, ${seal}, sha256(''), 'x', decode(repeat('00', 64), 'hex') from audit_chain where position = $2`,
      [first, position],
    )
  await assert.rejects(boundary(1, 5, `sha256('x')`), { code: '23000' })
  await assert.rejects(boundary(2, 5, 'hash'), { code: '23000' })
  await boundary(1, 5, 'hash')
  await assert.rejects(database.query('delete from audit_logs where id = 6'), { code: '42501' })
  await assert.rejects(database.query('delete from audit_boundaries'), { code: '42501' })
  // Set past the program, it lets them go, and is found by who has the log's public key.
  await database.query('select audit_remove(100)')
  assert.equal(await log.verify(), 'intact')
  assert.match((await log.fault())!, /the boundary at position 5 was not signed by this log/)
})

test('rows that are gone without a boundary, and archives that are not what left, are named', async () => {
  await using log = await newLog()
  await log.grow(30)
  await log.archive('kept')
  const file = path.join(folder, `${log.database.name}-kept`)
  await log.grow(30)
  const lines = fs.readFileSync(file, 'utf8').split('\n')
  const changed = path.join(folder, `${log.database.name}-changed`)
  const faultOf = async (text: string) => {
    fs.writeFileSync(changed, text)
    return (await log.fault('changed'))!
  }
  assert.match(
    await faultOf(lines.toSpliced(4, 1, lines[4]!.replace('purchase', 'gift')).join('\n')),
    /position 4 .*not what was sealed/,
  )
  assert.match(await faultOf(lines.toSpliced(4, 1).join('\n')), /position 4 .*that of position 5/)
  assert.match(
    await faultOf(`${lines.slice(0, 20).join('\n')}\n`),
    /ends with position 19, and says that it goes to 30/,
  )
  assert.match(await faultOf(lines.join('\n').replace('"order":{', '"order":{"x":1,')), /not the file that was written/)
  await assert.rejects(faultOf('{}\n'), /is no archive of an audit log/)
  assert.equal((await readArchive(file, log.session)).fault, undefined)

  await tamper(log.database, 'delete from audit_logs where id = 35; delete from audit_chain where position = 35')
  assert.equal(await log.verify(), 'the seal at this position is missing')
  await tamper(log.database, 'delete from audit_boundaries')
  assert.equal(await log.verify(), 'the seal at this position is missing')
})

test('from the command line', async () => {
  await using log = await newLog()
  await log.grow(6)
  const keys = makeKeys()
  const files = { private: keys.privateKey, public: keys.publicKey }
  const at = (name: string) => path.join(folder, `line-${name}`)
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(at(name), text, { mode: 0o600 })
  const tool = (role: 'audit_service' | undefined, ...args: string[]) => {
    const { host, port, user, password, database } = log.database.connection(role)
    const { status, stdout, stderr } = spawnSync(process.execPath, [...QUICK_START, 'audit-service/tool.ts', ...args], {
      cwd: path.join(import.meta.dirname, '..'),
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        ...COMPILED,
        PGHOST: host,
        PGPORT: String(port),
        PGUSER: user,
        PGPASSWORD: password,
        PGDATABASE: database,
      },
    })
    return `${status} ${stdout}${stderr}`
  }
  assert.match(tool('audit_service', 'checkpoint', '--out', at('signed'), '--key', at('private')), /^0 /)
  await log.grow(6)
  const move = ['archive', '--before', LATER.toISOString(), '--out', at('file'), '--key', at('private')]
  assert.match(
    tool(undefined, ...move),
    /^0 .*line-file: rows 1 to 12 with their orders, SHA-256 [0-9a-f]{64}.*\n12 rows removed/,
  )
  assert.equal(fs.statSync(at('file')).mode & 0o777, 0o600)
  const said = tool('audit_service', 'verify', '--public-key', at('public'), '--archive', at('file'))
  assert.match(
    said,
    /^0 0 rows checked .*\n12 rows before them left by 1 archive, each checked .*; the boundaries are signed\nintact/,
  )

  const against = ['verify', '--public-key', at('public'), '--checkpoint', at('signed')]
  assert.match(
    tool('audit_service', ...against),
    /^2 The checkpoint is of position 6, and rows up to 12 have left: give their archives with --archive FILE/,
  )
  assert.match(tool('audit_service', ...against, '--archive', at('file')), /agrees with the checkpoint at 6\n/)
  const checkpoint = { ...JSON.parse(fs.readFileSync(at('signed'), 'utf8')), hash: 'ab'.repeat(32) } as Checkpoint
  const boundaries = await readBoundaries(log.session)
  assert.match(
    (await boundaryFault(log.session, boundaries, boundaries[0]!.origin, undefined, [at('file')], checkpoint))!,
    /position 6 of the archive: the seal differs from the signed checkpoint/,
  )
})
