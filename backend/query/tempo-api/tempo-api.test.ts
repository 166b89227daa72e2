import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf'
import { AnyValueSchema, ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import {
  QueryInstantResponseSchema,
  QueryRangeResponseSchema,
  SearchResponseSchema,
  SearchTagsResponseSchema,
  SearchTagsV2ResponseSchema,
  SearchTagValuesResponseSchema,
  SearchTagValuesV2ResponseSchema,
} from '@sightline/otlp-messages/tempo'
import type { ApiResponse } from '../../http.ts'
import { readTraces } from '../../otlp/traces.ts'
import { SpanBuilder } from '../../store/span-builder.ts'
import type { StoredSpans } from '../../store/stored-spans.ts'
import { toOtlp } from '../../store/to-otlp.ts'
import { anyValue, hex, type TestSpan, traceBytes } from '../../test/otlp.ts'
import { createTempoApi } from './index.ts'

const T0 = 1_700_000_000_000

function tableOf(bytes: Uint8Array): StoredSpans {
  const builder = new SpanBuilder(BigInt(T0) * 1_000_000n)
  readTraces(bytes, (span) => builder.append(span, 1, T0))
  return builder.freeze()
}

/** One table per list of spans. */
const api = (...lists: readonly (readonly TestSpan[])[]) => apiOf(lists.map((spans) => tableOf(traceBytes(spans))))

function apiOf(tables: readonly StoredSpans[]) {
  const seen = { tables: 0 }
  const spans = {
    *tables() {
      for (const table of tables) {
        seen.tables++
        yield table
      }
    },
  }
  const traceById = () => tables[0] && toOtlp(tables[0])
  const handle = createTempoApi({ spans, traceById, nowNs: () => BigInt(T0 + 1000) * 1_000_000n })
  const ask = (path: string, parameters: Record<string, string> | [string, string][] = {}) => {
    const query = new URLSearchParams(parameters)
    const response = handle({ method: 'GET', path, query, headers: {} }) as { status: number; body: string }
    return { status: response.status, body: response.body }
  }
  const bytes = (path: string, parameters: Record<string, string> = {}) => {
    const headers = { accept: 'application/protobuf' }
    const response = handle({ method: 'GET', path, query: new URLSearchParams(parameters), headers }) as ApiResponse
    assert.deepEqual([response.status, response.headers['content-type']], [200, headers.accept])
    return response.body as Uint8Array
  }
  return { ask, bytes, seen }
}

test('doubles in an array are floats, whole numbers too', () => {
  const span = (name: string, values: MessageInitShape<typeof AnyValueSchema>['value'][]) => ({
    traceId: new Uint8Array(16).fill(1),
    spanId: Buffer.from(name.padEnd(8)),
    name,
    startTimeUnixNano: BigInt(T0) * 1_000_000n,
    attributes: [
      {
        key: 'list',
        value: { value: { case: 'arrayValue' as const, value: { values: values.map((value) => ({ value })) } } },
      },
    ],
  })
  const spans = [
    span(
      'doubles',
      [2, 3].map((value) => ({ case: 'doubleValue', value })),
    ),
    span(
      'ints',
      [2n, 3n].map((value) => ({ case: 'intValue', value })),
    ),
  ]
  const request = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans: [{ spans }] }] })
  const table = tableOf(toBinary(ExportTraceServiceRequestSchema, request))
  assert.deepEqual(
    toOtlp(table).resourceSpans[0]!.scopeSpans[0]!.spans.map((own) =>
      toJson(AnyValueSchema, own.attributes[0]!.value!),
    ),
    [
      { arrayValue: { values: [{ doubleValue: 2 }, { doubleValue: 3 }] } },
      { arrayValue: { values: [{ intValue: '2' }, { intValue: '3' }] } },
    ],
  )
  const { ask } = apiOf([table])
  type Found = {
    traces: { spanSets: { spans: { name: string; attributes: { key: string; value: unknown }[] }[] }[] }[]
  }
  const found = (q: string) =>
    (JSON.parse(ask('/api/search', { q }).body) as Found).traces.flatMap(({ spanSets }) =>
      spanSets[0]!.spans.map(({ name, attributes }) => [name, attributes[0]!.value]),
    )
  assert.deepEqual(found('{ span.list = 2.0 } | select(name)'), [['doubles', { doubleValue: 2 }]])
  assert.deepEqual(found('{ span.list > 1.5 } | select(name)'), [
    ['doubles', { arrayValue: { values: [{ doubleValue: 2 }, { doubleValue: 3 }] } }],
  ])
  assert.deepEqual(found('{ span.list = 2 } | select(name)'), [['ints', { intValue: '2' }]])
  assert.deepEqual(JSON.parse(ask('/api/v2/search/tag/span.list/values').body).tagValues, [
    { type: 'float', value: '2.0' },
    { type: 'float', value: '3.0' },
    { type: 'int', value: '2' },
    { type: 'int', value: '3' },
  ])
})

