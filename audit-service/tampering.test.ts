/** What an attacker with a role, or with the owner's rights, can do to the trail, and that each of it is refused or named. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { until } from '@sightline/service-kit/poll'
import { sample } from '@sightline/service-kit/testing'
import fc from 'fast-check'
import pg from 'pg'
import { anyCharacter } from '../test/any-text.ts'
import { GENESIS, hashRow, SEALABLE_COLUMNS, type SealableRow, seal, timeText } from './chain.ts'
import { makeKeys } from './checkpoint-format.ts'
import { readWitnessKey } from './cosignature.ts'
import { DEFAULT_ORIGIN, readVerifierKey, SIGNATURE, verifierKey } from './note.ts'
import { quorumOf, readPolicy } from './policy.ts'
import { createSealer } from './sealer.ts'
import { KIND_NAMES, type Outcome, ownerOf, tamperInWindow, tamperOnce } from './test/tamperings.ts'
import { assertNamed, type Damage, recordOrders, sealedRows, startAudit, startQuiet, tamper } from './test/testing.ts'
import { verifyChain } from './verify.ts'
import { verifyProof } from './verify-proof.ts'
import { beginWitness, openWitness } from './witness.ts'
import { serveWitness } from './witness-server.ts'

let cluster: TestCluster

before(async () => {
  cluster = await startTestCluster()
})

after(async () => {
  await cluster?.stop()
})

/** While the owner of the database holds the row by which sealers take turns, nobody seals. */
async function withoutSealing(database: TestDatabase, work: () => Promise<void>): Promise<void> {
  const owner = new pg.Client(database.connection())
  await owner.connect()
  try {
    await owner.query('begin; select from audit_sealing for update')
    await work()
  } finally {
    await owner.end()
  }
}

const waiting = (database: TestDatabase) => database.query('select audit_id from audit_unsealed where audit_id > 0')

/** And in the tree. */
async function allSealed(database: TestDatabase): Promise<void> {
  await using _service = await startAudit(database, { SEAL_POLL_MS: '10' })
  await until('all sealed', 20, async () => (await waiting(database)).length === 0)
  await until('all in the tree', 20, async () => {
    const [tree] = await database.query<{ whole: boolean }>(
      'select audit_tree_size() = (select count(*) from audit_chain) as whole',
    )
    return tree!.whole
  })
}

const attacks: Damage[] = [
  [
    'a time moved to before our era',
    `update audit_logs set occurred_at = '2026-01-02 03:04:05.678+00 BC' where id = 17`,
    { position: 17, audit_id: 17 },
    /changed/,
  ],
  [
    'a changed time of sealing',
    `update audit_chain set sealed_at = sealed_at - interval '1 day' where position = 12`,
    { position: 12, audit_id: 12 },
    /does not follow/,
  ],
  [
    'a seal that claims to be of a version without that time',
    `update audit_chain set sealed_at = sealed_at - interval '1 day', version = 1 where position = 12`,
    { position: 12, audit_id: 12 },
    /does not follow/,
  ],
  [
    'a forged row beside a forged entry of the queue',
    `insert into audit_logs (event_id, event_type, occurred_at, source, action, details)
       values (gen_random_uuid(), 'order.completed', now(), 's', 'a', '{}');
     insert into audit_unsealed (audit_id) values (4711)`,
    { position: null, audit_id: 4711 },
    /no audit row/,
  ],
  [
    'a sealed row that is queued again',
    'insert into audit_unsealed (audit_id) values (3)',
    { position: null, audit_id: 3 },
    /is sealed and waits/,
  ],
  ['a row whose order is gone', 'delete from orders where id = 7', { position: 7, audit_id: 7 }, /has no order/],
  [
    'an order that was changed',
    'update orders set total = 1.4 where id = 8',
    { position: 8, audit_id: 8 },
    /order 8 disagree/,
  ],
  [
    'an order of another event',
    'update orders set event_id = gen_random_uuid() where id = 8',
    { position: 8, audit_id: 8 },
    /order 8 disagree/,
  ],
  [
    'an order without a row',
    `insert into orders (event_id, user_id, action, status, total, currency)
     values (gen_random_uuid(), 1, 'purchase', 'completed', 1, 'USD')`,
    { position: null, audit_id: null },
    /order 21 has no audit row/,
  ],
]
describe('verification names', { concurrency: false }, () => {
  let database: TestDatabase
  before(async () => {
    database = await cluster.createDatabase()
    await sealedRows(database, 20)
  })
  after(() => database?.drop())

  for (const damage of attacks) test(damage[0], () => assertNamed(database, damage))
})

