/**
 * What one POST costs, part by part: `node bench/capacity/measure.ts [--requests 4000] [--out FILE]`. A system of its own as `npm start` has it,
 * four clients through its gateway, then a backlog of audit rows to seal, then the same POST by the clock at three rates. The costs
 * of the first are what the capacity model (docs/capacity.md) multiplies; the last show how near that comes. Linux only.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TestDatabase } from '@sightline/db/testing'
import { freePorts, type LocalSystem, startLocal } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { Pool } from 'undici'
import { recordOrders } from '../../audit-service/test/testing.ts'
import { type Measured, PARTS, TABLES } from '../../scripts/capacity/measured.ts'
import { metricSum } from '../../scripts/drills/measure.ts'
import { cpuOfMachine, cpuOfTrees } from '../chain/cpu.ts'
import { closedLoop, openLoop, order } from '../chain/slices.ts'

const usage = `node bench/capacity/measure.ts [--requests N] [--out FILE]

Measures what one POST costs and writes it as JSON, for npm run capacity (default: scripts/capacity/measured.json).`
const { values: flags } = readFlags(usage, {
  options: { requests: { type: 'string', default: '4000' }, out: { type: 'string' } },
})
const REQUESTS = Number(flags.requests)
if (!(REQUESTS >= 100)) throw new Error(`--requests ${flags.requests}: 100 at least, a tick of /proc is 10 ms`)
const PATH = '/api/v1/process'
const CLIENTS = 4
const WARM_UP = 1_500
const IDLE_SECONDS = 10
const BACKLOG = 20_000
const SEAL_ROUNDS = 5
/** POSTs while audit-service is away. */
const OUTAGE = 2_000
const CHECKED = [10, 50, 100]
const CHECK_SECONDS = 12
/** Until the last batch has left, the last row is sealed and swept, and the last scrape has been. */
const SETTLE_MS = 3_000
const SERVICES = ['userService', 'orderService', 'auditService'] as const

const home = mkdtempSync(join(tmpdir(), 'sightline-capacity-'))
const ports = await freePorts()
const counted = await countingReceiver(`http://127.0.0.1:${ports.OTLP_HTTP_PORT}`)
let system: LocalSystem | undefined
try {
  system = await startLocal({
    home,
    ports,
    env: { ...process.env, SHED_DELAY_MS: '0', LOG_FORMAT: 'json', OTEL_EXPORTER_OTLP_ENDPOINT: counted.url },
  })
  // Ctrl-C and SIGTERM leave nothing running.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void end().then(() => process.exit(1)))
  const found = await measure(system)
  const file = flags.out ?? join(root, 'scripts/capacity/measured.json')
  writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`)
  console.log(JSON.stringify(found, null, 2))
} finally {
  await end()
}

async function end(): Promise<void> {
  await system?.stop()
  counted.close()
  rmSync(home, { recursive: true, force: true })
}

async function measure(system: LocalSystem): Promise<Measured> {
  const database = new pg.Client(system.postgres)
  await database.connect()
  const pool = new Pool(system.urls.gateway, { connections: 64 })
  try {
    await closed(pool, WARM_UP)
    await settled(database)
    const idle = await idleCpu(system)
    process.stderr.write('warm, and idle measured\n')
    const before = await look(system, database)
    const connections = sampleConnections(database)
    await closed(pool, REQUESTS)
    const perRole = await connections.end()
    await settled(database)
    const cost = perRequest(before, await look(system, database), REQUESTS, idle)
    process.stderr.write('costs measured\n')
    const sealing = await sealBacklogs(system, database)
    process.stderr.write('sealing measured\n')
    const relay = await relayBacklog(system, database, pool)
    process.stderr.write('relay measured\n')
    const checked = []
    for (const rate of CHECKED)
      checked.push({ rate, seconds: CHECK_SECONDS, ...(await atRate(system, database, pool, rate)) })
    const { rows } = await database.query('show server_version')
    return {
      taken: new Date().toISOString().slice(0, 10),
      machine: `${cpus()[0]!.model}, ${cpus().length} processors shared with other work`,
      versions: { node: process.version, postgresql: rows[0].server_version },
      requests: REQUESTS,
      clients: CLIENTS,
      idle_cpu_ms_per_second: idle,
      ...cost,
      ...(await stored(system)),
      series: await series(system),
      connections_seen: perRole,
      sealing,
      relay,
      checked,
    }
  } finally {
    await pool.close()
    await database.end()
  }
}

/** `requests` by as many clients as there are. */
const closed = (pool: Pool, requests: number, expected?: number) =>
  closedLoop(
    CLIENTS,
    (sent) => sent < requests,
    (n) => order(pool, n, PATH, expected),
  )

/** Every row sealed, in the tree, and gone from the outbox. */
async function settled(database: pg.Client): Promise<void> {
  await until('rows are sealed and swept', 120, async () => {
    const { rows } = await database.query(
      'select (select count(*) from audit_unsealed)::int + (select count(*) from outbox)::int as waiting',
    )
    return rows[0].waiting === 0
  })
  await pause(SETTLE_MS)
}

interface Seen {
  at: number
  machine: number
  cpu: Record<string, number>
  otlp: { traces: number; logs: number }
  spans: number
  records: number
  accessLog: number
  wal: number
  commits: number
  rows: number
  tables: Record<string, number>
}

async function look(system: LocalSystem, database: pg.Client): Promise<Seen> {
  const exported = async (signal: string) => {
    const of = SERVICES.map((name) => metricSum(system.urls[name], 'telemetry_exported_total', `"${signal}"`))
    return (await Promise.all(of)).reduce((sum, count) => sum + count, 0)
  }
  await database.query('select pg_stat_force_next_flush()')
  const [{ wal, commits, rows }] = (
    await database.query(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal,
      (select xact_commit::float8 from pg_stat_database where datname = current_database()) as commits,
      (select sum(n_tup_ins)::float8 from pg_stat_user_tables) as rows`)
  ).rows as [{ wal: number; commits: number; rows: number }]
  const sizes = await database.query(
    'select name, pg_total_relation_size(name::regclass)::float8 as bytes from unnest($1::text[]) as name',
    [TABLES],
  )
  return {
    at: performance.now(),
    machine: cpuOfMachine(),
    cpu: cpuOf(system),
    otlp: { ...counted.bytes },
    spans: await exported('traces'),
    records: await exported('logs'),
    accessLog: statSync(join(system.home, 'logs/gateway/access.log')).size,
    wal,
    commits,
    rows,
    tables: Object.fromEntries(sizes.rows.map(({ name, bytes }) => [name, bytes])),
  }
}

