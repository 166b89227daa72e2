import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { newClient } from './http.ts'
import { runLoki } from './loki.ts'

test('a hole in a counted series is a hole in its line', async (context) => {
  const result = [
    {
      metric: { level: 'error' },
      values: [
        [0, '1'],
        [40, '+Inf'],
      ],
    },
  ]
  const fetching = mock.method(globalThis, 'fetch', async () =>
    Response.json({ data: { resultType: 'matrix', result } }),
  )
  context.after(() => fetching.mock.restore())
  const range = { from: 5_000, to: 35_000 }
  const asked = { client: newClient(), range, stepMs: 10_000, variables: new Map(), panelType: 'timeseries' }
  const { frames } = await runLoki({ expr: 'count_over_time({a="b"}[10s])' }, asked)
  const [time, value] = frames[0]!.fields
  assert.deepEqual(time!.values, [0, 10_000, 20_000, 30_000, 40_000])
  assert.deepEqual(value!.values, [1, null, null, null, Number.POSITIVE_INFINITY])
})