test('a row that audit-service made up is named before and after its seal', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 20)
  await using service = await startQuiet(database)
  await withoutSealing(database, async () => {
    const role = new pg.Client(database.connection('audit_service'))
    await role.connect()
    await role.query(
      `insert into audit_logs (event_id, event_type, occurred_at, source, order_id, action, details)
       values (gen_random_uuid(), 'order.completed', now(), 'order-service', 5, 'refund', '{"total": 1.5, "currency": "USD"}')`,
    )
    await role.end()
    const { first_broken } = await verifyChain(service.parts.database)
    assert.deepEqual(first_broken, { position: null, audit_id: 21, reason: 'the audit row and order 5 disagree' })
  })
  await allSealed(database)
  const sealed = await verifyChain(service.parts.database)
  assert.deepEqual(sealed.first_broken, { position: 21, audit_id: 21, reason: 'the audit row and order 5 disagree' })
})

test('an order whose event is still on its way is no fault', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 20)
  await database.query(
    `with placed as (
       insert into orders (event_id, user_id, action, status, total, currency)
       values (gen_random_uuid(), 1, 'purchase', 'completed', 1, 'USD') returning *
     )
     insert into outbox (event_id, order_id, payload, next_attempt_at) select event_id, id, '{}', now() from placed`,
  )
  await using service = await startQuiet(database)
  assert.equal((await verifyChain(service.parts.database)).status, 'intact')
  await database.query('delete from outbox')
  const { first_broken } = await verifyChain(service.parts.database)
  assert.match(first_broken!.reason, /order 21 has no audit row, and no event/)
})

test('a row that waits too long for its seal is not intact, nor broken', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 20)
  await withoutSealing(database, async () => {
    await recordOrders(database, 2)
    await using service = await startQuiet(database)
    const ask = async () => (await service.call('GET', '/audit/verify')).json
    const { status: health, checks } = (await service.call('GET', '/health')).json
    assert.deepEqual([health, checks.sealing.status], ['ok', 'ok'], 'it is not sure yet')
    const age = (table: string, seconds: number) =>
      tamper(
        database,
        `update ${table} set recorded_at = now() - interval '${seconds} s' where ${table === 'audit_logs' ? 'id' : 'audit_id'} = 22`,
      )
    await age('audit_unsealed', 40)
    const inTime = await ask()
    assert.deepEqual([inTime.status, inTime.unsealed, inTime.waiting_since], ['intact', 2, null])
    // Either time tells, though the other was set anew.
    for (const table of ['audit_unsealed', 'audit_logs']) {
      await age('audit_unsealed', 0)
      await age('audit_logs', 0)
      await age(table, 61)
      const late = await ask()
      assert.deepEqual([late.status, late.first_broken.position, late.first_broken.audit_id], ['overdue', null, 22])
      assert.match(late.first_broken.reason, new RegExp(`waits for its seal since ${late.waiting_since}`))
      const waited = Date.now() - Date.parse(late.waiting_since)
      assert.ok(waited >= 60_000 && waited < 600_000, late.waiting_since)
    }
    assert.equal(sample((await service.call('GET', '/metrics')).text, 'audit_verify_ok'), 0)
  })
  await allSealed(database)
  await using service = await startQuiet(database)
  assert.equal((await verifyChain(service.parts.database)).status, 'intact')
})

test('no role can hold up the sealing, nor can forged entries at the head of the queue', async () => {
  await using database = await cluster.createDatabase()
  await recordOrders(database, 20)
  await tamper(database, 'insert into audit_unsealed (audit_id) select -n from generate_series(1, 1500) n')
  const role = new pg.Client(database.connection('user_service'))
  await role.connect()
  try {
    await role.query('select pg_advisory_lock(4711, 1)')
    await allSealed(database)
    await using service = await startQuiet(database)
    const { first_broken } = await verifyChain(service.parts.database)
    assert.match(first_broken!.reason, /no audit row/)
  } finally {
    await role.end()
  }
})

test('a second session seals nothing while the first is at it, and goes on where that one ended', async () => {
  await using database = await cluster.createDatabase()
  await recordOrders(database, 30)
  const first = new pg.Client(database.connection('audit_service'))
  await first.connect()
  await first.query('begin')
  assert.deepEqual((await first.query('select audit_seal(10) as sealed')).rows, [{ sealed: 10 }])
  await using service = await startQuiet(database)
  assert.equal(await createSealer(service.parts).sealBatch(), 0)
  await first.query('commit')
  await first.end()
  await allSealed(database)
  const { status, checked } = await verifyChain(service.parts.database)
  assert.deepEqual([status, checked], ['intact', 30])
})

