/** Recording, sealing, verification: what the audit trail promises, and that breaking it is noticed and named. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { type KeptRecord, telemetry } from '@sightline/service-kit'
import { until } from '@sightline/service-kit/poll'
import { atOnce, QUICK_START, sample, startProcess } from '@sightline/service-kit/testing'
import { makeCheckpoint, renewCheckpoint } from './checkpoint.ts'
import { makeKeys, readCheckpoint, readSigningKey, signCheckpoint } from './checkpoint-format.ts'
import { createSealer } from './sealer.ts'
import {
  assertNamed,
  type Damage,
  event,
  placeOrders,
  recordOrders,
  sealedRows,
  startAudit,
  startQuiet,
  tamper,
} from './test/testing.ts'
import { verifyChain } from './verify.ts'

let cluster: TestCluster

before(async () => {
  cluster = await startTestCluster()
})

after(async () => {
  await cluster?.stop()
})

test('an event is recorded once, however often and however simultaneously it is delivered', async () => {
  await using database = await cluster.createDatabase()
  await using service = await startAudit(database, { DB_POOL_MAX: '20' })
  const sent = event(1, { request_id: 'r-1' })
  const answers = await Promise.all(Array.from({ length: 20 }, () => service.call('POST', '/process', sent)))
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]))
  assert.equal(new Set(answers.map((answer) => JSON.stringify(answer.json.audit))).size, 1)
  assert.deepEqual(
    answers[0]!.json.chain.map((hop: { service: string }) => hop.service),
    ['audit-service'],
  )
  assert.deepEqual(await database.query('select count(*)::integer as rows from audit_logs'), [{ rows: 1 }])
  const { text } = await service.call('GET', '/metrics')
  assert.equal(sample(text, 'audit_events_total{outcome="recorded"}'), 1)
  assert.equal(sample(text, 'audit_events_total{outcome="duplicate"}'), 19)
})

test('rows are found by user, order and trace, alone and together, in pages', async () => {
  await using database = await cluster.createDatabase()
  await using service = await startAudit(database)
  const traceId = 'a'.repeat(32)
  for (let i = 1; i <= 12; i++) await service.call('POST', '/process', event(i, { trace_id: i % 2 ? traceId : null }))
  const found = async (query: string) =>
    (await service.call('GET', `/audit?${query}`)).json.items.map((row: { order_id: number }) => row.order_id)
  assert.deepEqual(await found(''), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
  assert.deepEqual(await found('order_id=5'), [5])
  assert.deepEqual(await found('user_id=1'), [12, 9, 6, 3])
  assert.deepEqual(await found(`trace_id=${traceId}`), [11, 9, 7, 5, 3, 1])
  assert.deepEqual(await found(`trace_id=${traceId}&user_id=1`), [9, 3])
  assert.deepEqual(await found(`trace_id=${traceId}&order_id=4`), [])
  const first = (await service.call('GET', `/audit?trace_id=${traceId}&user_id=1&limit=1`)).json
  assert.deepEqual(
    first.items.map((row: { order_id: number }) => row.order_id),
    [9],
  )
  assert.deepEqual(await found(`trace_id=${traceId}&user_id=1&limit=1&cursor=${first.next_cursor}`), [3])
  assert.equal((await service.call('GET', '/audit?trace_id=xyz')).status, 422)
})

test('rows are sealed off the request path, by several services at once, into one chain', async () => {
  await using database = await cluster.createDatabase()
  const env = { SEAL_POLL_MS: '5', DB_POOL_MAX: '10' }
  await using first = await startAudit(database, env)
  await using second = await startAudit(database, env)
  const services = [first, second]
  const events = Array.from({ length: 300 }, (_, i) => event(i + 1))
  await placeOrders(database, events)
  const answers = await atOnce(16, events, (one) => services[one.order_id % 2]!.call('POST', '/process', one))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  await until('all sealed', 20, async () => (await database.query('select from audit_unsealed')).length === 0)
  const { json } = await first.call('GET', '/audit/verify')
  assert.equal(json.status, 'intact')
  assert.deepEqual([json.checked, json.unsealed, json.last_position, json.complete], [300, 0, 300, true])
  const [ends] = await database.query(`select min(position)::integer as first, max(position)::integer as last,
    count(distinct audit_id)::integer as rows from audit_chain`)
  assert.deepEqual(ends, { first: 1, last: 300, rows: 300 })
  assert.equal(sample((await first.call('GET', '/metrics')).text, 'audit_verify_ok'), 1)
  assert.equal((await first.call('GET', '/audit?limit=1')).json.items[0].sealed, true)
})

test('a sealer that dies in the middle loses and doubles nothing', async () => {
  await using database = await cluster.createDatabase()
  await recordOrders(database, 20_000)
  const quiet = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', SEAL_POLL_MS: '1' }
  for (let round = 1; round <= 3; round++) {
    const killed = await startProcess('audit-service', database.connection('audit_service'), quiet)
    await until('some sealed', 20, async () => {
      const [row] = await database.query<{ sealed: number }>('select count(*)::integer as sealed from audit_chain')
      return row!.sealed >= round * 2000
    })
    await killed.stop('SIGKILL')
  }
  await using service = await startAudit(database, { SEAL_POLL_MS: '1' })
  await until('all sealed', 30, async () => (await database.query('select from audit_unsealed limit 1')).length === 0)
  const { status, checked } = await verifyChain(service.parts.database)
  assert.deepEqual([status, checked], ['intact', 20_000])
})

const changes: Damage[] = [
  [
    'a changed value',
    `update audit_logs set action = 'refund' where id = 17`,
    { position: 17, audit_id: 17 },
    /changed/,
  ],
  [
    'a changed detail',
    `update audit_logs set details = '{"n": 18.0}' where id = 18`,
    { position: 18, audit_id: 18 },
    /changed/,
  ],
  [
    'a changed time',
    `update audit_logs set recorded_at = recorded_at + interval '1 microsecond' where id = 3`,
    { position: 3, audit_id: 3 },
    /changed/,
  ],
  ['a removed row', 'delete from audit_logs where id = 40', { position: 40, audit_id: 40 }, /row is missing/],
  [
    'a removed seal',
    'delete from audit_chain where position = 12',
    { position: 12, audit_id: null },
    /seal at this position is missing/,
  ],
  [
    'a removed row and seal',
    'delete from audit_logs where id = 9; delete from audit_chain where position = 9',
    { position: 9, audit_id: null },
    /missing/,
  ],
  [
    'a row and its hash made to fit',
    `update audit_logs set action = 'x' where id = 5; update audit_chain set row_hash = sha256('x') where position = 5`,
    { position: 5, audit_id: 5 },
    /changed/,
  ],
  [
    'a seal made anew',
    `update audit_chain set hash = sha256('x') where position = 20`,
    { position: 20, audit_id: 20 },
    /does not follow/,
  ],
  [
    'two rows exchanged',
    `update audit_chain set audit_id = case position when 6 then 7 else 6 end + 1000 where position in (6, 7);
     update audit_chain set audit_id = audit_id - 1000 where position in (6, 7)`,
    { position: 6, audit_id: 7 },
    /changed/,
  ],
  [
    'a row slipped in',
    `insert into audit_logs (event_id, event_type, occurred_at, source, action, details)
     values (gen_random_uuid(), 'order.completed', now(), 's', 'a', '{}')`,
    { position: null, audit_id: 51 },
    /no seal/,
  ],
]
describe('verification names', { concurrency: false }, () => {
  let database: TestDatabase
  before(async () => {
    database = await cluster.createDatabase()
    await sealedRows(database, 50)
  })
  after(() => database?.drop())

  for (const damage of changes) test(damage[0], () => assertNamed(database, damage))

  test('nothing in a log that nobody has changed, and what was changed to whoever asks the service', async () => {
    await using service = await startQuiet(database)
    const verification = async () => (await service.call('GET', '/audit/verify')).json
    assert.equal((await verification()).status, 'intact')
    const [what, statement, where] = changes[0]!
    await tamper(database, statement)
    const { status, first_broken } = await verification()
    assert.deepEqual(
      [status, first_broken.position, first_broken.audit_id],
      ['broken', where.position, where.audit_id],
      what,
    )
  })
})

test('a signed checkpoint shows a cut-off end and a chain made anew, which the chain alone can not', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 30)
  await using service = await startQuiet(database)
  const queries = service.parts.database
  const { privateKey, publicKey } = makeKeys()
  const made = await makeCheckpoint(queries, createPrivateKey(privateKey))
  const checkpoint = readCheckpoint(JSON.stringify(made), publicKey)
  assert.equal(checkpoint.position, 30)
  assert.equal((await verifyChain(queries, { checkpoint })).status, 'intact')
  assert.throws(() => readCheckpoint(JSON.stringify({ ...made, position: 29 }), publicKey), /signature/)
  assert.throws(() => readCheckpoint(JSON.stringify(made), makeKeys().publicKey), /signature/)

  await tamper(
    database,
    'delete from audit_logs where id > 20; delete from audit_chain where position > 20; delete from orders where id > 20',
  )
  assert.match((await verifyChain(queries)).first_broken!.reason, /the tree knows position 30: the end .* was cut off/)
  await tamper(database, 'update audit_tiles set hashes = substr(hashes, 1, 20 * 32)')
  assert.equal((await verifyChain(queries)).status, 'intact', 'chain and tree alone see nothing')
  const cut = await verifyChain(queries, { checkpoint })
  assert.equal(cut.status, 'broken')
  assert.match(cut.first_broken!.reason, /cut off/)

  await tamper(
    database,
    `truncate audit_chain; truncate audit_tiles; truncate audit_unsealed;
    update audit_logs set action = 'nothing'; update orders set action = 'nothing'`,
  )
  await recordOrders(database, 10)
  await tamper(database, 'insert into audit_unsealed (audit_id) select id from audit_logs on conflict do nothing')
  const sealer = createSealer(service.parts)
  assert.equal(await sealer.sealBatch(), 30)
  assert.equal((await verifyChain(queries)).status, 'intact')
  const anew = await verifyChain(queries, { checkpoint })
  assert.equal(anew.status, 'broken')
  assert.equal(anew.first_broken!.position, 30)
  assert.match(anew.first_broken!.reason, /made anew/)
})

/** Where a test may have its checkpoint written; its folder goes with the test. */
function checkpointFile(t: TestContext): string {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-audit-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  return path.join(folder, 'checkpoint.json')
}

