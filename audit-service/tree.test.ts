/** The Merkle tree over real rows: it is one, whoever builds it; it finds what a rewritten chain hides; and its proofs hold offline. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { type BulkQueries, sessionQueries } from '@sightline/service-kit'
import { until } from '@sightline/service-kit/poll'
import { atOnce, type TestAnswer, type TestService } from '@sightline/service-kit/testing'
import pg from 'pg'
import { GENESIS, hashRow, type SealableRow, seal } from './chain.ts'
import { makeKeys } from './checkpoint-format.ts'
import { entryBytes, entryOf, SEALED_COLUMNS, type SealedRow } from './entry.ts'
import { foldHashes, hashesOf, leafHash, provesConsistency, rootRanges } from './merkle.ts'
import { DEFAULT_ORIGIN, readTreeCheckpoint } from './note.ts'
import { createSealer } from './sealer.ts'
import { event, placeOrders, recordOrders, sealedRows, startAudit, startQuiet, tamper } from './test/testing.ts'
import { growTree, treeHead, treeSize } from './tree.ts'
import { renewTreeCheckpoint } from './tree-checkpoint.ts'
import { verifyChain } from './verify.ts'
import { verifyProof } from './verify-proof.ts'

let cluster: TestCluster

before(async () => {
  cluster = await startTestCluster()
})

after(async () => {
  await cluster?.stop()
})

/** A connection of a role that reads numbers as the service does, in tests where no service may seal or build beside them. */
async function connect(database: TestDatabase): Promise<BulkQueries & AsyncDisposable> {
  const client = new pg.Client(database.connection('audit_service'))
  await client.connect()
  return { ...sessionQueries(client), [Symbol.asyncDispose]: () => client.end() }
}

const sealNext = (database: TestDatabase, most = 1_000) => database.query('select audit_seal($1)', [most])

/** The root over the rows as they are now, without any tile of the database. */
async function rootOfRows(database: TestDatabase): Promise<string> {
  const rows = await database.query<SealedRow>(
    `select ${SEALED_COLUMNS} from audit_chain c left join audit_logs a on a.id = c.audit_id order by c.position`,
  )
  const leaves = rows.map((row) => leafHash(entryBytes(entryOf(row))))
  let level = leaves
  const levels = [leaves]
  while (level.length >= 256) {
    level = Array.from({ length: Math.floor(level.length / 256) }, (_, n) =>
      foldHashes(level.slice(n * 256, n * 256 + 256)),
    )
    levels.push(level)
  }
  const read = (tile: { level: number; number: number }) =>
    Buffer.concat(levels[tile.level]!.slice(tile.number * 256, tile.number * 256 + 256))
  return hashesOf(rootRanges(leaves.length), read)[0]!.toString('hex')
}

/** A key pair and a file for checkpoints, gone with the test, and what a service needs to know of them. */
function signing(t: TestContext) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-tree-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const { privateKey, publicKey } = makeKeys()
  const [file, keyFile] = [path.join(folder, 'checkpoint.json'), path.join(folder, 'private.pem')]
  fs.writeFileSync(keyFile, privateKey)
  fs.writeFileSync(path.join(folder, 'public.pem'), publicKey)
  const env = { AUDIT_CHECKPOINT_FILE: file, AUDIT_SIGNING_KEY_FILE: keyFile, AUDIT_CHECKPOINT_MS: '60000' }
  const signer = { origin: DEFAULT_ORIGIN, key: createPrivateKey(privateKey), file: `${file}.note` }
  return { folder, file, env, signer, publicKey: createPublicKey(publicKey) }
}

test('rows that two services seal at once come into one tree', async () => {
  await using database = await cluster.createDatabase()
  const env = { SEAL_POLL_MS: '5', DB_POOL_MAX: '10' }
  await using first = await startAudit(database, env)
  await using second = await startAudit(database, env)
  const services = [first, second]
  const events = Array.from({ length: 300 }, (_, i) => event(i + 1, { request_id: i % 3 ? `r-${i}` : null }))
  await placeOrders(database, events)
  await atOnce(16, events, (one) => services[one.order_id % 2]!.call('POST', '/process', one))
  await until('all in the tree', 20, async () => (await treeSize(first.parts.database)) === 300)
  const { root } = await treeHead(second.parts.database, 300)
  assert.equal(root.toString('hex'), await rootOfRows(database))
  const tiles = await database.query(
    'select level, number::integer, length(hashes) / 32 as hashes from audit_tiles order by 1, 2',
  )
  assert.deepEqual(tiles, [
    { level: 0, number: 0, hashes: 256 },
    { level: 0, number: 1, hashes: 44 },
    { level: 1, number: 0, hashes: 1 },
  ])
  const { json } = await first.call('GET', '/audit/verify')
  assert.deepEqual([json.status, json.checked, json.tree_size], ['intact', 300, 300])
})

