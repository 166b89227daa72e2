/**
 * What a database with history costs: `node bench/database/grown.ts [--rows 1000000] [--rounds 12]`. Two chains, each with a PostgreSQL of its
 * own, one fresh and one with so many orders behind it, get the same POSTs and reads in turns. Prints ratios with their spread, and each
 * statement with the pages it reads, so that those which grow with the rows have names. `--keep` is a folder that has the grown database the next
 * time: to make it takes minutes. Linux only.
 */
import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { migrate } from '@sightline/db'
import { growDatabase } from '@sightline/db/grown'
import { startTestCluster, type TestDatabase } from '@sightline/db/testing'
import { readFlags } from '@sightline/local/flags'
import { sessionQueries } from '@sightline/service-kit'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { Pool } from 'undici'
import { archive } from '../../audit-service/archive.ts'
import { makeKeys } from '../../audit-service/checkpoint-format.ts'
import { verifyChain } from '../../audit-service/verify.ts'
import { type NodeChain, nodeVariants, type Place, startNodeChain } from '../chain/chains.ts'
import { cpuOfMachine, cpuOfTrees } from '../chain/cpu.ts'
import { closedLoop, order, quantile, shuffled, spread, textOf } from '../chain/slices.ts'

const usage = `node bench/database/grown.ts [--rows N] [--rounds N] [--keep FOLDER] [--archive N]

What a POST and each statement cost on a fresh database and on one with N orders (default: 1000000).`
const { values: flags } = readFlags(usage, {
  options: {
    archive: { type: 'string' },
    keep: { type: 'string' },
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '12' },
  },
})
const [ROWS, ROUNDS] = [Number(flags.rows), Number(flags.rounds)]
if (!(ROWS >= 1 && ROUNDS >= 1)) throw new Error('--rows and --rounds are numbers from 1 on')
/** So many of the oldest rows leave at the end; a tenth unless told. */
const ARCHIVED = Number(flags.archive ?? Math.ceil(ROWS / 10))
const CLIENTS = 4
const WARM_UP = 1_500
/** POSTs of a slice. */
const SLICE = 400
/** As with the disk of a server: pages are written whole once after each checkpoint. */
const SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'all',
  full_page_writes: 'on',
}
/** Lists as their readers page: the first page, one behind it and one deep down, by each filter. */
const READS: readonly [service: number, path: string][] = [
  [0, '/users?limit=50'],
  [0, '/users?limit=50&cursor=1100'],
  [1, '/orders?limit=50'],
  [1, '/orders?limit=50&cursor=60'],
  [1, '/orders?limit=50&cursor=DEEP'],
  [1, '/orders/60'],
  [2, '/audit?limit=50'],
  [2, '/audit?limit=50&cursor=60'],
  [2, '/audit?limit=50&cursor=DEEP'],
  [2, '/audit?limit=50&user_id=1010'],
  [2, '/audit?limit=50&user_id=1010&cursor=DEEP'],
  [2, '/audit?limit=50&order_id=60'],
  [2, '/audit/60/proof'],
  [2, '/audit/dead-letters'],
]

interface Measured {
  readonly services: number
  readonly postgres: number
  readonly p50: number
  readonly wal: number
  readonly foreign: number
}

