/** Who waits for a server that takes no connections, and how many attempts are made for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOST_WAITING, watchOutages } from './outage.ts'
import { until } from './poll.ts'

/** A server that refuses until it is told otherwise. */
function refusing(longestMs: number) {
  const server = { attempts: 0, atOnce: 0, most: 0, takes: false, told: [] as unknown[] }
  const outages = watchOutages({
    longestMs,
    async isRefused() {
      server.attempts += 1
      server.most = Math.max(server.most, ++server.atOnce)
      await Promise.resolve()
      server.atOnce -= 1
      if (server.takes) outages.back()
      return !server.takes
    },
    onAway: (reason) => server.told.push(reason),
    onBack: (_, waited) => server.told.push(waited),
  })
  return { server, outages }
}

test('one attempt at a time is made for all who wait, and they go on together', async () => {
  const { server, outages } = refusing(60_000)
  assert.equal(await outages.wait(60_000), true, 'nobody was refused')
  outages.refused('closed')
  assert.equal(outages.waitedFor, undefined)
  const waiting = Array.from({ length: MOST_WAITING }, () => outages.wait(60_000))
  assert.equal(outages.waitedFor, 'closed')
  assert.equal(await outages.wait(60_000), false, 'so many wait already')
  await until('attempts', 15, () => server.attempts > 1)
  server.takes = true
  assert.deepEqual([...new Set(await Promise.all(waiting))], [true])
  assert.equal(server.most, 1)
  assert.deepEqual(server.told, ['closed', MOST_WAITING])
  assert.equal(outages.waitedFor, undefined)
})

test('a wait ends with its time, and then nothing more is tried', async () => {
  const { server, outages } = refusing(60_000)
  outages.refused('closed')
  assert.equal(await outages.wait(0), false)
  assert.equal(await outages.wait(1), false)
  assert.equal(outages.waitedFor, undefined)
  const { attempts } = server
  assert.equal(await outages.wait(1), false)
  assert.ok(server.attempts <= attempts + 1)
  assert.deepEqual(server.told, ['closed'])
})

test('nobody waits for what has been away for too long; after a while without a refusal the next is another outage', async () => {
  let at = 0
  const outages = watchOutages({ longestMs: 1_000, isRefused: async () => true, now: () => at })
  for (at of [0, 900, 1_800]) outages.refused('closed')
  assert.equal(await outages.wait(60_000), false)
  at = 2_801
  outages.refused('closed')
  const waiting = outages.wait(60_000)
  assert.equal(outages.waitedFor, 'closed')
  outages.back()
  assert.equal(await waiting, true)
  assert.equal(await outages.wait(60_000), true, 'it is back')
})

test('what is no refusal is for each who waits to meet', async () => {
  const outages = watchOutages({ longestMs: 60_000, isRefused: async () => false })
  outages.refused('closed')
  assert.equal(await outages.wait(60_000), true)
})
