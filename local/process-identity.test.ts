import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { livingProcess, processIdentity, takeLock, writePidFile } from './process-identity.mjs'

const folder = mkdtempSync(join(tmpdir(), 'sightline-identity-'))
after(() => rmSync(folder, { recursive: true }))
const sleeper = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])

test('a pid file knows its process from a later one with the same id', async () => {
  const file = join(folder, 'part.pid')
  const child = sleeper()
  await once(child, 'spawn')
  writePidFile(file, child.pid!)
  assert.equal(livingProcess(file), child.pid)
  assert.equal(readFileSync(file, 'utf8').split('\n')[0], `${child.pid}`)
  writeFileSync(file, `${child.pid}\nanother-boot:1\n`)
  assert.equal(livingProcess(file), null)
  writePidFile(file, child.pid!)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(livingProcess(file), null)
})

test('no file, a damaged file, no process: nobody', () => {
  assert.equal(livingProcess(join(folder, 'none')), null)
  for (const damaged of ['', '\n', `${process.pid}`, `${process.pid}\n`, 'x\ny\n']) {
    writeFileSync(join(folder, 'damaged'), damaged)
    assert.equal(livingProcess(join(folder, 'damaged')), null)
  }
  assert.equal(processIdentity(0), null)
  assert.equal(processIdentity(2 ** 22 + 1), null)
})

test('a lock is held by one, taken over from the dead, free after release', async () => {
  const path = join(folder, 'lock')
  const first = takeLock(path)
  assert.equal(first.holder, null)
  assert.equal(takeLock(path).holder, process.pid)
  first.release()
  const child = sleeper()
  await once(child, 'spawn')
  writePidFile(path, child.pid!)
  assert.equal(takeLock(path).holder, child.pid)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const taken = takeLock(path)
  assert.equal(taken.holder, null)
  taken.release()
})

test('of many that take over a dead one at once, one gets it', async () => {
  const path = join(folder, 'contended')
  writeFileSync(path, JSON.stringify({ pid: 1, identity: 'gone' }))
  const module = JSON.stringify(new URL('./process-identity.mjs', import.meta.url).href)
  const program = `
    const { takeLock } = await import(${module})
    console.log(takeLock(${JSON.stringify(path)}).holder === null ? 'mine' : 'theirs')
    // Held until told: a holder that ends would hand it on.
    process.stdin.resume().once('end', () => process.exit())`
  const children = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const answers = await Promise.all(children.map(async (child) => String((await once(child.stdout, 'data'))[0]).trim()))
  assert.equal(answers.filter((answer) => answer === 'mine').length, 1)
  for (const child of children) child.stdin.end()
  await Promise.all(children.map((child) => once(child, 'exit')))
})
