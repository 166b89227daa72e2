import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { dumpSchema, SCHEMA_FILE } from './dump-schema.ts'
import { migrate, type ServiceRole } from './migrate.ts'
import { startTestCluster, type TestCluster, type TestDatabase } from './test/cluster.ts'

let cluster: TestCluster
let database: TestDatabase
const rolePasswords = { user_service: 'throw-away', order_service: 'throw-away', audit_service: 'throw-away' }

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
})

after(async () => {
  await database?.drop()
  await cluster?.stop()
})

test('two starters at once apply each migration once, and a third changes nothing', async () => {
  const connection = { ...database.connection(), database: 'two_at_once' }
  const [first, second] = await Promise.all([
    migrate({ connection, rolePasswords }),
    migrate({ connection, rolePasswords }),
  ])
  const files = fs.readdirSync(new URL('migrations', import.meta.url)).map((file) => file.replace('.sql', ''))
  assert.deepEqual([...first, ...second].sort(), files.sort())
  assert.ok(first.length === 0 || second.length === 0)
  assert.deepEqual(await migrate({ connection, rolePasswords }), [])
})

test('a database that a newer version made is refused, and named', async () => {
  await using newer = await cluster.createDatabase()
  await newer.query(`insert into schema_migrations (name, run_on) values ('9999_from_the_future', now())`)
  await assert.rejects(
    migrate({ connection: newer.connection(), rolePasswords }),
    /newer version \(9999_from_the_future\)/,
  )
})

test('as a program it takes each password from a file, and refuses one that is given twice', () => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-migrate-'))
  try {
    const file = path.join(folder, 'password')
    fs.writeFileSync(file, 'throw-away\n')
    const { host, port, user } = database.connection()
    const names = ['PGPASSWORD', 'USER_SERVICE_DB_PASSWORD', 'ORDER_SERVICE_DB_PASSWORD', 'AUDIT_SERVICE_DB_PASSWORD']
    const env = {
      PATH: process.env.PATH,
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGDATABASE: 'from_files',
      ...Object.fromEntries(names.map((name) => [`${name}_FILE`, file])),
    }
    const start = (more = {}) =>
      spawnSync(process.execPath, ['db/migrate.ts'], {
        cwd: path.join(import.meta.dirname, '..'),
        encoding: 'utf8',
        env: { ...env, ...more },
      })
    const done = start()
    assert.match(done.stdout, /\d+ migrations applied/, done.stderr)
    const twice = start({ PGPASSWORD: 'throw-away' })
    assert.deepEqual([twice.status, twice.stdout], [1, ''])
    assert.match(twice.stderr, /PGPASSWORD and PGPASSWORD_FILE are both set: leave one of them out/)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
})

test('schema.sql is the schema', async () => {
  const client = new pg.Client(database.connection())
  await client.connect()
  const live = await dumpSchema(client)
  await client.end()
  assert.equal(fs.readFileSync(SCHEMA_FILE, 'utf8'), live, 'migrations changed: run node db/dump-schema.ts')
})

test('the shelves are stocked as documented', async () => {
  const rows = await database.query(
    `select p.id, p.name, p.unit_price, i.on_hand from products p left join inventory i on i.product_id = p.id order by p.id`,
  )
  assert.deepEqual(
    rows.map((row) => Object.values(row)),
    [
      ['demo-product', 'Demo Product', '29.99', 100],
      ['headphones-001', 'Wireless Headphones', '149.99', 75],
      ['laptop-001', 'Business Laptop', '999.99', 50],
      ['phone-001', 'Smartphone Pro', '699.99', 200],
      ['standard-action', 'Standard Action', '9.99', null],
    ],
  )
})

test('products and users that were there before keep what they are, and get their numbers behind the known ones', async () => {
  await using earlier = await cluster.createDatabase()
  const file = new URL('migrations/0007_product_numbers.sql', import.meta.url)
  const [up, down] = fs.readFileSync(file, 'utf8').split('-- Down Migration') as [string, string]
  await earlier.query(down)
  await earlier.query(`
    delete from users where id = 123;
    update users set name = 'Of before' where id = 456;
    insert into products (id, name, unit_price, created_at) values
      ('later', 'Later', 1, now() + interval '1 hour'), ('own', 'Own', 1, now())`)
  await earlier.query(up)
  await earlier.query(`insert into products (id, name, unit_price) values ('new', 'New', 1)`)
  const products = await earlier.query<{ id: string }>('select id from products order by number')
  assert.deepEqual(
    products.map(({ id }) => id),
    ['demo-product', 'laptop-001', 'phone-001', 'headphones-001', 'standard-action', 'own', 'later', 'new'],
  )
  assert.deepEqual(await earlier.query("select number from products where id = 'new'"), [{ number: 8 }])
  assert.deepEqual(await earlier.query('select id, name from users order by id'), [
    { id: 123, name: null },
    { id: 456, name: 'Of before' },
    { id: 789, name: null },
    { id: 1001, name: null },
  ])
})