test('a time is that of the insert, not of a transaction that was begun long before', async () => {
  await using database = await cluster.createDatabase()
  const role = new pg.Client(database.connection('audit_service'))
  await role.connect()
  try {
    await role.query('begin')
    await role.query('select now()')
    const { rows } = await role.query(
      `insert into audit_logs (event_id, event_type, occurred_at, source, action, details)
       values (gen_random_uuid(), 'order.completed', now(), 's', 'a', '{}') returning recorded_at > now() as later`,
    )
    await role.query('select audit_seal(1)')
    const sealed = await role.query('select sealed_at > now() as later from audit_chain')
    assert.deepEqual([rows, sealed.rows], [[{ later: true }], [{ later: true }]])
  } finally {
    await role.end()
  }
})

test('no two times have the same text', async () => {
  await using database = await cluster.createDatabase()
  const rows = await database.query<{ text: string }>(
    `select ${timeText('t')} as text from unnest(array['infinity', '-infinity', '0044-03-15 12:00+00', '0044-03-15 12:00+00 BC',
      '0001-01-01 00:00+00', '0001-12-31 23:59:59.999999+00 BC', '12026-01-01 00:00+00', '2026-01-01 00:00+00',
      '2026-01-01 00:00:00.000001+00', '0001-01-01 00:00+00 BC']::timestamptz[]) t`,
  )
  assert.equal(new Set(rows.map(({ text }) => text)).size, 10, JSON.stringify(rows))
})

test('PostgreSQL seals, and hashes for the tree, what is checked here, whatever a row contains', async () => {
  await using database = await cluster.createDatabase()
  const texts = [
    '',
    'null',
    '"\\/\b\f\n\r\t',
    String.fromCharCode(...Array.from({ length: 31 }, (_, i) => i + 1), 127, 0x80, 0x9f, 0x2028, 0x2029, 0xfeff),
    '\u{1F600}é\u0301中',
    ...fc.sample(fc.string({ unit: anyCharacter, maxLength: 20 }), 200),
  ].map((text) => text.toWellFormed().replaceAll('\u0000', ''))
  await database.query('insert into users (id) values (1)')
  await database.query(
    `with placed as (
       insert into orders (event_id, user_id, action, status, total, currency)
       select gen_random_uuid(), 1, text, 'completed', 1.5, 'USD' from unnest($1::text[]) text returning *
     )
     insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, trace_id, request_id, details)
     select event_id, action, '0044-03-15 12:00+00 BC', action, 1, id, action, null, nullif(action, ''),
       jsonb_build_object('total', total, 'currency', currency, 'text', action, action, 1e300)
     from placed`,
    [texts],
  )
  await allSealed(database)
  await using service = await startQuiet(database)
  const { status, checked, tree_size, first_broken } = await verifyChain(service.parts.database)
  assert.deepEqual([status, checked, tree_size, first_broken], ['intact', texts.length, texts.length, null])
})

function migration(name: string): [up: string, down: string] {
  const file = new URL(`../db/migrations/${name}.sql`, import.meta.url)
  return fs.readFileSync(file, 'utf8').split('-- Down Migration') as [string, string]
}

test('a seal that does not fit the one before it is refused by the database, to its owner, too', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 5)
  const insert = (position: string, hash: string, version = 2, sealedAt = 'sealed_at') =>
    database.query(
      `insert into audit_chain (position, audit_id, row_hash, hash, sealed_at, version)
       select ${position}, 100 + n, row_hash, ${hash}, ${sealedAt}, ${version} from audit_chain, generate_series(1, 1) n where position = 5`,
    )
  const fits = `sha256(hash || int8send(6) || row_hash || convert_to(audit_time_text(sealed_at), 'UTF8'))`
  for (const [position, hash, version, sealedAt] of [
    ['6', 'hash', 2, 'sealed_at'],
    ['6', fits, 1, 'sealed_at'],
    ['6', fits, 2, `sealed_at + interval '1 us'`],
    ['7', fits.replace('(6)', '(7)'), 2, 'sealed_at'],
    ['n + 5', `case when n = 1 then ${fits} else hash end`, 1, 'sealed_at'],
  ] as const)
    await assert.rejects(
      insert(position, hash, version, sealedAt),
      { code: '23000', message: /INSERT on audit_chain refused: the seal at position [67] does not follow/ },
      `${position} ${hash}`,
    )
  assert.equal((await database.query('select from audit_chain')).length, 5)
  await insert('6', fits)
  assert.equal((await database.query('select from audit_chain')).length, 6)
})

