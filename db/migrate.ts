/**
 * Brings a database to the current schema: `node db/migrate.ts`, or `migrate()` from a program.
 *
 *   one lock for all starters -> create the database -> create the roles -> apply migrations/*.sql
 *
 * Running it twice changes nothing; two at once wait for each other.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import type pg from 'pg'
import { withClient } from './with-client.ts'

export const SERVICE_ROLES = ['user_service', 'order_service', 'audit_service'] as const
export type ServiceRole = (typeof SERVICE_ROLES)[number]

export interface MigrateOptions {
  /** The owner's connection; `database` is created when absent. */
  connection: { host: string; port: number; user: string; password: string; database: string }
  /** Password of each service's login role; set anew at every run, so a changed one takes effect. */
  rolePasswords: Record<ServiceRole, string>
  /** Password of the role that dashboards read with; without one it exists but can't log in. */
  dashboardsPassword?: string | undefined
  /** Receives one line per applied migration. */
  log?: (line: string) => void
}

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url))

/** Any number will do as long as every starter uses the same. */
const LOCK = 20_140_717

/** Applies what is missing; resolves to the names of the migrations applied now. */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const { connection, rolePasswords } = options
  // The maintenance database holds the lock: the target may not exist yet, and roles belong to the whole cluster.
  return withClient({ ...connection, database: 'postgres' }, async (maintenance) => {
    await maintenance.query('select pg_advisory_lock($1)', [LOCK])
    await createDatabase(maintenance, connection.database)
    await closeOtherDatabases(maintenance)
    for (const role of SERVICE_ROLES) await createRole(maintenance, role, rolePasswords[role], connection.database)
    await createDashboardsRole(maintenance, options.dashboardsPassword, connection.database)
    await limitConnections(maintenance)
    // The runner would not wait for the end of a connection of its own.
    const applied = await withClient(connection, async (client) => {
      await assertNotNewer(client, connection.database)
      return runner({
        dbClient: client,
        dir: MIGRATIONS,
        direction: 'up',
        migrationsTable: 'schema_migrations',
        // The lock above is enough. The runner's own would be an advisory lock of this database, which any service could hold.
        noLock: true,
        log: () => {},
      })
    })
    for (const migration of applied) options.log?.(`applied ${migration.name}`)
    return applied.map((migration) => migration.name)
  })
}

/** Older programs on a newer schema would fail later, at some statement. */
async function assertNotNewer(client: pg.Client, database: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('schema_migrations') is not null as there`,
  )
  if (!rows[0]!.there) return
  const known = new Set(readdirSync(MIGRATIONS).map((file) => basename(file, '.sql')))
  const { rows: applied } = await client.query<{ name: string }>('select name from schema_migrations order by id')
  const newer = applied.filter(({ name }) => !known.has(name)).map(({ name }) => name)
  if (newer.length === 0) return
  throw new Error(
    `The database ${database} was made by a newer version (${newer.join(', ')}). Update Sightline, or give it ` +
      'another database: SIGHTLINE_HOME moves the local one.',
  )
}

async function createDatabase(client: pg.Client, database: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [database])
  if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(database)}`)
}

/** The server's own databases let everybody in; there a role could take the lock above, or leave tables behind. */
async function closeOtherDatabases(client: pg.Client): Promise<void> {
  for (const database of ['postgres', 'template1']) await client.query(`revoke all on database ${database} from public`)
}

async function createRole(client: pg.Client, role: ServiceRole, password: string, database: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
  const name = client.escapeIdentifier(role)
  if (rowCount === 0) await client.query(`create role ${name} login nosuperuser nocreatedb nocreaterole noinherit`)
  // A role's password takes no bind parameter.
  await client.query(`alter role ${name} password ${client.escapeLiteral(password)}`)
  // A service whose process stalls inside a transaction must not hold row locks for ever.
  await client.query(`alter role ${name} set idle_in_transaction_session_timeout = '15s'`)
  // The services ask for limits of their own at connect, which no pooler passes on: behind one these count, the longest that a service can
  // be set to (service-kit/config.ts), and its own.
  await client.query(`alter role ${name} set statement_timeout = '60s'`)
  await client.query(`alter role ${name} set lock_timeout = '3s'`)
  await client.query(`revoke all on database ${client.escapeIdentifier(database)} from public`)
  await client.query(`grant connect on database ${client.escapeIdentifier(database)} to ${name}`)
}

/** Reads what migrations/0005 grants, and the server's statistics; a query that runs away is ended. */
async function createDashboardsRole(client: pg.Client, password: string | undefined, database: string): Promise<void> {
  const { rowCount } = await client.query("select from pg_roles where rolname = 'dashboards'")
  if (rowCount === 0) await client.query('create role dashboards nosuperuser nocreatedb nocreaterole')
  await client.query(
    password
      ? `alter role dashboards login password ${client.escapeLiteral(password)}`
      : 'alter role dashboards nologin',
  )
  await client.query("alter role dashboards set default_transaction_read_only = 'on'")
  await client.query("alter role dashboards set statement_timeout = '10s'")
  await client.query('grant pg_read_all_stats to dashboards')
  await client.query(`grant connect on database ${client.escapeIdentifier(database)} to dashboards`)
}

/**
 * No role can take all connections: each service gets three tenths of them, enough for its pool and that of a successor
 * beside it, and dashboards one part in fifteen.
 */
async function limitConnections(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ free: number }>(
    `select sum(case name when 'max_connections' then setting::integer else -setting::integer end)::integer as free
     from pg_settings where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')`,
  )
  const limit = (share: number) => Math.max(1, Math.floor(rows[0]!.free * share))
  for (const role of SERVICE_ROLES) await client.query(`alter role ${role} connection limit ${limit(0.3)}`)
  await client.query(`alter role dashboards connection limit ${limit(1 / 15)}`)
}

/** NAME, or what the file in NAME_FILE holds, less the end of its last line. */
function variable(name: string): string | undefined {
  const file = process.env[`${name}_FILE`]
  if (!file) return process.env[name]
  if (process.env[name]) throw new Error(`${name} and ${name}_FILE are both set: leave one of them out.`)
  return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
}

function requiredVariable(name: string): string {
  const value = variable(name)
  if (!value)
    throw new Error(
      `${name} is not set: migrations need PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and *_DB_PASSWORD, or *_FILE`,
    )
  return value
}

if (import.meta.main) {
  const applied = await migrate({
    connection: {
      host: process.env.PGHOST ?? '127.0.0.1',
      port: Number(process.env.PGPORT ?? 5432),
      user: process.env.PGUSER ?? 'sightline',
      password: requiredVariable('PGPASSWORD'),
      database: process.env.PGDATABASE ?? 'sightline',
    },
    rolePasswords: {
      user_service: requiredVariable('USER_SERVICE_DB_PASSWORD'),
      order_service: requiredVariable('ORDER_SERVICE_DB_PASSWORD'),
      audit_service: requiredVariable('AUDIT_SERVICE_DB_PASSWORD'),
    },
    dashboardsPassword: variable('DASHBOARDS_DB_PASSWORD'),
    log: (line) => console.log(line),
  })
  console.log(applied.length === 0 ? 'database is up to date' : `${applied.length} migrations applied`)
}
