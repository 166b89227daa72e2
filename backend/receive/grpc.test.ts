import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { Client, compressionAlgorithms, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { ExportLogsServiceResponseSchema, ExportTraceServiceResponseSchema } from '@sightline/otlp-messages'
import { httpError } from '../http.ts'
import { wireError } from '../otlp/wire.ts'
import { logBytes, traceBytes } from '../test/otlp.ts'
import { createGrpcReceiver } from './grpc.ts'

const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const LOGS = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
const METRICS = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'
const LIMIT = 100_000

async function serve(context: TestContext, ingest?: () => Promise<never>, options = {}) {
  const stored: [string, number][] = []
  const faults: unknown[] = []
  const outcomes: [string, number][] = []
  const take = (signal: string, rejected: number) => async (bytes: Uint8Array) => {
    if (ingest) return ingest()
    stored.push([signal, bytes.length])
    return { accepted: 1, rejected, reason: 'too wide' }
  }
  const receiver = createGrpcReceiver({
    ingestTraces: take('traces', 0),
    ingestLogs: take('logs', 2),
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: LIMIT,
    onError: (error) => faults.push(error),
    onRequest: ({ signal, status }) => outcomes.push([signal, status]),
  })
  await receiver.start()
  const client = new Client(`127.0.0.1:${receiver.port()}`, credentials.createInsecure(), options)
  context.after(async () => {
    client.close()
    await receiver.stop()
  })
  const same = (bytes: Buffer) => bytes
  const call = (path: string, message: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(path, same, same, message, (error, answer) => (error ? reject(error) : resolve(answer!)))
    })
  return { call, stored, faults, outcomes, port: receiver.port() }
}

const SPANS = traceBytes([{ trace: 'a', id: '1' }])
const LINES = logBytes([{ body: 'x'.repeat(2000), ms: 1, service: 's' }])

for (const [name, algorithm] of Object.entries({
  plain: compressionAlgorithms.identity,
  gzip: compressionAlgorithms.gzip,
})) {
  test(`traces and logs are taken, ${name}`, async (context) => {
    const { call, stored, outcomes } = await serve(context, undefined, {
      'grpc.default_compression_algorithm': algorithm,
    })
    assert.equal(fromBinary(ExportTraceServiceResponseSchema, await call(TRACES, SPANS)).partialSuccess, undefined)
    const { partialSuccess } = fromBinary(ExportLogsServiceResponseSchema, await call(LOGS, LINES))
    assert.equal(partialSuccess!.rejectedLogRecords, 2n)
    assert.equal(partialSuccess!.errorMessage, '2 rejected: too wide')
    assert.deepEqual(stored, [
      ['traces', SPANS.length],
      ['logs', LINES.length],
    ])
    assert.deepEqual(outcomes, [
      ['traces', 200],
      ['logs', 200],
    ])
  })
}

test('what is refused says why, and whether to send it again', async (context) => {
  const cases: [error: Error, code: number, details: RegExp, http: number, wait?: number, fault?: boolean][] = [
    [wireError('it ends'), status.INVALID_ARGUMENT, /^The message is not an OTLP request: it ends\.$/, 400],
    [httpError(429, 'behind', { 'retry-after': '2' }), status.UNAVAILABLE, /^behind$/, 429, 2],
    [httpError(503, 'away', { 'retry-after': '7' }), status.UNAVAILABLE, /^away$/, 503, 7],
    [httpError(413, 'too many'), status.INVALID_ARGUMENT, /^too many$/, 413],
    [new Error('disk full at /secret'), status.UNAVAILABLE, /^The batch could not be stored/, 503, 5, true],
  ]
  for (const [error, code, details, http, wait, fault = false] of cases) {
    const { call, faults, outcomes } = await serve(context, () => Promise.reject(error))
    await assert.rejects(call(TRACES, SPANS), (refusal: ServiceError) => {
      assert.equal(refusal.code, code)
      assert.match(refusal.details, details)
      const [told] = refusal.metadata.get('grpc-status-details-bin')
      assert.equal(told === undefined, wait === undefined)
      // The last field of the last message: the seconds of a google.protobuf.Duration.
      if (wait !== undefined) assert.deepEqual([...(told as Buffer).subarray(-6)], [0x12, 4, 0x0a, 2, 8, wait])
      return true
    })
    assert.deepEqual(faults, fault ? [error] : [])
    assert.deepEqual(outcomes, [['traces', http]])
  }
})

test('metrics are refused by name, other services are unknown, and it is healthy', async (context) => {
  const { call } = await serve(context)
  await assert.rejects(call(METRICS, SPANS), (refusal: ServiceError) => {
    assert.equal(refusal.code, status.UNIMPLEMENTED)
    assert.match(refusal.details, /^Metrics are not stored here: let Prometheus scrape them/)
    return true
  })
  await assert.rejects(call('/some.Service/Call', SPANS), { code: status.UNIMPLEMENTED })
  assert.deepEqual([...(await call('/grpc.health.v1.Health/Check', Buffer.alloc(0)))], [8, 1])
})

test('a message beyond the limit is refused, before and after decompression', async (context) => {
  for (const algorithm of [compressionAlgorithms.identity, compressionAlgorithms.gzip]) {
    const options = { 'grpc.default_compression_algorithm': algorithm }
    const { call, stored } = await serve(context, undefined, options)
    await assert.rejects(call(TRACES, Buffer.alloc(LIMIT + 1)), { code: status.RESOURCE_EXHAUSTED })
    assert.deepEqual(stored, [])
  }
})

test('a port in use is named with its variable', async (context) => {
  const { port } = await serve(context)
  const ingest = async () => ({ accepted: 0, rejected: 0, reason: '' })
  const deps = { ingestTraces: ingest, ingestLogs: ingest, host: '127.0.0.1', maxBodyBytes: LIMIT, onError: () => {} }
  const second = createGrpcReceiver({ ...deps, port })
  await assert.rejects(second.start(), new RegExp(`Port ${port} is in use\\. .*OTLP_GRPC_PORT`))
})