test('a chain that was there before comes in by batches of any size, beside the sealing, with whatever its rows contain', async () => {
  await using database = await cluster.createDatabase()
  await recordOrders(database, 1_400)
  await tamper(
    database,
    `update audit_logs set occurred_at = 'infinity' where id = 2; update audit_logs set occurred_at = '0044-03-15 12:00+00 BC' where id = 3;
     update audit_logs set action = E'"\\\\\\u0001\\u2028\\U0001F600/', request_id = '' where id = 4;
     update orders set action = (select action from audit_logs where id = 4) where id = 4`,
  )
  await using queries = await connect(database)
  for (const most of [1, 7, 255, 300, 1, 256, 12]) {
    await sealNext(database, most)
    await growTree(queries, most)
  }
  await sealNext(database)
  while ((await growTree(queries, 1_000)) > 0);
  assert.equal(await treeSize(queries), 1_400)
  assert.equal((await treeHead(queries, 1_400)).root.toString('hex'), await rootOfRows(database))
  assert.equal((await verifyChain(queries)).status, 'intact')
})

test('one builder at a time, and no role changes a tile; its owner can only make one longer', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 20)
  await recordOrders(database, 10)
  const first = new pg.Client(database.connection('audit_service'))
  await first.connect()
  try {
    await first.query('select audit_seal(10)')
    await first.query('begin')
    assert.deepEqual((await first.query('select audit_grow(4) as grown')).rows, [{ grown: 4 }])
    await using queries = await connect(database)
    assert.equal(await growTree(queries, 100), 0)
    await first.query('commit')
    assert.equal(await growTree(queries, 100), 6)
    for (const statement of [
      `insert into audit_tiles values (0, 1, decode(repeat('00', 32), 'hex'))`,
      `update audit_tiles set hashes = hashes || hashes`,
      'delete from audit_tiles',
      'truncate audit_tiles',
      'select from audit_growing for update',
    ])
      await assert.rejects(first.query(statement), { code: '42501' }, statement)
  } finally {
    await first.end()
  }
  for (const statement of [
    `update audit_tiles set hashes = sha256('x') || substr(hashes, 33)`,
    'update audit_tiles set hashes = substr(hashes, 1, 320)',
    'update audit_tiles set number = 7',
    'delete from audit_tiles',
    'truncate audit_tiles',
  ])
    await assert.rejects(database.query(statement), /audit_tiles refused/, statement)
})

/** Makes the chain fit its rows, orders and times as they are now, position by position, as only the database's owner can. */
async function sealAnew(database: TestDatabase): Promise<void> {
  const rows = await database.query<SealedRow>(
    `select ${SEALED_COLUMNS} from audit_chain c join audit_logs a on a.id = c.audit_id order by c.position`,
  )
  let previous: Buffer = GENESIS
  const links = rows.map((row, n) => {
    const rowHash = hashRow(row as SealableRow)
    previous = seal(previous, n + 1, rowHash, row.sealed_at)
    return `(${n + 1}, ${row.audit_id}, '\\x${rowHash.toString('hex')}', '\\x${previous.toString('hex')}', '${row.sealed_at}', 2)`
  })
  await tamper(
    database,
    `truncate audit_chain;
     insert into audit_chain (position, audit_id, row_hash, hash, sealed_at, version) values ${links.join(', ')}`,
  )
}

