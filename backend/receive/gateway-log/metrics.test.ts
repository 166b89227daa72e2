import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { parseAccessRecord } from './access-record.ts'
import { type ExemplarRegistry, parseStubStatus, registerGatewayMetrics } from './metrics.ts'
import { recordLine } from './test/access-records.ts'

const STATUS =
  'Active connections: 3 \nserver accepts handled requests\n 21 20 40 \nReading: 0 Writing: 1 Waiting: 2 \n'

function openMetrics(): ExemplarRegistry {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  return registry
}

test('requests are counted by method, route and status, with an exemplar of a sampled trace', async () => {
  const registry = openMetrics()
  const metrics = registerGatewayMetrics(registry, undefined)
  metrics.onRecord(parseAccessRecord(recordLine())!)
  metrics.onRecord(parseAccessRecord(recordLine({ method: 'BREW', route: '', status: '405', sampled: '0' }))!)
  const text = await registry.metrics()
  assert.match(text, /nginx_http_requests_total\{method="POST",route="\/api\/v1\/process",status="200"\} 1/)
  assert.match(text, /nginx_http_requests_total\{method="_OTHER",route="",status="405"\} 1/)
  assert.match(text, /# \{trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"\} 0.011/)
  assert.doesNotMatch(text, /status="405".*# \{/)
})

test('connections come from stub_status; a gateway that is down says nginx_up 0', async () => {
  const server = createServer((_, response) => response.end(STATUS)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/stub_status`
  const up = openMetrics()
  registerGatewayMetrics(up, url, { timeoutMs: 30_000 })
  const text = await up.metrics()
  assert.match(text, /nginx_up 1/)
  assert.match(text, /nginx_connections_waiting 2/)
  assert.match(text, /nginx_connections_handled 20/)
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  const down = openMetrics()
  registerGatewayMetrics(down, url)
  assert.match(await down.metrics(), /nginx_up 0/)
})

test('anything but stub_status is null', () => {
  assert.equal(parseStubStatus('<html>'), null)
  assert.equal(parseStubStatus(STATUS)!.requests, 40)
})
