import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { poll } from '../test/poll.ts'
import { createGroup, type GroupOptions } from './group.ts'
import { startPart } from './part.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-group-'))
after(() => rmSync(home, { recursive: true }))

type Name = 'first' | 'second'
const stay = 'setInterval(() => {}, 1000)'

async function twoParts(onEnd: GroupOptions<Name>['onEnd'], source = stay) {
  const said: string[] = []
  const starter = (name: Name) => () =>
    startPart(
      {
        name,
        command: process.execPath,
        args: ['-e', source],
        cwd: home,
        env: process.env,
        ready: async () => true,
        readyWithinMs: 5000,
        stopSignal: 'SIGTERM',
        stopWithinMs: 5000,
      },
      home,
    )
  const group = createGroup<Name>({
    names: ['first', 'second'],
    starters: { first: starter('first'), second: starter('second') },
    onEnd,
    say: (line) => said.push(line),
    onPartEnded: (name) => said.push(`${name} ended`),
    release: () => said.push('released'),
  })
  await group.start('first')
  await group.start('second')
  return { group, said, kill: (name: Name) => process.kill(group.part(name).pid, 'SIGKILL') }
}

test('stop: the first part that ends unasked ends all, and is named', async () => {
  const { group, said, kill } = await twoParts('stop')
  kill('first')
  assert.match((await group.stopped) ?? '', /^first was ended by SIGKILL/)
  assert.equal(group.part('second').stopping(), true)
  assert.equal(said.at(-1), 'released')
})

test('ignore: the others go on, and stop() is no accident', async () => {
  const { group, said, kill } = await twoParts('ignore')
  kill('first')
  await poll(5, async () => assert.ok(said.includes('first ended')))
  assert.equal(group.part('second').stopping(), false)
  await group.stop()
  assert.equal(await group.stopped, null)
})

test('restart: a killed part is started again under a new pid', async () => {
  const { group, kill } = await twoParts({ restartAfterMs: 50 })
  const before = group.part('first').pid
  kill('first')
  await poll(5, async () => assert.notEqual(group.part('first').pid, before))
  await group.stop()
  assert.equal(await group.stopped, null)
})

test('restart: one that keeps ending stops everything', async () => {
  const { group, said } = await twoParts({ restartAfterMs: 1 }, 'setTimeout(() => process.exit(7), 200)')
  assert.match((await group.stopped) ?? '', /ended with exit code 7/)
  assert.ok(said.filter((line) => line.endsWith('is started again in 0.001 s')).length >= 3)
})

test('restart: stopping while a part waits for its restart leaves nothing running', async () => {
  const { group, said, kill } = await twoParts({ restartAfterMs: 60_000 })
  kill('first')
  await poll(5, async () => assert.ok(said.includes('first is started again in 60 s')))
  await group.stop()
  assert.equal(await group.stopped, null)
})