test('a checkpoint file moves on a chain that still holds it, and is kept otherwise', async (t) => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 30)
  await using service = await startQuiet(database)
  const queries = service.parts.database
  const file = checkpointFile(t)
  const key = createPrivateKey(makeKeys().privateKey)
  assert.equal((await renewCheckpoint(queries, key, file))?.position, 30)
  const kept = fs.readFileSync(file, 'utf8')
  assert.equal((await renewCheckpoint(queries, key, file))?.position, 30)
  await assert.rejects(renewCheckpoint(queries, createPrivateKey(makeKeys().privateKey), file), /none of this key's/)
  await tamper(database, 'delete from audit_logs where id > 20; delete from audit_chain where position > 20')
  await assert.rejects(renewCheckpoint(queries, key, file), /no longer holds the checkpoint at position 30/)
  assert.equal(fs.readFileSync(file, 'utf8'), kept)
})

test('a checkpoint file that was emptied is written anew, one that was put back does not count, an old one is dated anew', async (t) => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 30)
  await using service = await startQuiet(database)
  const queries = service.parts.database
  const file = checkpointFile(t)
  const { privateKey, publicKey } = makeKeys()
  const key = createPrivateKey(privateKey)
  const read = () => readCheckpoint(fs.readFileSync(file, 'utf8'), publicKey)
  // What a power cut leaves of a file that was renamed before it was on the disk.
  for (const left of ['', '\u0000'.repeat(300)]) {
    fs.writeFileSync(file, left)
    assert.throws(read, /the checkpoint is empty/)
    assert.equal((await renewCheckpoint(queries, key, file))?.position, 30)
    assert.equal(read().position, 30)
  }
  const newest = read()
  const [seal] = await database.query<{ hash: Buffer }>('select hash from audit_chain where position = 20')
  const older = signCheckpoint(20, seal!.hash, key, new Date(Date.parse(newest.created_at) - 90_000))
  fs.writeFileSync(file, JSON.stringify(older))
  await tamper(
    database,
    'delete from audit_logs where id > 20; delete from audit_chain where position > 20; delete from orders where id > 20',
  )
  await assert.rejects(renewCheckpoint(queries, key, file, newest), /no longer holds the checkpoint at position 30/)
  const anew = await renewCheckpoint(queries, key, file)
  assert.equal(anew?.position, 20)
  assert.ok(anew!.created_at >= newest.created_at, 'after a minute it is signed anew, with the date of now')
  assert.deepEqual(fs.readdirSync(path.dirname(file)), ['checkpoint.json'])
})

