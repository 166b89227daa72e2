import assert from 'node:assert/strict'
import { test } from 'node:test'
import { context, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { createMetrics, DURATION_BUCKETS, observe } from './metrics.ts'
import { telemetry } from './telemetry/state.ts'
import { KIT_METRICS } from './test/catalogue.ts'
import { sample } from './test/index.ts'
import { startMemoryTelemetry } from './test/memory-telemetry.ts'

const service = { name: 'measured', version: '1.2.3' }
const own = { type: 'gauge', labels: ['kind'], help: 'Of this test.' }
const make = () => createMetrics(service, { ...KIT_METRICS, first: own, second: own })

test('a name that is not in the catalogue, or is of another type, is refused by name', () => {
  const metrics = make()
  assert.throws(() => metrics.counter('unknown_total'), /unknown_total is no counter in the catalogue/)
  assert.throws(() => metrics.histogram('first'), /first is no histogram in the catalogue/)
})

test('a scrape is OpenMetrics, with the build and every declared label', async () => {
  const metrics = make()
  metrics.gauge('first').set({ kind: 'a' }, 2)
  const { body, contentType } = await metrics.scrape()
  assert.match(contentType, /^application\/openmetrics-text; version=1\.0\.0/)
  assert.match(body, /# EOF\n$/)
  assert.equal(sample(body, 'first{kind="a"}'), 2)
  const build = `service_name="measured",service_version="1.2.3",node_version="${process.versions.node}"`
  assert.equal(sample(body, `service_build_info{${build}}`), 1)
  assert.match(body, /nodejs_eventloop_lag_seconds/)
  assert.throws(() => metrics.gauge('first').set({ sort: 'a' }, 2), /sort/, 'a label that was not declared')
})

test('who asks for a metric that exists gets that one; two registries share nothing', async () => {
  const metrics = make()
  metrics.gauge('first').set({ kind: 'a' }, 2)
  metrics.gauge('first').set({ kind: 'b' }, 3)
  const { body } = await metrics.scrape()
  assert.deepEqual([sample(body, 'first{kind="a"}'), sample(body, 'first{kind="b"}')], [2, 3])
  assert.equal(sample((await make().scrape()).body, 'first{kind="a"}'), undefined)
})

test('gauges of one reading: read once per scrape; when reading fails they keep their values and say so', async () => {
  const metrics = make()
  const errors: string[] = []
  let readings = 0
  metrics.gauges(
    async () => {
      readings += 1
      if (readings === 2) throw new Error('database away')
      return readings
    },
    {
      first: (gauge, state) => gauge.set({ kind: 'x' }, state),
      second: (gauge, state) => gauge.set({ kind: 'x' }, state * 10),
    },
    (error) => errors.push(error.message),
  )
  const scrape = async () => {
    const { body } = await metrics.scrape()
    return [sample(body, 'first{kind="x"}'), sample(body, 'second{kind="x"}')]
  }
  assert.deepEqual(await scrape(), [1, 10])
  assert.deepEqual(await scrape(), [1, 10])
  assert.deepEqual(errors, ['database away', 'database away'])
  assert.deepEqual(await scrape(), [3, 30])
  assert.equal(readings, 3)
})

test('an observation carries its trace as exemplar when the trace is kept, in seconds and the buckets of a request', async () => {
  await using _telemetry = startMemoryTelemetry()
  const metrics = make()
  const histogram = metrics.histogram('telemetry_export_duration_seconds')
  const ids = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
  const within = (traceFlags: number, signal: string, seconds: number) => {
    const active = trace.setSpanContext(ROOT_CONTEXT, { ...ids, traceFlags })
    context.with(active, () => observe(histogram, { signal }, seconds))
  }
  within(TraceFlags.SAMPLED, 'kept', 0.004)
  within(TraceFlags.NONE, 'dropped', 0.004)
  observe(histogram, { signal: 'untraced' }, 0.004)
  const lines = (await metrics.scrape()).body.split('\n')
  const exemplars = lines.filter((line) => line.startsWith('telemetry_export_duration') && line.includes(' # '))
  assert.equal(exemplars.length, 1)
  assert.match(
    exemplars[0]!,
    /bucket\{le="0\.005",signal="kept"\} 1 # \{trace_id="0af7.*",span_id="b7ad6b7169203331"\} 0\.004/,
  )
  assert.equal(
    lines.filter((line) => line.includes('signal="untraced"') && line.includes('le=')).length,
    DURATION_BUCKETS.length + 1,
  )
})

test('what the export queues count is copied at each scrape', async () => {
  const metrics = make()
  const counts = {
    size: 3,
    capacity: 10,
    exported: 7,
    exportedBytes: 900,
    dropped: { queue_full: 1, export_failed: 2, shutdown: 0 },
  }
  telemetry.queues.set('logs', counts)
  try {
    const dropped = (reason: string) => `telemetry_dropped_total{signal="logs",reason="${reason}"}`
    const read = async () => {
      const { body } = await metrics.scrape()
      const names = [
        'telemetry_queue_size',
        'telemetry_queue_capacity',
        'telemetry_exported_total',
        'telemetry_exported_bytes_total',
      ]
      return [
        ...names.map((name) => sample(body, `${name}{signal="logs"}`)),
        ...['queue_full', 'export_failed', 'shutdown'].map((reason) => sample(body, dropped(reason))),
      ]
    }
    assert.deepEqual(await read(), [3, 10, 7, 900, 1, 2, 0])
    counts.size = 0
    counts.exported = 10
    counts.exportedBytes = 1300
    counts.dropped.shutdown = 5
    assert.deepEqual(await read(), [0, 10, 10, 1300, 1, 2, 5], 'copied, not added')
    telemetry.onExport?.('logs', 0.2)
    const { body } = await metrics.scrape()
    assert.equal(sample(body, 'telemetry_export_duration_seconds_count{signal="logs"}'), 1)
  } finally {
    telemetry.queues.delete('logs')
  }
})
