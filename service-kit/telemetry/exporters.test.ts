import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { ConsoleLogRecordExporter } from '@opentelemetry/sdk-logs'
import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace'
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
  assert.ok(spanExporter('otlp') instanceof OTLPTraceExporter)
  assert.ok(logExporter('otlp') instanceof OTLPLogExporter)
  assert.ok(spanExporter('console') instanceof ConsoleSpanExporter)
  assert.ok(logExporter('console') instanceof ConsoleLogRecordExporter)
  assert.equal(spanExporter('none'), undefined)
  assert.equal(logExporter('none'), undefined)
  assert.deepEqual(warnings, [])
})

test('a name that is unknown exports nothing and says which there are; another protocol is answered by ours', () => {
  assert.equal(spanExporter('zipkin'), undefined)
  assert.equal(logExporter('file'), undefined)
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'grpc'
  assert.ok(spanExporter('otlp') instanceof OTLPTraceExporter)
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/protobuf'
  assert.ok(spanExporter('otlp') instanceof OTLPTraceExporter)
  assert.deepEqual(warnings, [
    'OTEL_TRACES_EXPORTER=zipkin: use otlp, console or none; nothing is exported',
    'OTEL_LOGS_EXPORTER=file: use otlp, console or none; nothing is exported',
    'OTEL_EXPORTER_OTLP_PROTOCOL=grpc: using http/protobuf',
  ])
})