test('a check in parts finds what a whole one finds, and no part of it hides or invents a fault', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 30)
  await using service = await startQuiet(database)
  const verify = async (from: number) => (await service.call('GET', `/audit/verify?from=${from}`)).json
  const ok = async () => sample((await service.call('GET', '/metrics')).text, 'audit_verify_ok')
  assert.equal((await verify(1)).status, 'intact')
  assert.equal((await verify(5_000)).status, 'intact', 'beyond the end')
  assert.equal(await ok(), 1)
  await tamper(
    database,
    `insert into audit_logs (event_id, event_type, occurred_at, source, action, details)
     values (gen_random_uuid(), 'order.completed', now(), 's', 'a', '{}')`,
  )
  assert.match((await verify(20)).first_broken.reason, /no seal/)
  await tamper(database, `delete from audit_logs where id > 30; update audit_logs set action = 'x' where id = 5`)
  assert.equal((await verify(1)).status, 'broken')
  assert.equal((await verify(6)).status, 'intact')
  assert.equal(await ok(), 0, 'a part that is intact makes the whole not so')
})

test('a verification without enough time says where to go on', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 3_000)
  await using service = await startQuiet(database)
  const queries = service.parts.database
  const first = await verifyChain(queries, { withinMs: 0 })
  assert.deepEqual([first.status, first.complete, first.checked, first.next_position], ['intact', false, 1_000, 1_001])
  const rest = (await service.call('GET', '/audit/verify?from=1001')).json
  assert.deepEqual([rest.status, rest.complete, rest.checked, rest.next_position], ['intact', true, 2_000, null])
  const whole = await verifyChain(queries)
  assert.equal(rest.last_hash, whole.last_hash)
  // Faults at the edges of pages, from the last on: each is the first then.
  const edges: Array<[string, number, RegExp]> = [
    ['delete from orders where id = 3000', 3_000, /has no order/],
    ['delete from audit_logs where id = 1001', 1_001, /row is missing/],
    ['delete from orders where id = 1000', 1_000, /has no order/],
    ['delete from audit_chain where position between 1001 and 2999', 1_000, /has no order/],
    ['delete from orders where id = 500', 500, /has no order/],
    ['delete from audit_chain where position = 1', 1, /seal at this position is missing/],
  ]
  for (const [statement, position, reason] of edges) {
    await tamper(database, statement)
    const { first_broken, checked } = await verifyChain(queries)
    assert.deepEqual([first_broken!.position, checked], [position, position - 1], statement)
    assert.match(first_broken!.reason, reason)
  }
  assert.equal((await verifyChain(queries, { from: 1_001 })).first_broken!.position, 1_001)
})

