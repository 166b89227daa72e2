import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import type { Variable } from '../data/grafana-json.ts'
import { newClient } from '../data/http.ts'
import { resolveVariables } from './variables.ts'

test('a regular expression with the flag g sees every value', async (context) => {
  const data = ['a-service', 'b-service', 'c-service', 'gateway']
  const fetching = mock.method(globalThis, 'fetch', async () => Response.json({ data }))
  context.after(() => fetching.mock.restore())
  const variable: Variable = {
    name: 'service',
    type: 'query',
    datasource: { type: 'loki', uid: 'loki' },
    query: 'label_values(service_name)',
    regex: '/(.*)-service/g',
  }
  const [resolved] = await resolveVariables([variable], new Map(), newClient(), { from: 0, to: 1 })
  assert.deepEqual(
    resolved?.options.map(({ value }) => value),
    ['a', 'b', 'c'],
  )
})
