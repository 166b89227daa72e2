import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiResponse } from '../../http.ts'
import { exampleLines, exampleStartNs } from '../logql/test/data.ts'
import { buildLogTable, sourceOf } from '../logql/test/lines.ts'
import { createLokiApi } from './index.ts'

const second = 1_000_000_000n
const nowNs = exampleStartNs + 75n * second
const api = createLokiApi({ logs: sourceOf(buildLogTable(exampleLines)), nowNs: () => nowNs })
const startS = Number(exampleStartNs / second)

async function ask(path: string, params: Record<string, string> = {}, headers: Record<string, string> = {}) {
  const query = new URLSearchParams(params)
  const response: ApiResponse = await api({ method: 'GET', path: `/loki/api/v1/${path}`, query, headers })
  return { status: response.status, type: response.headers['content-type'], body: String(response.body) }
}

async function data(path: string, params: Record<string, string> = {}, headers: Record<string, string> = {}) {
  const { status, body } = await ask(path, params, headers)
  assert.equal(status, 200, body)
  return JSON.parse(body)
}

test('query_range merges structured metadata and parsed labels into the stream', async () => {
  const answer = await data('query_range', { query: '{service_name="order-service"} | logfmt | left = 0' })
  assert.equal(answer.status, 'success')
  assert.equal(answer.data.resultType, 'streams')
  assert.deepEqual(answer.data.result, [
    {
      stream: {
        job: 'sightline/order-service',
        left: '0',
        level: 'error',
        msg: 'out of stock',
        product: 'phone-001',
        request_id: 'r2',
        service_name: 'order-service',
        size: '4KB',
        took: '1.5s',
        trace_id: 'bbbb2222',
      },
      values: [[String(exampleStartNs + 30n * second), exampleLines[3]!.line]],
    },
  ])
  assert.equal(answer.data.stats.summary.totalLinesProcessed, 2)
  assert.equal(answer.data.stats.summary.totalEntriesReturned, 1)
})

test('query_range tells the three kinds of labels apart when asked to', async () => {
  const answer = await data(
    'query_range',
    { query: '{service_name="order-service"} | logfmt p="product" | p="phone-001"' },
    { 'x-loki-response-encoding-flags': 'categorize-labels' },
  )
  assert.deepEqual(answer.data.encodingFlags, ['categorize-labels'])
  assert.deepEqual(answer.data.result[0].stream, {
    job: 'sightline/order-service',
    level: 'error',
    service_name: 'order-service',
  })
  assert.deepEqual(answer.data.result[0].values[0][2], {
    structuredMetadata: { request_id: 'r2', trace_id: 'bbbb2222' },
    parsed: { p: 'phone-001' },
  })
})

test('times are read in every form, the end is exclusive, limit and direction cut', async () => {
  const query = '{job=~".+"}'
  const times = async (params: Record<string, string>) => {
    const { result } = (await data('query_range', { query, ...params })).data
    const all: bigint[] = result.flatMap(({ values }: { values: [string][] }) => values.map(([time]) => BigInt(time)))
    return all.map((time) => Number((time - exampleStartNs) / second)).sort((a, b) => a - b)
  }
  const forms = [
    [String(exampleStartNs + 20n * second), String(exampleStartNs + 40n * second)],
    [String(startS + 20), String(startS + 40)],
    [`${startS + 20}.0`, `${startS + 40}.000`],
    [`${(startS + 20) / 1e9}e9`, `${(startS + 40) / 1e9}e+9`],
    ['2023-11-14T22:13:40Z', '2023-11-14T23:14:00+01:00'],
  ]
  for (const [start, end] of forms) assert.deepEqual(await times({ start: start!, end: end! }), [20, 30], start)
  assert.deepEqual(await times({ since: '30s' }), [50, 60, 70])
  assert.deepEqual(await times({ limit: '2' }), [60, 70])
  assert.deepEqual(await times({ limit: '2', direction: 'forward' }), [0, 10])
  assert.deepEqual(await times({ interval: '25s', direction: 'forward' }), [0, 30, 60])
})

test('metric queries answer as a matrix on multiples of the step, at one moment as a vector', async () => {
  const query = 'sum by (level) (count_over_time({level="error"}[1m]))'
  const matrix = await data('query_range', { query, start: String(startS), end: String(startS + 60), step: '30' })
  assert.deepEqual(matrix.data.result, [
    {
      metric: { level: 'error' },
      values: [
        [startS + 40, '2'],
        [startS + 70, '2'],
      ],
    },
  ])
  const vector = await data('query', { query, time: String(startS + 35) })
  assert.equal(vector.data.resultType, 'vector')
  assert.deepEqual(vector.data.result, [{ metric: { level: 'error' }, value: [startS + 35, '1'] }])
  const scalar = await data('query', { query: '1 / 3e20', time: String(startS) })
  assert.deepEqual(scalar.data.result, [startS, '0.0000000000000000000033333333333333333'])
})