test('a chain that was sealed before this migration stays verifiable, and goes on', async () => {
  await using database = await cluster.createDatabase()
  const [up, down] = migration('0006_sealing')
  const [upFits, downFits] = migration('0009_seals_fit')
  await database.query(downFits)
  await database.query(down)
  await recordOrders(database, 20)
  const rows = await database.query<SealableRow>(`select ${SEALABLE_COLUMNS} from audit_logs a order by a.id`)
  let previous: Buffer = GENESIS
  for (const [at, row] of rows.slice(0, 10).entries()) {
    const rowHash = hashRow(row)
    previous = seal(previous, at + 1, rowHash, undefined)
    await database.query('insert into audit_chain (position, audit_id, row_hash, hash) values ($1, $2, $3, $4)', [
      at + 1,
      row.id,
      rowHash,
      previous,
    ])
  }
  await database.query('delete from audit_unsealed where audit_id <= 10')
  await database.query(up)
  await database.query(upFits)
  await allSealed(database)
  await using service = await startQuiet(database)
  const { status, checked } = await verifyChain(service.parts.database)
  assert.deepEqual([status, checked], ['intact', 20])
  await tamper(database, `update audit_chain set hash = sha256('x') where position = 4`)
  assert.equal((await verifyChain(service.parts.database)).first_broken!.position, 4)
})

/** Two witnesses here, behind ports, and a policy that asks for both; `log` signs with a key that is made for it. */
async function startWitnesses(t: TestContext) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-witnessed-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const { privateKey, publicKey } = makeKeys()
  const [file, keyFile] = [path.join(folder, 'checkpoint.json'), path.join(folder, 'private.pem')]
  fs.writeFileSync(keyFile, privateKey)
  const logKey = readVerifierKey(verifierKey(DEFAULT_ORIGIN, createPublicKey(publicKey)), SIGNATURE.ed25519)
  const witnesses = await Promise.all(
    ['w1', 'w2'].map(async (name) => {
      const key = createPrivateKey(makeKeys().privateKey)
      beginWitness(path.join(folder, name), name, key)
      const told: string[] = []
      const witness = openWitness(path.join(folder, name), key, [logKey], (event, what) =>
        told.push(`${event} ${what}`),
      )
      const place = { host: '127.0.0.1', port: 0, hosts: allowedHosts() }
      let server = await serveWitness(witness, place, assert.fail)
      t.after(() => server.close().then(witness.close))
      const port = Number(new URL(server.url).port)
      const start = async () => {
        server = await serveWitness(witness, { ...place, port }, assert.fail)
      }
      return { key: witness.verifierKey, url: server.url, told, stop: () => server.close(), start }
    }),
  )
  const lines = witnesses.map(({ key, url }, n) => `witness w${n + 1} ${key} ${url}`)
  const text = [`log ${logKey.text}`, ...lines, 'group both all w1 w2', 'quorum both'].join('\n')
  fs.writeFileSync(path.join(folder, 'policy'), text)
  const env = {
    AUDIT_CHECKPOINT_FILE: file,
    AUDIT_SIGNING_KEY_FILE: keyFile,
    AUDIT_CHECKPOINT_MS: '60000',
    AUDIT_WITNESSES: text,
  }
  return { folder, env, witnesses, policy: readPolicy(text), privateKey, publicKey: createPublicKey(publicKey) }
}

