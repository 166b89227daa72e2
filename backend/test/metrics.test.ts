/** OTLP metrics through the whole backend into a real Prometheus: over HTTP in each encoding, over gRPC, and with no Prometheus. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { Client, compressionAlgorithms, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { AggregationTemporality, ExportMetricsServiceResponseSchema } from '@sightline/otlp-messages'
import { until } from '@sightline/service-kit/poll'
import { startPrometheus, type TestPrometheus } from '../../local/test/prometheus.ts'
import { post, startBackend, type TestBackend } from './backend.ts'
import { metricBytes } from './otlp.ts'

const folder = mkdtempSync(join(tmpdir(), 'backend-'))
let prometheus: TestPrometheus
let backend: TestBackend
before(async () => {
  prometheus = await startPrometheus()
  backend = await startBackend(folder, { PROMETHEUS_REMOTE_WRITE_URL: prometheus.writeUrl })
})
after(async () => {
  await backend?.stop()
  await prometheus?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const timeUnixNano = () => BigInt(Date.now()) * 1_000_000n

const sum = (name: string, aggregationTemporality: AggregationTemporality = AggregationTemporality.CUMULATIVE) => {
  const dataPoints = [{ timeUnixNano: timeUnixNano(), value: { case: 'asInt' as const, value: 5n } }]
  return { name, data: { case: 'sum' as const, value: { isMonotonic: true, aggregationTemporality, dataPoints } } }
}

const json = (name: string) =>
  JSON.stringify({
    resourceMetrics: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'page' } }] },
        scopeMetrics: [
          {
            metrics: [
              {
                name,
                unit: 'ms',
                histogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      timeUnixNano: String(timeUnixNano()),
                      count: '3',
                      sum: 12,
                      bucketCounts: ['1', '2'],
                      explicitBounds: [5],
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  })

const found = async (promql: string) => (await prometheus.query(promql)).map(([{ job }, value]) => [job, value])
const send = (body: Uint8Array, headers = {}) => post(`${backend.otlp}/v1/metrics`, body, headers)

test('protobuf and JSON, plain and with gzip, are in Prometheus when 200 is answered', async () => {
  const plain = await send(metricBytes([sum('plain')]))
  assert.deepEqual([plain.status, (await plain.arrayBuffer()).byteLength], [200, 0])
  await send(gzipSync(metricBytes([sum('zipped')])), { 'content-encoding': 'gzip' })
  const answer = await send(Buffer.from(json('written')), { 'content-type': 'application/json' })
  assert.deepEqual([answer.status, await answer.text()], [200, '{}'])
  await send(gzipSync(json('both')), { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  for (const name of ['plain', 'zipped']) assert.deepEqual(await found(`${name}_total`), [['svc', 5]])
  for (const name of ['written', 'both']) {
    assert.deepEqual(await found(`${name}_milliseconds_bucket{le="5"}`), [['page', 1]])
    assert.deepEqual(await found(`${name}_milliseconds_count`), [['page', 3]])
  }
})

test('delta temporality is a partial success that says what to set, and is counted', async () => {
  const answer = await send(metricBytes([sum('good'), sum('wrong', AggregationTemporality.DELTA)]))
  const { partialSuccess } = fromBinary(ExportMetricsServiceResponseSchema, new Uint8Array(await answer.arrayBuffer()))
  assert.deepEqual([answer.status, partialSuccess?.rejectedDataPoints], [200, 1n])
  assert.match(
    partialSuccess!.errorMessage,
    /^1 rejected: wrong: delta .*OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative/,
  )
  const metrics = await (await fetch(`${backend.tempo}/metrics`)).text()
  assert.match(metrics, /^embedded_accepted_items_total\{signal="metrics"\} [5-9]$/m)
  assert.match(metrics, /^embedded_rejected_items_total\{signal="metrics"\} 1$/m)
  assert.match(metrics, /^embedded_otlp_requests_total\{signal="metrics",status="200"\} \d+$/m)
})

test('the log tells once what was refused, for senders that keep it to themselves', async () => {
  const quiet = metricBytes([sum('quiet', AggregationTemporality.DELTA)])
  await send(quiet)
  await call(backend.grpc, quiet, compressionAlgorithms.identity)
  await send(metricBytes([sum('quiet.too', AggregationTemporality.DELTA)]))
  await until('the log tells the last', 20, () => backend.output().includes('Refused metrics: quiet.too: delta'))
  assert.equal(backend.output().match(/Refused metrics: quiet: delta/g)?.length, 1)
})

test('bytes that are no request are a 400, and pages of other sites may not send', async () => {
  assert.equal((await send(Buffer.from([0x0a, 0xff, 0x01]))).status, 400)
  assert.equal((await send(Buffer.from('{'), { 'content-type': 'application/json' })).status, 400)
  assert.equal((await send(metricBytes([sum('foreign')]), { origin: 'https://evil.example' })).status, 403)
  const own = await send(metricBytes([sum('own')]), { origin: 'http://localhost:5173' })
  assert.deepEqual([own.status, own.headers.get('access-control-allow-origin')], [200, 'http://localhost:5173'])
})

const EXPORT = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'

/** One call, on a connection of its own. */
async function call(address: string, message: Buffer, algorithm: compressionAlgorithms): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.default_compression_algorithm': algorithm })
  const same = (bytes: Buffer) => bytes
  try {
    return await new Promise<Buffer>((resolve, reject) =>
      client.makeUnaryRequest(EXPORT, same, same, message, (error, answer) =>
        error ? reject(error) : resolve(answer!),
      ),
    )
  } finally {
    client.close()
  }
}

