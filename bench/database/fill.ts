/**
 * A database with so many audit rows that making them one by one would take days: `node bench/database/fill.ts FOLDER [--rows 10000000]`.
 * The first rows and the last ones have seals and leaves by the database's own functions; those between have what reads as such: tables and indexes are
 * as large and as deep as they would be, and statistics say so. A verification of all would name the row after the first ones.
 */
import { join } from 'node:path'
import { migrate } from '@sightline/db'
import { startPostgres } from '@sightline/db/server'
import { withClient } from '@sightline/db/with-client'
import { readFlags } from '@sightline/local/flags'
import type pg from 'pg'

const usage = `node bench/database/fill.ts FOLDER [--rows N] [--orders N] [--seals N]

Fills a new database in FOLDER/data with N audit rows (default: 10000000) and, of the last of them, orders (3000000) and seals (2000000).`
const { values: flags, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '10000000' },
    orders: { type: 'string', default: '3000000' },
    seals: { type: 'string', default: '2000000' },
  },
})
const [folder] = positionals
const [rows, orders, seals] = [Number(flags.rows), Number(flags.orders), Number(flags.seals)]
if (!folder || !(rows > 0)) throw new Error(usage)

/** Rows at the beginning that have their orders and real seals. */
const HEAD = 20_000
const USERS = 20_000
const PASSWORD = 'throw-away'
/** A table that is emptied and filled in one transaction needs no WAL. */
const SETTINGS = {
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '2GB',
  checkpoint_timeout: '30min',
  autovacuum: 'off',
  max_connections: '200',
  shared_buffers: '512MB',
  maintenance_work_mem: '1GB',
  max_parallel_maintenance_workers: '0',
}
const SERIES = (from: number, to: number) =>
  `generate_series(0, ${Math.ceil((to - from + 1) / 100_000) - 1}) b, lateral generate_series(${from} + b * 100000::bigint, least(${to}, ${from - 1} + (b + 1) * 100000::bigint)) n`
const AT = `now() - (${rows} - n) * interval '0.1 s'`
const EVENT = `uuidv7((${rows} - n) * interval '-0.1 s')`

const server = await startPostgres({
  dataDir: join(folder, 'data'),
  port: 0,
  password: PASSWORD,
  durable: false,
  settings: SETTINGS,
})
try {
  const connection = {
    host: server.host,
    port: server.port,
    user: server.user,
    password: PASSWORD,
    database: 'sightline',
  }
  const rolePasswords = { user_service: PASSWORD, order_service: PASSWORD, audit_service: PASSWORD }
  await migrate({ connection, rolePasswords, dashboardsPassword: PASSWORD })
  await withClient(connection, fill)
} finally {
  await server.stop()
}