test('an order is for a user, for a whole customer or for nobody', async () => {
  const order = (fields: string, values: string) =>
    as(
      undefined,
      `insert into orders (${fields} event_id, action, status, total, currency)
       values (${values} gen_random_uuid(), 'a', 'completed', 1, 'USD')`,
    )
  assert.equal(await order('', ''), 'allowed')
  assert.equal(await order('user_id,', '123,'), 'allowed')
  assert.equal(await order('customer_name, customer_email,', `'A', 'a@example.com',`), 'allowed')
  assert.equal(await order('customer_name,', `'A',`), '23514')
  assert.equal(await order('customer_email,', `'a@example.com',`), '23514')
})

test('the first audit row of a time is found by halves, whatever ids are missing', async () => {
  await using few = await cluster.createDatabase()
  const first = (time: string) =>
    few.query<{ id: string }>('select audit_id_at($1::timestamptz) as id', [time]).then(([row]) => Number(row!.id))
  assert.equal(await first('2026-01-01'), 0)
  await few.query(
    `insert into audit_logs (id, event_id, event_type, occurred_at, recorded_at, source, action, details)
     overriding system value
     select id, gen_random_uuid(), 't', now(), timestamptz '2026-01-01' + id * interval '1 minute', 's', 'a', '{}'
     from generate_series(3, 300) id where id % 7 > 0 and id not between 100 and 150`,
  )
  const wrong = await few.query(
    `select minute, found, first_id, last_id
     from generate_series(0, 310) minute, lateral (select timestamptz '2026-01-01' + minute * interval '1 minute' as at) times,
       lateral (select audit_id_at(at) as found) search,
       lateral (select min(id) as first_id from audit_logs where recorded_at >= at) behind,
       lateral (select coalesce(max(id), 0) as last_id from audit_logs where recorded_at < at) before
     where found > first_id or found <= last_id`,
  )
  assert.deepEqual(wrong, [])
  assert.equal(await first('infinity'), 301)
})

async function as(role: ServiceRole | undefined, text: string): Promise<string> {
  const client = new pg.Client(database.connection(role))
  await client.connect()
  try {
    await client.query('begin')
    await client.query(text)
    return 'allowed'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  } finally {
    await client.end()
  }
}

test('each role may do its work', async () => {
  const work: Array<[ServiceRole, string]> = [
    ['user_service', `insert into users (id, name) values (1, 'A')`],
    ['user_service', 'select * from users'],
    ['user_service', `update users set name = 'B', email = 'b@example.com', updated_at = now()`],
    ['order_service', 'select id, name, email from users'],
    ['order_service', 'update inventory set on_hand = on_hand + 1, reserved = 0, updated_at = now()'],
    ['order_service', 'select * from products, inventory, orders, order_items, outbox'],
    ['order_service', 'delete from outbox'],
    [
      'audit_service',
      `insert into audit_logs (event_id, event_type, occurred_at, source, action, details)
       values (gen_random_uuid(), 'order.completed', now(), 's', 'a', '{}')`,
    ],
    [
      'audit_service',
      'select * from audit_logs, audit_chain, audit_unsealed, dead_letters, order_events, waiting_events',
    ],
    ['audit_service', 'select audit_seal(1000)'],
    [
      'order_service',
      `with placed as (
         insert into orders (event_id, customer_name, customer_email, action, status, total, currency, created_at)
         values (gen_random_uuid(), 'A', 'a@example.com', 'a', 'completed', 1, 'USD', now()) returning *
       ) insert into outbox (event_id, order_id, payload, next_attempt_at) select event_id, id, '{}', now() from placed`,
    ],
    ['order_service', `update outbox set attempts = 1, next_attempt_at = now(), last_error = 'x', dead_at = now()`],
  ]
  for (const [role, text] of work) assert.equal(await as(role, text), 'allowed', `${role}: ${text}`)
})