test('the least step that a refusal names is taken', () => {
  const { ask } = api([{ trace: 'a', id: '1', startMs: T0 }])
  const range = (seconds: number, step: string) =>
    ask('/api/metrics/query_range', {
      q: '{} | rate()',
      start: '1700000000',
      end: String(1_700_000_000 + seconds),
      step,
    })
  for (const seconds of [10_998, 10_999, 11_000, 11_001, 40_000]) {
    const refused = range(seconds, '0.5')
    assert.equal(refused.status, 400)
    const least = /minimum step for given range is (\d+)s/.exec(refused.body)![1]!
    assert.equal(range(seconds, least).status, 200, `${least}s for ${seconds} s`)
  }
})

test('a step of less than a nanosecond is refused', () => {
  const { ask } = api([{ trace: 'a', id: '1', startMs: T0 }])
  const times = { start: '1700000000000000000', end: '1700000000000001000' }
  const { status, body } = ask('/api/metrics/query_range', { q: '{} | rate()', ...times, step: '0.0000000001' })
  assert.equal(status, 400)
  assert.match(body, /invalid step: 0\.0000000001/)
})

test('tags that look like numbers, or begin with a digit, are found as texts', () => {
  const { ask } = api([
    { trace: 'a', id: '1', startMs: T0, attributes: { 'request.id': '12345678901234567890', '5xx': 'yes', n: 7 } },
  ])
  const found = (tags: string) => (JSON.parse(ask('/api/search', { tags }).body) as { traces: unknown[] }).traces.length
  for (const tags of ['request.id=12345678901234567890', '5xx=yes', 'n=7']) assert.equal(found(tags), 1, tags)
  for (const tags of ['n=9223372036854775808', `n=${'9'.repeat(400)}.5`]) assert.equal(found(tags), 0, tags)
  assert.deepEqual(JSON.parse(ask('/api/search/tag/5xx/values').body), { tagValues: ['yes'], metrics: {} })
})

test('values of a tag: with a comment behind the filter, with a name in parts', () => {
  const { ask } = api([{ trace: 'a', id: '1', name: 'n', startMs: T0, attributes: { 'http.request.method': 'GET' } }])
  const values = (tag: string, parameters = {}) =>
    (JSON.parse(ask(`/api/v2/search/tag/${encodeURIComponent(tag)}/values`, parameters).body) as { tagValues: unknown })
      .tagValues
  const get = [{ type: 'string', value: 'GET' }]
  assert.deepEqual(values('span.http.request.method', { q: '{ name = "n" } // mine' }), get)
  assert.deepEqual(values('span.http.request.method', { q: '{ name = "m" } // mine' }), [])
  assert.deepEqual(values('span.http."request.method"'), get)
  assert.deepEqual(values('."http.request.method"'), get)
  assert.deepEqual(values('span:name'), [{ type: 'string', value: 'n' }])
})

