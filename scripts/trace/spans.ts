/** Reading one trace from Tempo's API and putting its spans in the order of a waterfall. */
import { setTimeout as pause } from 'node:timers/promises'

export interface Span {
  /** Lower-case hex; '' for no parent. */
  id: string
  parentId: string
  service: string
  name: string
  /** Nanoseconds since the epoch. */
  start: bigint
  end: bigint
  error: boolean
  statusMessage: string
  /** As OTLP's JSON names it without its prefix: SERVER, CLIENT, INTERNAL ... */
  kind: string
  attributes: Attributes
  events: { name: string; attributes: Attributes }[]
}

export type Attributes = Record<string, unknown>

export interface Row extends Span {
  depth: number
  /** Its parent isn't in the trace. */
  orphan: boolean
}

interface OtlpAttribute {
  key: string
  value?: OtlpValue
}

interface OtlpValue {
  stringValue?: string
  intValue?: string | number
  doubleValue?: number
  boolValue?: boolean
  arrayValue?: { values?: OtlpValue[] }
}

interface OtlpSpan {
  spanId: string
  parentSpanId?: string
  name?: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  kind?: string | number
  attributes?: OtlpAttribute[]
  events?: { name: string; attributes?: OtlpAttribute[] }[]
  status?: { code?: string | number; message?: string }
}

interface OtlpBatch {
  resource?: { attributes?: OtlpAttribute[] }
  scopeSpans?: { spans?: OtlpSpan[] }[]
}

/** GET /api/traces/{id}; null when there is none. Throws with the answer's text on any other status. */
export async function readTrace(tempo: string, traceId: string): Promise<Span[] | null> {
  const response = await fetch(`${tempo}/api/traces/${traceId}`, { headers: { accept: 'application/json' } })
  if (response.status === 404) return null
  if (!response.ok) throw new Error(`${tempo}/api/traces answered ${response.status}: ${await response.text()}`)
  const { batches = [] } = (await response.json()) as { batches?: OtlpBatch[] }
  const spans = batches.flatMap(({ resource, scopeSpans = [] }) => {
    const service = String(plain(resource?.attributes)['service.name'] ?? 'unknown')
    return scopeSpans.flatMap((scope) => (scope.spans ?? []).map((span) => toSpan(service, span)))
  })
  return spans.length > 0 ? spans : null
}

/** The services send every half second. */
export const SETTLE_MS = 1500

/** The same, once it is old enough to be whole: a trace that has just happened arrives in pieces, a batch from each service. */
export async function readSettledTrace(tempo: string, traceId: string): Promise<Span[] | null> {
  const found = await readTrace(tempo, traceId)
  const wait = found ? Number(extent(found).end / 1_000_000n) + SETTLE_MS - Date.now() : 0
  if (wait <= 0) return found
  await pause(Math.min(wait, SETTLE_MS))
  return readTrace(tempo, traceId)
}

const toSpan = (service: string, span: OtlpSpan): Span => ({
  id: hex(span.spanId),
  parentId: hex(span.parentSpanId ?? ''),
  service,
  name: span.name ?? '',
  start: BigInt(span.startTimeUnixNano),
  end: BigInt(span.endTimeUnixNano),
  error: span.status?.code === 'STATUS_CODE_ERROR' || span.status?.code === 2,
  statusMessage: span.status?.message ?? '',
  kind: kinds[Number(span.kind)] ?? String(span.kind ?? 'UNSPECIFIED').replace('SPAN_KIND_', ''),
  attributes: plain(span.attributes),
  events: (span.events ?? []).map((event) => ({ name: event.name, attributes: plain(event.attributes) })),
})

const kinds = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']

const plain = (attributes: OtlpAttribute[] = []): Attributes =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value && plainValue(value)]))

function plainValue(value: OtlpValue): unknown {
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plainValue)
  if (value.intValue !== undefined) return Number(value.intValue)
  return value.stringValue ?? value.doubleValue ?? value.boolValue
}

/** Tempo's JSON has ids in base64 as protobuf does, OTLP's JSON in hex. */
function hex(id: string): string {
  return /^[0-9a-f]{16}$/i.test(id) || id === '' ? id.toLowerCase() : Buffer.from(id, 'base64').toString('hex')
}

/** Spans that have a parent which is not among them. */
export function orphansOf<T extends Pick<Span, 'id' | 'parentId'>>(spans: readonly T[]): T[] {
  const ids = new Set(spans.map(({ id }) => id))
  return spans.filter(({ parentId }) => parentId !== '' && !ids.has(parentId))
}

/** Depth first, children by start. Spans whose parent is missing, or is among their own children, stand at the top, marked. */
export function layOut(spans: readonly Span[]): Row[] {
  const ids = new Set(spans.map((span) => span.id))
  const inOrder = spans.toSorted((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  const children = Map.groupBy(inOrder, (span) => (ids.has(span.parentId) ? span.parentId : ''))
  const left = new Set(inOrder)
  const rows: Row[] = []
  const visit = (span: Span, depth: number) => {
    if (!left.delete(span)) return
    rows.push({ ...span, depth, orphan: depth === 0 && span.parentId !== '' })
    for (const child of children.get(span.id) ?? []) visit(child, depth + 1)
  }
  for (const span of children.get('') ?? []) visit(span, 0)
  // What no top leads to are parents in a circle.
  for (const span of left) visit(span, 0)
  return rows
}

/** First start and last end of all spans. */
export function extent(spans: readonly Span[]): { start: bigint; end: bigint } {
  let { start, end } = spans[0]!
  for (const span of spans) {
    if (span.start < start) start = span.start
    if (span.end > end) end = span.end
  }
  return { start, end }
}
