import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ComponentSpec, describeExit, pidFileOf, startComponent } from './component.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-component-'))
after(() => rmSync(home, { recursive: true }))

const program = (name: string, source: string, more: Partial<ComponentSpec> = {}): ComponentSpec => ({
  name,
  command: process.execPath,
  args: ['-e', source],
  cwd: home,
  env: process.env,
  ready: async () => existsSync(join(home, `${name}.ready`)),
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
