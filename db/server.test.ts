import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { giveFolder } from './plain-user.ts'
import { type PostgresServer, runningServerPid, startPostgres, stopLeftover } from './server.ts'

let folder: string
const password = `p'a"s\\s w`

before(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-server-test-'))
})

after(() => fs.rmSync(folder, { recursive: true, force: true }))

function options(dataDir: string) {
  return { dataDir, port: 0, password, durable: false }
}

async function query(server: PostgresServer, text: string) {
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    user: server.user,
    password,
    database: 'postgres',
  })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

// A folder closed to others is what a clone under /root is, where the server runs as another user.
test('a server in a closed folder keeps its data from one start to the next', async () => {
  const closed = path.join(folder, 'closed')
  fs.mkdirSync(closed, { mode: 0o700 })
  const dataDir = path.join(closed, 'data')
  const first = await startPostgres(options(dataDir))
  await query(first, 'create table kept as select 42 as answer')
  assert.equal(runningServerPid(dataDir), first.pid)
  await assert.rejects(startPostgres(options(dataDir)), /already runs on .* as process \d+/)
  await first.stop()
  assert.equal(runningServerPid(dataDir), undefined)
  // Made when the checkout was another user's, say.
  if (process.getuid?.() === 0) giveFolder(dataDir, { uid: 12_345, gid: 12_345 })
  const second = await startPostgres(options(dataDir))
  assert.deepEqual(await query(second, 'select answer from kept'), [{ answer: 42 }])
  await second.stop()
})

test('what a killed starter left running can be stopped', async () => {
  const dataDir = path.join(folder, 'leftover')
  const server = await startPostgres(options(dataDir))
  await stopLeftover(dataDir)
  assert.equal(runningServerPid(dataDir), undefined)
  await server.exited
  await stopLeftover(dataDir)
})

test('a busy port is said in the words of the server, and nothing stays behind', async () => {
  const dataDir = path.join(folder, 'busy')
  const squatter = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => squatter.once('listening', resolve))
  const { port } = squatter.address() as { port: number }
  const logs = path.join(folder, 'busy-logs')
  fs.mkdirSync(logs)
  fs.chmodSync(logs, 0o777)
  for (const more of [{}, { jsonLog: true, logFile: path.join(logs, 'output.log') }]) {
    await assert.rejects(
      startPostgres({ ...options(dataDir), port, ...more }),
      new RegExp(`did not start on 127.0.0.1:${port}[^]*in use`),
    )
  }
  assert.match(fs.readFileSync(path.join(logs, 'output.json'), 'utf8'), /^\{.*"error_severity":"FATAL"/m)
  squatter.close()
  assert.equal(runningServerPid(dataDir), undefined)
})

test('a half-made data folder is made anew', async () => {
  const dataDir = path.join(folder, 'half')
  fs.mkdirSync(`${dataDir}.new/base`, { recursive: true })
  const server = await startPostgres(options(dataDir))
  assert.deepEqual(await query(server, 'select 1 as one'), [{ one: 1 }])
  await server.stop()
  assert.equal(fs.existsSync(`${dataDir}.new`), false)
})
