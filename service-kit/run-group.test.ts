/** The life cycle of a process: order, and its three promises (deadline, servers' end awaited, nothing left behind). */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type HttpServer, listen } from './listen.ts'
import { until } from './poll.ts'
import { type Component, createRunGroup } from './run-group.ts'

function recorder() {
  const said: string[] = []
  const component = (
    name: string,
    extra: { fails?: boolean; ended?: Promise<unknown>; stopFails?: boolean } = {},
  ): Component => ({
    async start() {
      if (extra.fails) throw new Error(`${name} does not start`)
      said.push(`start ${name}`)
    },
    ...('ended' in extra ? { ended: () => extra.ended! } : {}),
    async stop() {
      said.push(`stop ${name}`)
      if (extra.stopFails) throw new Error('stuck')
    },
  })
  return { said, component }
}

test('the first component to end stops all, in the opposite order', async () => {
  const { said, component } = recorder()
  const group = createRunGroup({ stopWithinMs: 1_000, signals: [] })
  group.add('a', component('a'))
  group.add('b', component('b', { ended: Promise.resolve() }))
  group.add('c', component('c'))
  group.add('d', component('d'))
  assert.equal(await group.run(), undefined)
  // c may have begun to start by then; what has begun is stopped, and nothing else begins.
  const started = said.filter((one) => one.startsWith('start')).map((one) => one.replace('start', 'stop'))
  assert.deepEqual(
    said.filter((one) => one.startsWith('stop')),
    started.toReversed(),
  )
  assert.deepEqual(said.slice(0, 2), ['start a', 'start b'])
  assert.equal(said.includes('start d'), false)
})

test('a component that does not start: those before it are stopped, those after it never start', async () => {
  const { said, component } = recorder()
  const group = createRunGroup({ stopWithinMs: 1_000, signals: [] })
  group.add('a', component('a'))
  group.add('b', component('b', { fails: true }))
  group.add('c', component('c'))
  const error = await group.run()
  assert.match(String(error), /b does not start/)
  assert.deepEqual(said, ['start a', 'stop b', 'stop a'])
})

test('a stop that fails does not keep the others from stopping', async () => {
  const { said, component } = recorder()
  const failed: string[] = []
  const group = createRunGroup({
    stopWithinMs: 1_000,
    signals: ['SIGHUP'],
    onEvent: (event, name) => {
      if (event === 'stop failed') failed.push(name)
      if (event === 'started' && name === 'b') process.kill(process.pid, 'SIGHUP')
    },
  })
  group.add('a', component('a'))
  group.add('b', component('b', { stopFails: true }))
  assert.equal(await group.run(), undefined)
  assert.deepEqual(said, ['start a', 'start b', 'stop b', 'stop a'])
  assert.deepEqual(failed, ['b'])
})

/** An HTTP server as a component, on the port it is told. */
function server(options: { port?: () => number; answer?: () => Promise<string> }) {
  const { port = () => 0, answer = async () => '' } = options
  let running: HttpServer | undefined
  const component: Component = {
    async start() {
      running = await listen(async (_, response) => void response.end(await answer()), '127.0.0.1', port())
    },
    async stop() {
      await running?.close(60_000, 0)
    },
  }
  return { component, port: () => running!.port }
}

async function isFree(port: number): Promise<boolean> {
  try {
    const probe = await listen(() => {}, '127.0.0.1', port)
    await probe.close(0, 0)
    return true
  } catch {
    return false
  }
}

