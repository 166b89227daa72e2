import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { processIdentity } from '../local/process-identity.mjs'

/** A stage with one test, which starts a process that ignores SIGTERM and then does `next`. Resolves once that one runs. */
async function stage(t: TestContext, next: string): Promise<{ run: ChildProcess; left: number; output: () => string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-stage-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const note = join(folder, 'pid')
  const stubborn = `process.on('SIGTERM', () => {}); require('fs').writeFileSync(${JSON.stringify(note)}, process.pid + '\\n'); setInterval(() => {}, 1000)`
  writeFileSync(
    join(folder, 'one.test.mjs'),
    `import { spawn } from 'node:child_process'
     import { existsSync } from 'node:fs'
     import { test } from 'node:test'
     test('one', async () => {
       const child = spawn(process.execPath, ['-e', ${JSON.stringify(stubborn)}], { stdio: 'ignore' })
       while (!existsSync(${JSON.stringify(note)})) await new Promise((later) => setTimeout(later, 20))
       child.unref()
       ${next}
     })`,
  )
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = [join(import.meta.dirname, 'test.ts'), 'unit', '--only', join(folder, 'one.test.mjs')]
  const run = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => run.kill('SIGKILL'))
  let text = ''
  for (const stream of [run.stdout, run.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  const left = await until('the process of the test', 60, () => {
    // The whole stage may be over before it is looked for.
    if (existsSync(note)) return Number.parseInt(readFileSync(note, 'utf8'), 10) || null
    assert.equal(run.exitCode, null, text)
    return null
  })
  t.after(() => processIdentity(left) !== null && process.kill(left, 'SIGKILL'))
  return { run, left, output: () => text }
}

test('a stage that is told to end leaves no process, not even one that ignores it', async (t) => {
  const { run, left, output } = await stage(t, 'await new Promise((never) => setTimeout(never, 600_000))')
  run.kill('SIGTERM')
  const [code] = await once(run, 'exit')
  assert.equal(code, 1, output())
  assert.match(output(), /failed \(.*, SIGTERM\)/)
  await until('it has ended', 10, () => processIdentity(left) === null)
})

test('what a test has forgotten ends with its stage', async (t) => {
  const { run, left, output } = await stage(t, '')
  if (run.exitCode === null) await once(run, 'exit')
  assert.match(output(), /== unit/)
  await until('it has ended', 10, () => processIdentity(left) === null)
})

test('files begin in the order given, whatever they are called', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-stage-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const files = ['long', 'bold'].map((name) => join(folder, `${name}.test.mjs`))
  for (const [n, file] of files.entries())
    writeFileSync(file, `import { test } from 'node:test'; test('file ${n}', () => {})`)
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = [join(import.meta.dirname, 'test.ts'), 'unit', '--only', ...files]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /file 0.*file 1/s)
})

test('of files that share a process each has its own hooks, and one that can not be read fails without the others', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-stage-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const hooked = (name: string) => `
    import { before, beforeEach, test } from 'node:test'
    before(() => console.log('before ${name}'))
    beforeEach(() => console.log('each ${name}'))
    test('of ${name}', () => console.log('in ${name}'))`
  const texts = { one: hooked('one'), broken: `import './is-not-there.mjs'`, two: hooked('two') }
  const files = Object.entries(texts).map(([name, text]) => {
    const file = join(folder, `${name}.test.mjs`)
    writeFileSync(file, text)
    return file
  })
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const together = (...some: string[]) =>
    spawnSync(process.execPath, ['--test', '--test-isolation=none', join(import.meta.dirname, 'test-together.mjs')], {
      env: { ...env, SIGHTLINE_TEST_FILES: some.join('\n') },
      encoding: 'utf8',
    })
  const all = together(...files)
  assert.equal(all.status, 1, all.stdout)
  assert.match(all.stdout, /Cannot find module .*is-not-there/)
  assert.deepEqual(all.stdout.match(/(before|each|in) (one|two)$/gm), [
    ...['before one', 'each one', 'in one'],
    ...['before two', 'each two', 'in two'],
  ])
  assert.equal(together(files[0]!, files[2]!).status, 0)
})
