import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ApiRequest } from '../http.ts'
import type { KeptAnswers } from '../query/language/kept-answers.ts'
import type { Labels, LogSource, LogTable } from '../query/logql/log-table.ts'
import { buildLogTable, type LogLine } from '../query/logql/test/lines.ts'
import { createLokiApi } from '../query/loki-api/index.ts'
import { createCache, withKeysCounted } from '../store/cache.ts'

const SECOND = 1_000_000_000n
const BEGIN = 1_700_000_000n * SECOND

const line: fc.Arbitrary<LogLine> = fc.record({
  timeNs: fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(0n, 0n, 1n, 499_999_999n))
    .map(([half, more]) => (BigInt(half) * SECOND) / 2n + more),
  labels: fc.constantFrom<Labels>({ app: 'a' }, { app: 'a', zone: 'x' }, { app: 'b' }),
  metadata: fc.constantFrom<Labels>({}, { level: 'info' }, { level: 'error', user: '7' }),
  line: fc.constantFrom(
    ...['{"n":1,"who":"ann"}', '{"n":2,"who":"bob","level":"odd"}', 'n=3 who=cy', ''],
    ...[
      '{"n":0.1,"t":"12ms"}',
      '{"n":-0,"who":"ann","t":"-3s"}',
      '{"n":1e300,"t":"0.7us"}',
      'n=nan t=1h',
      'n=-Inf who=bob',
    ],
    ...['{"n":4.125,"who":7}', '{"n":5,"gone":""}', '{"n":90000000,"t":"4m"}', '{"n":0.7', 'n=x'],
  ),
})

