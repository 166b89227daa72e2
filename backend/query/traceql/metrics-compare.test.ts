import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { check, metricsInstant, metricsRange, type NamedValue, parse, print, type SpanSource, search } from './index.ts'
import type { MetricsOptions } from './result.ts'
import { filter, stages, traces } from './test/arbitraries.ts'
import { type PlainAttributes, type PlainSpan, type PlainValue, plainSource } from './test/spans.ts'

// What Tempo answers on the example traces stands in test/verdicts/compare.txt.

const BASE = 1_760_000_000_000_000_000n
const SECOND = 1_000_000_000n
const range = { startNs: BASE, endNs: BASE + 60n * SECOND }

/** A trace of its own for each, a second apart from one second after `BASE` on; the first `errors` failed. */
function spans(all: readonly PlainAttributes[], errors = 0): PlainSpan[] {
  return all.map((attributes, i) => ({
    traceId: (i + 1).toString(16).padStart(32, '0'),
    spanId: (i + 1).toString(16).padStart(16, '0'),
    name: 'x',
    status: i < errors ? 'error' : 'unset',
    startNs: BASE + BigInt(i + 1) * SECOND,
    durationNs: 1,
    attributes,
  }))
}

const nameOf = ([{ value: type }, { key, value }]: readonly [NamedValue, NamedValue]) =>
  `${type.value} ${key}=${value.type}:${value.value}`

/** `baseline span.a=string:x 3`, of one attribute when it is named. */
function instant(query: string, given: readonly PlainSpan[], attribute?: string): string[] {
  const series = metricsInstant(check(parse(query)), plainSource(given), {
    range: { ...range, endNs: BASE + 1_000_000n * SECOND },
  })
  return series
    .filter(({ labels }) => attribute === undefined || labels[1]!.key === attribute)
    .map(({ labels, value }) => `${nameOf(labels as [NamedValue, NamedValue])} ${value}`)
}

test('the most frequent values of each side are answered, of equally frequent ones the first by text', () => {
  const values = ['f', 'f', 'e', 'd', 'd', 'd', 'c', 'b', 'a', 'a']
  const given = spans(
    values.map((v) => ({ v })),
    3,
  )
  assert.deepEqual(instant('{ } | compare({ status = error }, 2)', given, 'span.v'), [
    'baseline span.v=string:a 2',
    'baseline span.v=string:d 3',
    'baseline_total span.v=nil:null 7',
    'selection span.v=string:e 1',
    'selection span.v=string:f 2',
    'selection_total span.v=nil:null 3',
  ])
})

test('values of different types are different values, and a total counts the spans that have the attribute', () => {
  const given = spans([{ v: 1 }, { v: '1' }, { v: { double: 1 } }, { v: true }, {}, { v: 1 }, { v: ['a', 'b'] }])
  assert.deepEqual(instant('{ } | compare({ false })', given, 'span.v'), [
    'baseline span.v=array:a,b 1',
    'baseline span.v=bool:true 1',
    'baseline span.v=float:1 1',
    'baseline span.v=int:1 2',
    'baseline span.v=string:1 1',
    'baseline_total span.v=nil:null 6',
  ])
})

test('a window selects the spans that start after its start and not after its end', () => {
  const given = spans([{ v: 'a' }, { v: 'b' }, { v: 'c' }, { v: 'd' }])
  const [start, end] = [BASE + SECOND, BASE + 3n * SECOND]
  assert.deepEqual(
    instant(`{ } | compare({ }, 10, ${start}, ${end})`, given, 'span.v').filter((line) => !line.includes('total')),
    [
      'baseline span.v=string:a 1',
      'baseline span.v=string:d 1',
      'selection span.v=string:b 1',
      'selection span.v=string:c 1',
    ],
  )
})

test('over a range each series has a sample per interval, and they add up to what one interval has', () => {
  const given = spans(
    Array.from({ length: 40 }, (_, i) => ({ v: `v${i % 15}`, id: i })),
    10,
  )
  const query = check(parse('{ } | compare({ status = error }, 4)'))
  const options: MetricsOptions = { range, stepNs: 7n * SECOND }
  const inAll = metricsInstant(query, plainSource(given), { range })
  const series = metricsRange(query, plainSource(given.slice(0, 13), given.slice(13)), options)
  assert.deepEqual(
    series.map(({ promLabels, samples }) => [promLabels, samples.reduce((sum, { value }) => sum + value, 0)]),
    inAll.map(({ promLabels, value }) => [promLabels, value]),
  )
  const points = new Set(series.map(({ samples }) => samples.length))
  assert.deepEqual(points, new Set([Number((range.endNs - range.startNs) / options.stepNs!) + 2]))
})