const rewritings: Array<[string, string, number]> = [
  ['changed', `update audit_logs set request_id = 'another' where id = 123`, 123],
  [
    'removed',
    'delete from audit_logs where id = 123; delete from audit_chain where audit_id = 123; delete from orders where id = 123',
    124,
  ],
  [
    'put elsewhere',
    `update audit_chain set position = case position when 123 then 1124 else 1123 end where position in (123, 124);
     update audit_chain set position = position - 1000 where position > 1000`,
    124,
  ],
  [
    'sealed at another time',
    `update audit_chain set sealed_at = sealed_at - interval '1 day' where position = 123`,
    123,
  ],
]
for (const [what, statement, auditId] of rewritings) {
  test(`the tree finds a row that was ${what}, in a chain that was then made anew`, async () => {
    await using database = await cluster.createDatabase()
    await sealedRows(database, 300)
    await using queries = await connect(database)
    await tamper(database, statement)
    await sealAnew(database)
    const { status, first_broken } = await verifyChain(queries)
    assert.deepEqual([status, first_broken?.position, first_broken?.audit_id], ['broken', 123, auditId])
    assert.match(first_broken!.reason, /its leaf in the tree is another/)
    await tamper(database, 'truncate audit_tiles')
    assert.equal((await verifyChain(queries)).status, 'intact', 'the chain alone sees nothing')
  })
}

/** What the owner can do to rows and tree, beside a chain that still fits. */
const faults: Array<[string, string, { position: number | null; audit_id: number | null }, RegExp]> = [
  [
    'a hash of a leaf',
    `update audit_tiles set hashes = overlay(hashes placing sha256('x') from 32 * 6 + 1) where level = 0 and number = 1`,
    { position: 263, audit_id: 263 },
    /its leaf in the tree is another/,
  ],
  [
    'two leaves that changed places',
    `update audit_tiles set hashes = substr(hashes, 1, 320) || substr(hashes, 353, 32) || substr(hashes, 321, 32) || substr(hashes, 385)
     where level = 0 and number = 0`,
    { position: 11, audit_id: 11 },
    /its leaf in the tree is another/,
  ],
  [
    'a hash above the leaves',
    `update audit_tiles set hashes = sha256('x') where level = 1`,
    { position: 256, audit_id: 256 },
    /hash 0 of tile 0 of level 1 is not what the tree has below it/,
  ],
  [
    'a tile that is gone',
    'delete from audit_tiles where level = 0 and number = 0',
    { position: 1, audit_id: 1 },
    /hash 0 of tile 0 of level 0 is missing/,
  ],
  [
    'a level that is gone',
    'delete from audit_tiles where level = 1',
    { position: 256, audit_id: 256 },
    /hash 0 of tile 0 of level 1 is missing/,
  ],
  [
    'a level that nothing stands for',
    `insert into audit_tiles values (2, 0, sha256('x'))`,
    { position: null, audit_id: null },
    /level 2 of the tree has 1 hashes where 0 belong/,
  ],
  [
    'a leaf without a row',
    `update audit_tiles set hashes = hashes || sha256('x') where level = 0 and number = 1`,
    { position: 301, audit_id: null },
    /the tree knows position 301: the end of the chain was cut off/,
  ],
]
test('verification names where tree and rows differ', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 300)
  await using queries = await connect(database)
  const verify = () => verifyChain(queries)
  assert.equal((await verify()).status, 'intact')
  await database.query('create table kept as select * from audit_tiles')
  for (const [what, statement, where, reason] of faults) {
    await tamper(database, statement)
    const { status, first_broken } = await verify()
    assert.equal(status, 'broken', what)
    const { position, audit_id, reason: given } = first_broken!
    assert.deepEqual({ position, audit_id }, where, `${what}: ${given}`)
    assert.match(given, reason)
    await tamper(database, 'truncate audit_tiles; insert into audit_tiles select * from kept')
  }
  assert.equal((await verify()).status, 'intact')
  // The part from a position on begins in the middle of a tile, and still sees its leaves.
  await tamper(database, faults[0]![1])
  assert.equal((await verifyChain(queries, { from: 262 })).first_broken!.position, 263)
  assert.equal((await verifyChain(queries, { from: 264 })).status, 'intact')
})

