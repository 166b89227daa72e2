import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RE2JS } from 're2js'
import { check, parse, search } from './index.ts'
import type { NamedValue, SearchOptions, TraceResult } from './result.ts'
import type { SpanSource } from './span-table.ts'
import { exampleSpans, exampleTraceId } from './test/data.ts'
import { type PlainSpan, plainSource, plainTable } from './test/spans.ts'

const BASE = 1_760_000_000_000_000_000n
const SECOND = 1_000_000_000n
const examples = plainSource(exampleSpans(BASE))

function ask(query: string, options: SearchOptions = {}, source: SpanSource = examples): TraceResult[] {
  return search(check(parse(query)), source, options)
}

function shown(attributes: readonly NamedValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.value]))
}

test('an average of durations is one of whole nanoseconds', () => {
  const lasting = (durationNs: number, id: string): PlainSpan => ({
    ...{ traceId: '1'.padStart(32, '0'), spanId: id.padStart(16, '0'), name: 'x', startNs: BASE, durationNs },
  })
  const source = plainSource([lasting(1, '1'), lasting(2, '2')])
  assert.deepEqual(shown(ask('{ } | avg(duration) = 1ns', {}, source)[0]!.spanSets[0]!.attributes), {
    'avg(duration)': 1,
  })
})

test('an absent attribute is no text, whatever else it is compared with', () => {
  // To Tempo 3.0 one with a column of its own is the text nil in such a query.
  const span = { traceId: '1'.padStart(32, '0'), name: 'x', startNs: BASE, durationNs: 1 }
  const source = plainSource([
    { ...span, spanId: '1'.padStart(16, '0'), attributes: { 'http.method': 'GET' } },
    { ...span, spanId: '2'.padStart(16, '0') },
  ])
  const found = (condition: string) =>
    ask(`{ ${condition} }`, {}, source).flatMap(({ spanSets }) => spanSets[0]!.spans.map(({ spanId }) => spanId))
  const first = ['0000000000000001']
  assert.deepEqual(found('span.http.method =~ ".*" && span.http.method != name'), first)
  assert.deepEqual(found('span.http.method >= "" || span.http.method = name'), first)
  assert.deepEqual(found('span.http.method = "nil" || span.http.method = name'), [])
  assert.deepEqual(found('span.http.method = nil && span.http.method > ""'), [])
})

test('a result says where the trace began, how long it took and who took part', () => {
  const [trace] = ask('{ span.audit.id = 77 }')
  assert.deepEqual(trace, {
    traceId: exampleTraceId(1),
    rootServiceName: 'gateway',
    rootTraceName: 'POST /api/v1/process',
    startNs: BASE,
    durationMs: 120,
    spanSets: [
      {
        spans: [
          {
            spanId: 'b0b0b0b0b0b0b108',
            name: '',
            startNs: BASE + 60_000_000n,
            durationNs: 30_000_000,
            attributes: [{ key: 'audit.id', value: { type: 'int', value: 77 } }],
          },
        ],
        matched: 1,
        attributes: [],
      },
    ],
    serviceStats: {
      gateway: { spanCount: 1, errorCount: 0 },
      'user-service': { spanCount: 3, errorCount: 0 },
      'order-service': { spanCount: 3, errorCount: 0 },
      'audit-service': { spanCount: 1, errorCount: 0 },
    },
  })
})

test('a trace whose root has not arrived says so', () => {
  const [trace] = ask('{ name = "late" }')
  assert.equal(trace!.rootServiceName, '<root span not yet received>')
  assert.equal(trace!.rootTraceName, '')
  assert.deepEqual(trace!.serviceStats, { 'audit-service': { spanCount: 3, errorCount: 1 } })
})

test('spans carry the fields that the query names, and their name only when asked for', () => {
  const [trace] = ask(
    '{ name = "reserve_inventory" && status = error } | select(span.error.type, .service.name, span.nope, event:name)',
  )
  const [span] = trace!.spanSets[0]!.spans
  assert.equal(span!.name, 'reserve_inventory')
  assert.deepEqual(shown(span!.attributes), {
    status: 'error',
    'error.type': 'OutOfStock',
    'service.name': 'order-service',
    'event:name': 'exception',
  })
})

