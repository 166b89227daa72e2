import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { DiagLogLevel, diag, trace } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import { ConsoleLogRecordExporter } from '@opentelemetry/sdk-logs'
import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace'
import { startMemoryTelemetry } from '../test/memory-telemetry.ts'
import { startOtlpSink } from '../test/otlp-sink.ts'
import { logExporter, spanExporter } from './exporters.ts'

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
  assert.equal(printed.mock.callCount(), 1)
  assert.equal(sink.spans.length, 1)
  sink.status = 400
  assert.equal((await exported()).code, ExportResultCode.FAILED)
  assert.equal(printed.mock.callCount(), 2)
  await sent.shutdown()
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
