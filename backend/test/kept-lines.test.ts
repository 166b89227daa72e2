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
  line: fc.constantFrom('{"n":1,"who":"ann"}', '{"n":2,"who":"bob","level":"odd"}', 'n=3 who=cy', ''),
})

const query = fc
  .record({
    outer: fc.constantFrom('', 'sum', 'sum by (level)', 'sum by (who, app)', 'sum without (app)', 'max by (app)'),
    op: fc.constantFrom('count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'absent_over_time'),
    selector: fc.constantFrom('{app=~".+"}', '{app="a"}', '{app!="c",zone=""}'),
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
    return outer === '' ? inner : `${outer} (${inner})`
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
    fc.property(query, tables, fc.array(asked, { minLength: 2, maxLength: 4 }), (text, given, windows) => {
      const own = number++
      const built = given.map(namedTable)
      const kept = api(built, { get: (key, load) => answers.get(`${own} ${key}`, load) })
      const plain = api(built, undefined)
      const selector = /\{.*?\}/.exec(text)![0]
      for (const window of windows) {
        for (const [path, params] of [
          ['query_range', { query: text, ...window }],
          ['query', { query: text, time: window.end }],
          ['index/stats', { query: selector, ...window }],
          ['index/volume', { query: selector, ...window }],
          ['index/volume_range', { query: selector, targetLabels: 'app', ...window }],
        ] as const) {
          assert.deepEqual(ask(kept, path, params), ask(plain, path, params), `${path} ${JSON.stringify(params)}`)
        }
      }
    }),
    { numRuns: 400 },
  )
})

test('of a table that was counted once nothing is read again', () => {
  const table = namedTable([{ timeNs: 0n, labels: { app: 'a' }, metadata: { level: 'info' }, line: 'x' }], 0)
  let reads = 0
  const watched: LogTable = {
    ...table,
    get end() {
      reads++
      return table.end
    },
    get timeOffset() {
      reads++
      return table.timeOffset
    },
  }
  const loki = api([watched], withKeysCounted(createCache(20_000)))
  const hour = { start: String(BEGIN - 60n * SECOND), end: String(BEGIN + 60n * SECOND), step: '15' }
  const later = { ...hour, start: String(BEGIN - 30n * SECOND), end: String(BEGIN + 90n * SECOND) }
  const counted = 'sum by (level) (count_over_time({app="a"}[15s]))'
  for (const [path, text] of [
    ['query_range', counted],
    ['index/volume_range', '{app="a"}'],
  ] as const) {
    ask(loki, path, { query: text, ...hour })
    assert.ok(reads > 0, path)
    reads = 0
    ask(loki, path, { query: text, ...later })
    assert.equal(reads, 0, path)
  }
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
  const logs: LogSource = {
    tables: ({ startNs, endNs }) => tables.filter(({ minNs, maxNs }) => minNs! < endNs && maxNs! >= startNs),
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
