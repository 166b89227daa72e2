/**
 * The chain behind PgBouncer, as deploy/kubernetes has it: `PGBOUNCER=/usr/sbin/pgbouncer node bench/database/pooled.ts`. Two processes of each
 * service, the Pooler's mode and parameters; under load PostgreSQL is restarted, PgBouncer replaced, and each service. Prints what
 * requests got, and what each connection was called. Linux only.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startTestCluster } from '@sightline/db/testing'
import { readFlags } from '@sightline/local/flags'
import { sessionQueries } from '@sightline/service-kit'
import { freePort } from '@sightline/service-kit/free-port'
import { until } from '@sightline/service-kit/poll'
import { bindSocket, type SharedSocket } from '@sightline/service-kit/shared-socket'
import pg from 'pg'
import { Pool } from 'undici'
import { verifyChain } from '../../audit-service/verify.ts'
import { startPooler } from '../../scripts/drills/pooler.ts'

const usage = `node bench/database/pooled.ts [--mode session] [--restarts 3] [--set name=value,name=value] [--seconds 4] [--only PostgreSQL]

What the chain's requests notice behind PgBouncer, of restarts of everything.`
const { values: flags } = readFlags(usage, {
  options: {
    mode: { type: 'string' },
    restarts: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    set: { type: 'string', default: '' },
  },
})
const root = resolve(import.meta.dirname, '../..')
const REPLICAS = 2
const CLIENTS = 4
const NAMES = ['audit-service', 'order-service', 'user-service'] as const

const folder = mkdtempSync(join(tmpdir(), 'sightline-pooled-'))
const output = openSync(join(folder, 'services.log'), 'a')
const cluster = await startTestCluster({ log_lock_waits: 'on' })
const database = await cluster.createDatabase()
const parameters = Object.fromEntries(
  flags.set
    .split(',')
    .filter(Boolean)
    .map((one) => one.split('=') as [string, string]),
)
const pooler = await startPooler(database.connection(), {
  ...(flags.mode && { poolMode: flags.mode }),
  parameters,
})
const sockets = new Map<string, SharedSocket>()
const running = new Map<string, ChildProcess[]>(NAMES.map((name) => [name, []]))
try {
  for (const name of NAMES) sockets.set(name, bindSocket('127.0.0.1', await freePort()))
  for (const name of NAMES) for (let n = 0; n < REPLICAS; n++) running.get(name)!.push(await startService(name))
  console.log(`${pooler.version}, ${flags.mode ?? 'as the Pooler says'}; ${REPLICAS} processes of each service`)
  await phase('nothing', async () => {})
  console.table(await pooler.pools())
  await phase('PostgreSQL restarted', async () => {
    await cluster.pause()
    await cluster.resume()
  })
  await phase('PgBouncer replaced', () => pooler.replace())
  await phase('services replaced', async () => {
    for (const name of NAMES) {
      const [oldest, ...others] = running.get(name)!
      running.set(name, [...others, await startService(name)])
      await end(oldest!)
    }
  })
  await until('all is sealed and delivered', 60, async () => {
    const [row] = await database.query<{ waits: boolean }>(
      'select exists (select from audit_unsealed) or exists (select from outbox) as waits',
    )
    return !row!.waits
  })
  const [counts] = await database.query(
    `select (select count(*) from orders) as orders, (select count(*) from audit_logs) as rows, (select count(distinct order_id) from audit_logs) as of_orders`,
  )
  const client = new pg.Client(database.connection())
  await client.connect()
  const { status, checked } = await verifyChain(sessionQueries(client))
  await client.end()
  console.log({ ...counts, status, checked })
} finally {
  for (const child of [...running.values()].flat()) await end(child)
  await pooler.stop()
  await cluster.stop()
  if (process.env.KEEP_LOG) console.log(join(folder, 'services.log'))
  else rmSync(folder, { recursive: true })
}

async function startService(name: (typeof NAMES)[number]): Promise<ChildProcess> {
  const next = NAMES[NAMES.indexOf(name) - 1]
  const { password, database: named } = database.connection()
  const child = spawn(process.execPath, ['--import', '@sightline/service-kit/register', `${name}/main.ts`], {
    cwd: root,
    stdio: ['ignore', output, output, sockets.get(name)!.fd, 'ipc'],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/sightline/compiled'),
      HOST: '127.0.0.1',
      PORT: String(sockets.get(name)!.port),
      LISTEN_FDS: '1',
      LOG_FORMAT: 'json',
      SHED_DELAY_MS: '0',
      DB_POOL_MAX: '5',
      // A restart takes a second, and on a crowded machine several: as long as a request can wait.
      DB_ACQUIRE_TIMEOUT_MS: '5000',
      PGHOST: pooler.host,
      PGPORT: String(pooler.port),
      PGUSER: name.replace('-', '_'),
      PGPASSWORD: password,
      PGDATABASE: named,
      OTEL_SERVICE_NAME: name,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_METRICS_EXPORTER: 'none',
      ...(next && { NEXT_SERVICE_URL: `http://127.0.0.1:${sockets.get(next)!.port}` }),
    },
  })
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error(`${name} has ended: ${readFileSync(join(folder, 'services.log'), 'utf8').slice(-2_000)}`)
    }),
  ])
  return child
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** Load for a while, in which something is done some times. */
async function phase(name: string, work: () => Promise<void>): Promise<void> {
  if (!name.startsWith(flags.only)) return
  const pool = new Pool(`http://127.0.0.1:${sockets.get('user-service')!.port}`, { connections: CLIENTS })
  const outcomes = new Map<string, number>()
  const names = new Map<string, number>()
  let [going, slowest] = [true, 0]
  let count = 0
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (going) {
      const began = performance.now()
      const traceId = `${Date.now().toString(16)}${(count++).toString(16).padStart(8, '0')}`.padStart(32, 'a')
      let outcome: string
      try {
        const { statusCode, body } = await pool.request({
          path: '/process',
          method: 'POST',
          headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-1111111111111111-01` },
          body: JSON.stringify({
            user_id: 1001 + (count % 50),
            action: 'purchase',
            ...(count % 2 && { items: [{ product_id: 'demo-product', quantity: 1 }] }),
          }),
        })
        const text = await body.text()
        outcome = String(statusCode)
        if (statusCode >= 500) outcome += ` ${JSON.parse(text).detail ?? ''} ${JSON.parse(text).type ?? ''}`
      } catch (error) {
        outcome = (error as { code?: string }).code ?? String(error)
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      slowest = Math.max(slowest, performance.now() - began)
      // Where the server is just being restarted the next hundred fill it up.
      if (count % 100 === 0) await database.query('update inventory set on_hand = 1000000').catch(() => {})
    }
  })
  const watcher = (async () => {
    while (going) {
      const rows = await database
        .query<{ name: string; state: string }>(
          `select state, regexp_replace(application_name, '^00-[0-9a-f]{32}-[0-9a-f]{16}-01$', 'traceparent') as name from pg_stat_activity where usename like '%\\_service'`,
        )
        .catch(() => [])
      for (const { name: called, state } of rows)
        names.set(`${state} ${called}`, (names.get(`${state} ${called}`) ?? 0) + 1)
      await pause(20)
    }
  })()
  await pause(500)
  for (let n = 0; n < Number(flags.restarts); n++) {
    await work()
    await pause((Number(flags.seconds) * 1000) / Number(flags.restarts))
  }
  going = false
  await Promise.all([...clients, watcher])
  await pool.close()
  console.log(`${name}: ${JSON.stringify(Object.fromEntries(outcomes))}, slowest ${slowest.toFixed(0)} ms`)
  console.log(`  application_name: ${JSON.stringify(Object.fromEntries(names))}`)
}
