/**
 * Main thread. Access records as OTLP: the gateway's server span, root of the trace, and one log line. The same names
 * and attributes that the OpenTelemetry module's span has once the stack's Collector has normalised it: stable HTTP
 * semantic conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
 */
import { create, toBinary } from '@bufbuild/protobuf'
import {
  ExportLogsServiceRequestSchema,
  ExportTraceServiceRequestSchema,
  type LogRecord,
  LogRecordSchema,
  SeverityNumber,
  type Span,
  Span_SpanKind,
  SpanSchema,
  Status_StatusCode,
} from '@sightline/otlp-messages'
import { attributesOf } from '../key-values.ts'
import type { AccessRecord } from './access-record.ts'

export interface GatewayResource {
  version: string
  instanceId: string
  environment: string
  /** Further ones, or others in place of the above; what the gateway is called stays. */
  attributes?: Record<string, string>
}

type Value = string | number | null

const SCOPE = { name: 'sightline.gateway', version: '' }
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'])
/** What Nginx writes where the client had gone before there was an answer: nobody was sent it. */
const CLIENT_GONE = 499
/** OTLP span flags: the low byte is the W3C flags; then "is remote" is known, and it is. */
const SAMPLED = 0x01
const PARENT_IS_KNOWN = 0x100
const PARENT_IS_REMOTE = 0x200
/**
 * Nginx cuts its times to the millisecond. The true start lies within the millisecond after the written one, the true end too:
 * with one added to the end, the span is sure to enclose its children, and at most 2 ms too long.
 */
const CLOCK_GRAIN_NS = 1_000_000n

/** ExportTraceServiceRequest bytes with one span per sampled record; no bytes, an empty request, when there is none. */
export function tracesFrom(records: AccessRecord[], resource: GatewayResource): Uint8Array {
  const spans = records.filter((record) => record.sampled).map(toSpan)
  if (spans.length === 0) return new Uint8Array()
  const resourceSpans = [{ resource: resourceOf(resource), scopeSpans: [{ scope: SCOPE, spans }] }]
  return toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, { resourceSpans }))
}

/** ExportLogsServiceRequest bytes with one line per record, sampled or not. */
export function logsFrom(records: AccessRecord[], resource: GatewayResource): Uint8Array {
  if (records.length === 0) return new Uint8Array()
  const logRecords = records.map(toLogRecord)
  const resourceLogs = [{ resource: resourceOf(resource), scopeLogs: [{ scope: SCOPE, logRecords }] }]
  return toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, { resourceLogs }))
}

function toSpan(record: AccessRecord): Span {
  const parent = record.parentSpanId !== ''
  return create(SpanSchema, {
    traceId: Buffer.from(record.traceId, 'hex'),
    spanId: Buffer.from(record.spanId, 'hex'),
    parentSpanId: Buffer.from(record.parentSpanId, 'hex'),
    traceState: record.traceState,
    flags: SAMPLED | PARENT_IS_KNOWN | (parent ? PARENT_IS_REMOTE : 0),
    name: record.route ? `${spanMethod(record)} ${record.route}` : spanMethod(record),
    kind: Span_SpanKind.SERVER,
    startTimeUnixNano: record.startNs,
    endTimeUnixNano: record.endNs + CLOCK_GRAIN_NS,
    attributes: attributesOf({
      ...requestAttributes(record),
      ...connectionAttributes(record),
      ...upstreamAttributes(record),
    }),
    status: { code: record.status >= 500 ? Status_StatusCode.ERROR : Status_StatusCode.UNSET },
  })
}

/** A span name must not grow with what clients invent. */
const spanMethod = (record: AccessRecord) => (KNOWN_METHODS.has(record.method) ? record.method : 'HTTP')

function requestAttributes(record: AccessRecord): Record<string, Value> {
  const known = KNOWN_METHODS.has(record.method)
  return {
    'http.request.method': known ? record.method : '_OTHER',
    'http.request.method_original': known ? null : record.method,
    'http.route': record.route,
    'url.path': record.path,
    'url.query': record.query,
    'url.scheme': record.scheme,
    'http.response.status_code': sentStatus(record),
    'http.response.body.size': record.responseBodyBytes,
    'error.type': errorType(record),
    'request.id': record.requestId,
  }
}

const sentStatus = ({ status }: AccessRecord) => (status === CLIENT_GONE ? null : status)

/** For a client that went away the same as on the spans and metrics of the services (service-kit/server-span.ts). */
function errorType({ status }: AccessRecord): string | null {
  if (status === CLIENT_GONE) return 'client_closed_request'
  return status >= 500 ? String(status) : null
}

function connectionAttributes(record: AccessRecord): Record<string, Value> {
  return {
    'server.address': record.host,
    'server.port': record.serverPort || null,
    'client.address': record.clientAddress,
    'network.peer.address': record.clientAddress,
    'network.peer.port': record.clientPort || null,
    'network.protocol.version': record.protocolVersion,
    'user_agent.original': record.userAgent,
  }
}

function upstreamAttributes({ upstream }: AccessRecord): Record<string, Value> {
  if (!upstream) return {}
  return {
    'gateway.upstream.address': upstream.address,
    'gateway.upstream.status_code': upstream.status,
    'gateway.upstream.connect_ms': milliseconds(upstream.connectSeconds),
    'gateway.upstream.header_ms': milliseconds(upstream.headerSeconds),
    'gateway.upstream.response_ms': milliseconds(upstream.responseSeconds),
  }
}

const milliseconds = (seconds: number | null) => (seconds === null ? null : Math.round(seconds * 1000))

function toLogRecord(record: AccessRecord): LogRecord {
  const [severityNumber, severityText] = severityOf(record.status)
  const took = (record.endNs - record.startNs) / 1_000_000n
  const outcome = sentStatus(record) ?? 'not answered'
  return create(LogRecordSchema, {
    timeUnixNano: record.endNs,
    observedTimeUnixNano: record.endNs,
    severityNumber,
    severityText,
    body: { value: { case: 'stringValue', value: `${record.method} ${record.path} ${outcome} ${took} ms` } },
    traceId: Buffer.from(record.traceId, 'hex'),
    spanId: Buffer.from(record.spanId, 'hex'),
    flags: record.sampled ? SAMPLED : 0,
    attributes: attributesOf({
      'request.id': record.requestId,
      logger: 'access',
      'http.request.method': KNOWN_METHODS.has(record.method) ? record.method : '_OTHER',
      'http.route': record.route,
      'http.response.status_code': sentStatus(record),
      'error.type': errorType(record),
      'client.address': record.clientAddress,
    }),
  })
}

function severityOf(status: number): [SeverityNumber, string] {
  if (status >= 500) return [SeverityNumber.ERROR, 'ERROR']
  if (status >= 400) return [SeverityNumber.WARN, 'WARN']
  return [SeverityNumber.INFO, 'INFO']
}

function resourceOf(resource: GatewayResource) {
  return {
    attributes: attributesOf({
      'service.namespace': 'sightline',
      'service.version': resource.version,
      'service.instance.id': resource.instanceId,
      'deployment.environment.name': resource.environment,
      ...resource.attributes,
      'service.name': 'gateway',
    }),
  }
}
