import assert from 'node:assert/strict'
import { mock, type TestContext, test } from 'node:test'
import { newClient } from './http.ts'
import { single } from './interpolate.ts'
import { runPostgres } from './postgres.ts'
import type { QueryContext } from './query.ts'

const SQL = 'SELECT "time", action, n FROM counted WHERE user_id = $user_id'

function answerWith(context: TestContext, body: object, status = 200) {
  const fetching = mock.method(globalThis, 'fetch', async () => Response.json(body, { status }))
  context.after(() => fetching.mock.restore())
  return () => [...(fetching.mock.calls[0]!.arguments[1]!.body as URLSearchParams)]
}

const contextFor = (): QueryContext => ({
  client: newClient(),
  range: { from: 1000, to: 2000 },
  stepMs: 500,
  variables: new Map([
    ['user_id', { values: ['1', '2'], text: '1 + 2', multi: true }],
    ['other', single('x')],
    ['__interval', single('500ms')],
  ]),
  panelType: 'timeseries',
  panel: { dashboard: 'audit', id: 3 },
})

const FRAME = {
  schema: {
    fields: [
      { name: 'time', type: 'time' },
      { name: 'action', type: 'string' },
      { name: 'n', type: 'number' },
    ],
    meta: { executedQueryString: 'SELECT 1' },
  },
  data: {
    values: [
      [1000, 1000, 1500],
      ['buy', 'sell', 'buy'],
      [1, 2, 3],
    ],
  },
}

test('the server is told which panel is meant and the variables its SQL names, never the SQL', async (t) => {
  const sent = answerWith(t, FRAME)
  const context = contextFor()
  const { frames } = await runPostgres({ refId: 'B', rawSql: SQL, format: 'table' }, context)
  assert.deepEqual(sent(), [
    ['dashboard', 'audit'],
    ['panel', '3'],
    ['refId', 'B'],
    ['from', '1000'],
    ['to', '2000'],
    ['intervalMs', '500'],
    ['var-user_id', '1'],
    ['var-user_id', '2'],
  ])
  assert.deepEqual(
    frames[0]!.fields.map(({ name, values }) => [name, values.length]),
    [
      ['time', 3],
      ['action', 3],
      ['n', 3],
    ],
  )
  assert.equal(context.client.records[0]?.params.query, 'SELECT 1')
})

test('as time series the text columns tell lines apart', async (t) => {
  answerWith(t, FRAME)
  const { frames } = await runPostgres({ rawSql: SQL, format: 'time_series' }, contextFor())
  assert.deepEqual(
    frames.map(({ name, fields }) => [name, fields.map(({ values }) => values), fields[1]?.labels]),
    [
      [
        'buy',
        [
          [1000, 1500],
          [1, 3],
        ],
        { action: 'buy' },
      ],
      ['sell', [[1000], [2]], { action: 'sell' }],
    ],
  )
})

test('what is wrong is said in a sentence, with the SQL for the inspector', async (t) => {
  answerWith(t, { error: 'column "x" does not exist', sql: 'SELECT x' }, 400)
  const context = contextFor()
  await assert.rejects(runPostgres({ rawSql: SQL }, context), {
    message: 'Postgres answered 400: column "x" does not exist',
  })
  assert.equal(context.client.records[0]?.params.query, 'SELECT x')
})
