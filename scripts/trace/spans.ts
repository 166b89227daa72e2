/** Reading one trace from Tempo's API and putting its spans in the order of a waterfall. */
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
}

export interface Row extends Span {
  depth: number
  /** Its parent isn't in the trace. */
  orphan: boolean
}

interface OtlpAttribute {
  key: string
  value?: { stringValue?: string }
}

interface OtlpSpan {
  spanId: string
  parentSpanId?: string
  name?: string
  startTimeUnixNano: string
  endTimeUnixNano: string
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
    const service = resource?.attributes?.find(({ key }) => key === 'service.name')?.value?.stringValue ?? 'unknown'
    return scopeSpans.flatMap((scope) => (scope.spans ?? []).map((span) => toSpan(service, span)))
  })
  return spans.length > 0 ? spans : null
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
})

/** Tempo's JSON has ids in base64 as protobuf does, OTLP's JSON in hex. */
function hex(id: string): string {
  return /^[0-9a-f]{16}$/i.test(id) || id === '' ? id.toLowerCase() : Buffer.from(id, 'base64').toString('hex')
}

/** Depth first, children by start. Spans whose parent is missing stand at the top level, marked. */
export function layOut(spans: readonly Span[]): Row[] {
  const ids = new Set(spans.map((span) => span.id))
  const children = Map.groupBy(spans, (span) => (ids.has(span.parentId) ? span.parentId : ''))
  const rows: Row[] = []
  const visit = (parent: string, depth: number) => {
    const list = (children.get(parent) ?? []).toSorted((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
    for (const span of list) {
      rows.push({ ...span, depth, orphan: span.parentId !== '' && !ids.has(span.parentId) })
      visit(span.id, depth + 1)
    }
  }
  visit('', 0)
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
