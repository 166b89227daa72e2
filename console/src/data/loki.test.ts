import assert from 'node:assert/strict'
import { mock, type TestContext, test } from 'node:test'
import { newClient } from './http.ts'
import { linesAround, nextLines, queryOfTrace, runLoki } from './loki.ts'
import type { Span, Trace } from './trace.ts'

test('lines of a statement are those of its service and of its database', () => {
  const trace = { traceId: 't' } as Trace
  const span = (attributes: Span['attributes']) => ({ service: 'a.b', spanId: 's', attributes }) as Span
  assert.equal(queryOfTrace(trace), '{service_name=~".+"} | trace_id="t"')
  assert.equal(queryOfTrace(trace, span({})), '{service_name="a.b"} | trace_id="t" | span_id="s"')
  const statement = span({ 'db.system.name': 'postgresql' })
  assert.match(
    queryOfTrace(trace, statement),
    /^\{service_name=~"a\\\\\.b\|postgresql"\} \| trace_id="t" \| span_id="s"$/,
  )
})

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

const line = (timeNs: number, text: string, level = 'info') => ({
  timeNs: `${timeNs}`,
  line: text,
  labels: { app: 'a', level },
  metadata: {},
})

/** A Loki of these lines, asked by time, limit and direction; keeps what it was asked. */
function lokiOf(context: TestContext, lines: ReturnType<typeof line>[]): URLSearchParams[] {
  const asked: URLSearchParams[] = []
  const fetching = mock.method(globalThis, 'fetch', async (address: unknown) => {
    const { searchParams } = new URL(String(address), 'http://console')
    asked.push(searchParams)
    const [start, end, limit] = ['start', 'end', 'limit'].map((name) => Number(searchParams.get(name)))
    const within = lines.filter(({ timeNs }) => Number(timeNs) >= start! && Number(timeNs) < end!)
    const ordered = searchParams.get('direction') === 'forward' ? within : within.toReversed()
    const result = ordered
      .slice(0, limit)
      .map(({ timeNs, line: text, labels }) => ({ stream: labels, values: [[timeNs, text, {}]] }))
    return Response.json({ data: { resultType: 'streams', result } })
  })
  context.after(() => fetching.mock.restore())
  return asked
}

test('the next page goes on within a moment of which only some lines had come', async (context) => {
  const lines = [line(1e6, 'a'), line(2e6, 'b'), line(2e6, 'same'), line(2e6, 'same'), line(3e6, 'c')]
  lokiOf(context, lines)
  const range = { from: 0, to: 10 }
  const next = (known: typeof lines, direction: 'forward' | 'backward', limit: number) =>
    nextLines(newClient(), '{app="a"}', known, range, direction, limit).then((found) => found.map((one) => one.line))
  assert.deepEqual(await next([lines[4]!, lines[3]!], 'backward', 2), ['same', 'b'])
  assert.deepEqual(await next(lines.slice(0, 3), 'forward', 9), ['same', 'c'])
  assert.deepEqual(await next([lines[0]!], 'backward', 9), [])
})

test('the lines around one are those of its stream on either side, of any level, oldest first', async (context) => {
  const hour = 3.6e12
  const at = 30 * hour
  const lines = [
    line(1 * hour, 'too long ago'),
    line(at - 2, 'before'),
    line(at - 1, 'just before', 'warn'),
    line(at, 'this', 'error'),
    line(at, 'same moment'),
    line(at + 1, 'after'),
    line(at + 2, 'later'),
  ]
  const asked = lokiOf(context, lines)
  const { before, after } = await linesAround(newClient(), lines[3]!, 5, 2)
  assert.deepEqual(
    before.map((one) => one.line),
    ['before', 'just before'],
  )
  assert.deepEqual(
    after.map((one) => one.line),
    ['same moment', 'after'],
  )
  assert.equal(asked[0]!.get('query'), '{app="a"}')
})
