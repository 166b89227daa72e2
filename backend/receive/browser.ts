/**
 * Main thread. Spans from browsers: anybody may have written them. What is not in the list of contracts/telemetry-names.ts goes, so
 * none of them can name a service, a database or a host on the map, and none can make series without end. The Collector of the
 * stack does the same (`transform/browser` in observability/collector.yaml).
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BROWSER } from '@sightline/contracts/telemetry-names'
import { ExportTraceServiceRequestSchema, type KeyValue, ResourceSchema, type Span } from '@sightline/otlp-messages'
import { maskText, maskUrl } from '@sightline/service-kit/masking'
import { httpError } from '../http.ts'
import { KIND } from '../service-graph/graph-span.ts'

/** As GATEWAY_MAX_BODY has it. */
export const MOST_BROWSER_BYTES = 65_536
const MOST_CHARACTERS = 512

/** An ExportTraceServiceRequest without what browsers may not say. Throws an HttpError 400 for bytes that are none. */
export function browserSpans(bytes: Uint8Array): Uint8Array {
  const request = readRequest(bytes)
  for (const owner of request.resourceSpans) {
    owner.resource = create(ResourceSchema, {
      attributes: [text('service.name', BROWSER.service), text('service.namespace', 'sightline')],
    })
    for (const { scope, spans } of owner.scopeSpans) {
      if (scope) scope.attributes = []
      spans.forEach(restrict)
    }
  }
  return toBinary(ExportTraceServiceRequestSchema, request)
}

function readRequest(bytes: Uint8Array) {
  try {
    return fromBinary(ExportTraceServiceRequestSchema, bytes, { readUnknownFields: false })
  } catch (error) {
    throw httpError(400, `The body is not an OTLP request: ${(error as Error).message}.`)
  }
}

function restrict(span: Span): void {
  if (!Object.hasOwn(BROWSER.spans, span.name)) span.name = 'other'
  // A page serves nobody and is no queue.
  if (span.kind !== KIND.client) span.kind = KIND.internal
  span.traceState = ''
  span.links = []
  if (span.status) span.status.message = ''
  span.attributes = allowed(span.attributes)
  span.events = span.events.filter(({ name }) => /^[A-Za-z]{1,40}$/.test(name))
  for (const event of span.events) event.attributes = allowed(event.attributes)
}

const allowed = (attributes: KeyValue[]): KeyValue[] => attributes.filter(isAllowed)

/** Masks what is a text. */
function isAllowed({ key, value }: KeyValue): boolean {
  if (!Object.hasOwn(BROWSER.attributes, key)) return false
  const held = value?.value
  if (key === 'http.response.status_code') return held?.case === 'intValue' && held.value >= 100n && held.value <= 599n
  if (held?.case === 'stringValue') held.value = safe(key, held.value).slice(0, MOST_CHARACTERS)
  return held?.case === 'stringValue' || held?.case === 'intValue' || held?.case === 'doubleValue'
}

const safe = (key: string, value: string): string =>
  key === 'url.full' ? maskUrl(value.replace(/[?#].*$/s, '')) : maskText(value)

const text = (key: string, value: string) => ({
  key,
  value: { value: { case: 'stringValue' as const, value } },
})