function cpuOf(system: LocalSystem): Record<string, number> {
  return each(PARTS, (part) => cpuOfTrees([system.pid(part)]))
}

/** Milliseconds of CPU a second while nobody asks. */
async function idleCpu(system: LocalSystem): Promise<Measured['idle_cpu_ms_per_second']> {
  const before = cpuOf(system)
  await pause(IDLE_SECONDS * 1000)
  const after = cpuOf(system)
  return each(PARTS, (part) => round((after[part]! - before[part]!) / IDLE_SECONDS))
}

type Cost = Pick<Measured, 'foreign_share' | 'per_request'>

function perRequest(before: Seen, after: Seen, requests: number, idle: Measured['idle_cpu_ms_per_second']): Cost {
  const seconds = (after.at - before.at) / 1000
  const per = (value: number) => round(value / requests)
  const cpu = each(PARTS, (part) => {
    const ms = after.cpu[part]! - before.cpu[part]! - idle[part] * seconds
    return per(Math.max(0, ms) * 1000)
  })
  const own = PARTS.reduce((sum, part) => sum + after.cpu[part]! - before.cpu[part]!, 0)
  const foreign = (after.machine - before.machine - own) / (seconds * 1000 * cpus().length)
  return {
    foreign_share: round(foreign),
    per_request: {
      cpu_us: cpu,
      spans: per(after.spans - before.spans),
      log_records: per(after.records - before.records),
      otlp_trace_bytes: per(after.otlp.traces - before.otlp.traces),
      otlp_log_bytes: per(after.otlp.logs - before.otlp.logs),
      access_log_bytes: per(after.accessLog - before.accessLog),
      wal_bytes: per(after.wal - before.wal),
      commits: per(after.commits - before.commits),
      rows: per(after.rows - before.rows),
      table_bytes: each(TABLES, (table) => per(after.tables[table]! - before.tables[table]!)),
    },
  }
}

interface Sealed {
  sealed: number
  inTree: number
  cpu: number
}

/** Medians of rounds: on a busy machine one takes several times as long as another. */
async function sealBacklogs(system: LocalSystem, database: pg.Client): Promise<Measured['sealing']> {
  const rounds: Sealed[] = []
  for (let round = 0; round < SEAL_ROUNDS; round++) rounds.push(await sealBacklog(system, database))
  const sorted = (of: keyof Sealed) => rounds.map((round) => round[of]).toSorted((a, b) => a - b)
  const middle = (of: keyof Sealed) => sorted(of)[SEAL_ROUNDS >> 1]!
  return {
    rounds: SEAL_ROUNDS,
    rows_each: BACKLOG,
    sealed_per_second: Math.round(middle('sealed')),
    sealed_per_second_least: Math.round(sorted('sealed')[0]!),
    in_tree_per_second: Math.round(middle('inTree')),
    in_tree_per_second_least: Math.round(sorted('inTree')[0]!),
    postgres_cpu_us_per_row: round(middle('cpu')),
  }
}

