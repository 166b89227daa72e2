/**
 * A database for a test file: one throw-away PostgreSQL per test process, with a migrated template, and each database a clone
 * of it (tens of milliseconds). Everything goes when the process ends. What every one of them begins with is made once for
 * each state of `db/` and kept in `node_modules/.cache`: initdb and the migrations are most of such a server's life.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { migrate, type ServiceRole } from '../migrate.ts'
import { plainUser } from '../plain-user.ts'
import { findPrograms, startPostgres } from '../server.ts'
import { withClient } from '../with-client.ts'

const PASSWORD = 'throw-away'
const TEMPLATE = 'sightline_template'
/** The migrations give each role its share of the connections, so what a server begins with was made under the same. */
const SETTINGS = { max_connections: '200' }
const DB = path.resolve(import.meta.dirname, '..')
const BEGINNINGS = path.resolve(DB, '../node_modules/.cache/sightline/test-clusters')

export interface TestCluster {
  /** A fresh, migrated and seeded database. */
  createDatabase(): Promise<TestDatabase>
  /** One that is there: in the data folder that the server began with. */
  openDatabase(name: string): TestDatabase
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

/** Starts a PostgreSQL in a temp folder, with fsync off: its data is worth nothing. `from` is a data folder, not in use, to begin with a copy of. */
export async function startTestCluster(settings: Record<string, string> = {}, from?: string): Promise<TestCluster> {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-test-pg-'))
  fs.chmodSync(folder, 0o755)
  const options = {
    dataDir: path.join(folder, 'data'),
    password: PASSWORD,
    durable: false,
    settings: { ...SETTINGS, ...settings },
  }
  copyFolder(from ?? (await beginning()), options.dataDir)
  let server = await startPostgres({ ...options, port: 0 })
  const owner = { host: server.host, port: server.port, user: server.user, password: PASSWORD }
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
    openDatabase: (name) => openDatabase(owner, name),
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

/** The data folder, not in use, of a server with the migrated template: made here where the present state of `db/` has none yet. */
async function beginning(): Promise<string> {
  const made = path.join(BEGINNINGS, stateOfDb())
  if (fs.existsSync(made)) return made
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-test-pg-'))
  fs.chmodSync(folder, 0o755)
  try {
    const dataDir = path.join(folder, 'data')
    const server = await startPostgres({ dataDir, password: PASSWORD, durable: false, settings: SETTINGS, port: 0 })
    try {
      await migrate({
        connection: { host: server.host, port: server.port, user: server.user, password: PASSWORD, database: TEMPLATE },
        rolePasswords: { user_service: PASSWORD, order_service: PASSWORD, audit_service: PASSWORD },
        dashboardsPassword: PASSWORD,
      })
    } finally {
      await server.stop()
    }
    removeOld()
    fs.mkdirSync(BEGINNINGS, { recursive: true })
    const copy = `${made}.${process.pid}`
    copyFolder(dataDir, copy)
    try {
      fs.renameSync(copy, made)
    } catch (error) {
      // Another process was first, with the same.
      fs.rmSync(copy, { recursive: true, force: true })
      if (!fs.existsSync(made)) throw error
    }
    return made
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** What a state of `db/` that is a day old began with. */
function removeOld(): void {
  if (!fs.existsSync(BEGINNINGS)) return
  for (const name of fs.readdirSync(BEGINNINGS)) {
    const folder = path.join(BEGINNINGS, name)
    if (Date.now() - fs.statSync(folder).mtimeMs > 24 * 3_600_000) fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** With owners and modes: as root the data belong to another user. */
const copyFolder = (from: string, to: string) => execFileSync('cp', ['-a', from, to])

/** Changes with anything that could change what initdb and the migrations make. */
function stateOfDb(): string {
  const sources = fs.globSync(['*.ts', 'test/cluster.ts', 'migrations/*', 'package.json'], { cwd: DB }).sort()
  const hash = createHash('sha256').update(findPrograms().postgres).update(String(plainUser()?.uid))
  for (const name of sources) hash.update(name).update(fs.readFileSync(path.join(DB, name)))
  return hash.digest('hex').slice(0, 16)
}

interface Owner {
  host: string
  port: number
  user: string
  password: string
}

async function createDatabase(owner: Owner): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await withClient({ ...owner, database: 'postgres' }, async (client) => {
    await client.query(`create database ${name} template ${TEMPLATE}`)
    await client.query(`revoke all on database ${name} from public`)
    await client.query(`grant connect on database ${name} to user_service, order_service, audit_service, dashboards`)
  })
  return openDatabase(owner, name)
}

function openDatabase(owner: Owner, name: string): TestDatabase {
  const pool = new pg.Pool({ ...owner, database: name, max: 4, allowExitOnIdle: true })
  pool.on('error', () => {})
  let dropped = false
  async function drop() {
    if (dropped) return
    dropped = true
    await pool.end()
    await withClient({ ...owner, database: 'postgres' }, (client) => client.query(`drop database ${name} with (force)`))
  }
  return {
    name,
    connection: (role) => ({ ...owner, user: role ?? owner.user, database: name }),
    query: async (text, values) => (await pool.query(text, values)).rows,
    drop,
    [Symbol.asyncDispose]: drop,
  }
}