test('a row that is changed or gone before it comes into the tree does not stop it, and its proof says so', async (t) => {
  await using database = await cluster.createDatabase()
  const { env, publicKey } = signing(t)
  await recordOrders(database, 3)
  await using queries = await connect(database)
  await sealNext(database)
  await tamper(
    database,
    `truncate audit_tiles; update audit_logs set action = 'x' where id = 2; delete from audit_logs where id = 3`,
  )
  await growTree(queries, 10)
  assert.equal(await treeSize(queries), 3)
  await using signer = await startQuiet(database, env)
  for (const id of [2, 3]) {
    const { text } = await signer.call('GET', `/audit/${id}/receipt`)
    assert.match(verifyProof(text, DEFAULT_ORIGIN, publicKey).fault!, /not as it was sealed/)
  }
  assert.equal((await verifyChain(queries)).first_broken!.position, 2)
})

test('the migration goes down without a loss, and up again to the same tree', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 300)
  const root = await rootOfRows(database)
  const file = new URL('../db/migrations/0008_audit_tree.sql', import.meta.url)
  const [up, down] = fs.readFileSync(file, 'utf8').split('-- Down Migration') as [string, string]
  await database.query(down)
  await database.query(up)
  await using queries = await connect(database)
  assert.equal(await growTree(queries, 1_000), 300)
  assert.equal((await treeHead(queries, 300)).root.toString('hex'), root)
  assert.equal((await verifyChain(queries)).status, 'intact')
})

test('a seal that is missing stops the tree there', async () => {
  await using database = await cluster.createDatabase()
  await recordOrders(database, 5)
  await using queries = await connect(database)
  await sealNext(database)
  await tamper(database, 'truncate audit_tiles; delete from audit_chain where position = 3')
  await assert.rejects(growTree(queries, 10), /a seal between positions 1 and 5 is missing/)
  assert.equal(await growTree(queries, 2), 2)
})

test('a sealed row that stays outside the tree for too long is overdue, neither intact nor broken', async () => {
  await using database = await cluster.createDatabase()
  await sealedRows(database, 5)
  await using queries = await connect(database)
  const outside = async (age: string) => {
    await tamper(
      database,
      `truncate audit_tiles; update audit_chain set sealed_at = now() - interval '${age}' where position = 1`,
    )
    await sealAnew(database)
    return verifyChain(queries)
  }
  assert.deepEqual((await outside('40 s')).first_broken, null)
  const late = await outside('61 s')
  assert.deepEqual([late.status, late.first_broken?.position, late.first_broken?.audit_id], ['overdue', 1, 1])
  assert.match(late.first_broken!.reason, /waits for its place in the tree since 20\d\d-/)
})