test('wrong requests are answered 400 in plain text that says what to do', async () => {
  const cases: [path: string, params: Record<string, string>, message: RegExp][] = [
    ['query_range', { query: '{a="b"' }, /^parse error at line 1, col 7: syntax error: unexpected end of query/],
    ['query_range', {}, /parameter query is missing/],
    ['query_range', { query: '{a="b"}', start: 'yesterday' }, /cannot parse start="yesterday": use nanoseconds/],
    ['query_range', { query: '{a="b"}', start: '1700e99' }, /cannot parse start="1700e99"/],
    ['query_range', { query: '{a="b"}', start: '1e300' }, /cannot parse start="1e300": use nanoseconds/],
    ['label/%job/values', {}, /%job is not percent-encoded text/],
    ['detected_field/%a/values', { query: '{a="b"}' }, /%a is not percent-encoded text/],
    ['query_range', { query: '{a="b"}', start: '20', end: '10' }, /end timestamp must not be before/],
    ['query_range', { query: '{a="b"}', limit: '-1' }, /limit must be a positive value/],
    ['query_range', { query: '{a="b"}', limit: '9999' }, /max entries limit per query exceeded/],
    ['query_range', { query: '{a="b"}', direction: 'up' }, /use forward or backward/],
    ['query_range', { query: 'vector(1)', direction: 'up' }, /use forward or backward/],
    ['query_range', { query: 'vector(1)', limit: '0' }, /limit must be a positive value/],
    ['query_range', { query: 'vector(1)', interval: 'x' }, /cannot parse interval="x"/],
    ['query', { query: 'vector(1)', direction: 'up' }, /use forward or backward/],
    ['query', { query: 'vector(1)', limit: 'x' }, /cannot parse limit="x"/],
    ['query_range', { query: 'vector(1)', step: '0' }, /zero or negative query resolution/],
    ['query_range', { query: '{job="x"}', step: '0' }, /zero or negative query resolution/],
    ['query_range', { query: '{job="x"}', step: 'x' }, /cannot parse step="x"/],
    ['query_range', { query: '{job="x"}', step: '-5' }, /cannot parse step="-5"/],
    [
      'query_range',
      { query: 'vector(1)', start: '0', end: '1700000000', step: '1' },
      /exceeded maximum resolution of 11,000/,
    ],
    ['query', { query: '{a="b"}' }, /log queries are not supported as an instant query type/],
    [
      'query',
      { query: 'sum(count_over_time({service_name="audit-service"} | json | count > 1 [5m]))' },
      /^pipeline error: 'JSONParserErr' for series/,
    ],
    [
      'query',
      {
        query:
          'sum by (level) (count_over_time({job=~".+"}[5m])) + on (level) sum by (level, job) (count_over_time({job=~".+"}[5m]))',
      },
      /several series of the right side match/,
    ],
  ]
  for (const path of ['query', 'query_range'])
    assert.equal((await ask(path, { query: 'vector(1)', limit: '9999' })).status, 200, 'the limit is one of lines')
  for (const [path, params, message] of cases) {
    const { status, type, body } = await ask(path, params)
    assert.equal(status, 400, body)
    assert.match(type!, /^text\/plain/)
    assert.match(body, message)
  }
  assert.equal((await ask('nothing')).status, 404)
})

test('a query that makes more series than allowed is refused', async () => {
  const lines = Array.from({ length: 600 }, (_, index) => ({
    timeNs: exampleStartNs,
    labels: { app: 'x' },
    line: 'x',
    metadata: { id: String(index) },
  }))
  const many = createLokiApi({ logs: sourceOf(buildLogTable(lines)), nowNs: () => nowNs })
  const query = new URLSearchParams({ query: 'count_over_time({app="x"}[5m])' })
  const response = await many({ method: 'GET', path: '/loki/api/v1/query', query, headers: {} })
  assert.equal(response.status, 400)
  assert.match(String(response.body), /maximum number of series \(500\) reached/)
})