test('the end of a server is awaited: what is in flight is answered before what it rests on stops', async () => {
  const { said, component } = recorder()
  const arrived = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<string>()
  const end = Promise.withResolvers<void>()
  const web = server({
    answer() {
      arrived.resolve()
      return answered.promise
    },
  })
  const group = createRunGroup({
    stopWithinMs: 60_000,
    signals: [],
    onEvent: (event, name) => said.push(`${event} ${name}`),
  })
  group.add('store', component('store'))
  group.add('server', web.component)
  group.add('end', { ended: () => end.promise, stop: async () => {} })
  const running = group.run()
  await until('the server has started', 15, () => said.includes('started server'))
  const inFlight = fetch(`http://127.0.0.1:${web.port()}`)
  await arrived.promise
  end.resolve()
  await until('the server takes no more', 15, () => isFree(web.port()))
  assert.equal(said.includes('stop store'), false, 'a request still needs the store')
  answered.resolve('whole')
  assert.equal(await (await inFlight).text(), 'whole')
  assert.equal(await running, undefined)
  assert.deepEqual(said.slice(-3), ['stopped server', 'stop store', 'stopped store'])
})

test('a second server that finds its port taken leaves nothing behind', async () => {
  const before = listeners()
  const first = server({})
  const second = server({ port: first.port })
  const group = createRunGroup({ stopWithinMs: 1_000 })
  group.add('first', first.component)
  group.add('second', second.component)
  assert.match(String(await group.run()), new RegExp(`127\\.0\\.0\\.1:${first.port()}: another process has this port`))
  assert.equal(await isFree(first.port()), true)
  assert.deepEqual(listeners(), before)
})

const listeners = () =>
  ['SIGINT', 'SIGTERM', 'uncaughtException', 'unhandledRejection'].map((event) => process.listenerCount(event))

test('a stop that hangs is named and ends with the time limit, and what it rests on is left alone', async () => {
  const { said, component } = recorder()
  const failed: string[] = []
  const group = createRunGroup({
    stopWithinMs: 50,
    signals: [],
    onEvent: (event, name, error) => event === 'stop failed' && failed.push(`${name}: ${error}`),
  })
  group.add('store', component('store'))
  group.add('hangs', { ended: () => Promise.reject(new Error('gone')), stop: () => new Promise(() => {}) })
  const started = performance.now()
  assert.match(String(await group.run()), /gone/)
  assert.ok(performance.now() - started < 4_500)
  assert.deepEqual(said, ['start store'])
  assert.deepEqual(failed, ['hangs: Error: not stopped within 50 ms; nor is what started before it'])
})

test('a start that hangs when a signal comes has half of the time; the other half is for the stops', async () => {
  const told: string[] = []
  const group = createRunGroup({
    stopWithinMs: 400,
    signals: ['SIGHUP'],
    onEvent: (event, name, error) => told.push(`${event} ${name} ${error ?? ''}`),
  })
  group.add('takes a moment to stop', { stop: () => delay(20) })
  group.add('hangs', {
    start() {
      process.kill(process.pid, 'SIGHUP')
      return new Promise(() => {})
    },
    stop: async () => {},
  })
  assert.equal(await group.run(), undefined)
  assert.deepEqual(told, [
    'started takes a moment to stop ',
    'ending SIGHUP ',
    'failed hangs Error: still starting 200 ms after the end',
    'stopped hangs ',
    'stopped takes a moment to stop ',
  ])
})

test('an error after the end is told, and does not become its reason', async () => {
  const told: unknown[] = []
  const group = createRunGroup({
    stopWithinMs: 60_000,
    signals: [],
    onEvent: (event, name, error) => event === 'failed' && told.push([name, String(error)]),
  })
  const later = Promise.withResolvers<void>()
  group.add('a', {
    ended: () => later.promise,
    async stop() {
      later.reject(new Error('closed under it'))
    },
  })
  group.add('b', { ended: async () => {}, stop: async () => {} })
  assert.equal(await group.run(), undefined)
  assert.deepEqual(told, [['a', 'Error: closed under it']])
})

test('it runs in a process without telemetry: nothing is loaded with it', () => {
  const program = `import { registerHooks } from 'node:module'
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) console.log(path.basename(url))
    return next(url, context)
  },
})
import path from 'node:path'
await import('@sightline/service-kit/run-group')`
  const options = { cwd: import.meta.dirname, encoding: 'utf8' } as const
  assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', program], options), 'run-group.ts\n')
})