test('proof, consistency, checkpoint and tiles over HTTP', async (t) => {
  await using database = await cluster.createDatabase()
  const { env, publicKey } = signing(t)
  await sealedRows(database, 300)
  await using unsigned = await startQuiet(database)
  await using service = await startQuiet(database, env)
  const get = (where: string) => service.call('GET', where)

  const note = await get('/audit/checkpoint')
  assert.deepEqual(
    [note.status, note.headers.get('content-type'), note.headers.get('cache-control')],
    [200, 'text/plain; charset=utf-8', 'no-cache'],
  )
  const checkpoint = readTreeCheckpoint(note.text, DEFAULT_ORIGIN, publicKey)
  assert.equal(checkpoint.size, 300)
  assert.equal(checkpoint.root.toString('hex'), await rootOfRows(database))

  for (const id of [1, 256, 257, 300]) {
    const proof = await get(`/audit/${id}/proof`)
    assert.equal(proof.status, 200, proof.text)
    const { fault, entry } = verifyProof(proof.text, DEFAULT_ORIGIN, publicKey, note.text)
    assert.deepEqual([fault, entry.id, entry.position], [undefined, String(id), String(id)])
    assert.ok(proof.json.hashes.length <= 9)
  }
  const smaller = (await get('/audit/7/proof?size=8')).json
  assert.deepEqual([smaller.size, smaller.hashes.length], [8, 3])
  assert.deepEqual((await unsigned.call('GET', '/audit/7/proof')).json, (await get('/audit/7/proof')).json)

  const { json: growth } = await get('/audit/consistency?from=100')
  const [from, to] = [
    { size: 100, root: Buffer.from(growth.from_root, 'base64') },
    { size: 300, root: Buffer.from(growth.to_root, 'base64') },
  ]
  const hashes = growth.hashes.map((hash: string) => Buffer.from(hash, 'base64'))
  assert.ok(provesConsistency(from, to, hashes))
  assert.deepEqual([growth.from, growth.to, to.root], [100, 300, checkpoint.root])
  assert.deepEqual((await get('/audit/consistency?from=300&to=300')).json.hashes, [])

  const bytes = async (where: string) => Buffer.from(await (await fetch(`${service.url}${where}`)).arrayBuffer())
  const rows = await database.query<{ level: number; number: number; hashes: Buffer }>(
    'select * from audit_tiles order by 1, 2',
  )
  assert.deepEqual(await bytes('/audit/tile/0/000'), rows[0]!.hashes)
  assert.deepEqual(await bytes('/audit/tile/0/001.p/44'), rows[1]!.hashes)
  assert.deepEqual(await bytes('/audit/tile/0/001.p/5'), rows[1]!.hashes.subarray(0, 160))
  assert.deepEqual(await bytes('/audit/tile/1/000.p/1'), rows[2]!.hashes)
  const tile = await get('/audit/tile/0/000')
  assert.deepEqual(
    ['content-type', 'cache-control'].map((name) => tile.headers.get(name)),
    ['application/octet-stream', 'public, max-age=31536000, immutable'],
  )

  for (const [where, status, kind] of [
    ['/audit/301/proof', 404, 'unknown-audit-row'],
    ['/audit/0/proof', 422, 'invalid-request'],
    ['/audit/x/receipt', 422, 'invalid-request'],
    ['/audit/7/proof?size=6', 422, 'invalid-request'],
    ['/audit/7/proof?size=301', 409, 'tree-smaller'],
    ['/audit/consistency', 422, 'invalid-request'],
    ['/audit/consistency?from=9&to=8', 422, 'invalid-request'],
    ['/audit/consistency?from=9&to=301', 409, 'tree-smaller'],
    ['/audit/tile/0/001', 404, 'unknown-tile'],
    ['/audit/tile/0/001.p/45', 404, 'unknown-tile'],
    ['/audit/tile/0/x001/000', 404, 'unknown-tile'],
    ['/audit/tile/0/x000/x000/x000/x000/001.p/1', 404, 'unknown-tile'],
    ['/audit/tile/0/1', 422, 'invalid-request'],
    ['/audit/tile/0/001.p/256', 422, 'invalid-request'],
    ['/audit/tile/7/000', 422, 'invalid-request'],
  ] as const) {
    const answer = await get(where)
    assert.deepEqual([where, answer.status, answer.json.type], [where, status, `/problems/${kind}`])
  }
  for (const where of ['/audit/checkpoint', '/audit/7/receipt']) {
    const answer = await unsigned.call('GET', where)
    assert.deepEqual([answer.status, answer.json.type], [404, '/problems/unknown-checkpoint'])
    assert.match(answer.json.detail, /start audit-service with AUDIT_CHECKPOINT_FILE and AUDIT_SIGNING_KEY_FILE/)
  }
})

test('a row that is not sealed, not in the tree or not signed yet is a 409 that says to ask again; then there is a receipt', async (t) => {
  await using database = await cluster.createDatabase()
  const { env, publicKey } = signing(t)
  await sealedRows(database, 5)
  await using service = await startQuiet(database, env)
  assert.equal(
    readTreeCheckpoint((await service.call('GET', '/audit/checkpoint')).text, DEFAULT_ORIGIN, publicKey).size,
    5,
  )
  await recordOrders(database, 1)
  const refused = async (reason: RegExp) => {
    for (const what of ['proof', 'receipt']) {
      const { status, json, headers } = await service.call('GET', `/audit/6/${what}`)
      assert.deepEqual([status, json.type, headers.get('retry-after')], [409, '/problems/not-in-tree-yet', '1'])
      assert.match(json.detail, reason)
    }
  }
  await refused(/Audit row 6 waits for its seal; ask again/)
  await createSealer(service.parts).sealBatch()
  await refused(/Audit row 6 is sealed/)
  await growTree(service.parts.database, 10)
  const receipt = await service.call('GET', '/audit/6/receipt')
  assert.equal(receipt.status, 200, receipt.text)
  assert.equal(verifyProof(receipt.text, DEFAULT_ORIGIN, publicKey).fault, undefined)
})