test('labels, values and series come from the streams in the window', async () => {
  assert.deepEqual((await data('labels')).data, ['job', 'level', 'service_name'])
  assert.deepEqual((await data('label/level/values')).data, ['error', 'info', 'warn'])
  const some = { query: '{service_name="gateway"}', start: String(startS), end: String(startS + 5) }
  assert.deepEqual((await data('label/level/values', some)).data, ['info'])
  assert.deepEqual(await data('label/nope/values'), { status: 'success' })
  assert.deepEqual((await data('series', { 'match[]': '{level="warn"}' })).data, [
    { service_name: 'order-service', level: 'warn', job: 'sightline/order-service' },
    { service_name: 'user-service', level: 'warn', job: 'sightline/user-service' },
  ])
  const { detectedLabels } = await data('detected_labels')
  assert.deepEqual(detectedLabels[1], { label: 'level', cardinality: 3 })
})

test('stats and volumes count entries and bytes', async () => {
  const bytes = exampleLines.reduce((sum, { line }) => sum + Buffer.byteLength(line), 0)
  assert.deepEqual(await data('index/stats', { query: '{job=~".+"}' }), { streams: 7, chunks: 7, bytes, entries: 8 })
  const { result } = (await data('index/volume', { query: '{job=~".+"}', targetLabels: 'level' })).data
  assert.deepEqual(result.map(({ metric }: { metric: object }) => metric)[0], { level: 'info' })
  const total = result.reduce((sum: number, { value }: { value: [number, string] }) => sum + Number(value[1]), 0)
  assert.equal(total, bytes)
  const absent = { query: '{job=~".+"}', targetLabels: 'level,absent', aggregateBy: 'labels' }
  assert.deepEqual((await data('index/volume', absent)).data.result, [])
  const range = (await data('index/volume_range', { query: '{level="error"}', step: '60' })).data
  assert.equal(range.resultType, 'matrix')
  assert.equal(range.result[0].metric.level, 'error')
})

test('the last bucket of a volume range ends where the range does', async () => {
  const params = { query: '{job=~".+"}', start: String(startS), end: String(startS + 25), step: '20' }
  const { result } = (await data('index/volume_range', { ...params, targetLabels: 'job' })).data
  const bytes = result.flatMap(({ values }: { values: [number, string][] }) => values.map(([, value]) => Number(value)))
  const inRange = exampleLines.slice(0, 3).map(({ line }) => Buffer.byteLength(line))
  assert.deepEqual(bytes.toSorted(), inRange.toSorted())
})

test('what a line says of a field and what its metadata says is one field', async () => {
  const lines = [
    { timeNs: exampleStartNs, labels: { app: 'x' }, line: 'took=1s app=y took=3s', metadata: { took: '2s' } },
  ]
  const own = createLokiApi({ logs: sourceOf(buildLogTable(lines)), nowNs: () => nowNs })
  const fields = async (text: string) => {
    const query = new URLSearchParams({ query: text, start: String(startS - 1), end: String(startS + 1) })
    const { body } = await own({ method: 'GET', path: '/loki/api/v1/detected_fields', query, headers: {} })
    const found = JSON.parse(String(body)).fields as { label: string; cardinality: number }[]
    return Object.fromEntries(found.map(({ label, cardinality }) => [label, cardinality]))
  }
  assert.deepEqual(await fields('{app="x"}'), { took: 2, app_extracted: 1 })
  assert.deepEqual(await fields('{app="x"} | logfmt'), { took: 1, took_extracted: 1, app_extracted: 1 })
})

test('a label whose values are all numbers or ids is not detected', async () => {
  const line = (code: string, id: string) => ({ timeNs: exampleStartNs, labels: { app: 'x', code, id }, line: 'x' })
  const lines = [line('7', '0f8fad5b-d9cb-469f-a165-70867728950e'), line('1.5', '7')]
  const own = createLokiApi({ logs: sourceOf(buildLogTable(lines)), nowNs: () => nowNs })
  const query = new URLSearchParams({ start: String(startS - 1), end: String(startS + 1) })
  const { body } = await own({ method: 'GET', path: '/loki/api/v1/detected_labels', query, headers: {} })
  assert.deepEqual(JSON.parse(String(body)), { detectedLabels: [{ label: 'app', cardinality: 1 }] })
})

