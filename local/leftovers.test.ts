import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startComponent } from './component.ts'
import { orphansIn, runningIn, stopOrphans } from './leftovers.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-leftovers-'))
after(() => rmSync(home, { recursive: true }))

test('what a killed launcher left behind is found and stopped', async () => {
  const names = ['orphan', 'never-started']
  const ready = join(home, 'ready')
  const component = await startComponent(
    {
      name: 'orphan',
      command: process.execPath,
      args: ['-e', `require('fs').writeFileSync(${JSON.stringify(ready)}, ''); setInterval(() => {}, 1000)`],
      cwd: home,
      env: process.env,
      ready: async () => existsSync(ready),
      ports: [],
      readyWithinMs: 10_000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 5_000,
    },
    home,
  )
  assert.deepEqual(runningIn(home, names), ['orphan'])
  const found = orphansIn(home, names)
  assert.deepEqual(found, [{ name: 'orphan', pid: component.pid }])
  await stopOrphans(home, found)
  assert.equal((await component.exited).signal, 'SIGTERM')
  assert.deepEqual(orphansIn(home, names), [])
})
