import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { DiagLogLevel, diag, trace } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { ConsoleLogRecordExporter } from '@opentelemetry/sdk-logs'
import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace'
import { startMemoryTelemetry } from '../test/memory-telemetry.ts'
import { startOtlpSink } from '../test/otlp-sink.ts'
import { logExporter, spanExporter } from './exporters.ts'
import { deliverBy } from './records.ts'

let warnings: string[]
beforeEach(() => {
  warnings = []
  const silent = () => {}
  const warn = (message: string) => warnings.push(message)
  diag.setLogger({ warn, error: silent, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN)
})
afterEach(() => {
  diag.disable()
  delete process.env.OTEL_EXPORTER_OTLP_PROTOCOL
})

test('otlp and console are made, none is none', () => {
  assert.ok(spanExporter('otlp') instanceof OTLPExporterBase)
  assert.ok(logExporter('otlp') instanceof OTLPExporterBase)
  assert.ok(spanExporter('console') instanceof ConsoleSpanExporter)
  assert.ok(logExporter('console') instanceof ConsoleLogRecordExporter)
  assert.equal(spanExporter('none'), undefined)
  assert.equal(logExporter('none'), undefined)
  assert.deepEqual(warnings, [])
})

test('a list exports to each of its names, and has failed when one of them has', async (t) => {
  await using sink = await startOtlpSink()
  await using memory = startMemoryTelemetry()
  const printed = t.mock.method(console, 'dir', () => undefined)
  trace.getTracer('test').startSpan('work').end()
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = sink.url
  t.after(() => delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT)
  const sent = spanExporter('otlp, console')!
  const exported = () => new Promise<ExportResult>((done) => sent.export([memory.span('work')], done))
  assert.equal((await exported()).code, ExportResultCode.SUCCESS)
  assert.equal(sent.lastBytes?.(), sink.bytes)
  assert.equal(printed.mock.callCount(), 1)
  assert.equal(sink.spans.length, 1)
  sink.status = 400
  assert.equal((await exported()).code, ExportResultCode.FAILED)
  assert.equal(printed.mock.callCount(), 2)
  await sent.shutdown()
})

test('records that must not be lost are sent past the queue, without a scope or a level, and kept by their sender otherwise', async (t) => {
  await using sink = await startOtlpSink()
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = sink.url
  t.after(() => delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT)
  const exporter = logExporter('otlp')!
  const deliver = deliverBy(exporter, resourceFromAttributes({ 'service.name': 'audit-service' }))
  const record = {
    eventName: 'order.completed',
    time: 1_767_323_045_678_001,
    observedTime: 1_767_323_046_000_000,
    traceId: 'a'.repeat(32),
    body: '{"total": 1.5}',
    attributes: { 'audit.sequence.number': 7, 'audit.action': 'purchase' },
  }
  await deliver([record, { ...record, traceId: null }])
  const [first, second] = sink.logs
  assert.deepEqual([first!.service, first!.body, first!.severity], ['audit-service', record.body, ''])
  assert.deepEqual([first!.traceId, first!.spanId, second!.traceId], [record.traceId, '', ''])
  assert.deepEqual(
    { ...first!.attributes, 'audit.sequence.number': Number(first!.attributes['audit.sequence.number']) },
    record.attributes,
  )
  sink.status = 400
  await assert.rejects(deliver([record]))
  await exporter.shutdown()
})

test('a name that is unknown exports nothing and says which there are; another protocol is answered by ours', () => {
  assert.equal(spanExporter('zipkin'), undefined)
  assert.equal(logExporter('file'), undefined)
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'grpc'
  assert.ok(spanExporter('otlp') instanceof OTLPExporterBase)
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/protobuf'
  assert.ok(spanExporter('otlp') instanceof OTLPExporterBase)
  assert.deepEqual(warnings, [
    'OTEL_TRACES_EXPORTER: there is no exporter zipkin; use otlp, console or none',
    'OTEL_LOGS_EXPORTER: there is no exporter file; use otlp, console or none',
    'OTEL_EXPORTER_OTLP_PROTOCOL=grpc: using http/protobuf',
  ])
})
