/** A request's context does what the API's own does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api'
import fc from 'fast-check'
import { REQUEST_ROOT } from './context.ts'

const KEYS = ['a', 'b', 'c', 'd'].map((name) => createContextKey(name))
type Step = (carrier: Context) => Context
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom(...KEYS), fc.anything()).map(
    ([key, value]): Step =>
      (carrier) =>
        carrier.setValue(key, value),
  ),
  fc.constantFrom(...KEYS).map(
    (key): Step =>
      (carrier) =>
        carrier.deleteValue(key),
  ),
)

test('the same steps leave the same values, and no step changes the context it began with', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const [own, theirs] = [REQUEST_ROOT, ROOT_CONTEXT].map((root) => {
        const passed = [root]
        for (const one of steps) passed.push(one(passed.at(-1)!))
        return passed.map((carrier) => KEYS.map((key) => carrier.getValue(key)))
      })
      assert.deepEqual(own, theirs)
    }),
  )
})