test('who prefers a receipt gets the leaf in the answer when it is there in time, else what the row waits for', async (t) => {
  await using database = await cluster.createDatabase()
  const { env, publicKey } = signing(t)
  const [one, url] = [event(1), '/api/v1/audit/1/receipt']
  const ask = (service: TestService<unknown>, headers: Record<string, string>) =>
    service.call('POST', '/process', one, headers)
  const told = ({ status, json, headers }: TestAnswer) => [
    status,
    json.audit.receipt,
    headers.get('preference-applied'),
  ]
  {
    // Nobody seals.
    await using quiet = await startQuiet(database, env)
    const plain = await ask(quiet, {})
    assert.deepEqual([...told(plain), Object.keys(plain.json.audit)], [200, undefined, null, ['id', 'recorded_at']])
    const waiting = [200, { state: 'waiting', url }, null]
    assert.deepEqual(told(await ask(quiet, { prefer: 'receipt, wait=0' })), waiting)
    const asked = performance.now()
    const late = await ask(quiet, { prefer: 'receipt, wait=3600', 'x-request-deadline': '2500' })
    assert.deepEqual(told(late), waiting)
    assert.ok(performance.now() - asked > 1_000, 'it has waited as long as the request had')
  }
  // Another session has the tree before the service starts, so that it seals and does not let it grow.
  const other = new pg.Client(database.connection())
  await other.connect()
  try {
    await other.query('begin; select from audit_growing for update')
    await using service = await startAudit(database, { SEAL_POLL_MS: '20', ...env })
    await until('its seal', 20, async () => {
      const answer = await ask(service, { prefer: 'receipt, wait=0' })
      if (answer.json.audit.receipt.state === 'waiting') return false
      assert.deepEqual(told(answer), [200, { state: 'sealed', url }, null])
      return true
    })
    const answer = ask(service, { prefer: 'receipt, wait=9' })
    await other.query('select audit_grow(10)')
    await other.query('commit')
    const receipt = (await service.call('GET', '/audit/1/receipt')).text
    const { index, leaf_hash } = JSON.parse(receipt)
    assert.deepEqual(told(await answer), [200, { state: 'in_tree', leaf_index: index, leaf_hash, url }, 'receipt'])
    assert.equal(verifyProof(receipt, DEFAULT_ORIGIN, publicKey).fault, undefined)
  } finally {
    await other.end()
  }
})

