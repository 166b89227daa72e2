/** The standard OpenTelemetry variables, given to `npm start` as a user would. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { startSystem, type TestSystem } from './system.ts'

const order = { user_id: 7, action: 'purchase' }
const silent = { OTEL_TRACES_EXPORTER: 'console', OTEL_LOGS_EXPORTER: 'none' }
const sending = { OTEL_TRACES_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'otlp' }

let system: TestSystem
before(async () => {
  // The gateway's spans are kept all along; no service has written a line to the backend when the first test begins.
  system = await startSystem({ env: { ...process.env, OTEL_TRACES_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'none' } })
  await restartServices(silent)
})
after(() => system?.[Symbol.asyncDispose]())

/** The rest of the system goes on with those it was started with; gateway-switches.test.ts is about its gateway. */
async function restartServices(env: NodeJS.ProcessEnv): Promise<void> {
  const services = ['audit-service', 'order-service', 'user-service'] as const
  await Promise.all(services.map((name) => system.replaceService(name, env)))
}

// These two in this order, and before all others: nobody has sent a span yet.
test('exporters none and console: nothing is sent, spans stand in the output', async () => {
  const { json } = await system.api('POST', '/api/v1/process', order)
  await until(
    'the span in the output',
    15,
    () => readFile(system.logFiles['order-service'], 'utf8'),
    (output) =>
      assert.match(
        output,
        new RegExp(`name: 'create_order'[\\s\\S]*${json.trace_id}|${json.trace_id}[\\s\\S]*name: 'create_order'`),
      ),
  )
  assert.deepEqual(await system.search('{ resource.service.name = "order-service" }'), [])
  assert.deepEqual(await system.logs('{service_name="order-service"}'), [])
})

test('OTEL_TRACES_SAMPLER=always_off: no span of a service, yet every line has its trace id', async () => {
  await restartServices({ ...sending, OTEL_TRACES_SAMPLER: 'always_off' })
  const { json } = await system.api('POST', '/api/v1/process', order)
  const lines = await until(
    'the log line',
    15,
    () => system.logs(`{service_name="audit-service"} | trace_id="${json.trace_id}"`),
    (found) => assert.ok(found.length > 0),
  )
  assert.ok(lines.every(({ labels }) => labels.request_id === json.request_id))
  assert.deepEqual(await system.search('{ resource.service.name = "user-service" }'), [])
})

test('SIGHTLINE_BAGGAGE_KEYS: listed baggage is on all spans and lines of the services, other baggage on none', async () => {
  await restartServices({ ...sending, SIGHTLINE_BAGGAGE_KEYS: 'tenant,contact' })
  const baggage = 'tenant=blue%20sky,other=x,contact=jane%40example.com;p=1'
  const { json } = await system.api('POST', '/api/v1/process', order, { baggage })
  const spans = await system.trace(json.trace_id, 15, (found) => {
    assert.equal(new Set(found.map(({ service }) => service)).size, 4)
    assert.ok(found.some(({ name }) => name === 'record_audit'))
  })
  for (const { service, name, attributes } of spans) {
    const expected = service === 'gateway' ? [undefined, undefined] : ['blue sky', 'j***@example.com']
    assert.deepEqual([attributes.tenant, attributes.contact], expected, `${service} ${name}`)
    assert.equal(attributes.other, undefined)
  }
  const found = `| tenant="blue sky" | trace_id="${json.trace_id}"`
  const lines = await until(
    'a line of each service',
    15,
    () => system.logs(`{service_name=~".+"} ${found}`),
    (some) => assert.equal(new Set(some.map(({ labels }) => labels.service_name)).size, 3),
  )
  assert.ok(lines.every(({ labels }) => labels.contact === 'j***@example.com' && labels.other === undefined))
})

for (const propagators of ['b3', 'b3multi,baggage', 'jaeger']) {
  test(`OTEL_PROPAGATORS=${propagators}: still one trace, gateway included`, async () => {
    await restartServices({ ...sending, OTEL_PROPAGATORS: propagators })
    const answer = await system.api('POST', '/api/v1/process', order)
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers.get('x-trace-id'), answer.json.trace_id)
    await system.trace(answer.json.trace_id, 15, (spans) => {
      assert.equal(new Set(spans.map(({ service }) => service)).size, 4)
      assert.deepEqual(
        spans.filter(({ parentId }) => parentId === '').map(({ service }) => service),
        ['gateway'],
      )
    })
  })
}