test('of several events the one that the query asked for is shown', () => {
  const [trace] = ask('{ event:name = "order.sent" } | select(event.attempt, event:timeSinceStart)')
  assert.deepEqual(shown(trace!.spanSets[0]!.spans[0]!.attributes), {
    'event:name': 'order.sent',
    attempt: 1,
    'event:timeSinceStart': 20_000_000,
  })
})

test('a span without events shows none, but for who selects them', () => {
  const span: PlainSpan = {
    traceId: '1'.padStart(32, '0'),
    spanId: '1'.padStart(16, '0'),
    name: 'x',
    startNs: BASE,
    durationNs: 1,
  }
  const first = (query: string) => shown(ask(query, {}, plainSource([span]))[0]!.spanSets[0]!.spans[0]!.attributes)
  assert.deepEqual(first('{ duration > 0 || event:name != "retry" || event:timeSinceStart < 1us }'), {})
  assert.deepEqual(first('{ } | select(event:name, event:timeSinceStart)'), {
    'event:name': '',
    'event:timeSinceStart': 0,
  })
})

test('a spanset shows its earliest spans up to the limit and counts them all', () => {
  const spansOf = (options: SearchOptions) => ask('{ rootName = "nightly" }', options)[0]!.spanSets[0]!
  assert.deepEqual([spansOf({}).spans.length, spansOf({}).matched], [3, 4])
  assert.equal(spansOf({ spansPerSpanset: 0 }).spans.length, 4)
  const starts = spansOf({ spansPerSpanset: 2 }).spans.map(({ startNs }) => startNs - BASE)
  assert.deepEqual(starts, [2n * SECOND, 2n * SECOND])
})

test('groups come with their value and keep it through later stages', () => {
  const [trace] = ask('{ status = error } | by(resource.service.name) | count() = 1 | { kind = server }')
  assert.deepEqual(
    trace!.spanSets.map((set) => shown(set.attributes)),
    [{ 'by(resource.service.name)': 'audit-service', 'count()': 1 }],
  )
})

test('traces come newest first, 20 unless told', () => {
  const spans = Array.from({ length: 30 }, (_, i): PlainSpan => {
    return {
      traceId: String(i).padStart(32, '0'),
      spanId: '1'.padStart(16, '0'),
      name: 'x',
      startNs: BASE + BigInt(i),
      durationNs: 1,
    }
  })
  const starts = (options: SearchOptions) =>
    ask('{ name = "x" }', options, plainSource(spans)).map(({ startNs }) => Number(startNs - BASE))
  assert.deepEqual(
    starts({}),
    Array.from({ length: 20 }, (_, i) => 29 - i),
  )
  assert.deepEqual(starts({ limit: 2 }), [29, 28])
})

test('only traces that overlap the range are found', () => {
  const names = (startNs: bigint, endNs: bigint) =>
    ask('{ nestedSetParent < 0 } | select(name)', { range: { startNs, endNs } }).map((trace) => trace.rootTraceName)
  assert.deepEqual(names(BASE + SECOND / 2n, BASE + 2n * SECOND), ['POST /api/v1/process'])
  assert.deepEqual(names(BASE + 6n * SECOND, BASE + 9n * SECOND), ['nightly'])
  assert.deepEqual(names(BASE + 8n * SECOND, BASE + 9n * SECOND), [])
})

test('the search reads no further table once the limit is full, unless it must find the most recent', () => {
  const at = (i: number, offset: bigint): PlainSpan[] => [
    {
      traceId: String(i).padStart(32, '0'),
      spanId: '1'.padStart(16, '0'),
      name: 'x',
      startNs: BASE + offset,
      durationNs: 1,
    },
  ]
  const inner = plainSource(at(1, 5n), at(2, 9n), at(3, 1n))
  let read = 0
  const source: SpanSource = {
    *tables(range) {
      for (const table of inner.tables(range)) {
        read++
        yield table
      }
    },
  }
  assert.deepEqual(
    ask('{ name = "x" }', { limit: 1 }, source).map(({ startNs }) => startNs - BASE),
    [5n],
  )
  assert.equal(read, 1)
  assert.deepEqual(
    ask('{ name = "x" } with(most_recent=true)', { limit: 1 }, source).map(({ startNs }) => startNs - BASE),
    [9n],
  )
})

