/** The life of a service process: what it starts with, in which order it stops, and what it leaves as its exit code. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { listen } from './listen.ts'
import { until } from './poll.ts'
import { COMPILED, call } from './test/index.ts'

const MAIN = path.join(import.meta.dirname, 'test/small-service.ts')

/** The small service in a process of its own. Its database is away: nothing here needs one. */
function start(env: Record<string, string> = {}) {
  const least = { PORT: '0', PGUSER: 'u', PGPASSWORD: 'p', PGPORT: '1', LOG_FORMAT: 'json', LOG_LEVEL: 'debug' }
  const child = spawn(process.execPath, [MAIN], { env: { PATH: process.env.PATH, ...COMPILED, ...least, ...env } })
  const messages: string[] = []
  createInterface(child.stdout).on('line', (line) => messages.push(JSON.parse(line).message))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk))
  const exit = once(child, 'close').then(([code]) => code as number)
  const said = (pattern: RegExp) => until(`${pattern}`, 20, () => messages.find((message) => pattern.test(message)))
  return {
    child,
    messages,
    exit,
    said,
    stderr: () => stderr,
    url: async () => / listens on (.+)$/.exec(await said(/ listens on /))![1]!,
  }
}

/** Without a kept connection, for whose owner a stopping server would wait four seconds. */
const get = (url: string, path: string) => call(url, 'GET', path, undefined, { connection: 'close' })

test('SIGTERM: not ready at once, what is in flight is finished, and all stops in the opposite order', async () => {
  const service = start()
  const url = await service.url()
  assert.equal((await get(url, '/ready')).json.reason, 'database')
  const slow = get(url, '/slow')
  await service.said(/slow request arrived/)
  service.child.kill('SIGTERM')
  assert.deepEqual((await slow).json, { draining: true })
  assert.equal(await service.exit, 0)
  assert.equal(service.stderr(), '')
  const life = service.messages.filter((message) => !message.startsWith('GET ') && !message.includes('database:'))
  assert.match(life[5]!, /^service-kit \d+\.\d+\.\d+ listens on http:\/\/127\.0\.0\.1:\d+$/)
  assert.deepEqual(life.toSpliced(5, 1), [
    'started: telemetry',
    '0 of 10 database connections are open',
    'started: database',
    'worker started',
    'started: worker',
    'started: server',
    'slow request arrived',
    'stopping after SIGTERM',
    'stopped: server',
    'worker stopped',
    'stopped: worker',
    'stopped: database',
    'stopped: telemetry',
  ])
})

test('a port that is taken: exit code 1, a message that names it, and the worker that had started is stopped', async () => {
  const other = await listen((_, response) => response.end(), '127.0.0.1', 0)
  try {
    const service = start({ PORT: String(other.port) })
    assert.equal(await service.exit, 1)
    assert.ok(service.messages.includes('worker stopped'))
    assert.ok(service.messages.includes('ending: server'), service.messages.join('\n'))
  } finally {
    await other.close(0, 0)
  }
})

test('an error that nobody catches ends the service in order, with exit code 1', async () => {
  const service = start()
  await get(await service.url(), '/crash')
  assert.equal(await service.exit, 1)
  assert.ok(service.messages.includes('ending: uncaught error'))
  assert.equal(service.messages.at(-1), 'stopped: telemetry')
})

test('an environment that is not complete is refused before anything starts, with the names of the variables', async () => {
  const service = start({ PORT: 'none', PGUSER: '' })
  assert.notEqual(await service.exit, 0)
  assert.match(service.stderr(), /The environment is not complete:\n {2}PORT: /)
  assert.deepEqual(service.messages, [])
})