test('each row is sent as an audit record until the backend takes it, in the order of the chain, and not again', async () => {
  await using database = await cluster.createDatabase()
  const sent: KeptRecord[] = []
  let isAway = true
  telemetry.deliver = async (records) => {
    if (isAway) throw new Error('the backend is away')
    sent.push(...records)
  }
  try {
    await using service = await startAudit(database, { SEAL_POLL_MS: '10', AUDIT_RECORDS: 'otlp' })
    const trace_id = 'a'.repeat(32)
    for (const order of [1, 2, 3])
      await service.call('POST', '/process', event(order, { trace_id, request_id: 'req-1' }))
    await until('rows wait for the backend', 20, async () => {
      return sample((await service.call('GET', '/metrics')).text, 'audit_records_waiting') === 3
    })
    isAway = false
    await until('all are sent', 20, () => sent.length >= 3)
    const { json } = await service.call('GET', '/audit/1/proof')
    const { eventName, traceId, attributes, body, time, observedTime } = sent[0]!
    assert.deepEqual(
      [eventName, traceId, time],
      ['order.completed', trace_id, Date.parse('2026-01-02T03:04:05.678Z') * 1000],
    )
    assert.ok(observedTime > time && observedTime <= Date.now() * 1000)
    assert.deepEqual(JSON.parse(body), event(1).details)
    assert.equal(attributes['audit.leaf_hash'], json.leaf_hash)
    assert.equal(attributes['audit.record.id'], json.entry[7])
    const { 'audit.record.id': _id, 'audit.seal': seal, 'audit.leaf_hash': _leaf, ...others } = attributes
    assert.deepEqual(others, {
      'audit.actor.id': '2',
      'audit.actor.type': 'user',
      'audit.action': 'purchase',
      'audit.outcome': 'success',
      'audit.target.type': 'order',
      'audit.target.id': '1',
      'audit.source.id': 'order-service',
      'audit.schema.version': 'sightline-audit-entry-1',
      'audit.sequence.stream_id': 'sightline/audit',
      'audit.sequence.number': 1,
      'audit.id': '1',
      'audit.proof': 'in_tree',
      request_id: 'req-1',
    })
    assert.equal(sent[1]!.attributes['audit.sequence.prev_hash'], seal)
  } finally {
    telemetry.deliver = undefined
  }
  telemetry.deliver = async (records) => void sent.push(...records)
  try {
    await using _service = await startAudit(database, { SEAL_POLL_MS: '10', AUDIT_RECORDS: 'otlp' })
    await tamper(database, `delete from audit_logs where id = 2; update audit_exported set position = 1`)
    await until('from the second on', 20, () => sent.length >= 5)
    assert.deepEqual(
      sent.map(({ attributes }) => attributes['audit.sequence.number']),
      [1, 2, 3, 2, 3],
    )
    assert.deepEqual([sent[3]!.attributes['audit.outcome'], sent[3]!.eventName], ['unknown', 'audit.row.missing'])
    // A backend that never answers: the service stops all the same, and what was not taken stays to be sent.
    let isHanging = false
    telemetry.deliver = () => {
      isHanging = true
      return new Promise(() => {})
    }
    await recordOrders(database, 1)
    await until('the backend is asked', 20, () => isHanging)
  } finally {
    telemetry.deliver = undefined
  }
  assert.deepEqual(await database.query('select position from audit_exported'), [{ position: '3' }])
})

