import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import { parseAccessRecord } from './access-record.ts'
import { gatewaySwitches } from './switches.ts'
import { recordLine } from './test/access-records.ts'
import { tracesFrom } from './to-otlp.ts'

function resourceOf(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const { attributes } = gatewaySwitches(env, (error) => assert.fail(error as Error))
  const resource = { version: '1.2.3', instanceId: 'i', environment: 'local', attributes }
  const bytes = tracesFrom([parseAccessRecord(recordLine())!], resource)
  const { resourceSpans } = fromBinary(ExportTraceServiceRequestSchema, bytes)
  return Object.fromEntries(resourceSpans[0]!.resource!.attributes.map(({ key, value }) => [key, value!.value.value]))
}

test("OTEL_RESOURCE_ATTRIBUTES reach the gateway's span; its name stays", () => {
  const OTEL_RESOURCE_ATTRIBUTES =
    'deployment.environment.name=staging, team = a%2Cb%3Dc ,service.name=other,service.namespace=shop'
  assert.deepEqual(resourceOf({ OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME: 'other' }), {
    'service.name': 'gateway',
    'service.namespace': 'shop',
    'service.version': '1.2.3',
    'service.instance.id': 'i',
    'deployment.environment.name': 'staging',
    team: 'a,b=c',
  })
  assert.equal(resourceOf({})['deployment.environment.name'], 'local')
})

test('of attributes that can not be read none is taken, and it is said', () => {
  for (const text of ['a=1,b', 'a=1,b=2=3', 'a=1,b=%zz', 'a=1,=2']) {
    const said: unknown[] = []
    assert.deepEqual(gatewaySwitches({ OTEL_RESOURCE_ATTRIBUTES: text }, (error) => said.push(error)).attributes, {})
    assert.match(String(said[0]), /OTEL_RESOURCE_ATTRIBUTES.*percent-encoded/, text)
  }
})

test('exporters other than otlp, and OTEL_SDK_DISABLED, mean the gateway too', () => {
  const unwanted = (env: NodeJS.ProcessEnv) => Object.values(gatewaySwitches(env, () => assert.fail()).unwanted)
  assert.deepEqual(unwanted({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: '' }), [false, false])
  assert.deepEqual(unwanted({ OTEL_TRACES_EXPORTER: 'none', OTEL_SDK_DISABLED: 'false' }), [true, false])
  assert.deepEqual(unwanted({ OTEL_LOGS_EXPORTER: 'console' }), [false, true])
  assert.deepEqual(unwanted({ OTEL_TRACES_EXPORTER: 'console, otlp' }), [false, false])
  assert.deepEqual(unwanted({ OTEL_SDK_DISABLED: 'TRUE' }), [true, true])
})