test('and nothing else', async () => {
  const everyone: ServiceRole[] = ['user_service', 'order_service', 'audit_service']
  const refused: Array<[ServiceRole[], string]> = [
    [everyone, 'create table mine (id integer)'],
    [everyone, 'drop table orders'],
    [everyone, 'alter table audit_logs disable trigger all'],
    [everyone, 'update audit_logs set action = action'],
    [everyone, 'delete from audit_logs'],
    [everyone, 'truncate audit_logs'],
    [everyone, 'update audit_chain set hash = row_hash'],
    [everyone, 'delete from audit_chain'],
    [everyone, 'insert into audit_unsealed (audit_id) values (1)'],
    [everyone, 'delete from audit_unsealed'],
    [everyone, `insert into audit_chain (position, audit_id, row_hash, hash) values (1, 1, sha256('a'), sha256('b'))`],
    [everyone, `insert into audit_tiles values (0, 0, sha256('a'))`],
    [everyone, 'update audit_tiles set hashes = hashes'],
    [everyone, 'delete from audit_tiles'],
    [everyone, 'delete from audit_exported'],
    [['user_service', 'order_service'], 'select * from audit_exported'],
    [everyone, 'select from audit_sealing for update'],
    [everyone, 'select from audit_growing for update'],
    [everyone, 'lock table audit_sealing in access share mode'],
    [everyone, 'lock table audit_unsealed in row exclusive mode'],
    [everyone, 'select lo_create(0)'],
    [everyone, 'select lo_creat(-1)'],
    [everyone, `select lo_from_bytea(0, 'x')`],
    [everyone, 'create temporary table mine (id integer)'],
    [['user_service', 'order_service'], 'select audit_seal(1)'],
    [['user_service', 'order_service'], 'select audit_grow(1)'],
    [everyone, 'select audit_id_at(now())'],
    [everyone, 'select audit_remove(1)'],
    [everyone, `insert into audit_boundaries values (1, 1, sha256('a'), sha256('b'), 'x', sha512('c'))`],
    [['user_service', 'order_service'], 'select * from audit_boundaries'],
    [['user_service', 'order_service'], 'select * from audit_tiles'],
    [everyone, 'update products set unit_price = 0'],
    [everyone, 'select * from schema_migrations'],
    [everyone, 'set role sightline'],
    [everyone, `copy users to '/tmp/users'`],
    [everyone, `select pg_read_file('/etc/passwd')`],
    [['user_service'], 'select * from orders'],
    [['user_service'], 'update users set id = 2'],
    [['user_service'], 'delete from users'],
    [['user_service', 'order_service'], 'select * from audit_logs'],
    [['user_service'], `insert into users (id, created_at) values (2, now())`],
    [['order_service'], 'update orders set total = 0'],
    [['order_service'], 'insert into orders (id) overriding system value values (1)'],
    [['order_service'], `update outbox set payload = '{}'`],
    [['order_service'], 'update outbox set created_at = now()'],
    [['order_service'], 'delete from order_items'],
    [['order_service'], "insert into inventory (product_id, on_hand) values ('standard-action', 1)"],
    [['order_service'], `update users set name = 'x'`],
    [['order_service'], 'select created_at from users'],
    [['audit_service'], 'select * from users'],
    [['audit_service'], 'select payload from outbox'],
    [['audit_service'], 'select customer_name from orders'],
    ...['id) overriding system value values (1', "recorded_at) values ('2020-01-01'"].map(
      (forged): [ServiceRole[], string] => [['audit_service'], `insert into audit_logs (${forged})`],
    ),
    [['audit_service'], 'update inventory set on_hand = 0'],
    [
      ['audit_service'],
      "insert into orders (action, status, total, currency, event_id) values ('a', 'completed', 0, 'USD', gen_random_uuid())",
    ],
  ]
  for (const [roles, text] of refused) {
    for (const role of roles) assert.equal(await as(role, text), '42501', `${role}: ${text}`)
  }
})

test('a role gets into no other database, and can take no more than its share of the connections', async () => {
  for (const role of Object.keys(rolePasswords) as ServiceRole[]) {
    for (const name of ['postgres', 'template1']) {
      const client = new pg.Client({ ...database.connection(role), database: name })
      await assert.rejects(client.connect(), { code: '42501' }, `${role} in ${name}`)
    }
  }
  const limits = await database.query<{ limit: number }>(
    `select rolconnlimit as limit from pg_roles where rolname = any($1) or rolname = 'dashboards'`,
    [Object.keys(rolePasswords)],
  )
  const [{ all }] = (await database.query<{ all: number }>(
    `select current_setting('max_connections')::integer as all`,
  )) as [{ all: number }]
  assert.equal(limits.length, 4)
  const together = limits.reduce((sum, { limit }) => sum + limit, 0)
  assert.ok(
    limits.every(({ limit }) => limit > 0 && limit < all / 3),
    JSON.stringify(limits),
  )
  assert.ok(together < all, `${together} of ${all}`)
})

test('no role can hold up the migrations of the next start', async () => {
  const client = new pg.Client(database.connection('user_service'))
  await client.connect()
  try {
    // The number that node-pg-migrate locks.
    await client.query('select pg_advisory_lock(7241865325823964)')
    assert.deepEqual(await migrate({ connection: database.connection(), rolePasswords }), [])
  } finally {
    await client.end()
  }
})

test('even the owner can not change the audit trail in passing', async () => {
  await database.query(
    `insert into audit_logs (event_id, event_type, occurred_at, source, action, details)
     values (gen_random_uuid(), 'order.completed', now(), 's', 'a', '{}')`,
  )
  for (const text of ['update audit_logs set action = action', 'delete from audit_logs', 'truncate audit_logs']) {
    assert.equal(await as(undefined, text), '42501', text)
  }
  assert.deepEqual(await database.query('select count(*)::integer as waiting from audit_unsealed'), [{ waiting: 1 }])
})

test('no statement can oversell or reserve what is not there', async () => {
  for (const set of ['on_hand = -1', 'reserved = on_hand + 1', 'reserved = -1']) {
    assert.equal(await as(undefined, `update inventory set ${set}`), '23514', set)
  }
})
