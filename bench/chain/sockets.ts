/**
 * What Unix sockets would save in place of TCP on loopback: `node bench/chain/sockets.ts`. A named statement of PostgreSQL and a POST to
 * a server of Node, ten at a time, over both in turns. CPU time of main threads; medians, quartiles in brackets, ratios within a turn.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startTestCluster } from '@sightline/db/testing'
import pg from 'pg'
import { Pool } from 'undici'
import { cpuOfMainThreads } from './cpu.ts'
import { closedLoop, spread, textOf } from './slices.ts'

const AT_ONCE = 10
const [WARM_UP_MS, SLICE_MS, TURNS] = [1_500, 400, 25]
const KINDS = ['tcp', 'unix'] as const
type Kind = (typeof KINDS)[number]

/** Answers with what it is sent: over TCP, and on the socket that it is told. */
const SERVER = `
import { createServer } from 'node:http'
const make = () => createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (text) => (body += text)).once('end', () => {
    response.setHeader('content-type', 'application/json').end(body)
  })
})
const tcp = make().listen(0, '127.0.0.1', () => make().listen(process.argv[1], () => console.log(tcp.address().port)))`

const folder = mkdtempSync(join(tmpdir(), 'sightline-sockets-'))
// PostgreSQL may run as another user, and makes its socket here.
chmodSync(folder, 0o777)
const cluster = await startTestCluster({ unix_socket_directories: folder })
const server = spawn(process.execPath, ['--input-type=module', '--eval', SERVER, join(folder, 'http')], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const database = (await cluster.createDatabase()).connection()
  const statements = {
    tcp: new pg.Pool({ ...database, max: AT_ONCE }),
    unix: new pg.Pool({ ...database, host: folder, max: AT_ONCE }),
  }
  const [port] = await once(createInterface(server.stdout), 'line')
  const requests = {
    tcp: new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE }),
    unix: new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE, socketPath: join(folder, 'http') }),
  }
  const body = JSON.stringify({ text: 'x'.repeat(300) })
  const find = {
    name: 'find_user',
    text: 'select id, name, email, created_at from users where id = $1',
    values: [1001],
  }
  console.log('| | us over TCP | us over a Unix socket | ratio |\n|---|---|---|---|')
  await compare('a statement, caller', [process.pid], async (kind) => void (await statements[kind].query(find)))
  const post = async (kind: Kind) => {
    const answer = await requests[kind].request({ method: 'POST', path: '/', body })
    await answer.body.text()
  }
  await compare('a POST, caller', [process.pid], post)
  await compare('a POST, server', [server.pid!], post)
  for (const kind of KINDS) {
    await statements[kind].end()
    await requests[kind].close()
  }
} finally {
  server.kill()
  await cluster.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function compare(what: string, pids: readonly number[], call: (kind: Kind) => Promise<void>): Promise<void> {
  for (const kind of KINDS) await slice(kind, pids, call, WARM_UP_MS)
  const taken: Record<Kind, number>[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    const both = { tcp: 0, unix: 0 }
    for (const kind of turn % 2 ? KINDS : KINDS.toReversed()) both[kind] = await slice(kind, pids, call, SLICE_MS)
    taken.push(both)
  }
  const of = (value: (both: Record<Kind, number>) => number, digits: number) => textOf(spread(taken.map(value)), digits)
  const cells = [of(({ tcp }) => tcp, 0), of(({ unix }) => unix, 0), of(({ tcp, unix }) => unix / tcp, 2)]
  console.log(`| ${what} | ${cells.join(' | ')} |`)
}

/** Microseconds of CPU a call. */
async function slice(kind: Kind, pids: readonly number[], call: (kind: Kind) => Promise<void>, ms: number) {
  const before = cpuOfMainThreads(pids)
  const until = performance.now() + ms
  const calls = await closedLoop(
    AT_ONCE,
    () => performance.now() < until,
    () => call(kind),
  )
  return ((cpuOfMainThreads(pids) - before) * 1000) / calls
}
