/** Switches that are the gateway's as well as the services': a system of its own, started with them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKept } from '../service-kit/telemetry/sampler.ts'
import { startSystem } from './system.ts'

const order = { user_id: 7, action: 'purchase' }

test('OTEL_TRACES_SAMPLER=parentbased_traceidratio: a tenth of the traces, each of them whole', async () => {
  const env = { ...process.env, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' }
  await using system = await startSystem({ env })
  const kept: string[] = []
  // Until some are kept; 300 without one do not happen.
  for (let n = 0; kept.length < 2 && n < 300; n++) {
    const { json } = await system.api('POST', '/api/v1/process', order)
    if (isKept(json.trace_id, 0.1)) kept.push(json.trace_id)
  }
  for (const traceId of kept) {
    await system.trace(traceId, 15, (spans) => {
      assert.equal(new Set(spans.map(({ service }) => service)).size, 4)
      assert.equal(spans.filter(({ parentId }) => parentId === '').length, 1)
    })
  }
  assert.deepEqual((await system.search('{ resource.service.name = "gateway" }')).sort(), kept.sort())
})