test('a body of too many parts is a 413, in protobuf, JSON and over gRPC', async () => {
  const many = metricBytes([{ name: 'm', data: { case: 'gauge', value: { dataPoints: new Array(500_000).fill({}) } } }])
  assert.equal((await send(many)).status, 413)
  const start = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":['
  const text = `${start}${'{},'.repeat(500_000)}{}]}}]}]}]}`
  assert.equal((await send(Buffer.from(text), { 'content-type': 'application/json' })).status, 413)
  const { INVALID_ARGUMENT: code } = status
  await assert.rejects(call(backend.grpc, many, compressionAlgorithms.identity), { code })
})

test('gRPC is the same, plain and with gzip', async () => {
  const { identity, gzip } = compressionAlgorithms
  for (const [name, algorithm] of Object.entries({ identity, gzip } as Record<string, compressionAlgorithms>)) {
    const wrong = sum('wrong', AggregationTemporality.DELTA)
    const answer = await call(backend.grpc, metricBytes([sum(`grpc.${name}`), wrong]), algorithm)
    assert.equal(fromBinary(ExportMetricsServiceResponseSchema, answer).partialSuccess?.rejectedDataPoints, 1n)
    assert.deepEqual(await found(`grpc_${name}_total`), [['svc', 5]])
  }
})

test('while Prometheus is away senders are told to send again, over HTTP and gRPC, and the log says so once', async () => {
  const own = await startPrometheus()
  const place = mkdtempSync(join(tmpdir(), 'backend-'))
  const other = await startBackend(place, { PROMETHEUS_REMOTE_WRITE_URL: own.writeUrl })
  try {
    await own.stop()
    const bytes = metricBytes([sum('waiting')])
    const answer = await post(`${other.otlp}/v1/metrics`, bytes)
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5'])
    await assert.rejects(call(other.grpc, bytes, compressionAlgorithms.identity), (refusal: ServiceError) => {
      assert.equal(refusal.code, status.UNAVAILABLE)
      // RetryInfo, whose last byte is the seconds.
      assert.equal((refusal.metadata.get('grpc-status-details-bin')[0] as Buffer).at(-1), 5)
      return true
    })
    const said = other.output().match(/Prometheus does not take OTLP metrics/g)
    assert.equal(said?.length, 1, other.output())
  } finally {
    await other.stop()
    rmSync(place, { recursive: true, force: true })
  }
})

test('a remote write URL that is none stops the start', async () => {
  const place = mkdtempSync(join(tmpdir(), 'backend-'))
  const env = { PROMETHEUS_REMOTE_WRITE_URL: 'localhost:9090' }
  await assert.rejects(
    startBackend(place, env),
    /PROMETHEUS_REMOTE_WRITE_URL: write the URL of a remote write receiver/,
  )
  rmSync(place, { recursive: true, force: true })
})
