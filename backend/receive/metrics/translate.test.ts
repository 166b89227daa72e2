import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { AggregationTemporality, type MetricSchema } from '@sightline/otlp-messages'
import type { WrittenSeries } from '@sightline/service-kit/remote-write'
import { hex, keyValues, metricBytes } from '../../test/otlp.ts'
import { decodeMetrics, MOST_MESSAGES } from './decode.ts'
import { translated } from './translate.ts'

type Metric = MessageInitShape<typeof MetricSchema>

const NOW_MS = 1_800_000_000_000
const timeUnixNano = BigInt(NOW_MS) * 1_000_000n + 999_999n
const aggregationTemporality = AggregationTemporality.CUMULATIVE
const attributes = (values: Record<string, string | number>) => keyValues(values)

/** Series as PromQL writes them with their values, and what was refused. */
function translate(metrics: Metric[], resource?: Record<string, string>) {
  const refused: [number, string][] = []
  const points = [
    ...translated(decodeMetrics(metricBytes(metrics, resource)), NOW_MS, (count, why) => refused.push([count, why])),
  ]
  return { points, series: points.flatMap(({ series }) => series), refused }
}

/** Without those of the scope, which all have. */
function written({ labels, value }: WrittenSeries): [string, number | string] {
  const name = labels.find(([label]) => label === '__name__')![1]
  const shown = labels.filter(([label]) => label !== '__name__' && !label.startsWith('otel_scope_'))
  return [`${name}{${shown.map(([label, text]) => `${label}="${text}"`).join(',')}}`, value]
}

test('a sum that only grows is a counter, any other a gauge, and ints beyond 2^53 are doubles', () => {
  const sum = (name: string, isMonotonic: boolean, asInt: bigint): Metric => ({
    name,
    unit: '1',
    data: {
      case: 'sum',
      value: {
        isMonotonic,
        aggregationTemporality,
        dataPoints: [{ timeUnixNano, value: { case: 'asInt', value: asInt }, attributes: attributes({ 'a.b': 'x' }) }],
      },
    },
  })
  const { series, refused } = translate([sum('orders', true, 3n), sum('open', false, -(2n ** 60n))])
  assert.deepEqual(series.map(written), [
    ['orders_total{a_b="x",job="svc"}', 3],
    ['open{a_b="x",job="svc"}', -(2 ** 60)],
  ])
  assert.deepEqual(refused, [])
  assert.equal(series[0]!.ms, NOW_MS)
})

const gauge = (name: string, values: Record<string, string | number> = {}, more = {}): Metric => ({
  name,
  data: {
    case: 'gauge',
    value: {
      dataPoints: [{ timeUnixNano, value: { case: 'asDouble', value: 0.5 }, attributes: attributes(values), ...more }],
    },
  },
})

test('resource and scope: job, instance, otel_scope_*, and target_info with the rest', () => {
  const resource = {
    'service.name': 'cart',
    'service.namespace': 'shop',
    'service.instance.id': 'i-1',
    'host.name': 'h',
    job: 'never',
  }
  const { points, series } = translate([gauge('g', { job: 'mine', z: 'z' })], resource)
  assert.deepEqual(series[0]!.labels, [
    ['__name__', 'g'],
    ['instance', 'i-1'],
    ['job', 'shop/cart'],
    ['otel_scope_name', 'test'],
    ['otel_scope_version', '1.2'],
    ['z', 'z'],
  ])
  assert.deepEqual(written(series[1]!), ['target_info{host_name="h",instance="i-1",job="shop/cart"}', 1])
  assert.deepEqual(
    points.map(({ points }) => points),
    [1, 0],
  )
})

test('nothing is told of a target that has no name, or of which all is said', () => {
  assert.deepEqual(translate([gauge('g')], { 'host.name': 'h' }).series.map(written), [['g{}', 0.5]])
  assert.deepEqual(translate([gauge('g')], { 'service.name': 's' }).series.map(written), [['g{job="s"}', 0.5]])
})

test('attributes of any type are labels; those that come to one name share it, empty ones are none', () => {
  const { series } = translate([gauge('g', { 'a.b': 'second', 'a-b': 'first', n: 1, d: 1.5, empty: '' })])
  assert.deepEqual(written(series[0]!), ['g{a_b="first;second",d="1.5",job="svc",n="1"}', 0.5])
})

test('a classic histogram: counts add up, each exemplar lies in its bucket, the last one holds all', () => {
  const exemplar = (value: number, id: string, ms = NOW_MS) => ({
    timeUnixNano: BigInt(ms) * 1_000_000n,
    value: { case: 'asDouble' as const, value },
    traceId: hex(id, 32),
    spanId: hex(id, 16),
    filteredAttributes: attributes(id === 'b' ? { long: 'x'.repeat(100) } : { k: 'v' }),
  })
  const { series } = translate([
    {
      name: 'wait',
      unit: 's',
      data: {
        case: 'histogram',
        value: {
          aggregationTemporality,
          dataPoints: [
            {
              timeUnixNano,
              count: 10n,
              sum: 7.5,
              bucketCounts: [1n, 2n, 3n, 4n],
              explicitBounds: [0.005, 1, 10],
              exemplars: [exemplar(99, 'c'), exemplar(1, 'b'), exemplar(0.5, 'a', NOW_MS - 5)],
              attributes: attributes({ le: 'mine' }),
            },
          ],
        },
      },
    },
  ])
  assert.deepEqual(series.map(written), [
    ['wait_seconds_bucket{job="svc",le="0.005"}', 1],
    ['wait_seconds_bucket{job="svc",le="1"}', 3],
    ['wait_seconds_bucket{job="svc",le="10"}', 6],
    ['wait_seconds_bucket{job="svc",le="+Inf"}', 10],
    ['wait_seconds_count{job="svc",le="mine"}', 10],
    ['wait_seconds_sum{job="svc",le="mine"}', 7.5],
  ])
  const ids = (id: string) => [
    ['span_id', id.padStart(16, '0')],
    ['trace_id', id.padStart(32, '0')],
  ]
  assert.deepEqual(
    series.slice(0, 4).map(({ exemplars }) => exemplars),
    [
      [],
      [
        { labels: [['k', 'v'], ...ids('a')], value: 0.5, ms: NOW_MS - 5 },
        { labels: ids('b'), value: 1, ms: NOW_MS },
      ],
      [],
      [{ labels: [['k', 'v'], ...ids('c')], value: 99, ms: NOW_MS }],
    ],
  )
})