/** Rows a second that the running sealer and the tree's builder take when there is a backlog, side by side as they run. */
async function sealBacklog(system: LocalSystem, database: pg.Client): Promise<Sealed> {
  const state = async () => {
    const { rows } =
      await database.query(`select (select coalesce(max(position), 0) from audit_chain)::float8 as sealed,
      (select coalesce(sum(length(hashes) / 32), 0) from audit_tiles where level = 0)::float8 as leaves`)
    return rows[0] as { sealed: number; leaves: number }
  }
  const first = await state()
  const query = async (text: string) => (await database.query(text)).rows
  await recordOrders({ query } as unknown as TestDatabase, BACKLOG)
  const cpu = cpuOfTrees([system.pid('postgres')])
  const started = performance.now()
  let sealedAfter = 0
  await until('the backlog is sealed and in the tree', 300, async () => {
    const { sealed, leaves } = await state()
    if (sealed === first.sealed + BACKLOG && sealedAfter === 0) sealedAfter = performance.now() - started
    return leaves === first.leaves + BACKLOG
  })
  const took = performance.now() - started
  return {
    sealed: (BACKLOG * 1000) / sealedAfter,
    inTree: (BACKLOG * 1000) / took,
    cpu: ((cpuOfTrees([system.pid('postgres')]) - cpu) * 1000) / BACKLOG,
  }
}

/** Events a second that the relay of one instance delivers after audit-service was away, between a tenth and nine tenths of them. */
async function relayBacklog(system: LocalSystem, database: pg.Client, pool: Pool): Promise<Measured['relay']> {
  await system.stopComponent('audit-service')
  await closed(pool, OUTAGE, 202)
  await system.startComponent('audit-service')
  const seen: { at: number; waiting: number }[] = []
  await until('the outbox is empty', 180, async () => {
    const { rows } = await database.query('select count(*)::int as waiting from outbox')
    seen.push({ at: performance.now(), waiting: rows[0].waiting })
    return rows[0].waiting === 0
  })
  const from = seen.find(({ waiting }) => waiting <= OUTAGE * 0.9)!
  const to = seen.find(({ waiting }) => waiting <= OUTAGE * 0.1)!
  return { events: OUTAGE, delivered_per_second: Math.round(((from.waiting - to.waiting) * 1000) / (to.at - from.at)) }
}

async function atRate(
  system: LocalSystem,
  database: pg.Client,
  pool: Pool,
  rate: number,
): Promise<Cost & { requests: number; window_seconds: number }> {
  await settled(database)
  const before = await look(system, database)
  const { length: requests } = await openLoop(rate, CHECK_SECONDS, (n) => order(pool, n, PATH))
  await settled(database)
  const after = await look(system, database)
  process.stderr.write(`${rate} a second measured\n`)
  // With what it costs to be there: the model adds that by itself.
  const none = each(PARTS, () => 0)
  return {
    requests,
    window_seconds: round((after.at - before.at) / 1000),
    ...perRequest(before, after, requests, none),
  }
}

/** Bytes that the backend keeps per row of a finished block; index and log not counted. */
async function stored(system: LocalSystem): Promise<Pick<Measured, 'stored_bytes'>> {
  const of = (name: string, signal: string) => metricSum(system.urls.tempo, name, `signal="${signal}"`)
  const perRow = async (signal: string) => {
    const rows = await of('embedded_block_rows', signal)
    return rows === 0 ? null : round((await of('embedded_block_bytes', signal)) / rows)
  }
  return { stored_bytes: { per_span: await perRow('traces'), per_log_record: await perRow('logs') } }
}

/** Active series by scraped job. */
async function series(system: LocalSystem): Promise<Record<string, number>> {
  const query = new URLSearchParams({ query: 'count by (job) ({__name__!=""})' })
  const response = await fetch(`${system.urls.prometheus}/api/v1/query?${query}`)
  const { data } = (await response.json()) as {
    data: { result: { metric: { job?: string }; value: [number, string] }[] }
  }
  return Object.fromEntries(data.result.map(({ metric, value }) => [metric.job ?? 'rules', Number(value[1])]).sort())
}

/** The most connections of each role, while it runs. */
function sampleConnections(database: pg.Client) {
  const most: Record<string, number> = {}
  let over = false
  const running = (async () => {
    while (!over) {
      const { rows } = await database.query(
        `select usename, count(*)::int as n from pg_stat_activity where usename like '%\\_service' group by 1`,
      )
      for (const { usename, n } of rows) most[usename] = Math.max(most[usename] ?? 0, n)
      await pause(500)
    }
  })()
  return {
    async end() {
      over = true
      await running
      return most
    },
  }
}

/** Stands before the backend's receiver and counts what services send. */
async function countingReceiver(onward: string) {
  const bytes = { traces: 0, logs: 0 }
  const pool = new Pool(onward)
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const signal = request.url?.slice('/v1/'.length)
    if (signal === 'traces' || signal === 'logs') bytes[signal] += body.length
    const { 'content-type': type = '', 'content-encoding': encoding } = request.headers
    const headers = { 'content-type': type, ...(encoding && { 'content-encoding': encoding }) }
    try {
      const answer = await pool.request({ method: 'POST', path: request.url!, headers, body })
      response.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type'] ?? '') })
      response.end(Buffer.from(await answer.body.arrayBuffer()))
    } catch (error) {
      response.writeHead(503).end((error as Error).message)
    }
  }).listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  return {
    bytes,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections()
      server.close()
      void pool.destroy()
    },
  }
}

function each<Name extends string, Value>(names: readonly Name[], of: (name: Name) => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Record<Name, Value>
}

/** Four digits are more than a busy machine is worth. */
function round(value: number): number {
  return Number(value.toPrecision(4))
}
