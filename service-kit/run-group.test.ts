import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRunGroup } from './run-group.ts'

function recorder() {
  const said: string[] = []
  const part = (name: string, extra: { fails?: boolean; ended?: Promise<unknown>; stopFails?: boolean } = {}) => ({
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
  return { said, part }
}

test('the first part to end stops all, in the opposite order', async () => {
  const { said, part } = recorder()
  const group = createRunGroup({ stopWithinMs: 1_000, signals: [] })
  group.add('a', part('a'))
  group.add('b', part('b', { ended: Promise.resolve() }))
  group.add('c', part('c'))
  assert.equal(await group.run(), undefined)
  // c may or may not have started by then; what has started is stopped.
  const started = said.filter((one) => one.startsWith('start')).map((one) => one.replace('start', 'stop'))
  assert.deepEqual(
    said.filter((one) => one.startsWith('stop')),
    started.toReversed(),
  )
  assert.deepEqual(said.slice(0, 2), ['start a', 'start b'])
})

test('a part that does not start: those before it are stopped, those after it never start', async () => {
  const { said, part } = recorder()
  const group = createRunGroup({ stopWithinMs: 1_000, signals: [] })
  group.add('a', part('a'))
  group.add('b', part('b', { fails: true }))
  group.add('c', part('c'))
  const error = await group.run()
  assert.match(String(error), /b does not start/)
  assert.deepEqual(said, ['start a', 'stop b', 'stop a'])
})

test('a stop that fails does not keep the others from stopping', async () => {
  const { said, part } = recorder()
  const failed: string[] = []
  const group = createRunGroup({
    stopWithinMs: 1_000,
    signals: ['SIGHUP'],
    onEvent: (event, name) => {
      if (event === 'stop failed') failed.push(name)
      if (event === 'started' && name === 'b') process.kill(process.pid, 'SIGHUP')
    },
  })
  group.add('a', part('a'))
  group.add('b', part('b', { stopFails: true }))
  assert.equal(await group.run(), undefined)
  assert.deepEqual(said, ['start a', 'start b', 'stop b', 'stop a'])
  assert.deepEqual(failed, ['b'])
})

test('a stop that hangs ends with the time limit', async () => {
  const group = createRunGroup({ stopWithinMs: 50, signals: [] })
  group.add('a', { ended: () => Promise.reject(new Error('gone')), stop: () => new Promise(() => {}) })
  const hold = setTimeout(() => {}, 5_000)
  const started = performance.now()
  assert.match(String(await group.run()), /gone/)
  assert.ok(performance.now() - started < 4_500)
  clearTimeout(hold)
})
