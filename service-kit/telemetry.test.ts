/** Telemetry that fails, and the standard switches. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { propagation, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { createBatcher } from './telemetry/batcher.ts'
import { propagator } from './telemetry/propagators.ts'
import { telemetry } from './telemetry/state.ts'
import { sample, startOtlpSink, startProcess, until } from './testing/index.ts'

let cluster: TestCluster
let database: TestDatabase

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
})

after(async () => {
  await database?.drop()
  await cluster?.stop()
})

function startUser(env: Record<string, string>) {
  return startProcess('user-service', database.connection('user_service'), env)
}

test('a queue is bounded, and what does not fit is counted', async () => {
  let release: (result: ExportResult) => void = () => {}
  const exporter = {
    export: (_: unknown[], done: (result: ExportResult) => void) => (release = done),
    shutdown: async () => {},
  }
  const batcher = createBatcher<object>({
    signal: 'logs',
    exporter,
    capacity: 10,
    batchSize: 4,
    delayMs: 5,
    timeoutMs: 10_000,
  })
  for (let i = 0; i < 25; i++) batcher.add({})
  const counts = telemetry.queues.get('logs')!
  assert.deepEqual([counts.size, counts.dropped.queue_full], [10, 11], 'four are under way, ten wait')
  const flushed = batcher.flush()
  await until('everything is sent', 15, () => {
    release({ code: ExportResultCode.SUCCESS })
    return counts.size === 0 && counts.exported === 14
  })
  await flushed
  await batcher.shutdown()
  batcher.add({})
  assert.equal(counts.dropped.shutdown, 1)
})

test('an export that fails, throws or hangs is counted and ends', async () => {
  const ways: Array<(done: (result: ExportResult) => void) => void> = [
    (done) => done({ code: ExportResultCode.FAILED, error: new Error('no') }),
    () => {
      throw new Error('broken')
    },
    () => {},
  ]
  for (const way of ways) {
    const exporter = {
      export: (_: unknown[], done: (result: ExportResult) => void) => way(done),
      shutdown: async () => {},
    }
    const batcher = createBatcher<object>({
      signal: 'logs',
      exporter,
      capacity: 10,
      batchSize: 4,
      delayMs: 5,
      timeoutMs: 50,
    })
    for (let i = 0; i < 6; i++) batcher.add({})
    await batcher.flush()
    assert.equal(telemetry.queues.get('logs')!.dropped.export_failed, 6)
  }
})

test('propagators: each writes what each other system reads, and they add up', () => {
  const spanContext = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: TraceFlags.SAMPLED,
  }
  const outgoing = trace.setSpanContext(ROOT_CONTEXT, spanContext)
  const headers: Record<string, string[]> = {
    tracecontext: ['traceparent'],
    b3: ['b3'],
    b3multi: ['x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled'],
    jaeger: ['uber-trace-id'],
    'tracecontext,baggage,b3,b3multi,jaeger': [
      'traceparent',
      'b3',
      'x-b3-traceid',
      'x-b3-spanid',
      'x-b3-sampled',
      'uber-trace-id',
    ],
  }
  for (const [names, expected] of Object.entries(headers)) {
    const subject = propagator(names)!
    const carrier: Record<string, string> = {}
    subject.inject(outgoing, carrier, {
      set: (target, key, value) => ((target as Record<string, string>)[key] = value),
    })
    assert.deepEqual(
      Object.keys(carrier)
        .map((key) => key.toLowerCase())
        .sort(),
      expected.sort(),
      names,
    )
    const incoming = subject.extract(
      ROOT_CONTEXT,
      Object.fromEntries(Object.entries(carrier).map(([key, value]) => [key.toLowerCase(), value])),
      {
        get: (source, key) => (source as Record<string, string>)[key.toLowerCase()],
        keys: (source) => Object.keys(source as object),
      },
    )
    assert.equal(trace.getSpanContext(incoming)?.traceId, spanContext.traceId, names)
  }
  assert.equal(propagator('none'), null)
  assert.equal(propagation.getBaggage(ROOT_CONTEXT), undefined)
})

test('a backend that answers 500 costs nothing but its spans, which are counted; when it recovers, spans arrive', async () => {
  await using sink = await startOtlpSink()
  sink.status = 500
  await using user = await startUser({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url })
  for (let i = 0; i < 20; i++) assert.equal((await user.call('GET', '/users')).status, 200)
  await until('drops are counted', 10, async () => {
    const { text } = await user.call('GET', '/metrics')
    const lost = (signal: string) =>
      sample(text, `telemetry_dropped_total{signal="${signal}",reason="export_failed"}`) ?? 0
    return lost('traces') >= 60 && lost('logs') >= 20
  })
  sink.status = 200
  const { headers } = await user.call('GET', '/users')
  const traceId = headers.get('x-trace-id')
  await until('new spans arrive', 10, () => sink.spans.some((span) => span.traceId === traceId))
  assert.deepEqual(user.stray, [], 'no unhandled rejection')
})

test('a backend that hangs or is away does not slow requests down, nor the end of the process', async () => {
  await using sink = await startOtlpSink()
  sink.status = 0
  for (const endpoint of [sink.url, 'http://127.0.0.1:1']) {
    await using user = await startUser({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_MAX_QUEUE_SIZE: '50' })
    for (let i = 0; i < 100; i++) assert.equal((await user.call('GET', '/users')).status, 200)
    await until('the full queue is seen', 10, async () => {
      const { text } = await user.call('GET', '/metrics')
      return (sample(text, 'telemetry_dropped_total{signal="traces",reason="queue_full"}') ?? 0) > 0
    })
    const { code, seconds } = await user.stop()
    assert.equal(code, 0)
    assert.ok(seconds < 10, `${seconds} s`)
    assert.deepEqual(user.stray, [])
  }
})

test('OTEL_TRACES_EXPORTER=none: ids still reach logs and answers, and nothing is sent', async () => {
  await using sink = await startOtlpSink()
  const none = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }
  await using user = await startUser(none)
  const { headers } = await user.call('GET', '/users')
  const line = await until('the log line', 15, () => user.lines.find((one) => one.message === 'GET /users 200'))
  assert.equal(line.trace_id, headers.get('x-trace-id'))
  await user.stop()
  assert.deepEqual([sink.spans.length, sink.logs.length], [0, 0])
})

test('OTEL_TRACES_EXPORTER=console prints spans; OTEL_TRACES_SAMPLER and OTEL_SDK_DISABLED are obeyed', async () => {
  await using printing = await startUser({ OTEL_TRACES_EXPORTER: 'console', OTEL_LOGS_EXPORTER: 'none' })
  await printing.call('GET', '/users')
  await until('a printed span', 15, () => printing.stray.some((line) => line.includes("name: 'GET /users'")))
  await using sink = await startOtlpSink()
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }
  for (const [name, value] of [
    ['OTEL_TRACES_SAMPLER', 'always_off'],
    ['OTEL_SDK_DISABLED', 'true'],
  ] as const) {
    await using user = await startUser({ ...endpoint, [name]: value })
    const answer = await user.call('GET', '/users')
    assert.match(answer.headers.get('x-trace-id')!, /^[0-9a-f]{32}$/)
    await user.stop()
  }
  assert.equal(sink.spans.length, 0)
})