test('only what is new is verified again, and that what was verified before is still there', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 30)
  await using service = await startAudit(database, { SEAL_POLL_MS: '10' })
  const verify = async (query: string) => (await service.call('GET', `/audit/verify${query}`)).json
  assert.equal((await verify('?only=new')).checked, 30, 'nothing was verified yet')
  assert.equal((await verify('?only=new')).checked, 0)
  await recordOrders(database, 5)
  await until('sealed', 20, async () => (await database.query('select from audit_unsealed')).length === 0)
  const news = await verify('?only=new')
  assert.deepEqual([news.status, news.checked, news.last_position], ['intact', 5, 35])
  await tamper(database, `update audit_chain set hash = sha256('x') where position = 35`)
  const other = await verify('?only=new')
  assert.deepEqual([other.status, other.first_broken.position], ['broken', 35])
  assert.match(other.first_broken.reason, /differs from the one that was verified before/)
  assert.equal((await verify('?only=new')).first_broken.reason, 'the seal does not follow from the one before it')
  assert.equal((await service.call('GET', '/audit/verify?only=old')).status, 422)
})

test('pages of any ids are checked: far apart, out of order, sealed a second time', async () => {
  await using database = await cluster.createDatabase()
  await recordOrders(database, 10)
  await tamper(
    database,
    `alter table audit_logs alter id drop identity; alter table orders alter id drop identity;
     update audit_logs set id = id * 1000000000000 where id > 5; update orders set id = id * 1000000 where id > 3;
     update audit_logs set order_id = order_id * 1000000 where order_id > 3; delete from audit_unsealed`,
  )
  await using service = await startQuiet(database)
  const queries = service.parts.database
  for (const half of ['id % 2 = 0', 'id % 2 = 1'] as const) {
    await tamper(database, `insert into audit_unsealed (audit_id) select id from audit_logs where ${half}`)
    await createSealer(service.parts).sealBatch()
  }
  await tamper(
    database,
    `insert into audit_unsealed (audit_id) select id from audit_logs
     where id not in (select audit_id from audit_chain)`,
  )
  await createSealer(service.parts).sealBatch()
  const intact = await verifyChain(queries)
  assert.deepEqual([intact.status, intact.checked, intact.first_broken], ['intact', 10, null])
  await tamper(
    database,
    `alter table audit_chain drop constraint audit_chain_audit_id_key;
     update audit_chain set audit_id = (select audit_id from audit_chain where position = 2) where position = 4`,
  )
  const twice = await verifyChain(queries)
  assert.deepEqual([twice.status, twice.first_broken!.position], ['broken', 4])
  assert.equal(twice.first_broken!.reason, 'the audit row is sealed a second time')
})