test('a metrics query searches for the spans that it counts', () => {
  assert.deepEqual(
    ask('{ status = error } | rate()').map(({ traceId }) => traceId),
    ask('{ status = error }').map(({ traceId }) => traceId),
  )
})

const numbered = (count: number, more: (i: number) => Partial<PlainSpan>): PlainSpan[] =>
  Array.from({ length: count }, (_, i) => ({
    traceId: String(i).padStart(32, '0'),
    spanId: String(i).padStart(16, '0'),
    name: 'x',
    startNs: BASE + BigInt(i),
    durationNs: 1,
    ...more(i),
  }))

test('a pattern is compiled once, however many values are shown', (t) => {
  const compile = t.mock.method(RE2JS, 'compile')
  const found = ask('{ name =~ "x[0-9]+y" }', { limit: 100 }, plainSource(numbered(100, (i) => ({ name: `x${i}y` }))))
  assert.equal(found.length, 100)
  assert.ok(compile.mock.callCount() <= 2, String(compile.mock.callCount()))
})

test('ids are read of the spans that are shown, not of all spans for each trace', () => {
  const table = plainTable(numbered(200, () => ({ parentSpanId: 'f'.padStart(16, '0') })))
  let read = 0
  const parentSpanId = (row: number) => {
    read++
    return table.parentSpanId(row)
  }
  const source = { tables: () => [{ ...table, parentSpanId }] }
  assert.equal(ask('{ span:parentID != "x" }', { limit: 200 }, source).length, 200)
  assert.ok(read <= 1000, String(read))
})

test('fractions that come of powers of ints go on as floats', () => {
  const child = (i: number): Partial<PlainSpan> => ({
    traceId: '1'.padStart(32, '0'),
    attributes: { x: 9_007_199_254_740_993n },
    ...(i > 0 && { parentSpanId: '0'.padStart(16, '0') }),
  })
  const source = plainSource(numbered(3, child))
  for (const query of [
    '{ span:childCount ^ (0 - span:childCount) + span.x > 0 }',
    '{ } | sum(span:childCount ^ (0 - span:childCount)) + 1 > 0',
    '{ } | count() ^ (1 - count()) + 1 > 0',
  ]) {
    assert.equal(ask(query, {}, source).length, 1, query)
  }
})

test('whole numbers in an array with fractions are floats', () => {
  const source = plainSource(numbered(1, () => ({ attributes: { floats: [2, 2.5], ints: [2, 3] } })))
  const found = (query: string) => ask(query, {}, source).length
  assert.deepEqual(['{ span.floats = 2.0 }', '{ span.floats < 2.2 }', '{ span.ints = 2 }'].map(found), [1, 1, 1])
  assert.deepEqual(['{ span.floats = 2 }', '{ span.ints = 2.0 }'].map(found), [0, 0])
})

test('arrays are groups by their elements', () => {
  const values = [['a,b'], ['a', 'b'], [1, 2], ['1', '2']]
  const source = plainSource(numbered(4, (i) => ({ traceId: '1'.padStart(32, '0'), attributes: { list: values[i]! } })))
  const [trace] = ask('{ } | by(span.list)', {}, source)
  assert.deepEqual(
    trace!.spanSets.map((set) => shown(set.attributes)['by(span.list)']),
    values,
  )
})

test('a duration with a fraction is the number of nanoseconds that it says', () => {
  const source = plainSource(numbered(1, () => ({ durationNs: 1_001_000_000 })))
  assert.equal(ask('{ duration = 1.001s }', {}, source).length, 1)
})