test('exemplars stand on the totals of the name and say the sample of their interval', () => {
  const given = spans([{}, {}, {}, {}], 1)
  const ask = (query: string, exemplars: number) =>
    metricsRange(check(parse(query)), plainSource(given), { range, stepNs: 60n * SECOND, exemplars })
      .filter((own) => own.exemplars.length > 0)
      .map(({ promLabels, exemplars: found }) => [promLabels, found.map((own) => own.value)])
  const query = '{ } | compare({ status = error })'
  assert.deepEqual(ask(query, 1_000), [
    ['{__meta_type="baseline_total", name="nil"}', [3, 3, 3]],
    ['{__meta_type="selection_total", name="nil"}', [1]],
  ])
  // Of an odd number the selection has one more.
  assert.deepEqual(ask(query, 1), [['{__meta_type="selection_total", name="nil"}', [1]]])
  assert.deepEqual(ask(query, 0), [])
  assert.deepEqual(ask(`${query} with(exemplars=false)`, 100), [])
  assert.equal(ask(`${query} with(exemplars=true)`, 0).length, 2)
})

test('of an attribute with a value per span the frequent values and the total are still counted', () => {
  const given = spans(Array.from({ length: 5_000 }, (_, i) => ({ id: i % 4 === 3 ? `often ${i % 8}` : `id ${i}` })))
  assert.deepEqual(instant('{ } | compare({ false }, 2)', given, 'span.id'), [
    'baseline span.id=string:often 3 625',
    'baseline span.id=string:often 7 625',
    'baseline_total span.id=nil:null 5000',
  ])
})

test('tables are read as it suits the source, unless exemplars are wanted', () => {
  const orders: (string | undefined)[] = []
  const inner = plainSource(spans([{}]))
  const source: SpanSource = {
    tables(asked, order) {
      orders.push(order)
      return inner.tables(asked)
    },
  }
  for (const exemplars of [0, 5]) {
    metricsRange(check(parse('{ } | compare({ status = error })')), source, { range, stepNs: 120n * SECOND, exemplars })
  }
  assert.deepEqual([...new Set(orders)], ['as it suits', 'newest first'])
})

test('too many cells are refused', () => {
  const given = spans(Array.from({ length: 1_000 }, (_, i) => ({ id: i })))
  const ask = () =>
    metricsRange(check(parse('{ } | compare({ false }, 1000)')), plainSource(given), {
      range: { startNs: BASE, endNs: BASE + 10_000n * SECOND },
      stepNs: SECOND,
    })
  assert.throws(ask, /too many series/)
})

test('each value is counted on the spans that a search finds on either side', () => {
  fc.assert(
    fc.property(stages, filter, traces, (given, selection, all) => {
      const searched = print({ kind: 'search', stages: given, hints: [], text: '' })
      const selected = print({ kind: 'search', stages: [selection], hints: [], text: '' })
      const [compared, chosen] = [searched, selected].map((text) => idsOf(text, all))
      const expected = new Map<string, number>()
      const add = (name: string) => expected.set(name, (expected.get(name) ?? 0) + 1)
      for (const span of all.filter((own) => compared!.has(own.spanId))) {
        const side = chosen!.has(span.spanId) ? 'selection' : 'baseline'
        for (const [key, value] of fieldsOf(span)) {
          add(`${side} ${key}=${value}`)
          add(`${side}_total ${key}=nil:null`)
        }
      }
      const query = check(parse(`${searched} | compare(${selected}, 1000)`))
      const series = metricsInstant(query, plainSource(all), { range: { startNs: 0n, endNs: 2n * SECOND } })
      const found = series.flatMap(({ labels, value }) =>
        /^(instrumentation:|root|statusMessage)/.test(labels[1]!.key)
          ? []
          : [[nameOf(labels as [NamedValue, NamedValue]), value] as const],
      )
      assert.deepEqual(new Map(found), expected, print(query))
    }),
    { numRuns: 500 },
  )
})

function idsOf(query: string, all: readonly PlainSpan[]): Set<string> {
  const found = search(check(parse(query)), plainSource(all), { limit: 100, spansPerSpanset: 0 })
  return new Set(found.flatMap(({ spanSets }) => spanSets.flatMap((set) => set.spans.map(({ spanId }) => spanId))))
}

function fieldsOf(span: PlainSpan): [string, string][] {
  const scope = (name: string, attributes: PlainAttributes = {}) =>
    Object.entries(attributes).map(([key, value]): [string, string] => {
      return [`${name}.${key.includes(' ') ? JSON.stringify(key) : key}`, plainText(value)]
    })
  return [
    ['name', `string:${span.name}`],
    ['kind', `kind:${span.kind}`],
    ['status', `status:${span.status}`],
    ...scope('span', span.attributes),
    ...scope('resource', span.resource),
    ...scope('instrumentation', span.instrumentation?.attributes),
  ]
}

function plainText(value: PlainValue): string {
  if (typeof value === 'number') return `${Number.isInteger(value) ? 'int' : 'float'}:${value}`
  if (typeof value === 'string') return `string:${value}`
  if (typeof value === 'boolean') return `bool:${value}`
  return typeof value === 'object' && 'double' in value ? `float:${value.double}` : `array:${value}`
}