test('the first version of the routes: intrinsics where they are asked for, and values of a scope, sorted', () => {
  const double = (doubleValue: number) => ({ value: { case: 'doubleValue' as const, value: doubleValue } })
  const scopeSpans = ['b', 'a'].map((value, i) => ({
    scope: { attributes: [{ key: 'kind', value: anyValue(value) }] },
    spans: [
      {
        traceId: hex('a', 32),
        spanId: hex(`${i + 1}`, 16),
        startTimeUnixNano: BigInt(T0) * 1_000_000n,
        attributes: [{ key: 'ratio', value: double(i) }],
      },
    ],
  }))
  const request = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans }] })
  const { ask } = apiOf([tableOf(toBinary(ExportTraceServiceRequestSchema, request))])
  const values = (tag: string, parameters = {}) =>
    JSON.parse(ask(`/api/search/tag/${tag}/values`, parameters).body).tagValues
  assert.deepEqual(values('ratio'), ['0.0', '1.0'])
  assert.deepEqual(values('instrumentation.kind'), ['a', 'b'])
  const names = (scope: string) => JSON.parse(ask('/api/search/tags', { scope }).body).tagNames
  assert.deepEqual(names('none'), ['kind', 'ratio'])
  assert.deepEqual(names('intrinsic').slice(0, 3), ['duration', 'event:name', 'event:timeSinceStart'])
})

test('names of tags: with a filter those of the spans that it finds, and of their events', () => {
  const { ask } = api([
    { trace: 'a', id: '1', name: 'one', startMs: T0, attributes: { first: 1, both: 1 } },
    { trace: 'a', id: '2', name: 'two', startMs: T0, attributes: { second: 1, both: 1 } },
  ])
  const names = (q: string) => {
    const { scopes } = JSON.parse(ask('/api/v2/search/tags', { q, scope: 'span' }).body) as {
      scopes: { name: string; tags: string[] }[]
    }
    return scopes.find(({ name }) => name === 'span')?.tags
  }
  assert.deepEqual(names(''), ['both', 'first', 'second'])
  assert.deepEqual(names('{ name = "one" }'), ['both', 'first'])
  assert.deepEqual(names('{ name = "one" || span.second = 1 }'), ['both', 'first', 'second'])
  assert.deepEqual(names('{ name = "none" }'), undefined)
  assert.deepEqual(names('{ name = '), ['both', 'first', 'second'], 'what is typed so far filters nothing')
})

test('values of a tag: empty texts, and of arrays their elements', () => {
  const strings = { value: { case: 'arrayValue' as const, value: { values: ['a', 'b'].map(anyValue) } } }
  const mixed = {
    value: { case: 'arrayValue' as const, value: { values: [anyValue('b'), anyValue(1), anyValue(true)] } },
  }
  const floats = { value: { case: 'arrayValue' as const, value: { values: [anyValue(0.5), anyValue(1.5)] } } }
  const spans = [strings, mixed, floats, anyValue(''), undefined].map((value, i) => ({
    traceId: hex('a', 32),
    spanId: hex(`${i + 1}`, 16),
    name: 'n',
    startTimeUnixNano: BigInt(T0) * 1_000_000n,
    endTimeUnixNano: BigInt(T0) * 1_000_000n,
    attributes: value === undefined ? [] : [{ key: 'x', value }],
  }))
  const request = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans: [{ spans }] }] })
  const { ask } = apiOf([tableOf(toBinary(ExportTraceServiceRequestSchema, request))])
  const values = (parameters: Record<string, string>) =>
    (
      JSON.parse(ask('/api/v2/search/tag/span.x/values', parameters).body) as { tagValues: { value: string }[] }
    ).tagValues.toSorted((a, b) => (a.value < b.value ? -1 : 1))
  const all = [
    { type: 'string', value: '' },
    { type: 'float', value: '0.5' },
    { type: 'int', value: '1' },
    { type: 'float', value: '1.5' },
    { type: 'string', value: 'a' },
    { type: 'string', value: 'b' },
    { type: 'bool', value: 'true' },
  ]
  assert.deepEqual(values({}), all)
  assert.deepEqual(values({ q: '{ name = "n" }' }), all)
})

