import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import {
  ExportLogsServiceRequestSchema,
  ExportTraceServiceRequestSchema,
  type KeyValue,
  Span_SpanKind,
  Status_StatusCode,
} from '@sightline/otlp-messages'
import { parseAccessRecord } from './access-record.ts'
import { recordLine } from './test/access-records.ts'
import { logsFrom, tracesFrom } from './to-otlp.ts'

const resource = { version: '1.2.3', instanceId: 'gateway@here', environment: 'local' }
const record = (fields: Record<string, string> = {}) => parseAccessRecord(recordLine(fields))!
const plain = (attributes: KeyValue[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value!.value.value]))

function spanOf(fields: Record<string, string> = {}) {
  const request = fromBinary(ExportTraceServiceRequestSchema, tracesFrom([record(fields)], resource))
  return request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!
}

test('a request becomes the root server span with stable HTTP names', () => {
  const span = spanOf()
  assert.equal(span.name, 'POST /api/v1/process')
  assert.equal(span.kind, Span_SpanKind.SERVER)
  assert.equal(Buffer.from(span.traceId).toString('hex'), '0af7651916cd43dd8448eb211c80319c')
  assert.equal(Buffer.from(span.spanId).toString('hex'), 'b7ad6b7169203331')
  assert.equal(span.parentSpanId.length, 0)
  assert.deepEqual(plain(span.attributes), {
    'http.request.method': 'POST',
    'http.route': '/api/v1/process',
    'url.path': '/api/v1/process',
    'url.scheme': 'http',
    'http.response.status_code': 200n,
    'http.response.body.size': 441n,
    'request.id': 'req-1',
    'server.address': 'localhost',
    'server.port': 8080n,
    'client.address': '127.0.0.1',
    'network.peer.address': '127.0.0.1',
    'network.peer.port': 41078n,
    'network.protocol.version': '1.1',
    'user_agent.original': 'curl/8',
    'gateway.upstream.address': '127.0.0.1:5001',
    'gateway.upstream.status_code': 200n,
    'gateway.upstream.connect_ms': 1n,
    'gateway.upstream.header_ms': 10n,
    'gateway.upstream.response_ms': 11n,
  })
})

test('the span covers the whole millisecond in which its answer ended', () => {
  const span = spanOf({ time: '1795241396.809', duration: '0.011' })
  assert.equal(span.startTimeUnixNano, 1_795_241_396_798_000_000n)
  assert.equal(span.endTimeUnixNano, 1_795_241_396_810_000_000n)
})

test('5xx is an error with its type, 4xx is not', () => {
  const failed = spanOf({ status: '502' })
  assert.equal(failed.status!.code, Status_StatusCode.ERROR)
  assert.equal(plain(failed.attributes)['error.type'], '502')
  const refused = spanOf({ status: '404' })
  assert.equal(refused.status!.code, Status_StatusCode.UNSET)
  assert.equal(plain(refused.attributes)['error.type'], undefined)
})

test('a client that went away was sent no status: error.type says so, on the span and in the line', () => {
  const { attributes, status } = spanOf({ status: '499', upstream_status: '-' })
  const said = plain(attributes)
  assert.deepEqual([said['http.response.status_code'], said['error.type']], [undefined, 'client_closed_request'])
  assert.equal(status!.code, Status_StatusCode.UNSET)
  const request = fromBinary(ExportLogsServiceRequestSchema, logsFrom([record({ status: '499' })], resource))
  const line = request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!
  assert.equal(line.body!.value.value, 'POST /api/v1/process not answered 11 ms')
  assert.equal(line.severityText, 'WARN')
  const fields = plain(line.attributes)
  assert.deepEqual([fields['http.response.status_code'], fields['error.type']], [undefined, 'client_closed_request'])
})

test('a caller with a trace of its own is the remote parent', () => {
  const span = spanOf({ parent_span_id: '00f067aa0ba902b7', trace_state: 'a=b' })
  assert.equal(Buffer.from(span.parentSpanId).toString('hex'), '00f067aa0ba902b7')
  assert.equal(span.traceState, 'a=b')
  assert.equal(span.flags, 0x301)
})

test('an invented method names neither the span nor a series', () => {
  const span = spanOf({ method: 'BREW', route: '' })
  assert.equal(span.name, 'HTTP')
  const attributes = plain(span.attributes)
  assert.deepEqual([attributes['http.request.method'], attributes['http.request.method_original']], ['_OTHER', 'BREW'])
})

test('an unsampled request leaves a log line and no span', () => {
  const records = [record({ sampled: '0' }), record({ span_id: 'aaaaaaaaaaaaaaaa' })]
  const traces = fromBinary(ExportTraceServiceRequestSchema, tracesFrom(records, resource))
  assert.equal(traces.resourceSpans[0]!.scopeSpans[0]!.spans.length, 1)
  assert.equal(tracesFrom([records[0]!], resource).length, 0)
  const logs = fromBinary(ExportLogsServiceRequestSchema, logsFrom(records, resource))
  assert.equal(logs.resourceLogs[0]!.scopeLogs[0]!.logRecords.length, 2)
})

test('the log line says what happened, as loud as it is bad, and points at the span', () => {
  const request = fromBinary(ExportLogsServiceRequestSchema, logsFrom([record({ status: '503' })], resource))
  const { resource: from, scopeLogs } = request.resourceLogs[0]!
  const line = scopeLogs[0]!.logRecords[0]!
  assert.equal(plain(from!.attributes)['service.name'], 'gateway')
  assert.equal(plain(from!.attributes)['service.namespace'], 'sightline')
  assert.equal(line.body!.value.value, 'POST /api/v1/process 503 11 ms')
  assert.equal(line.severityText, 'ERROR')
  assert.equal(Buffer.from(line.traceId).toString('hex'), '0af7651916cd43dd8448eb211c80319c')
  assert.equal(plain(line.attributes)['request.id'], 'req-1')
})