test('a histogram without buckets has a count, and no sum unless it was sent', () => {
  const value = { aggregationTemporality, dataPoints: [{ timeUnixNano, count: 4n }] }
  assert.deepEqual(translate([{ name: 'h', data: { case: 'histogram', value } }]).series.map(written), [
    ['h_bucket{job="svc",le="+Inf"}', 4],
    ['h_count{job="svc"}', 4],
  ])
})

test('a summary keeps its quantiles', () => {
  const dataPoints = [{ timeUnixNano, count: 4n, sum: 8, quantileValues: [{ quantile: 0.99, value: 3 }] }]
  assert.deepEqual(
    translate([{ name: 's', unit: 'ms', data: { case: 'summary', value: { dataPoints } } }]).series.map(written),
    [
      ['s_milliseconds{job="svc",quantile="0.99"}', 3],
      ['s_milliseconds_count{job="svc"}', 4],
      ['s_milliseconds_sum{job="svc"}', 8],
    ],
  )
})

test('a point without a recorded value ends its series', () => {
  const { series } = translate([gauge('g', {}, { flags: 1, value: undefined })])
  assert.equal(series[0]!.value, 'stale')
})

test('what is refused names its metric and what to set', () => {
  const sum = (temporality: AggregationTemporality) => ({
    aggregationTemporality: temporality,
    dataPoints: [{ timeUnixNano }, { timeUnixNano }],
  })
  const histogram = (more: object): Metric => ({
    name: 'h',
    data: { case: 'histogram', value: { aggregationTemporality, dataPoints: [{ timeUnixNano, ...more }] } },
  })
  const cases: [Metric, number, RegExp][] = [
    [
      { name: 'my.sum', data: { case: 'sum', value: sum(AggregationTemporality.DELTA) } },
      2,
      /^my\.sum: delta .*OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative/,
    ],
    [
      { name: 'my.hist', data: { case: 'histogram', value: sum(AggregationTemporality.DELTA) } },
      2,
      /^my\.hist: delta .*=cumulative/,
    ],
    [{ name: 'u', data: { case: 'sum', value: sum(AggregationTemporality.UNSPECIFIED) } }, 2, /^u: no temporality/],
    [
      { name: 'e', data: { case: 'exponentialHistogram', value: { dataPoints: [{}, {}, {}] } } },
      3,
      /^e: exponential .*AGGREGATION=explicit_bucket_histogram/,
    ],
    [gauge('размер'), 1, /^размер: its name/],
    [gauge('v', {}, { value: undefined }), 1, /^v: a point has no value/],
    [gauge('t', {}, { timeUnixNano: 0n }), 1, /^t: a point has no time/],
    [gauge('f', {}, { timeUnixNano: timeUnixNano + 601_000_000_000n }), 1, /^f: .*10 minutes ahead/],
    [gauge('l', { long: 'x'.repeat(2 ** 20) }), 1, /^l: the labels of a point/],
    [histogram({ bucketCounts: [1n], explicitBounds: [1, 2] }), 1, /^h: 2 bounds make 3 buckets, not 1/],
    [histogram({ bucketCounts: [1n, 1n, 1n], explicitBounds: [2, 1] }), 1, /^h: bounds .*ascend/],
    [histogram({ bucketCounts: [1n, 1n], explicitBounds: [Number.NaN] }), 1, /^h: bounds .*finite/],
    [
      histogram({
        bucketCounts: new Array(2000).fill(1n),
        explicitBounds: Array.from({ length: 1999 }, (_, i) => i),
        attributes: attributes({ long: 'x'.repeat(1000) }),
      }),
      1,
      /^h: the labels of a point, once for each of its 2002 series/,
    ],
  ]
  for (const [metric, count, why] of cases) {
    const { series, refused } = translate([metric])
    assert.deepEqual(series, [], metric.name)
    assert.equal(refused.length, 1)
    assert.equal(refused[0]![0], count)
    assert.match(refused[0]![1], why)
  }
})

test('bytes that are no request, and one of too many parts, are refused before they take memory', () => {
  assert.throws(() => decodeMetrics(Buffer.from([0x0a, 0xff, 0x01])), { wire: true })
  const dataPoints = Array.from({ length: MOST_MESSAGES }, () => ({}))
  const many = metricBytes([{ name: 'm', data: { case: 'gauge', value: { dataPoints } } }])
  assert.throws(() => decodeMetrics(many), { status: 413 })
})