const counts = fc
  .record({
    outer: fc.constantFrom('', 'sum', 'sum by (level)', 'sum by (who, app)', 'sum without (app)', 'max by (app)'),
    op: fc.constantFrom('count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'absent_over_time'),
    selector: fc.constantFrom('{app=~".+"}', '{app="a"}', '{app=~"a|b",zone=""}'),
    stages: fc.subarray(
      [
        '|= "n"',
        '| level="error"',
        '| json',
        '| logfmt',
        '| drop __error__, __error_details__',
        '| n > 1',
        '| line_format "{{.who}}"',
        '| label_format who=app',
      ],
      { maxLength: 4 },
    ),
    range: fc.constantFrom('300ms', '1s', '2500ms', '1m'),
    offset: fc.constantFrom('', '', ' offset 1s', ' offset -700ms'),
  })
  .map(({ outer, op, selector, stages, range, offset }) => {
    const inner = `${op}(${[selector, ...stages].join(' ')} [${range}]${offset})`
    return [outer === '' ? inner : `${outer} (${inner})`]
  })

const calls = fc
  .record({
    outer: fc.constantFrom('', '', 'sum', 'sum by (level)', 'avg by (app)', 'max without (zone)'),
    op: fc.constantFrom(
      ...['rate(', 'rate_counter(', 'sum_over_time(', 'avg_over_time(', 'min_over_time(', 'max_over_time('],
      ...['stddev_over_time(', 'stdvar_over_time(', 'first_over_time(', 'last_over_time(', 'absent_over_time('],
      ...['quantile_over_time(0.5,', 'quantile_over_time(0.95,', 'quantile_over_time(1.5,'],
    ),
    range: fc.constantFrom('300ms', '1s', '2500ms', '1m'),
    offset: fc.constantFrom('', '', ' offset 1s', ' offset -700ms'),
    by: fc.constantFrom('', '', ' by (who, app)', ' by (level)', ' without (who, t, n)', ' by (gone)'),
  })
  .map(({ outer, op, range, offset, by }) => (lines: string) => {
    const grouped = /^(rate|sum|absent)/.test(op) ? '' : by
    const inner = `${op} ${lines} [${range}]${offset})${grouped}`
    return outer === '' ? inner : `${outer} (${inner})`
  })

/** Several of the same numbers: what was kept for one serves the others. */
const unwrapped = fc
  .record({
    selector: fc.constantFrom('{app=~".+"}', '{app="a"}', '{app=~"a|b",zone=""}'),
    parser: fc.constantFrom('| json', '| json', '| logfmt', '|= "n" | logfmt', '| json | logfmt', ''),
    stages: fc.subarray(['| level="error"', '| __error__=""', '| n > 1', '| drop who', '| label_format n=t'], {
      maxLength: 2,
    }),
    value: fc.constantFrom('n', 'n', 'n', 't', 'duration(t)', 'bytes(n)', 'who', 'user'),
    filter: fc.constantFrom('', '| __error__=""', '| __error__=""', '| n < 3'),
    made: fc.array(calls, { minLength: 1, maxLength: 3 }),
  })
  .map(({ selector, parser, stages, value, filter, made }) => {
    const lines = [selector, parser, ...stages, `| unwrap ${value}`, filter].join(' ')
    return made.map((call) => call(lines))
  })

/** In half seconds after the first line that may be; `odd` lies between them. */
const asked = fc
  .record({
    from: fc.integer({ min: -4, max: 40 }),
    length: fc.integer({ min: 0, max: 40 }),
    odd: fc.constantFrom(0n, 0n, 333_333_333n),
    step: fc.constantFrom('0.5', '1', '3', '60'),
  })
  .map(({ from, length, odd, step }) => {
    const startNs = BEGIN + (BigInt(from) * SECOND) / 2n + odd
    return { start: String(startNs), end: String(startNs + (BigInt(length) * SECOND) / 2n), step }
  })

test('what was kept of a table of lines is what it would answer anew, wherever the window lies', () => {
  // Little room: answers leave, and come anew.
  const answers = withKeysCounted(createCache(20_000))
  let number = 0
  const tables = fc.array(fc.array(line, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(
      fc.oneof(counts, unwrapped),
      tables,
      fc.array(asked, { minLength: 2, maxLength: 4 }),
      (texts, given, windows) => {
        const own = number++
        const built = given.map(namedTable)
        const kept = api(built, {
          ...answers,
          get: (key, load) => answers.get(`${own} ${key}`, load),
          has: (key) => answers.has(`${own} ${key}`),
        })
        const plain = api(built, undefined)
        const selector = /\{.*?\}/.exec(texts[0]!)![0]
        for (const window of windows) {
          for (const [path, params] of [
            ...texts.map((query) => ['query_range', { query, ...window }] as const),
            ...texts.map((query) => ['query', { query, time: window.end }] as const),
            ['index/stats', { query: selector, ...window }],
            ['index/volume', { query: selector, ...window }],
            ['index/volume_range', { query: selector, targetLabels: 'app', ...window }],
          ] as const) {
            assert.deepEqual(ask(kept, path, params), ask(plain, path, params), `${path} ${JSON.stringify(params)}`)
          }
        }
      },
    ),
    { numRuns: 800 },
  )
})

const hour = { start: String(BEGIN - 60n * SECOND), end: String(BEGIN + 60n * SECOND), step: '15' }
const later = { ...hour, start: String(BEGIN - 30n * SECOND), end: String(BEGIN + 90n * SECOND) }

/** An API whose `reads` says how often the times of lines, or where they end, were asked for since it said so last. */
function watched(tables: readonly LogTable[], maxBytes = 20_000) {
  let reads = 0
  const counting = tables.map(
    (table): LogTable => ({
      ...table,
      get end() {
        reads++
        return table.end
      },
      get timeOffset() {
        reads++
        return table.timeOffset
      },
    }),
  )
  const since = (): number => {
    const count = reads
    reads = 0
    return count
  }
  return { loki: api(counting, withKeysCounted(createCache(maxBytes))), reads: since }
}

const oneLine = namedTable([{ timeNs: 0n, labels: { app: 'a' }, metadata: { level: 'info' }, line: 'n=7' }], 0)
const numbers = '{app="a"} | logfmt | unwrap n'
for (const [path, query, again] of [
  ['query_range', 'sum by (level) (count_over_time({app="a"}[15s]))', undefined],
  ['query_range', `quantile_over_time(0.5, ${numbers} [15s]) by (level)`, undefined],
  ['query_range', `max_over_time(${numbers} [15s]) by (level)`, `avg_over_time(${numbers} [20s]) by (level)`],
  ['query_range', `last_over_time(${numbers} [15s])`, `stddev_over_time(${numbers} [1m] offset 5s)`],
  ['index/volume_range', '{app="a"}', undefined],
] as const) {
  test(`of a table nothing is read again: ${path} of ${again ?? query}`, () => {
    const { loki, reads } = watched([oneLine])
    ask(loki, path, { query, ...hour })
    assert.ok(reads() > 0)
    ask(loki, path, { query: again ?? query, ...later })
    assert.equal(reads(), 0)
  })
}

test('what a template made, which may tell the time, is not kept', () => {
  const { loki, reads } = watched([oneLine])
  for (const call of [
    'count_over_time({app="a"} | label_format n="{{now}}"',
    'max_over_time({app="a"} | label_format n="1" | unwrap n',
  ]) {
    for (const window of [hour, later]) {
      ask(loki, 'query_range', { query: `${call} [15s])`, ...window })
      assert.ok(reads() > 0, call)
    }
  }
})

test('a query of more numbers than there is room for puts out no other answer, nor its own', () => {
  const lines = Array.from({ length: 100 }, (_, k) => ({
    timeNs: BigInt(k),
    labels: { app: 'a' },
    line: `n=${Math.E ** k}`,
  }))
  const { loki, reads } = watched(Array.from({ length: 8 }, (_, number) => namedTable(lines, number)))
  ask(loki, 'query_range', { query: 'rate({app="a"}[15s])', ...hour })
  reads()
  ask(loki, 'query_range', { query: `last_over_time(${numbers} [15s])`, ...hour })
  const first = reads()
  ask(loki, 'query_range', { query: `last_over_time(${numbers} [15s])`, ...hour })
  const again = reads()
  assert.ok(again > 0 && again < first, `${first}, ${again}`)
  ask(loki, 'query_range', { query: 'rate({app="a"}[15s])', ...hour })
  assert.equal(reads(), 0)
})

/** As the store names the lines of a block: in order of time, some seconds after the table before. */
function namedTable(lines: readonly LogLine[], number: number): LogTable {
  const moved = lines
    .map((own) => ({ ...own, timeNs: BEGIN + own.timeNs + BigInt(number) * 7n * SECOND }))
    .sort((a, b) => (a.timeNs < b.timeNs ? -1 : 1))
  const [minNs, maxNs] = [moved[0]!.timeNs, moved.at(-1)!.timeNs]
  return { ...buildLogTable(moved), identity: `table ${number}`, minNs, maxNs }
}

function api(tables: readonly LogTable[], answers: KeptAnswers | undefined): ReturnType<typeof createLokiApi> {
  const inOrder = [...tables].sort((a, b) => Number(a.minNs! - b.minNs!))
  const logs: LogSource = {
    tables: ({ startNs, endNs }) => inOrder.filter(({ minNs, maxNs }) => minNs! < endNs && maxNs! >= startNs),
    answers,
  }
  return createLokiApi({ logs, timeoutMs: 60_000, nowNs: () => BEGIN + 60n * SECOND })
}

/** Without what the query took: it differs. */
function ask(loki: ReturnType<typeof createLokiApi>, path: string, params: Record<string, string>): unknown {
  const request: ApiRequest = {
    method: 'GET',
    path: `/loki/api/v1/${path}`,
    headers: {},
    query: new URLSearchParams(params),
  }
  const { status, body } = loki(request) as { status: number; body: string }
  const counts = /"totalChunksRef":\d+|"totalBytesProcessed":\d+|"totalLinesProcessed":\d+/g
  return [status, body.replace(/"stats":.*/, ''), path === 'query_range' && body.match(counts)]
}