const untraced = nodeVariants.find(({ name }) => name === 'untraced')!
const chains: { name: string; rows: number; chain: NodeChain; postmaster: number; found: Measured[] }[] = []
try {
  for (const [name, rows] of [
    ['fresh', 1_000],
    ['grown', ROWS],
  ] as const) {
    const started = performance.now()
    const place = await databaseOf(rows, name === 'grown' ? flags.keep : undefined)
    const chain = await startNodeChain(untraced, 'http://127.0.0.1:9', undefined, place)
    chains.push({ name, rows, chain, postmaster: await postmasterOf(chain.database), found: [] })
    process.stderr.write(`${name}: ${rows} orders in ${((performance.now() - started) / 1000).toFixed(0)} s\n`)
  }
  for (const { chain } of chains) await posts(chain, WARM_UP)
  for (const { chain } of chains) await chain.database.query('select pg_stat_statements_reset()')
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of shuffled(chains)) one.found.push(await slice(one.chain, one.postmaster))
    for (const { chain, rows } of chains) await read(chain, rows)
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`)
  }
  report()
  await statements()
  if (ARCHIVED > 0) await archiveOldest(chains.at(-1)!.chain)
} finally {
  for (const { chain } of chains) await chain.stop()
}

/** With so many orders, from the folder where it has one, else into it. */
async function databaseOf(rows: number, folder?: string): Promise<Place> {
  const named = folder && join(folder, `${rows}.name`)
  const data = folder && join(folder, String(rows))
  if (named && existsSync(named)) {
    const cluster = await startTestCluster(SETTINGS, data)
    const database = cluster.openDatabase(readFileSync(named, 'utf8'))
    const { password, ...connection } = database.connection()
    const rolePasswords = { user_service: password, order_service: password, audit_service: password }
    await migrate({ connection: { ...connection, password }, rolePasswords })
    return { cluster, database }
  }
  const cluster = await startTestCluster(SETTINGS)
  const database = await cluster.createDatabase()
  await database.query('create extension pg_stat_statements')
  await growDatabase(database, rows)
  if (folder && named && data) {
    const [row] = await database.query<{ data: string }>(`select current_setting('data_directory') as data`)
    mkdirSync(folder, { recursive: true })
    await cluster.pause()
    execFileSync('cp', ['-a', row!.data, data])
    await cluster.resume()
    writeFileSync(named, database.name)
  }
  return { cluster, database }
}

async function postmasterOf(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ pid: string }>(
    `select split_part(pg_read_file('postmaster.pid'), E'\\n', 1) as pid`,
  )
  return Number(row!.pid)
}

async function posts(chain: NodeChain, count: number): Promise<number[]> {
  const pool = new Pool(chain.urls[0]!, { connections: CLIENTS })
  const durations: number[] = []
  await closedLoop(
    CLIENTS,
    (sent) => sent < count,
    async (n) => {
      const began = performance.now()
      await order(pool, n)
      durations.push(performance.now() - began)
    },
  )
  await pool.close()
  return durations.sort((a, b) => a - b)
}

/** POSTs, and what follows them: their seals, their leaves, the end of their events. */
async function slice(chain: NodeChain, postmaster: number): Promise<Measured> {
  const { database, pids } = chain
  const wal = async () => {
    const [row] = await database.query<{ wal: number }>(
      `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal`,
    )
    return row!.wal
  }
  const look = async () => ({
    services: cpuOfTrees(pids),
    postgres: cpuOfTrees([postmaster]),
    machine: cpuOfMachine(),
    // Services and servers are children of this process.
    own: cpuOfTrees([process.pid]),
    wal: await wal(),
    at: performance.now(),
  })
  const before = await look()
  const durations = await posts(chain, SLICE)
  await settled(database)
  const after = await look()
  const per = (name: 'services' | 'postgres' | 'wal') => (after[name] - before[name]) / SLICE
  return {
    services: per('services') * 1000,
    postgres: per('postgres') * 1000,
    p50: quantile(durations, 0.5),
    wal: per('wal'),
    foreign: (after.machine - before.machine - (after.own - before.own)) / (after.at - before.at),
  }
}

async function settled(database: TestDatabase): Promise<void> {
  await until('rows are sealed, in the tree, and swept', 120, async () => {
    const [row] = await database.query<{ waits: boolean }>(
      `select exists (select from audit_unsealed) or exists (select from outbox) or
         audit_tree_size() < (select max(position) from audit_chain) as waits`,
    )
    return !row!.waits
  })
  await pause(200)
}

/** Each list and each scrape. */
async function read(chain: NodeChain, rows: number): Promise<void> {
  for (const [service, path] of READS) {
    const response = await fetch(chain.urls[service] + path.replace('DEEP', String(Math.ceil(rows / 2))))
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  }
  for (const url of chain.urls) await (await fetch(`${url}/metrics`)).text()
}

function report(): void {
  const [fresh, grown] = chains
  console.log(`a POST, ${SLICE} in a slice by ${CLIENTS} clients, ${ROUNDS} slices each; median (quartiles)`)
  console.log('| | fresh | grown | ratio, round by round |\n|---|---|---|---|')
  for (const [what, of, digits] of [
    ['services, CPU us', 'services', 0],
    ['PostgreSQL, CPU us', 'postgres', 0],
    ['p50, ms', 'p50', 2],
    ['WAL, bytes', 'wal', 0],
  ] as const) {
    const values = (found: Measured[]) => found.map((one) => one[of])
    const ratios = grown!.found.map((one, n) => one[of] / fresh!.found[n]![of])
    console.log(
      `| ${what} | ${textOf(spread(values(fresh!.found)), digits)} | ${textOf(spread(values(grown!.found)), digits)} | ${textOf(spread(ratios))} |`,
    )
  }
  const foreign = chains.flatMap(({ found }) => found.map((one) => one.foreign))
  console.log(`processors that others used meanwhile: ${textOf(spread(foreign))}`)
}

/** The oldest rows leave while nobody asks, and what stays is verified. */
async function archiveOldest({ database }: NodeChain): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-archive-'))
  const client = new pg.Client(database.connection())
  await client.connect()
  try {
    const session = sessionQueries(client)
    const { rows } = await client.query('select sealed_at from audit_chain where position = $1', [ARCHIVED + 1])
    const key = createPrivateKey(makeKeys().privateKey)
    const started = performance.now()
    const options = { before: rows[0].sealed_at, file: join(folder, 'archive'), key, origin: 'bench' }
    const { boundary, removed } = await archive(session, options)
    const seconds = (performance.now() - started) / 1000
    if (boundary === undefined) return console.log('\nno row left: all were sealed at once, or are of the last day')
    const { size } = statSync(options.file)
    console.log(
      `\n${removed} rows to position ${boundary.position} left in ${seconds.toFixed(0)} s, ${(size / removed).toFixed(0)} bytes each in the file`,
    )
    const { status, checked, duration_ms } = await verifyChain(session)
    console.log(`what stays is ${status}: ${checked} rows in ${(duration_ms / 1000).toFixed(0)} s`)
  } finally {
    await client.end()
    rmSync(folder, { recursive: true })
  }
}

interface Counted {
  query: string
  calls: number
  us: number
  pages: number
  wal: number
}

/** What each statement reads a call, on either database; those that read most more on the grown one first. */
async function statements(): Promise<void> {
  const [fresh, grown] = await Promise.all(chains.map(({ chain }) => counted(chain.database)))
  const of = new Map(fresh!.map((one) => [one.query, one]))
  const both = grown!.flatMap((one) => {
    const before = of.get(one.query)
    return before === undefined ? [] : [{ before, after: one, ratio: (one.pages + 1) / (before.pages + 1) }]
  })
  console.log('\n| pages a call | fresh | grown | us | fresh | grown | WAL, bytes | fresh | grown | calls | |')
  console.log('|---|---|---|---|---|---|---|---|---|---|---|')
  for (const { before, after, ratio } of both.sort((a, b) => b.ratio - a.ratio)) {
    const cells = [
      ratio.toFixed(2),
      before.pages.toFixed(1),
      after.pages.toFixed(1),
      (after.us / before.us).toFixed(2),
      before.us.toFixed(0),
      after.us.toFixed(0),
      '',
      before.wal.toFixed(0),
      after.wal.toFixed(0),
      after.calls,
      `\`${after.query.replace(/\s+/g, ' ').slice(0, 110)}\``,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

function counted(database: TestDatabase): Promise<Counted[]> {
  return database.query<Counted>(
    `select query, sum(calls)::float8 as calls, sum(total_exec_time * 1000)::float8 / sum(calls) as us,
       sum(shared_blks_hit + shared_blks_read)::float8 / sum(calls) as pages, sum(wal_bytes)::float8 / sum(calls) as wal
     from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())
     group by query having sum(calls) >= 5`,
  )
}
