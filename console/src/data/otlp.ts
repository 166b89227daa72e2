/** OTLP/JSON as Tempo's trace endpoints answer it -> Trace. Reads both spellings: hex ids and enum numbers, or base64 and names. */
import type { Attributes, AttributeValue, Span, Trace } from './trace.ts'

/** A value of an attribute, under the name of its type. */
export interface AnyValue {
  stringValue?: string
  intValue?: string | number
  doubleValue?: number
  boolValue?: boolean
  bytesValue?: string
  arrayValue?: { values?: AnyValue[] }
  kvlistValue?: { values?: KeyValue[] }
}

/** An attribute. */
export interface KeyValue {
  key: string
  value?: AnyValue
}

/** In either of its JSON forms. */
export interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name?: string
  kind?: string | number
  startTimeUnixNano: string
  endTimeUnixNano?: string
  attributes?: KeyValue[]
  events?: { timeUnixNano?: string; name?: string; attributes?: KeyValue[] }[]
  links?: { traceId?: string; spanId?: string; attributes?: KeyValue[] }[]
  status?: { code?: string | number; message?: string }
}

export interface OtlpTrace {
  resourceSpans?: OtlpResourceSpans[]
  batches?: OtlpResourceSpans[]
}

interface OtlpResourceSpans {
  resource?: { attributes?: KeyValue[] }
  scopeSpans?: { scope?: { name?: string; version?: string }; spans?: OtlpSpan[] }[]
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const

/** Undefined when there is no span in it. */
export function readTrace(otlp: OtlpTrace): Trace | undefined {
  const found: { span: OtlpSpan; resource: Attributes; scope: string }[] = []
  for (const { resource, scopeSpans = [] } of otlp.resourceSpans ?? otlp.batches ?? []) {
    const attributes = readAttributes(resource?.attributes)
    for (const { scope, spans = [] } of scopeSpans) {
      const name = [scope?.name, scope?.version].filter(Boolean).join(' ')
      for (const span of spans) found.push({ span, resource: attributes, scope: name })
    }
  }
  const first = found[0]
  if (!first) return undefined
  let startNs = BigInt(first.span.startTimeUnixNano)
  for (const { span } of found) {
    const start = BigInt(span.startTimeUnixNano)
    if (start < startNs) startNs = start
  }
  const spans = found.map(({ span, resource, scope }) => readSpan(span, resource, scope, startNs))
  const duration = spans.reduce((latest, span) => Math.max(latest, span.start + span.duration), 0)
  return { traceId: hexId(first.span.traceId), startNs, duration, spans }
}

function readSpan(span: OtlpSpan, resource: Attributes, scope: string, traceStart: bigint): Span {
  const start = BigInt(span.startTimeUnixNano)
  const end = BigInt(span.endTimeUnixNano ?? span.startTimeUnixNano)
  return {
    spanId: hexId(span.spanId),
    parentSpanId: hexId(span.parentSpanId ?? ''),
    name: span.name ?? '',
    kind:
      typeof span.kind === 'string'
        ? span.kind.replace('SPAN_KIND_', '').toLowerCase()
        : (KINDS[span.kind ?? 0] ?? 'unspecified'),
    status: readStatus(span.status?.code),
    statusMessage: span.status?.message ?? '',
    start: Number(start - traceStart),
    duration: Number(end > start ? end - start : 0n),
    service: String(resource['service.name'] ?? 'unknown'),
    scope,
    attributes: readAttributes(span.attributes),
    resource,
    events: (span.events ?? []).map((event) => ({
      name: event.name ?? '',
      timeNs: BigInt(event.timeUnixNano ?? span.startTimeUnixNano),
      attributes: readAttributes(event.attributes),
    })),
    links: (span.links ?? []).map((link) => ({
      traceId: hexId(link.traceId ?? ''),
      spanId: hexId(link.spanId ?? ''),
      attributes: readAttributes(link.attributes),
    })),
  }
}

function readStatus(code: string | number | undefined): Span['status'] {
  if (code === 2 || code === 'STATUS_CODE_ERROR') return 'error'
  return code === 1 || code === 'STATUS_CODE_OK' ? 'ok' : 'unset'
}

function readAttributes(list: KeyValue[] = []): Attributes {
  return Object.fromEntries(list.map(({ key, value }) => [key, readValue(value ?? {})]))
}

function readValue(value: AnyValue): AttributeValue {
  if (value.stringValue !== undefined) return value.stringValue
  if (value.intValue !== undefined) return readInt(value.intValue)
  if (value.doubleValue !== undefined) return value.doubleValue
  if (value.boolValue !== undefined) return value.boolValue
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(readValue)
  if (value.kvlistValue) return JSON.stringify(readAttributes(value.kvlistValue.values))
  return value.bytesValue ?? ''
}

/** What a number can't hold exactly stays text. */
const readInt = (value: string | number): AttributeValue =>
  Number.isSafeInteger(Number(value)) ? Number(value) : String(value)

/** 8- and 16-byte ids are 16 or 32 characters in hex, 12 or 24 in base64. */
export function hexId(id: string): string {
  if (id.length !== 12 && id.length !== 24) return /^0*$/.test(id) ? '' : id.toLowerCase()
  const hex = Array.from(atob(id), (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  return /^0*$/.test(hex) ? '' : hex
}
