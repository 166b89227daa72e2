/** What is made of a file: of all that it says, and of nothing that variables say. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { spanProcessor } from '../processors.ts'
import { telemetry } from '../state.ts'
import { createTracerProvider } from '../tracing/provider.ts'
import { readConfigFile } from './read.ts'
import { replaceVariables, settingsFromFile } from './settings.ts'

const EVERYTHING = path.join(import.meta.dirname, 'test/everything.yaml')

test('exporters, queues, limits, sampler and resource are as the file says', async (t) => {
  await using backend = await startBackend()
  const printed = t.mock.method(console, 'dir', () => undefined)
  process.env.OTEL_EXPORTER_OTLP_HEADERS = 'x-of-a-variable=1'
  t.after(() => delete process.env.OTEL_EXPORTER_OTLP_HEADERS)
  const env = { SINK: backend.url, OTEL_SERVICE_NAME: 'one' }
  const { resource, traces, logs, propagator } = await settingsFromFile(readConfigFile(EVERYTHING, env))
  assert.deepEqual(
    [traces!.ways, logs].flat().map(({ queue }) => queue),
    [
      { capacity: 100, batchSize: 10, delayMs: 50, timeoutMs: 4_000 },
      { capacity: 2_048, batchSize: 1, delayMs: 0, timeoutMs: 30_000 },
      { capacity: 2_048, batchSize: 1, delayMs: 0, timeoutMs: 30_000 },
    ],
  )
  assert.equal(
    String(traces!.sampler),
    'ParentBased{root=TraceIdRatioBased{0.25}, remoteParentSampled=AlwaysOffSampler, remoteParentNotSampled=AlwaysOnSampler, localParentSampled=AlwaysOnSampler, localParentNotSampled=AlwaysOffSampler}',
  )
  assert.deepEqual(propagator!.fields().sort(), ['b3', 'baggage', 'traceparent', 'tracestate'])

  const processor = spanProcessor(traces!.ways, {}, true)
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`key${n}`, 'x'.repeat(40)]))
  const caller = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: TraceFlags.NONE, isRemote: true }
  const { getTracer } = createTracerProvider({ resource, ...traces!, processor })
  const span = getTracer('test').startSpan('work', { attributes: many }, trace.setSpanContext(ROOT_CONTEXT, caller))
  for (const name of 'abcd') span.addEvent(name, many)
  span.end()
  const counts = telemetry.queues.get('traces')!
  assert.equal(counts.capacity, 2_148, 'both queues are counted together')
  await processor.shutdown()
  assert.deepEqual([counts.exported, counts.size, printed.mock.callCount()], [2, 0, 1])

  const [{ url, headers, body }] = backend.taken as [Taken]
  assert.deepEqual(
    [url, headers['content-type'], headers['content-encoding'], headers['x-key'], headers['x-list']],
    ['/v1/traces', 'application/json', 'gzip', 'from-headers', 'a b'],
  )
  assert.deepEqual([headers['x-none'], headers['x-of-a-variable']], [undefined, undefined])
  const [{ resource: told, schemaUrl, scopeSpans }] = JSON.parse(gunzipSync(body).toString()).resourceSpans
  assert.deepEqual(
    told.attributes.map(({ key, value }: { key: string; value: object }) => [key, value]),
    [
      ['team', { stringValue: 'blue' }],
      ['team.size', { stringValue: '5' }],
      ['service.name', { stringValue: 'one' }],
      ['replica', { intValue: 3 }],
      ['canary', { boolValue: true }],
      ['weights', { arrayValue: { values: [{ doubleValue: 0.5 }, { doubleValue: 1.5 }] } }],
    ],
  )
  assert.equal(schemaUrl, 'https://opentelemetry.io/schemas/1.40.0')
  const [{ attributes, events }] = scopeSpans[0].spans
  assert.deepEqual([attributes.length, attributes[0].value.stringValue.length], [10, 20])
  assert.deepEqual([events.length, events[0].attributes.length], [3, 5])
})

test('what is left out is not there: no spans, no log records, no propagation', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sightline-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'otel.yaml')
  writeFileSync(file, 'file_format: "1.0"')
  const { traces, logs, propagator, resource } = await settingsFromFile(readConfigFile(file, {}))
  assert.deepEqual([traces, logs, propagator, resource.attributes], [undefined, [], null, {}])
  const certificate = `tracer_provider: {processors: [simple: {exporter: {otlp_http: {tls: {ca_file: ${file}.pem}}}}]}`
  writeFileSync(file, `file_format: "1.0"\n${certificate}`)
  await assert.rejects(settingsFromFile(readConfigFile(file, {})), /otel\.yaml can't be obeyed:\n {2}ca_file: ENOENT/)
  // Node would take the first for authorities and trust nobody, and fail each connection for the others.
  for (const name of ['ca_file', 'key_file', 'cert_file']) {
    const tls = `tracer_provider: {processors: [simple: {exporter: {otlp_http: {tls: {${name}: ${file}}}}}]}`
    writeFileSync(file, `file_format: "1.0"\n${tls}`)
    await assert.rejects(settingsFromFile(readConfigFile(file, {})), new RegExp(`can't be obeyed:\n {2}${name}: `))
  }
})

test('the variables are gone for whoever reads them later; limits of log records are where the SDK looks for them', () => {
  const env = { OTEL_CONFIG_FILE: EVERYTHING, OTEL_SDK_DISABLED: 'true', OTEL_LOG_LEVEL: 'debug', PATH: '/bin' }
  replaceVariables(env, readConfigFile(EVERYTHING, env).model)
  assert.deepEqual(env, {
    OTEL_CONFIG_FILE: EVERYTHING,
    OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: '7',
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: '30',
    PATH: '/bin',
  })
})

interface Taken {
  url: string | undefined
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Keeps requests as they come. */
async function startBackend() {
  const taken: Taken[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    taken.push({ url: request.url, headers: request.headers, body: Buffer.concat(chunks) })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