test('filtered values of a tag are looked for until there are enough', () => {
  const list = (from: number) =>
    Array.from({ length: 10 }, (_, i) => ({
      trace: 'a',
      id: (from + i).toString(16),
      startMs: T0,
      name: 'n',
      ...(i > 0 && { attributes: { user: from + i } }),
    }))
  const { ask, seen } = api(list(1), list(100), list(200))
  const { body } = ask('/api/v2/search/tag/span.user/values', { q: '{ name = "n" }', limit: '5' })
  assert.equal((JSON.parse(body) as { tagValues: unknown[] }).tagValues.length, 5)
  assert.equal(seen.tables, 1)
})

test('what no search can be is refused by the name of its parameter', () => {
  const { ask } = api([{ trace: 'a', id: '1', startMs: T0 }])
  const refused: [Record<string, string> | [string, string][], RegExp][] = [
    [{ spss: '101' }, /invalid spss: at most 100 spans/],
    [{ spss: '999999999' }, /invalid spss: at most 100 spans/],
    [{ minDuration: '99999999999999999h' }, /"99999999999999999h" to a valid duration \(minDuration\)/],
    [{ maxDuration: '1e9h' }, /"1e9h" to a valid duration \(maxDuration\)/],
    [{ q: '{ }', minDuration: 'x' }, /"x" to a valid duration \(minDuration\)/],
    [
      [
        ['limit', '1'],
        ['limit', '2'],
      ],
      /invalid limit: it is given more than once/,
    ],
  ]
  for (const [parameters, message] of refused) {
    const { status, body } = ask('/api/search', parameters)
    assert.match(body, message)
    assert.equal(status, 400)
  }
  assert.equal(ask('/api/search', { spss: '100', minDuration: '200000h' }).status, 200)
})

test('who asks for protobuf gets the same in it', () => {
  const attributes = { list: 7, path: '/a', cost: 0.5, ok: true }
  const { ask, bytes } = api([{ trace: 'a', id: '1', startMs: T0, name: 'n', service: 'shop', status: 2, attributes }])
  const window = { start: '1699999999', end: '1700000001' }
  const questions: [string, Record<string, string>, DescMessage][] = [
    ['/api/search', { q: '{ span.list = 7 } | select(span.path, span.cost, span.ok, duration)' }, SearchResponseSchema],
    ['/api/search', { tags: 'path=/a' }, SearchResponseSchema],
    ['/api/search/tags', {}, SearchTagsResponseSchema],
    ['/api/v2/search/tags', {}, SearchTagsV2ResponseSchema],
    ['/api/search/tag/path/values', {}, SearchTagValuesResponseSchema],
    ['/api/v2/search/tag/span.list/values', {}, SearchTagValuesV2ResponseSchema],
    ['/api/metrics/query_range', { q: '{} | rate() by (span.path)', step: '1s', ...window }, QueryRangeResponseSchema],
    ['/api/metrics/query_range', { q: '{} | min_over_time(span.none)', ...window }, QueryRangeResponseSchema],
    ['/api/metrics/query_range', { q: '{} | rate()', exemplars: '5', ...window }, QueryRangeResponseSchema],
    ['/api/metrics/query', { q: '{} | compare({ status = error })', ...window }, QueryInstantResponseSchema],
  ]
  for (const [path, parameters, message] of questions) {
    const told = fromBinary(message, bytes(path, parameters))
    assert.deepEqual(told, fromJson(message, JSON.parse(ask(path, parameters).body) as JsonValue), path)
    assert.notDeepEqual(told, create(message), path)
  }
})

