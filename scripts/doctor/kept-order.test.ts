import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { isKept } from '@sightline/service-kit/consistent-sampling'
import { belowCaller, newWish, wishToBeKept } from './kept-order.ts'

test('it is asked for where traces are left out, by an id of every share and by name', async (t) => {
  let metrics = '# TYPE embedded_sampled_traces counter\n'
  const tempo = createServer((_, response) => response.end(metrics)).listen(0, '127.0.0.1')
  await once(tempo, 'listening')
  t.after(() => tempo.close().closeAllConnections())
  const ask = () => {
    const { port } = tempo.address() as AddressInfo
    return wishToBeKept({ urls: { tempo: `http://127.0.0.1:${port}` } as never }, AbortSignal.timeout(60_000))
  }
  assert.equal(await ask(), undefined)
  metrics += 'embedded_sampled_traces_total{why="share"} 0\n'
  const wish = (await ask())!
  const { traceparent, ...others } = wish.headers
  const [, spanId] = new RegExp(`^00-${wish.traceId}-([0-9a-f]{16})-01$`).exec(traceparent!)!
  assert.deepEqual(others, {
    tracestate: 'sightline=keep',
    b3: `${wish.traceId}-${spanId}-1`,
    'uber-trace-id': `${wish.traceId}:${spanId}:0:1`,
  })
  const { traceId } = newWish()
  assert.notEqual(traceId, wish.traceId)
  for (const id of [traceId, wish.traceId]) assert.ok(isKept(id, 1 / 256), id)
})

test('below a caller the gateway has a parent that nobody knows, and is no root', () => {
  assert.deepEqual(belowCaller({ that: 'whole', roots: 1, orphans: 0 }), { that: 'whole', roots: 0, orphans: 1 })
  assert.deepEqual(belowCaller({ that: 'a span', traceql: '{ trace:rootService = "gateway" && kind = server }' }), {
    ...{ that: 'a span', traceql: '{ kind = server }' },
  })
})