test('the command line tool: keys, checkpoint, verify, and an exit code', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 20)
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-audit-'))
  const { host, port, user, password, database: name } = database.connection('audit_service')
  const env = {
    ...process.env,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: name,
  }
  const tool = async (...args: string[]) => {
    const file = path.join(import.meta.dirname, 'tool.ts')
    return promisify(execFile)(process.execPath, [...QUICK_START, file, ...args], { env, cwd: folder }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }),
    )
  }
  assert.equal((await tool('keys', '--out', '.')).code, 0)
  assert.equal(fs.statSync(path.join(folder, 'audit-private.pem')).mode & 0o777, 0o600)
  assert.equal((await tool('checkpoint', '--out', 'checkpoint.json', '--key', 'audit-private.pem')).code, 0)
  const args = ['verify', '--checkpoint', 'checkpoint.json', '--public-key', 'audit-public.pem']
  const intact = await tool(...args)
  assert.equal(intact.code, 0)
  assert.match(intact.stdout, /20 rows checked .*\nintact; .* agrees with the checkpoint at 20/)
  const { created_at } = JSON.parse(fs.readFileSync(path.join(folder, 'checkpoint.json'), 'utf8'))
  assert.match(intact.stdout, new RegExp(`signed at ${created_at}, \\d+ s ago: of the 0 rows`))
  assert.equal((await tool(...args, '--max-age', '600')).code, 0)
  // An older checkpoint, put back, is as well signed as the newest: only its date tells.
  const key = readSigningKey(path.join(folder, 'audit-private.pem'))
  const [seal] = await database.query<{ hash: Buffer }>('select hash from audit_chain where position = 5')
  const old = signCheckpoint(5, seal!.hash, key, new Date('2026-01-02T03:04:05.678Z'))
  fs.writeFileSync(path.join(folder, 'checkpoint.json'), JSON.stringify(old))
  const putBack = await tool(...args, '--max-age', '600')
  assert.equal(putBack.code, 1)
  assert.match(
    putBack.stdout,
    /signed at 2026-01-02T03:04:05.678Z, \d+ s ago: of the 15 rows sealed since[\s\S]*\nTOO OLD/,
  )
  assert.equal((await tool(...args)).code, 0)
  assert.equal((await tool(...args, '--max-age', 'a day')).code, 2)
  const resumed = ['verify', '--state', 'verified.json']
  assert.match((await tool(...resumed)).stdout, /^20 rows checked/)
  assert.match((await tool(...resumed)).stdout, /^20 were checked before, .*\n0 rows checked/)
  fs.writeFileSync(path.join(folder, 'verified.json'), JSON.stringify({ position: 3 }))
  assert.equal((await tool(...resumed)).code, 2)
  await tamper(database, `update audit_logs set source = 'me' where id = 11`)
  const broken = await tool(...args)
  assert.equal(broken.code, 1)
  assert.match(broken.stdout, /BROKEN at position 11, audit row 11: the audit row was changed/)
  fs.rmSync(folder, { recursive: true })
})

