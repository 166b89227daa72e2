/** Switches that are the gateway's as well as the services': a system of its own, started with them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { isKept } from '../service-kit/telemetry/consistent-sampling.ts'
import { startSystem } from './system.ts'

const switches = {
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.1',
  OTEL_SERVICE_NAME: 'mine',
  AUDIT_RECORDS: 'otlp',
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging',
}
const order = { user_id: 7, action: 'purchase' }
const services = ['audit-service', 'gateway', 'order-service', 'user-service']

test('a tenth of the traces, each of them whole, under the names of all four and with the attributes given', async () => {
  await using system = await startSystem({ env: { ...process.env, ...switches } })
  const kept: string[] = []
  // Until some are kept; 300 without one do not happen.
  const ordered: string[] = []
  for (let n = 0; kept.length < 2 && n < 300; n++) {
    const { json } = await system.api('POST', '/api/v1/process', order)
    ordered.push(json.trace_id)
    if (isKept(json.trace_id, 0.1)) kept.push(json.trace_id)
  }
  for (const traceId of kept) {
    await system.trace(traceId, 15, (spans) => {
      assert.deepEqual([...new Set(spans.map(({ service }) => service))].sort(), services)
      assert.equal(spans.filter(({ parentId }) => parentId === '').length, 1)
    })
    // Every one of its spans says of how many it is one.
    const stored = await (await fetch(`${system.urls.tempo}/api/traces/${traceId}`)).text()
    const [spans, thresholds] = [/"spanId"/g, /"traceState":\s*"ot=th:e6666666"/g].map(
      (one) => stored.match(one)!.length,
    )
    assert.equal(thresholds, spans)
  }
  for (const service of services) {
    const query = `{ resource.deployment.environment.name = "staging" && resource.service.name = "${service}" }`
    const found = await system.search(query)
    for (const traceId of kept) assert.ok(found.includes(traceId), service)
  }
  assert.deepEqual((await system.search('{ resource.service.name = "gateway" }')).sort(), kept.sort())
  const records = await until(
    'an audit record of every order, whether its trace is kept or not',
    30,
    () => system.logs('{service_name="audit-service"} | audit_sequence_number=~"[0-9]+" | audit_leaf_hash!=""'),
    (found) => assert.ok(found.length >= ordered.length),
  )
  assert.deepEqual(records.map(({ labels }) => labels.trace_id).sort(), ordered.sort())
})
