import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Engine } from '../engines/launch.ts'
import { ENDED } from './answers.ts'
import { Lasting } from './lasting.ts'

const WINDOW = { start: 0, end: 60, step: 60 }
const FOUND = { series: [{ labels: [], samples: [{ timestampMs: 0, value: 1 }] }] }

/** Answers every query but `end`, which ends it, and `wait`, which it holds until then. */
async function fake(): Promise<Engine> {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    const query = new URL(request.url!, 'http://engine').searchParams.get('q')
    if (query === 'wait' && starts === 1) return
    if (query !== 'end') response.end(JSON.stringify(FOUND))
    else {
      server.close(() => resolve())
      server.closeAllConnections()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  starts++
  const tempo = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stop = async () => {
    server.close(() => resolve())
    server.closeAllConnections()
    await ended
  }
  return { name: 'tempo', version: '', tempo, ended, stop } as Partial<Engine> as Engine
}
let starts = 0

test('an engine that a query ended is started anew, and answers what it was asked beside it', async (context) => {
  const told = context.mock.method(console, 'log', () => {})
  const engine = await Lasting.from(fake)
  context.after(() => engine.stop())
  const ask = (query: string) => engine.ask('metrics', query, WINDOW)
  const waiting = ask('wait')
  assert.equal(await ask('end'), ENDED)
  assert.ok('parts' in (await waiting))
  assert.ok('parts' in (await ask('{ } | rate()')))
  const [all, alone] = told.mock.calls.map(({ arguments: [text] }) => String(text))
  assert.match(all!, /metrics wait\n {2}metrics end/)
  assert.match(alone!, /tempo ends with this query alone, which is left out: metrics: end/)
  const before = starts
  assert.equal(await ask('end'), ENDED)
  assert.equal(starts, before, 'what is known to end it is not asked again')
})
