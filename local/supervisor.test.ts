import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { startComponent } from './component.ts'
import { createSupervisor, type SupervisorOptions } from './supervisor.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-supervisor-'))
after(() => rmSync(home, { recursive: true }))

type Name = 'first' | 'second'
const stay = 'setInterval(() => {}, 1000)'

async function twoComponents(onEnd: SupervisorOptions<Name>['onEnd'], source = stay) {
  const said: string[] = []
  const starter = (name: Name) => () =>
    startComponent(
      {
        name,
        command: process.execPath,
        args: ['-e', source],
        cwd: home,
        env: process.env,
        ready: async () => true,
        ports: [],
        readyWithinMs: 5000,
        stopSignal: 'SIGTERM',
        stopWithinMs: 5000,
      },
      home,
    )
  const supervisor = createSupervisor<Name>({
    names: ['first', 'second'],
    starters: { first: starter('first'), second: starter('second') },
    onEnd,
    say: (line) => said.push(line),
    onComponentEnded: (name) => said.push(`${name} ended`),
    release: () => said.push('released'),
  })
  await supervisor.start('first')
  await supervisor.start('second')
  return { supervisor, said, kill: (name: Name) => process.kill(supervisor.component(name).pid, 'SIGKILL') }
}

test('stop: the first component that ends unasked ends all, and is named', async () => {
  const { supervisor, said, kill } = await twoComponents('stop')
  kill('first')
  assert.match((await supervisor.stopped) ?? '', /^first was ended by SIGKILL/)
  assert.equal(supervisor.component('second').stopping(), true)
  assert.equal(said.at(-1), 'released')
})

test('ignore: the others go on, and stop() is no accident', async () => {
  const { supervisor, said, kill } = await twoComponents('ignore')
  kill('first')
  await until('its end is told', 5, () => said.includes('first ended'))
  assert.equal(supervisor.component('second').stopping(), false)
  await supervisor.stop()
  assert.equal(await supervisor.stopped, null)
})

test('restart: a killed component is started again under a new pid', async () => {
  const { supervisor, kill } = await twoComponents({ restartAfterMs: 50 })
  const before = supervisor.component('first').pid
  kill('first')
  await until('it has a successor', 5, () => supervisor.component('first').pid !== before)
  await supervisor.stop()
  assert.equal(await supervisor.stopped, null)
})

test('restart: one that keeps ending stops everything', async () => {
  const { supervisor, said } = await twoComponents({ restartAfterMs: 1 }, 'setTimeout(() => process.exit(7), 200)')
  assert.match(
    (await supervisor.stopped) ?? '',
    /^(first|second) ended 4 times within a minute: everything is stopped\. \1 ended with exit code 7\. Its last lines/,
  )
  assert.ok(said.filter((line) => line.endsWith('is started again in 0.001 s')).length >= 3)
})

test('restart: stopping while a component waits for its restart leaves nothing running', async () => {
  const { supervisor, said, kill } = await twoComponents({ restartAfterMs: 60_000 })
  kill('first')
  await until('its restart is told', 5, () => said.includes('first is started again in 60 s'))
  await supervisor.stop()
  assert.equal(await supervisor.stopped, null)
})
