import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { UNUSED_METRICS } from './instrumentations.ts'

test('the methods that measure what nobody reads are still called so', () => {
  const prototypes = { pg: PgInstrumentation.prototype, undici: UndiciInstrumentation.prototype }
  for (const [name, prototype] of Object.entries(prototypes)) {
    for (const method of UNUSED_METRICS[name as keyof typeof UNUSED_METRICS]) {
      assert.equal(typeof Reflect.get(prototype, method), 'function', `${name}: ${method}`)
    }
  }
})
