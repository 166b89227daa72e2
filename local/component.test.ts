import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { followFiles } from './follow.ts'
import { describeExit, type PartSpec, pidFileOf, startPart, stopOrphans } from './part.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-part-'))
after(() => rmSync(home, { recursive: true }))

const program = (name: string, source: string, more: Partial<PartSpec> = {}): PartSpec => ({
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
  const part = await startPart(program('good', `${announce('good')} setInterval(() => {}, 1000)`), home)
  assert.equal(existsSync(pidFileOf(home, 'good')), true)
  assert.equal(part.stopping(), false)
  await part.stop()
  assert.deepEqual(await part.exited, { code: null, signal: 'SIGTERM' })
  assert.equal(part.stopping(), true)
  assert.equal(existsSync(pidFileOf(home, 'good')), false)
})

test('one that ends instead of answering is told with its last lines', async () => {
  const broken = program('broken', "console.error('no such table'); process.exit(3)")
  await assert.rejects(startPart(broken, home), /broken ended with exit code 3[\s\S]*\| no such table/)
})

test('one that never answers is stopped after its time', async () => {
  const silent = program('silent', 'setInterval(() => {}, 1000)', { readyWithinMs: 300 })
  await assert.rejects(startPart(silent, home), /silent did not answer within 0.3 s/)
  assert.equal(existsSync(pidFileOf(home, 'silent')), false)
})

test('one that ignores its signal is killed, with its children', async () => {
  const stubborn = `process.on('SIGTERM', () => {}); ${announce('stubborn')} setInterval(() => {}, 1000)`
  const part = await startPart(program('stubborn', stubborn, { stopWithinMs: 200 }), home)
  await part.stop()
  assert.equal((await part.exited).signal, 'SIGKILL')
  assert.match(describeExit(part, await part.exited), /stubborn was ended by SIGKILL/)
})

test('what a killed launcher left behind is found and stopped', async () => {
  const part = await startPart(program('orphan', `${announce('orphan')} setInterval(() => {}, 1000)`), home)
  assert.deepEqual(await stopOrphans(home, ['orphan', 'never-started']), ['orphan'])
  assert.equal((await part.exited).signal, 'SIGTERM')
  assert.deepEqual(await stopOrphans(home, ['orphan', 'never-started']), [])
})

test('a followed file prints complete lines, also after it was cut', async () => {
  const path = join(home, 'output.log')
  writeFileSync(path, 'before\n')
  const seen: string[] = []
  const stop = new AbortController()
  const done = followFiles({ part: path }, (name, line) => seen.push(`${name} ${line}`), stop.signal)
  const until = async (count: number) => {
    const deadline = Date.now() + 10_000
    while (seen.length < count && Date.now() < deadline) await delay(10)
  }
  appendFileSync(path, 'one\ntw')
  await until(1)
  appendFileSync(path, 'o\n')
  await until(2)
  truncateSync(path, 0)
  appendFileSync(path, 'three\n')
  await until(3)
  stop.abort()
  await done
  assert.deepEqual(seen, ['part one', 'part two', 'part three'])
})

test('a followed file that grows too large is cut', async () => {
  const path = join(home, 'large.log')
  writeFileSync(path, '')
  const stop = new AbortController()
  const done = followFiles({ part: path }, null, stop.signal)
  appendFileSync(path, Buffer.alloc(17 * 2 ** 20, 'x'))
  const deadline = Date.now() + 10_000
  while (readFileSync(path).length > 0 && Date.now() < deadline) await delay(20)
  stop.abort()
  await done
  assert.equal(readFileSync(path).length, 0)
})