async function fill(client: pg.Client): Promise<void> {
  const run = async (what: string, ...statements: string[]) => {
    const started = performance.now()
    for (const text of statements) await client.query(text)
    console.log(`${what}: ${((performance.now() - started) / 1000).toFixed(0)} s`)
  }
  await client.query('set session_replication_role = replica')
  await run(
    'users',
    `insert into users (id, name, email) select 1001 + n, 'User ' || n, 'user-' || n || '@example.com' from generate_series(0, ${USERS - 1}) n
     on conflict (id) do nothing`,
  )
  await filled('audit_logs', () =>
    run(
      'audit_logs',
      `insert into audit_logs (id, event_id, event_type, occurred_at, recorded_at, source, user_id, order_id, action, trace_id, request_id, details)
       overriding system value
       select n, ${EVENT}, 'order.completed', ${AT}, ${AT} + interval '15 ms', 'order-service', 1001 + n * 7919 % ${USERS}, n, 'purchase',
         md5(n::text), 'load-' || n % 100000, '{}' from ${SERIES(1, rows)}`,
    ),
  )
  await filled('orders', () =>
    run(
      'orders',
      ...[`${SERIES(1, HEAD)}`, `${SERIES(rows - orders + 1, rows)}`].map(
        (series) =>
          `insert into orders (id, event_id, user_id, action, status, total, currency, created_at) overriding system value
           select n, ${EVENT}, 1001 + n * 7919 % ${USERS}, 'purchase', 'completed', 9.99, 'USD', ${AT} from ${series}`,
      ),
    ),
  )
  // An order's event is the audit row's.
  for (const [from, to] of [
    [1, HEAD],
    [rows - 20_000, rows],
  ] as const)
    await run(
      'events of orders',
      `update orders o set event_id = a.event_id from audit_logs a where a.id = o.id and o.id between ${from} and ${to} and a.id between ${from} and ${to}`,
    )
  await run(
    'order_items',
    ...[`${SERIES(1, HEAD)}`, `${SERIES(rows - Math.floor(orders / 10) + 1, rows)}`].map(
      (series) =>
        `insert into order_items (order_id, line, product_id, quantity, unit_price, line_total) select n, 1, 'standard-action', 1, 9.99, 9.99 from ${series}`,
    ),
  )
  await client.query('set session_replication_role = origin')
  const sealed = async (what: string, from: number, to: number) => {
    await client.query(`insert into audit_unsealed (audit_id) select n from generate_series(${from}::bigint, ${to}) n`)
    for (const batch of ['audit_seal', 'audit_grow'])
      await run(`${what}, ${batch}`, `do $$ begin while ${batch}(10000) > 0 loop end loop; end $$`)
  }
  await sealed('first rows', 1, HEAD)
  await client.query('set session_replication_role = replica')
  await run(
    'audit_chain',
    `insert into audit_chain (position, audit_id, row_hash, hash, sealed_at, version)
     select n, n, sha256(int8send(n)), sha256(int8send(-n)), ${AT} + interval '1 s', 2 from ${SERIES(rows - seals + 1, rows - 10_000)}`,
  )
  // Levels of the tree, each with one hash for 256 of the one below; a full tile of equal hashes takes little room.
  await run(
    'audit_tiles',
    `insert into audit_tiles (level, number, hashes)
     select level, number, decode(repeat(repeat(to_hex(level), 64), least(256, floor(${rows - 10_000} / 256 ^ level)::bigint - number * 256)::integer), 'hex')
     from generate_series(0, 3) level, lateral generate_series(0, floor((floor(${rows - 10_000} / 256 ^ level) - 1) / 256)::bigint) number
     on conflict (level, number) do update set hashes = excluded.hashes where audit_tiles.hashes is distinct from excluded.hashes
       and length(audit_tiles.hashes) < length(excluded.hashes)`,
    'update audit_exported set position = (select max(position) from audit_chain)',
    'analyze audit_chain',
  )
  await client.query('set session_replication_role = origin')
  await run(
    'sequences',
    `select setval(pg_get_serial_sequence('audit_logs', 'id'), ${rows}), setval(pg_get_serial_sequence('orders', 'id'), ${rows})`,
  )
  await sealed('last rows', rows - 10_000 + 1, rows)
  await run('vacuum analyze', 'vacuum (analyze, parallel 0)')

  /** Empties a table, fills it without its indexes and makes them anew. */
  async function filled(table: string, work: () => Promise<void>): Promise<void> {
    const { rows: constraints } = await client.query<{ name: string; text: string }>(
      `select conname as name, pg_get_constraintdef(oid) as text from pg_constraint
       where conrelid = '${table}'::regclass and contype in ('u', 'p') order by contype`,
    )
    const { rows: indexes } = await client.query<{ name: string; text: string }>(
      `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as text from pg_index
       where indrelid = '${table}'::regclass and not indisunique order by 1 desc`,
    )
    const { rows: foreign } = await client.query<{ on: string; name: string; text: string }>(
      `select conrelid::regclass::text as on, conname as name, pg_get_constraintdef(oid) as text from pg_constraint
       where confrelid = '${table}'::regclass and contype = 'f'`,
    )
    await client.query('begin')
    for (const { on, name } of foreign) await client.query(`alter table ${on} drop constraint ${name}`)
    await client.query(`truncate ${table}`)
    for (const { name } of constraints) await client.query(`alter table ${table} drop constraint ${name}`)
    for (const { name } of indexes) await client.query(`drop index ${name}`)
    await work()
    await client.query('commit')
    for (const { name, text } of indexes) await run(name, text)
    for (const { name, text } of constraints) await run(name, `alter table ${table} add constraint ${name} ${text}`)
    for (const { on, name, text } of foreign) await run(name, `alter table ${on} add constraint ${name} ${text}`)
  }
}