test('a running service keeps its checkpoint file up to date, and refuses to start with half the settings', async (t) => {
  await using database = await cluster.createDatabase()
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-audit-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const [file, keyFile] = [path.join(folder, 'checkpoint.json'), path.join(folder, 'private.pem')]
  const { privateKey, publicKey } = makeKeys()
  fs.writeFileSync(keyFile, privateKey)
  const settings = { AUDIT_CHECKPOINT_FILE: file, AUDIT_SIGNING_KEY_FILE: keyFile, SEAL_POLL_MS: '10' }
  {
    await using service = await startAudit(database, { ...settings, AUDIT_CHECKPOINT_MS: '20' })
    for (const order of [1, 2]) {
      assert.equal((await service.call('POST', '/process', event(order))).status, 200)
      await until(`a checkpoint at ${order}`, 10, () => {
        return fs.existsSync(file) && readCheckpoint(fs.readFileSync(file, 'utf8'), publicKey).position === order
      })
    }
  }
  {
    await using service = await startAudit(database, settings)
    assert.equal((await service.call('POST', '/process', event(3))).status, 200)
    await until('sealed', 10, async () => (await database.query('select from audit_unsealed')).length === 0)
  }
  assert.equal(
    readCheckpoint(fs.readFileSync(file, 'utf8'), publicKey).position,
    3,
    'the last one is written at the end',
  )
  assert.deepEqual(fs.readdirSync(folder).sort(), ['checkpoint.json', 'checkpoint.json.note', 'private.pem'])

  const { AUDIT_SIGNING_KEY_FILE: _, ...half } = settings
  await assert.rejects(startAudit(database, half), /AUDIT_CHECKPOINT_FILE: set it together with AUDIT_SIGNING_KEY_FILE/)
  fs.writeFileSync(keyFile, publicKey)
  await assert.rejects(startAudit(database, settings), /private\.pem is no private key .*audit:keys/)
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  fs.writeFileSync(keyFile, other)
  await assert.rejects(startAudit(database, settings), /private\.pem is a key for ec, .* Ed25519/)
})

test('what PostgreSQL can not store is 422, not a failure', async () => {
  await using database = await cluster.createDatabase()
  await using service = await startAudit(database)
  const cases: Array<[string, object]> = [
    ['/source', { source: 'a\u0000b' }],
    ['/details/currency', { details: { items: [], total: 1, currency: '\u0000AB' } }],
    ['/details/total', { details: { items: [], total: 1e300, currency: 'USD' } }],
    ['/user_id', { user_id: 2 ** 31 }],
    ['/trace_id', { trace_id: 'z'.repeat(32) }],
  ]
  for (const [pointer, fields] of cases) {
    const { status, json, text } = await service.call('POST', '/process', { ...event(1), ...fields })
    assert.equal(status, 422, text)
    assert.equal(json.errors[0].pointer, pointer)
  }
})

test('one verification at a time, on a connection of its own: the same one is shared, another is refused, orders go on', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 3_000)
  await using service = await startQuiet(database, { DB_POOL_MAX: '1' })
  const sessions = () =>
    database.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where datname = current_database() and application_name = 'audit-service verification'`,
    )
  assert.equal((await service.call('GET', '/audit/verify')).status, 200)
  const [session] = await sessions()
  // Its side in PostgreSQL stands still: the verification is under way until it goes on.
  process.kill(session!.pid, 'SIGSTOP')
  try {
    const verifications = Array.from({ length: 40 }, () => service.call('GET', '/audit/verify'))
    await until('all have asked', 10, async () => {
      const asked = sample((await service.call('GET', '/metrics')).text, 'http_server_active_requests')
      return asked !== undefined && asked > 40
    })
    const other = await service.call('GET', '/audit/verify?from=1001')
    assert.equal(other.status, 429, other.text)
    assert.equal(other.json.type, '/problems/verification-under-way')
    assert.ok(Number(other.headers.get('retry-after')) >= 1)
    const recorded = await service.call('POST', '/process', event(1))
    assert.equal(recorded.status, 200, recorded.text)
    process.kill(session!.pid, 'SIGCONT')
    const answers = await Promise.all(verifications)
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1, 'one answer for all')
    assert.deepEqual(await sessions(), [session])
  } finally {
    process.kill(session!.pid, 'SIGCONT')
  }
  const next = await service.call('GET', '/audit/verify?from=1001')
  assert.equal(next.status, 200, next.text)
})