test('what Tempo has and this has not is refused by name', () => {
  const { ask } = api([{ trace: 'a', id: '1', startMs: T0 }])
  for (const [path, words] of [
    ['/api/overrides', /variables of the environment/],
    ['/api/v2/traces/diff', /compare=/],
    ['/api/mcp', /npm run mcp/],
    ['/status/config', /buildinfo/],
  ] as const) {
    const { status, body } = ask(path)
    assert.equal(status, 404, path)
    assert.match(body, words)
  }
})

test('a time needs its zone', () => {
  const { ask } = api([{ trace: 'a', id: '1', startMs: T0 }])
  const status = (start: string) => ask('/api/search', { start, end: '1700000100' }).status
  assert.deepEqual(
    ['2023-11-14T22:13:20Z', '2023-11-14T23:13:20.5+01:00', '2023-11-14T22:13:20', '2023-11-14T22:13'].map(status),
    [200, 200, 400, 400],
  )
})

test('compare() is answered in the shape of series, labels with their types', () => {
  const span = (id: string, status: number, code: number) => ({
    ...{ trace: id, id, name: 'n', status, startMs: T0 + 1 },
    attributes: { code },
  })
  const { ask } = api([span('1', 2, 500), span('2', 0, 200), span('3', 0, 200)])
  type Answer = { series: { labels: { key: string; value: object }[]; value?: number; samples?: object[] }[] }
  const q = '{ } | compare({ status = error })'
  const of = (path: string, parameters: Record<string, string>) => {
    const { series } = JSON.parse(ask(path, { q, ...parameters }).body) as Answer
    return series.filter(({ labels }) => labels[1]!.key === 'span.code')
  }
  const labels = (type: string, value: object) => [
    { key: '__meta_type', value: { stringValue: type } },
    { key: 'span.code', value },
  ]
  assert.deepEqual(of('/api/metrics/query', { start: '1699999999', end: '1700000001' }), [
    { labels: labels('baseline', { intValue: '200' }), value: 2 },
    { labels: labels('baseline_total', { stringValue: 'nil' }), value: 2 },
    { labels: labels('selection', { intValue: '500' }), value: 1 },
    { labels: labels('selection_total', { stringValue: 'nil' }), value: 1 },
  ])
  const [baseline] = of('/api/metrics/query_range', { start: '1700000000', end: '1700000001', step: '1s' })
  assert.deepEqual(baseline, {
    labels: labels('baseline', { intValue: '200' }),
    samples: [{ timestampMs: '1700000000000' }, { timestampMs: '1700000001000', value: 2 }],
  })
})

test('compare() tells attributes apart that always come together', () => {
  const span = (id: string, status: number, attributes: TestSpan['attributes']) => ({
    ...{ trace: id, id, name: 'n', status, startMs: T0 + 1 },
    ...(attributes && { attributes }),
  })
  const { ask } = api([
    span('1', 2, { method: 'GET', code: 200, retried: true }),
    span('2', 0, { method: 'PUT', code: 201, retried: false }),
    span('3', 0, { method: 'PUT', code: 201, retried: false }),
    span('4', 2, undefined),
  ])
  const query = { q: '{ } | compare({ status = error })', start: '1699999999', end: '1700000001' }
  const { series } = JSON.parse(ask('/api/metrics/query', query).body) as {
    series: { labels: { key: string; value: object }[]; value: number }[]
  }
  const found = series
    .map(({ labels, value }) =>
      [labels[1]!.key, ...labels.flatMap((label) => Object.values(label.value)), value].join(),
    )
    .filter((text) => /^span/.test(text))
  assert.deepEqual(found, [
    'span.code,baseline,201,2',
    'span.method,baseline,PUT,2',
    'span.retried,baseline,false,2',
    'span.code,baseline_total,nil,2',
    'span.method,baseline_total,nil,2',
    'span.retried,baseline_total,nil,2',
    'span.code,selection,200,1',
    'span.method,selection,GET,1',
    'span.retried,selection,true,1',
    'span.code,selection_total,nil,1',
    'span.method,selection_total,nil,1',
    'span.retried,selection_total,nil,1',
  ])
})
