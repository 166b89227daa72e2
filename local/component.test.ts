import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { bindSocket } from '@sightline/service-kit/shared-socket'
import { type ComponentSpec, describeExit, pidFileOf, startComponent } from './component.ts'
import { processIdentity } from './process-identity.mjs'

const home = mkdtempSync(join(tmpdir(), 'sightline-component-'))
after(() => rmSync(home, { recursive: true }))

const program = (name: string, source: string, more: Partial<ComponentSpec> = {}): ComponentSpec => ({
  name,
  command: process.execPath,
  args: ['-e', source],
  cwd: home,
  env: process.env,
  ready: async () => existsSync(join(home, `${name}.ready`)),
  ports: [],
  readyWithinMs: 10_000,
  stopSignal: 'SIGTERM',
  stopWithinMs: 5_000,
  ...more,
})
const announce = (name: string) => `require('fs').writeFileSync(${JSON.stringify(join(home, `${name}.ready`))}, '');`

test('started when it answers, stopped by its signal, its pid file only while it runs', async () => {
  const component = await startComponent(program('good', `${announce('good')} setInterval(() => {}, 1000)`), home)
  assert.equal(existsSync(pidFileOf(home, 'good')), true)
  assert.equal(component.stopping(), false)
  await component.stop()
  assert.deepEqual(await component.exited, { code: null, signal: 'SIGTERM' })
  assert.equal(component.stopping(), true)
  assert.equal(existsSync(pidFileOf(home, 'good')), false)
})

test('one that ends instead of answering is told with its last lines', async () => {
  const broken = program('broken', "console.error('no such table'); process.exit(3)")
  await assert.rejects(startComponent(broken, home), /broken ended with exit code 3[\s\S]*\| no such table/)
})

test('one that never answers is stopped after its time', async () => {
  const silent = program('silent', 'setInterval(() => {}, 1000)', { readyWithinMs: 300 })
  await assert.rejects(startComponent(silent, home), /silent did not answer within 0.3 s/)
  assert.equal(existsSync(pidFileOf(home, 'silent')), false)
})

test('one that ignores its signal is killed, with its children', async () => {
  const stubborn = `process.on('SIGTERM', () => {}); ${announce('stubborn')} setInterval(() => {}, 1000)`
  const component = await startComponent(program('stubborn', stubborn, { stopWithinMs: 200 }), home)
  await component.stop()
  assert.equal((await component.exited).signal, 'SIGKILL')
  assert.match(describeExit(component, await component.exited), /stubborn was ended by SIGKILL/)
})

test('one that is killed takes its children with it', async () => {
  const child = join(home, 'parent.ready')
  const source = `
    const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    require('fs').writeFileSync(${JSON.stringify(child)}, String(child.pid))
    setInterval(() => {}, 1000)`
  const component = await startComponent(program('parent', source), home)
  process.kill(component.pid, 'SIGKILL')
  await component.exited
  assert.equal(processIdentity(Number(readFileSync(child, 'utf8'))), null)
})

test('one is ready when it listens itself, whoever else answers for it', async (t) => {
  const stranger = createServer().listen(0, '127.0.0.1')
  t.after(() => stranger.close())
  await once(stranger, 'listening')
  const { port } = stranger.address() as AddressInfo
  const ready = async () => true
  const deaf = program('deaf', 'setInterval(() => {}, 1000)', { ready, ports: [port], readyWithinMs: 300 })
  await assert.rejects(startComponent(deaf, home), /deaf did not answer within 0.3 s/)
  const source = `require('net').createServer().listen(0, '127.0.0.1', function () {
    require('fs').writeFileSync(${JSON.stringify(join(home, 'port'))}, String(this.address().port))
  })`
  const ports: number[] = []
  const listens = program('listens', source, {
    ports,
    ready: async () => {
      ports[0] = Number(readFileSync(join(home, 'port'), 'utf8'))
      return true
    },
  })
  await (await startComponent(listens, home)).stop()
})

test('one that shares its socket is ready when it says so, and holds the socket until it is to stop or has ended', async () => {
  const bound = bindSocket('127.0.0.1', 0)
  let held = true
  const socket = { fd: bound.fd, release: () => (held = false) }
  const listens = (then: string) => `require('net').createServer().listen({ fd: 3 }, () => { ${then} })`
  const silent = program('shares', listens(''), { socket, ready: async () => true, readyWithinMs: 300 })
  await assert.rejects(startComponent(silent, home), /shares did not answer within 0.3 s/)
  assert.equal(held, false)
  for (const end of ['stop', 'SIGTERM', 'SIGKILL', 'by itself'] as const) {
    held = true
    const says = listens(`process.send('ready')`)
    const component = await startComponent(program(`shares-${end}`, says, { socket, ready: async () => true }), home)
    assert.equal(held, true)
    if (end === 'stop') await component.stop()
    else if (end === 'by itself') process.kill(component.pid, 'SIGINT')
    else component.kill(end)
    await component.exited
    assert.equal(held, false, end)
  }
  bound.close()
})