test('with witnesses a receipt bears their signatures, and nothing that the owner does to signed rows stays unnoticed', async (t) => {
  await using database = await cluster.createDatabase()
  const { folder, env, witnesses, policy, privateKey, publicKey } = await startWitnesses(t)
  const older: string[] = []
  {
    await using service = await startAudit(database, { ...env, SEAL_POLL_MS: '10' })
    /** Who asks for a receipt has the tree signed. */
    const published = (size: number): Promise<string> =>
      until(`${size} rows are witnessed`, 30, async () => {
        const { status, json } = await service.call('GET', `/audit/${size}/receipt`)
        return status === 200 && json.checkpoint
      })
    for (const size of [20, 40]) {
      await recordOrders(database, 20)
      older.push(await published(size))
    }
    await witnesses[1]!.stop()
    await recordOrders(database, 20)
    const refused = await until('one witness is missing', 30, async () => {
      const { status, json } = await service.call('GET', '/audit/60/receipt')
      return status === 409 && /1 of 2 witnesses/.test(json.detail) && json.detail
    })
    assert.match(
      refused,
      /not yet in a signed checkpoint: 1 of 2 witnesses have signed it, which is no quorum: w2 did not; ask again/,
    )
    assert.equal(
      (await service.call('GET', '/audit/checkpoint')).text,
      older[1],
      'what they have signed goes on to be served',
    )
    await witnesses[1]!.start()
    await published(60)
    const receipt = (await service.call('GET', '/audit/60/receipt')).text
    fs.writeFileSync(path.join(folder, 'receipt.json'), receipt)
    assert.equal(verifyProof(receipt, DEFAULT_ORIGIN, publicKey, undefined, policy).lacks, undefined)
    const others = quorumOf([
      { key: readWitnessKey(verifierKey('w3', publicKey, SIGNATURE.cosignature)), url: undefined },
    ])
    assert.match(verifyProof(receipt, DEFAULT_ORIGIN, publicKey, undefined, others).lacks!, /0 of 1 .*: w3 did not/)
    const { text } = await service.call('GET', '/metrics')
    assert.equal(sample(text, 'audit_witness_size{witness="w2"}'), 60)
    assert.ok(sample(text, 'audit_witness_answers_total{witness="w2",outcome="failed"}')! >= 1)
  }
  // What a quorum has signed is kept: for the next start with this key, and from another key.
  // Without the witnesses' lines, the last two: they are asked anew at a start, for a later time.
  const withoutWitnesses = (text: string) => text.split('\n').slice(0, 5).join('\n')
  const note = () => withoutWitnesses(fs.readFileSync(`${env.AUDIT_CHECKPOINT_FILE}.note`, 'utf8'))
  const last = note()
  fs.writeFileSync(path.join(folder, 'other.pem'), makeKeys().privateKey)
  for (const [keyFile, status] of [
    [env.AUDIT_SIGNING_KEY_FILE, 200],
    [path.join(folder, 'other.pem'), 404],
  ] as const) {
    await using service = await startQuiet(database, { ...env, AUDIT_SIGNING_KEY_FILE: keyFile })
    const kept = await service.call('GET', '/audit/checkpoint')
    assert.deepEqual([kept.status, status === 200 ? withoutWitnesses(kept.text) : last], [status, last])
  }
  assert.equal(note(), last)

  const connection = database.connection('audit_service')
  const tool = async (...args: string[]) => {
    const given = ['verify', ...args]
    const PG = {
      PGHOST: connection.host,
      PGPORT: String(connection.port),
      PGUSER: connection.user,
      PGPASSWORD: connection.password,
      PGDATABASE: connection.database,
    }
    return promisify(execFile)(process.execPath, [path.join(import.meta.dirname, 'tool.ts'), ...given], {
      cwd: folder,
      env: { ...process.env, ...PG },
    }).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
  }
  const [whole, row] = await Promise.all([
    tool('--policy', 'policy', '--max-age', '600'),
    tool('--policy', 'policy', '--proof', 'receipt.json'),
  ])
  assert.match(
    whole,
    /\nintact; last seal \w+\nA quorum of witnesses has signed 60 rows of it, \d+ s ago; of the 0 rows in the tree since/,
  )
  assert.match(row, /number 60 of the 60 rows that sightline\/audit has signed, and w1 at 20\S+Z, and w2 at 20/)

  const { owner, queries } = await ownerOf(database)
  try {
    await recordOrders(database, 3)
    await owner.query('select audit_seal(10), audit_grow(10)')
    const signer = { origin: DEFAULT_ORIGIN, key: createPrivateKey(privateKey) }
    const scene = { owner, queries, signer, publicKey, policy, size: 60, older }
    const outcomes: Outcome[] = []
    for (let n = 0; n < 3 * KIND_NAMES.length; n++) outcomes.push(await tamperOnce(scene, 7, n))
    assert.deepEqual(
      outcomes.filter(({ missed }) => missed !== undefined),
      [],
    )
    assert.ok(witnesses.every(({ told }) => told.some((line) => /^refused sightline\/audit: .*FORK/.test(line))))
    assert.equal(await tamperInWindow(scene, 62), false, 'before they have signed it, it is not noticed')
  } finally {
    await owner.end()
  }
})
