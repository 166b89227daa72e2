/** What a real Prometheus makes of OTLP metrics, and what is said when it refuses them or is away. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { AggregationTemporality, type MetricSchema } from '@sightline/otlp-messages'
import { until } from '@sightline/service-kit/poll'
import { startPrometheus, type TestPrometheus } from '../../../local/test/prometheus.ts'
import { isHttpError } from '../../http.ts'
import type { ReadCounts } from '../../otlp/traces.ts'
import { hex, keyValues, metricBytes } from '../../test/otlp.ts'
import { createMetricsSink } from './index.ts'

let prometheus: TestPrometheus
before(async () => {
  prometheus = await startPrometheus()
})
after(() => prometheus?.stop())

type Metric = MessageInitShape<typeof MetricSchema>

const nanos = (ms: number) => BigInt(ms) * 1_000_000n

function counter(name: string, value: number, ms = Date.now(), exemplars: object[] = []): Metric {
  const dataPoints = [
    {
      timeUnixNano: nanos(ms),
      value: { case: 'asDouble' as const, value },
      exemplars,
      attributes: keyValues({ k: 'v' }),
    },
  ]
  const aggregationTemporality = AggregationTemporality.CUMULATIVE
  return { name, data: { case: 'sum', value: { isMonotonic: true, aggregationTemporality, dataPoints } } }
}

function sinkTo(url = prometheus.writeUrl, answerWithinMs = 8000) {
  const counted: ReadCounts[] = []
  const away: (string | undefined)[] = []
  const onCounted = (counts: ReadCounts) => void counted.push(counts)
  const onAway = (why: string | undefined) => void away.push(why)
  return { take: createMetricsSink({ url, answerWithinMs, onCounted, onAway }), counted, away }
}

test('counters, histograms, their exemplars and target_info are found by PromQL', async () => {
  const { take, counted } = sinkTo()
  const now = Date.now()
  const traceId = 'ab'.repeat(16)
  const exemplar = {
    timeUnixNano: nanos(now),
    value: { case: 'asDouble' as const, value: 0.3 },
    traceId: hex(traceId, 32),
    spanId: hex('cd', 16),
  }
  const histogram: Metric = {
    name: 'wait',
    unit: 's',
    data: {
      case: 'histogram',
      value: {
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPoints: [
          {
            timeUnixNano: nanos(now),
            count: 3n,
            sum: 3.5,
            bucketCounts: [1n, 1n, 1n],
            explicitBounds: [0.1, 1],
            exemplars: [exemplar],
          },
        ],
      },
    },
  }
  const resource = { 'service.name': 'cart', 'service.instance.id': 'i1', 'host.name': 'h' }
  const bytes = metricBytes([counter('orders', 7, now, [exemplar]), histogram], resource)
  assert.deepEqual(await take(bytes), { accepted: 2, rejected: 0, reason: '' })
  const common = { instance: 'i1', job: 'cart', otel_scope_name: 'test', otel_scope_version: '1.2' }
  assert.deepEqual(await prometheus.query('orders_total'), [[{ ...common, k: 'v' }, 7]])
  assert.deepEqual(await prometheus.query('wait_seconds_bucket{le="1"}'), [[{ ...common, le: '1' }, 2]])
  assert.deepEqual(await prometheus.query('histogram_quantile(0.5, wait_seconds_bucket)'), [[common, 0.55]])
  assert.deepEqual(await prometheus.query('wait_seconds_sum / wait_seconds_count'), [[common, 3.5 / 3]])
  assert.deepEqual(await prometheus.query('orders_total * on(job, instance) group_left(host_name) target_info'), [
    [{ ...common, k: 'v', host_name: 'h' }, 7],
  ])
  const told = { labels: { span_id: 'cd'.padStart(16, '0'), trace_id: traceId }, value: '0.3', timestamp: now / 1000 }
  assert.deepEqual(await prometheus.exemplars('orders_total'), [told])
  assert.deepEqual(await prometheus.exemplars('wait_seconds_bucket'), [told])
  // An answer that was lost has a sender send it once more.
  assert.deepEqual(await take(bytes), { accepted: 2, rejected: 0, reason: '' })
  assert.deepEqual(
    counted.map(({ accepted }) => accepted),
    [2, 2],
  )
})

test('what Prometheus refuses as too old is named, and takes nothing else with it', async () => {
  const { take, counted } = sinkTo()
  const old = Date.now() - 100 * 3_600_000
  const bytes = metricBytes([
    counter('before', 1),
    counter('too.old', 1, old),
    counter('behind', 1),
    counter('last', 1),
  ])
  const counts = await take(bytes)
  assert.deepEqual([counts.accepted, counts.rejected], [3, 1])
  assert.match(counts.reason, /^too\.old: Prometheus refuses it \([45]00: .*(out of bounds|too old)/)
  for (const name of ['before', 'behind', 'last'])
    assert.equal((await prometheus.query(`${name}_total`)).length, 1, name)
  assert.deepEqual(counted, [counts])
})

test('a flood of what is too old ends after some tries', async () => {
  const { take } = sinkTo()
  const old = Date.now() - 100 * 3_600_000
  const counts = await take(metricBytes(Array.from({ length: 500 }, (_, i) => counter(`old.${i}`, 1, old))))
  assert.deepEqual([counts.accepted, counts.rejected], [0, 500])
  assert.match(counts.reason, /^old\.0: Prometheus refuses it/)
  assert.ok(counts.reason.length < 1000, counts.reason)
})

test('a series ends where a point says that nothing was recorded', async () => {
  const { take } = sinkTo()
  const now = Date.now()
  const gauge = (ms: number, flags: number): Metric => ({
    name: 'ending',
    data: {
      case: 'gauge',
      value: { dataPoints: [{ timeUnixNano: nanos(ms), value: { case: 'asInt', value: 1n }, flags }] },
    },
  })
  await take(metricBytes([gauge(now - 2000, 0)]))
  assert.equal((await prometheus.query('ending')).length, 1)
  await take(metricBytes([gauge(now - 1000, 1)]))
  assert.equal((await prometheus.query('ending')).length, 0)
})

test('more than one request to Prometheus holds is written in several', async () => {
  const { take } = sinkTo()
  const dataPoints = Array.from({ length: 3000 }, (_, i) => ({
    timeUnixNano: nanos(Date.now()),
    value: { case: 'asInt' as const, value: 1n },
    attributes: keyValues({ i: String(i), long: 'x'.repeat(3000) }),
  }))
  const bytes = metricBytes([{ name: 'many', data: { case: 'gauge', value: { dataPoints } } }])
  assert.deepEqual(await take(bytes), { accepted: 3000, rejected: 0, reason: '' })
  assert.deepEqual(await prometheus.query('count(many)'), [[{}, 3000]])
})

const unavailable = (error: unknown) =>
  isHttpError(error) && error.status === 503 && error.headers?.['retry-after'] === '5'

test('without Prometheus the sender keeps its metrics; it is said once, and once more when it is back', async () => {
  const own = await startPrometheus()
  const { take, counted, away } = sinkTo(own.writeUrl)
  try {
    await take(metricBytes([counter('held', 1)]))
    const ending = own.restart()
    const late = metricBytes([counter('held', 2)])
    let refused = 0
    // While it is down and starts: an SDK that sends again.
    await until('it is refused, and taken later', 60, async () => {
      const answer = await take(late).catch((error: unknown) => {
        if (!unavailable(error)) throw error
        refused++
      })
      return answer !== undefined && refused > 0
    })
    await ending
    assert.deepEqual(
      (await own.query('held_total')).map(([, value]) => value),
      [2],
    )
    assert.equal(away.length, 2)
    assert.match(String(away[0]), /ECONNREFUSED|ECONNRESET|socket hang up|closed|5\d\d/)
    assert.equal(away[1], undefined)
    assert.ok(counted.every(({ accepted, rejected }) => accepted === 1 && rejected === 0))
  } finally {
    await own.stop()
  }
})

test('one that hangs is given up, and those that waited behind are told the same without waiting', async (t) => {
  let asked = 0
  const silent = createServer(() => void asked++)
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening))
  t.after(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const { take } = sinkTo(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/api/v1/write`, 100)
  const sent = Array.from({ length: 5 }, () => take(metricBytes([counter('c', 1)])))
  for (const one of await Promise.allSettled(sent)) assert.ok(one.status === 'rejected' && unavailable(one.reason))
  assert.equal(asked, 1)
})

test('a Prometheus whose receiver is off says so in a partial success', async () => {
  const own = await startPrometheus([])
  try {
    const counts = await sinkTo(own.writeUrl).take(metricBytes([counter('a', 1), counter('b', 1)]))
    assert.deepEqual([counts.accepted, counts.rejected], [0, 2])
    assert.match(counts.reason, /^a and 1 more: Prometheus refuses it \(404: .*remote-write-receiver/)
  } finally {
    await own.stop()
  }
})

test('so much may wait for its turn, and no more', async (t) => {
  const silent = createServer()
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening))
  t.after(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const { take } = sinkTo(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`, 100)
  const large = Buffer.concat([metricBytes([counter('c', 1)]), Buffer.alloc(40 << 20)])
  const first = take(large).catch((error: unknown) => error)
  await assert.rejects(take(large), { status: 429 })
  assert.ok(await first)
})