test('patterns count lines by step and level, in seconds, and take log queries only', async () => {
  const line = (second: number, text: string, level: string) => ({
    timeNs: exampleStartNs + BigInt(second) * 1_000_000_000n,
    labels: { app: 'x' },
    line: text,
    metadata: { detected_level: level },
  })
  const lines = [line(0, 'took 1 ms', 'info'), line(1, 'took 2 ms', 'info'), line(61, 'took 3 ms', 'error')]
  const own = createLokiApi({ logs: sourceOf(buildLogTable(lines)), nowNs: () => nowNs })
  const get = async (params: Record<string, string>) => {
    const query = new URLSearchParams(params)
    const { status, body } = await own({ method: 'GET', path: '/loki/api/v1/patterns', query, headers: {} })
    return { status, body: String(body) }
  }
  const times = { start: String(startS), end: String(startS + 70), step: '20s' }
  const { body } = await get({ query: '{app="x"}', ...times })
  assert.deepEqual(JSON.parse(body), {
    status: 'success',
    data: [
      { pattern: 'took <_> ms', level: 'info', samples: [[startS, 2]] },
      { pattern: 'took 3 ms', level: 'error', samples: [[startS + 60, 1]] },
    ],
  })
  const some = await get({ query: '{app="x"} |= "3"', ...times, end: String(startS + 61) })
  assert.deepEqual(JSON.parse(some.body), { status: 'success', data: [] })
  for (const query of ['', 'rate({app="x"}[1m])', '{']) assert.equal((await get({ query, ...times })).status, 400)
  assert.equal((await get({ query: '{app="x"}', ...times, step: '1ns' })).status, 400)
})

test('Logs Drilldown is told the limits that hold', async () => {
  const { limits, pattern_ingester_enabled: hasPatterns, version } = await data('drilldown-limits')
  assert.deepEqual([limits.max_entries_limit_per_query, limits.query_timeout, hasPatterns], [5000, '60s', true])
  assert.match(version, /^\d+\.\d+/)
  assert.equal((await ask('query_range', { query: '{job="x"}', limit: '5001' })).status, 400)
})

test('what Loki has and this has not is refused by name, everything below it, too', async () => {
  for (const [path, words] of [
    ['/loki/api/v1/rules/ns/group', /alert rules of Grafana/],
    ['/prometheus/api/v1/alerts', /alert rules of Grafana/],
    ['/loki/api/v1/delete', /LOGS_RETENTION/],
    ['/api/prom/query', /\/loki\/api\/v1\//],
    ['/metrics', /TEMPO_PORT/],
  ] as const) {
    const { status, body } = await api({ method: 'GET', path, query: new URLSearchParams(), headers: {} })
    assert.equal(status, 404, path)
    assert.match(String(body), /^404 page not found: /)
    assert.match(String(body), words)
  }
})

test('detected_fields names what parsers would find, with types', async () => {
  const { fields } = await data('detected_fields', { query: '{service_name="order-service"}' })
  const types = Object.fromEntries(fields.map(({ label, type }: { label: string; type: string }) => [label, type]))
  assert.partialDeepStrictEqual(types, {
    took: 'duration',
    size: 'bytes',
    left: 'int',
    msg: 'string',
    trace_id: 'string',
  })
  const { values } = await data('detected_field/product/values', { query: '{service_name="order-service"}' })
  assert.deepEqual(values.sort(), ['laptop-001', 'phone-001'])
})

test('a field of a JSON line is told with the keys that lead to it', async () => {
  const line = {
    timeNs: exampleStartNs,
    labels: { app: 'x' },
    line: '{"user":{"id":7},"msg":"hi"}',
    metadata: { n: '1' },
  }
  const own = createLokiApi({ logs: sourceOf(buildLogTable([line])), nowNs: () => nowNs })
  const query = new URLSearchParams({ query: '{app="x"}' })
  const response = (await own({
    method: 'GET',
    path: '/loki/api/v1/detected_fields',
    query,
    headers: {},
  })) as ApiResponse
  const { fields } = JSON.parse(String(response.body)) as { fields: { label: string; jsonPath?: string[] }[] }
  assert.deepEqual(
    fields.map(({ label, jsonPath }) => [label, jsonPath]),
    [
      ['n', undefined],
      ['user_id', ['user', 'id']],
      ['msg', ['msg']],
    ],
  )
})

test('a form in the body of a POST is read, format_query prints, buildinfo and ready answer', async () => {
  const post = await api({
    method: 'POST',
    path: '/loki/api/v1/format_query',
    query: new URLSearchParams(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(new URLSearchParams({ query: 'sum(rate( {a="b"}[5m]))by(x)' }).toString()),
  })
  assert.deepEqual(JSON.parse(String(post.body)), { status: 'success', data: 'sum by (x)(rate({a="b"}[5m]))' })
  assert.match((await data('status/buildinfo')).version, /^\d+\.\d+/)
  assert.equal((await api({ method: 'GET', path: '/ready', query: new URLSearchParams(), headers: {} })).status, 200)
})

test('a parameter of many digits is refused at once', async () => {
  const before = process.cpuUsage()
  const step = `${'1'.repeat(200_000)}!`
  assert.equal((await ask('query_range', { query: 'rate({job="x"}[1m])', step })).status, 400)
  assert.ok(process.cpuUsage(before).user < 5_000_000)
})
