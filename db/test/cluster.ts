/**
 * A database for a test file: one throw-away PostgreSQL per test process, migrated once into a template, and each
 * database a clone of it (tens of milliseconds). Everything goes when the process ends.
 */
import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { migrate, type ServiceRole } from '../migrate.ts'
import { startPostgres } from '../server.ts'

const PASSWORD = 'throw-away'
const TEMPLATE = 'sightline_template'

export interface TestCluster {
  /** A fresh, migrated and seeded database. */
  createDatabase(): Promise<TestDatabase>
  /** Stops the server, keeping its data. */
  pause(): Promise<void>
  /** Starts it again on the same port. */
  resume(): Promise<void>
  stop(): Promise<void>
}

export interface TestDatabase extends AsyncDisposable {
  name: string
  /** Connection of the owner, of one service's role, or of the role that dashboards read with. */
  connection(role?: ServiceRole | 'dashboards'): {
    host: string
    port: number
    user: string
    password: string
    database: string
  }
  /** Runs one statement as the owner and returns its rows. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  drop(): Promise<void>
}

/** Starts a PostgreSQL in a temp folder, with fsync off: its data is worth nothing. */
export async function startTestCluster(settings: Record<string, string> = {}): Promise<TestCluster> {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-test-pg-'))
  fs.chmodSync(folder, 0o755)
  const options = {
    dataDir: path.join(folder, 'data'),
    password: PASSWORD,
    durable: false,
    settings: { max_connections: '200', ...settings },
  }
  let server = await startPostgres({ ...options, port: 0 })
  const owner = { host: server.host, port: server.port, user: server.user, password: PASSWORD }
  await migrate({
    connection: { ...owner, database: TEMPLATE },
    rolePasswords: { user_service: PASSWORD, order_service: PASSWORD, audit_service: PASSWORD },
    dashboardsPassword: PASSWORD,
  })
  // A test process that dies must not leave a server behind.
  const killServer = () => {
    try {
      process.kill(server.pid, 'SIGQUIT')
    } catch {
      // It is gone already, which is what was wanted.
    }
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  process.once('exit', killServer)
  // Signals end a process without that event.
  const exit = () => process.exit(1)
  process.once('SIGINT', exit).once('SIGTERM', exit)
  return {
    createDatabase: () => createDatabase(owner),
    pause: () => server.stop(),
    async resume() {
      server = await startPostgres({ ...options, port: owner.port })
    },
    async stop() {
      await server.stop()
      process.off('exit', killServer).off('SIGINT', exit).off('SIGTERM', exit)
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function createDatabase(owner: {
  host: string
  port: number
  user: string
  password: string
}): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await asOwner({ ...owner, database: 'postgres' }, async (client) => {
    await client.query(`create database ${name} template ${TEMPLATE}`)
    await client.query(`revoke all on database ${name} from public`)
    await client.query(`grant connect on database ${name} to user_service, order_service, audit_service, dashboards`)
  })
  const pool = new pg.Pool({ ...owner, database: name, max: 4, allowExitOnIdle: true })
  pool.on('error', () => {})
  let dropped = false
  async function drop() {
    if (dropped) return
    dropped = true
    await pool.end()
    await asOwner({ ...owner, database: 'postgres' }, (client) => client.query(`drop database ${name} with (force)`))
  }
  return {
    name,
    connection: (role) => ({ ...owner, user: role ?? owner.user, database: name }),
    query: async (text, values) => (await pool.query(text, values)).rows,
    drop,
    [Symbol.asyncDispose]: drop,
  }
}

async function asOwner(config: pg.ClientConfig, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(config)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
