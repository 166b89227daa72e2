/** A trace as Tempo answers it, made OTLP/JSON that others read, and masked. */
import { maskedAttributes, maskedText } from './masks.ts'
import { hexId, type OtlpSpan, type OtlpTrace } from './otlp.ts'

/**
 * From the JSON of protobuf, as Tempo answers, to that of OTLP (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding):
 * ids in hex, enums as numbers. Masked on the way.
 */
export function portable({ resourceSpans = [] }: OtlpTrace): OtlpTrace {
  return {
    resourceSpans: resourceSpans.map(({ resource, scopeSpans = [], ...rest }) => ({
      ...rest,
      resource: { ...resource, attributes: maskedAttributes(resource?.attributes) },
      scopeSpans: scopeSpans.map(({ scope, spans = [], ...more }) => ({
        ...more,
        ...(scope && { scope }),
        spans: spans.map(portableSpan),
      })),
    })),
  }
}

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map((name) => `SPAN_KIND_${name}`)
const CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR']

function portableSpan(span: OtlpSpan): OtlpSpan {
  const { name = '', kind, attributes, events, links, status } = span
  return {
    ...span,
    ...idsOf(span),
    ...(span.parentSpanId && { parentSpanId: hexId(span.parentSpanId) }),
    name: maskedText('', name),
    ...(kind !== undefined && { kind: numberOf(KINDS, kind) }),
    attributes: maskedAttributes(attributes),
    ...(events && { events: events.map((event) => ({ ...event, attributes: maskedAttributes(event.attributes) })) }),
    ...(links && {
      links: links.map((link) => ({ ...link, ...idsOf(link), attributes: maskedAttributes(link.attributes) })),
    }),
    ...(status && {
      status: {
        ...(status.code !== undefined && { code: numberOf(CODES, status.code) }),
        ...(status.message !== undefined && { message: maskedText('', status.message) }),
      },
    }),
  }
}

const idsOf = ({ traceId = '', spanId = '' }: { traceId?: string; spanId?: string }) => ({
  traceId: hexId(traceId),
  spanId: hexId(spanId),
})

const numberOf = (names: readonly string[], value: string | number): number =>
  typeof value === 'number' ? value : Math.max(names.indexOf(value), 0)
