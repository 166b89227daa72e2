import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { closeToOthers } from './access.ts'
import { startComponent } from './component.ts'
import { takeStateFolder } from './state-folder.ts'

function folder(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'sightline-state-'))
  t.after(() => rmSync(home, { recursive: true }))
  chmodSync(home, 0o755)
  return home
}

/** As an earlier version made it. */
function writeOpen(home: string, path: string): string {
  mkdirSync(join(home, path, '..'), { recursive: true, mode: 0o755 })
  writeFileSync(join(home, path), '', { mode: 0o644 })
  return join(home, path)
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

test('a state folder is for its owner alone, with all that an earlier version left open', async (t) => {
  const home = folder(t)
  const outside = writeOpen(folder(t), 'outside')
  const log = writeOpen(home, 'logs/gateway/access.log')
  const wal = writeOpen(home, 'telemetry/blocks/one')
  symlinkSync(outside, join(home, 'telemetry/link'))
  const release = await takeStateFolder(home)
  release()
  for (const path of [home, join(home, 'logs'), join(home, 'logs/gateway')]) assert.equal(modeOf(path), '700', path)
  for (const path of [log, wal]) assert.equal(modeOf(path), '600', path)
  assert.equal(modeOf(outside), '644')
})

test('a folder that holds other things too stays as open as it is', (t) => {
  const home = folder(t)
  const log = writeOpen(home, 'logs/gateway/access.log')
  const theirs = writeOpen(home, 'holiday/photo')
  closeToOthers(home)
  assert.equal(modeOf(log), '600')
  for (const path of [home, join(home, 'holiday')]) assert.equal(modeOf(path), '755', path)
  assert.equal(modeOf(theirs), '644')
})

test('what a component writes is for its user alone', async (t) => {
  const home = folder(t)
  const made = join(home, 'made')
  const source = `require('fs').writeFileSync(${JSON.stringify(made)}, ''); setInterval(() => {}, 1000)`
  const component = await startComponent(
    {
      name: 'writer',
      command: process.execPath,
      args: ['-e', source],
      cwd: home,
      env: process.env,
      ready: async () => existsSync(made),
      ports: [],
      readyWithinMs: 30_000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 5_000,
    },
    home,
  )
  t.after(component.stop)
  for (const path of [made, component.logFile, join(home, 'run/writer.pid')]) assert.equal(modeOf(path), '600', path)
})

test('an empty or torn lock, as a power cut leaves it, is nobody and does not block', async (t) => {
  const home = folder(t)
  for (const text of ['', `${process.pid}`, `${process.pid}\n`, '\0\0\0\0']) {
    mkdirSync(join(home, 'run'), { recursive: true })
    writeFileSync(join(home, 'run/launcher.lock'), text)
    const release = await takeStateFolder(home)
    const lock = join(home, 'run/launcher.lock')
    assert.equal(Number.parseInt(readFileSync(lock, 'utf8'), 10), process.pid)
    release()
    await until('the lock is gone', 5, () => !existsSync(lock))
  }
})