test('a checkpoint of the tree only moves on a tree that still begins with it', async (t) => {
  await using database = await cluster.createDatabase()
  await using queries = await connect(database)
  const { signer, file, publicKey } = signing(t)
  assert.equal(await renewTreeCheckpoint(queries, signer), undefined)
  await recordOrders(database, 300)
  await sealNext(database)
  await growTree(queries, 100)
  const first = await renewTreeCheckpoint(queries, signer)
  assert.equal(first?.size, 100)
  assert.deepEqual(await renewTreeCheckpoint(queries, signer, first), first)
  await growTree(queries, 1_000)
  const second = await renewTreeCheckpoint(queries, signer, first)
  assert.equal(second?.size, 300)
  const note = () => fs.readFileSync(`${file}.note`, 'utf8')
  assert.equal(note(), second!.note)
  // An older one that was put back does not make it forget.
  fs.writeFileSync(`${file}.note`, first!.note)
  assert.equal((await renewTreeCheckpoint(queries, signer, second))?.size, 300)
  assert.equal(note(), second!.note)
  const other = { ...signer, key: createPrivateKey(makeKeys().privateKey) }
  await assert.rejects(renewTreeCheckpoint(queries, other), /none of this key's/)

  await database.query('create table kept as select * from audit_tiles')
  const verify = () => verifyChain(queries, { treeCheckpoint: readTreeCheckpoint(note(), DEFAULT_ORIGIN, publicKey) })
  assert.equal((await verify()).status, 'intact')
  for (const [statement, refusal, verdict] of [
    ['truncate audit_tiles', /it has 0/, /the tree has 0 rows, and its signed checkpoint 300/],
    [
      `update audit_tiles set hashes = overlay(hashes placing sha256('x') from 33) where level = 0 and number = 1`,
      /its root is another/,
      /its leaf in the tree is another/,
    ],
  ] as const) {
    await tamper(database, statement)
    await assert.rejects(renewTreeCheckpoint(queries, signer), refusal)
    assert.match((await verify()).first_broken!.reason, verdict)
    await tamper(database, 'truncate audit_tiles; insert into audit_tiles select * from kept')
  }
  // All made anew, rows, seals and tree: nothing but what was signed tells.
  await tamper(
    database,
    `update audit_logs set action = 'x'; update orders set action = 'x'; truncate audit_chain, audit_tiles;
     insert into audit_unsealed (audit_id) select id from audit_logs; select audit_seal(1000); select audit_grow(1000)`,
  )
  assert.equal((await verifyChain(queries)).status, 'intact')
  assert.match(
    (await verify()).first_broken!.reason,
    /tree of 300 rows differs from the signed checkpoint: it was made anew/,
  )
  await assert.rejects(renewTreeCheckpoint(queries, signer), /its root is another/)
  assert.equal(note(), second!.note)
})

test('the command line tool proves offline, and names what is wrong', async (t) => {
  await using database = await cluster.createDatabase()
  const { folder, env, publicKey } = signing(t)
  await sealedRows(database, 70)
  {
    await using service = await startQuiet(database, env)
    for (const [name, where] of [
      ['receipt.json', '/audit/33/receipt'],
      ['proof.json', '/audit/33/proof'],
      ['small.json', '/audit/33/proof?size=40'],
      ['note', '/audit/checkpoint'],
    ] as const)
      fs.writeFileSync(path.join(folder, name), (await service.call('GET', where)).text)
  }
  const tool = (...args: string[]) =>
    promisify(execFile)(
      process.execPath,
      [path.join(import.meta.dirname, 'tool.ts'), 'verify', '--public-key', 'public.pem', ...args],
      // No database is there to be asked.
      { cwd: folder, env: { PATH: process.env.PATH, PGHOST: '127.0.0.1', PGPORT: '1' } },
    ).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    )
  const proven =
    /^proven in [\d.]+ ms: audit row 33 \(order 33, purchase, recorded .*\) is number 33 of the 70 rows that sightline\/audit has signed/
  const read = (name: string) => fs.readFileSync(path.join(folder, name), 'utf8')
  const receipt = JSON.parse(read('receipt.json'))
  const changed = (name: string, fields: object) =>
    fs.writeFileSync(path.join(folder, name), JSON.stringify({ ...receipt, ...fields }))
  changed('entry.json', { entry: receipt.entry.with(14, 'refund') })
  changed('order.json', { hashes: receipt.hashes.toReversed() })
  changed('root.json', { root: receipt.leaf_hash })
  changed('index.json', { index: 33 })
  changed('short.json', { entry: receipt.entry.slice(0, -1) })
  changed('note.json', { checkpoint: receipt.checkpoint.replace('\n70\n', '\n71\n') })
  const cases: Array<[string[], number, RegExp]> = [
    [['--proof', 'receipt.json'], 0, proven],
    [['--proof', 'entry.json'], 1, /NOT PROVEN: audit row 33: the entry is not what the leaf stands for/],
    [['--proof', 'proof.json'], 2, /brings no checkpoint: give one with --checkpoint/],
  ]
  const results = await atOnce(2, cases, ([args]) => tool(...args))
  for (const [n, { code, said }] of results.entries()) {
    const [args, wanted, text] = cases[n]!
    assert.match(said, text, args.join(' '))
    assert.equal(code, wanted, said)
  }
  const check = (name: string, checkpoint?: string) =>
    verifyProof(read(name), DEFAULT_ORIGIN, publicKey, checkpoint && read(checkpoint)).fault
  assert.equal(check('proof.json', 'note'), undefined)
  assert.match(check('small.json', 'note')!, /tree of 40 rows, the checkpoint is of 70: ask for \/proof\?size=70/)
  assert.match(check('order.json')!, /do not lead from the leaf to the signed root/)
  assert.match(check('root.json')!, /is not the one that was signed/)
  assert.match(check('index.json')!, /the entry says position 33, the proof is of 34/)
  assert.throws(() => check('note.json'), /signature of the checkpoint does not fit/)
  assert.throws(() => check('note'), /this is no proof/)
  assert.throws(() => check('short.json'), /the entry is none of sightline-audit-entry-1/)
  assert.throws(() => verifyProof(read('receipt.json'), 'another', publicKey), /of the log sightline\/audit, not of/)
})
