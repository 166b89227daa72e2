/** Short notation for OTLP requests in tests. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  type AnyValueSchema,
  ExportLogsServiceRequestSchema,
  ExportMetricsServiceRequestSchema,
  ExportTraceServiceRequestSchema,
  type KeyValueSchema,
  type MetricSchema,
  type SpanSchema,
} from '@sightline/otlp-messages'

type Value = string | number | boolean | bigint

export interface TestSpan {
  /** Up to 32 and 16 hex characters; padded on the left. */
  readonly trace: string
  readonly id: string
  readonly parent?: string
  readonly service?: string
  readonly name?: string
  readonly kind?: number
  readonly status?: number
  /** Milliseconds since the epoch, and length in milliseconds. */
  readonly startMs?: number
  readonly ms?: number
  readonly traceState?: string
  readonly attributes?: Record<string, Value>
  readonly events?: readonly { name: string; attributes?: Record<string, Value> }[]
  readonly links?: readonly { trace: string; id: string }[]
}

export function anyValue(value: Value): MessageInitShape<typeof AnyValueSchema> {
  if (typeof value === 'string') return { value: { case: 'stringValue', value } }
  if (typeof value === 'boolean') return { value: { case: 'boolValue', value } }
  if (typeof value === 'bigint') return { value: { case: 'intValue', value } }
  return Number.isInteger(value)
    ? { value: { case: 'intValue', value: BigInt(value) } }
    : { value: { case: 'doubleValue', value } }
}

export const keyValues = (values: Record<string, Value> = {}): MessageInitShape<typeof KeyValueSchema>[] =>
  Object.entries(values).map(([key, value]) => ({ key, value: anyValue(value) }))

export const hex = (text: string, length: number): Buffer => Buffer.from(text.padStart(length, '0'), 'hex')

/** An ExportTraceServiceRequest; spans of one service share a resource. */
export function traceBytes(spans: readonly TestSpan[]): Buffer {
  const services = [...new Set(spans.map((span) => span.service ?? 'svc'))]
  const resourceSpans = services.map((service) => ({
    resource: { attributes: keyValues({ 'service.name': service }) },
    scopeSpans: [
      { scope: { name: 'test' }, spans: spans.filter((span) => (span.service ?? 'svc') === service).map(spanInit) },
    ],
  }))
  return Buffer.from(
    toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, { resourceSpans })),
  )
}

function spanInit(span: TestSpan): MessageInitShape<typeof SpanSchema> {
  const start = BigInt(span.startMs ?? 1_700_000_000_000) * 1_000_000n
  return {
    traceId: hex(span.trace, 32),
    spanId: hex(span.id, 16),
    ...(span.parent !== undefined && { parentSpanId: hex(span.parent, 16) }),
    name: span.name ?? 'op',
    traceState: span.traceState ?? '',
    kind: (span.kind ?? 1) as 1,
    startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(Math.round((span.ms ?? 1) * 1e6)),
    status: { code: (span.status ?? 0) as 0 },
    attributes: keyValues(span.attributes),
    events: (span.events ?? []).map((event) => ({
      name: event.name,
      timeUnixNano: start + 1000n,
      attributes: keyValues(event.attributes),
    })),
    links: (span.links ?? []).map((link) => ({ traceId: hex(link.trace, 32), spanId: hex(link.id, 16) })),
  }
}

export interface TestLine {
  readonly body: string
  readonly service?: string
  readonly ms?: number
  readonly severity?: number
  readonly severityText?: string
  readonly trace?: string
  readonly attributes?: Record<string, Value>
}

/** An ExportLogsServiceRequest. */
export function logBytes(lines: readonly TestLine[]): Buffer {
  const services = [...new Set(lines.map((line) => line.service ?? 'svc'))]
  const resourceLogs = services.map((service) => ({
    resource: { attributes: keyValues({ 'service.name': service, 'service.namespace': 'sightline' }) },
    scopeLogs: [
      {
        scope: { name: 'test' },
        logRecords: lines
          .filter((line) => (line.service ?? 'svc') === service)
          .map((line) => ({
            timeUnixNano: BigInt(line.ms ?? 1_700_000_000_000) * 1_000_000n,
            severityNumber: (line.severity ?? 9) as 9,
            severityText: line.severityText ?? '',
            body: anyValue(line.body),
            ...(line.trace !== undefined && { traceId: hex(line.trace, 32) }),
            attributes: keyValues(line.attributes),
          })),
      },
    ],
  }))
  return Buffer.from(toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, { resourceLogs })))
}

/** An ExportMetricsServiceRequest of one resource and one scope, `test` 1.2. */
export function metricBytes(
  metrics: readonly MessageInitShape<typeof MetricSchema>[],
  resource: Record<string, Value> = { 'service.name': 'svc' },
): Buffer {
  const request = create(ExportMetricsServiceRequestSchema, {
    resourceMetrics: [
      {
        resource: { attributes: keyValues(resource) },
        scopeMetrics: [{ scope: { name: 'test', version: '1.2' }, metrics: [...metrics] }],
      },
    ],
  })
  return Buffer.from(toBinary(ExportMetricsServiceRequestSchema, request))
}
