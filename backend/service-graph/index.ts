/** Service graph and span metrics for Prometheus, with the names and labels that Tempo's metrics generator uses. */
import type { Metric, OpenMetricsContentType, Registry } from 'prom-client'
import { createEdgeFinder, type Edge } from './edges.ts'
import type { GraphSpan } from './graph-span.ts'
import { Histogram, type Sample } from './histogram.ts'

export { GRAPH_ATTRIBUTES, type GraphSpan, graphSpan } from './graph-span.ts'

export interface ServiceGraph {
  /** Spans of a batch that has been accepted. */
  add(spans: readonly GraphSpan[], nowMs: number): void
  /** Lets go of waiting ends; call it every second or so. */
  expire(nowMs: number): void
}

interface EdgeSeries {
  readonly labels: Record<string, string>
  total: number
  failed: number
  readonly client: Histogram
  readonly server: Histogram
}

interface SpanSeries {
  readonly labels: Record<string, string>
  calls: number
  bytes: number
  readonly latency: Histogram
}

const MAX_EDGES = 2000
const MAX_SPAN_SERIES = 5000
/** Where spans go whose name would be one series too many. */
const OTHER = '_other'

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']
const STATUSES = ['UNSET', 'OK', 'ERROR']

export function createServiceGraph(registry: Registry<OpenMetricsContentType>, waitMs?: number): ServiceGraph {
  const edges = new Map<string, EdgeSeries>()
  const spans = new Map<string, Map<string, (SpanSeries | undefined)[]>>()
  let spanSeries = 0
  let nowMs = 0
  let dropped = 0
  const unpaired = new Map<string, number>()
  const finder = createEdgeFinder({
    onEdge: count,
    onUnpaired: ({ service }) => unpaired.set(service, (unpaired.get(service) ?? 0) + 1),
    onDropped: () => dropped++,
    ...(waitMs !== undefined && { waitMs }),
  })

  function count(edge: Edge): void {
    const series = edgeSeries(edge)
    series.total++
    if (edge.failed) series.failed++
    if (edge.clientSeconds !== undefined) series.client.observe(edge.clientSeconds, edge.traceId, nowMs)
    if (edge.serverSeconds !== undefined) series.server.observe(edge.serverSeconds, edge.traceId, nowMs)
  }

  function edgeSeries({ client, server, connection }: Edge): EdgeSeries {
    const full = edges.size >= MAX_EDGES
    const key = `${client}\0${server}\0${connection}`
    const known = edges.get(key) ?? (full ? edges.get(OTHER) : undefined)
    if (known !== undefined) return known
    const labels = full
      ? { client: OTHER, server: OTHER, connection_type: '' }
      : { client, server, connection_type: connection }
    const series = { labels, total: 0, failed: 0, client: new Histogram(), server: new Histogram() }
    edges.set(full ? OTHER : key, series)
    return series
  }

  function measure(span: GraphSpan): void {
    const series = seriesOf(span)
    series.calls++
    series.bytes += span.bytes
    series.latency.observe(span.seconds, span.traceId, nowMs)
  }

  function seriesOf(span: GraphSpan): SpanSeries {
    const slot = span.kind * 3 + span.status
    const known = spans.get(span.service)?.get(span.name)?.[slot]
    if (known !== undefined) return known
    const full = spanSeries >= MAX_SPAN_SERIES
    return full ? makeSeries(OTHER, OTHER, span, slot) : makeSeries(span.service, span.name, span, slot)
  }

  function makeSeries(service: string, name: string, { kind, status }: GraphSpan, slot: number): SpanSeries {
    let names = spans.get(service)
    if (names === undefined) {
      names = new Map()
      spans.set(service, names)
    }
    let slots = names.get(name)
    if (slots === undefined) {
      slots = []
      names.set(name, slots)
    }
    let series = slots[slot]
    if (series === undefined) {
      const labels = {
        service,
        span_name: name,
        span_kind: `SPAN_KIND_${KINDS[kind]}`,
        status_code: `STATUS_CODE_${STATUSES[status]}`,
      }
      series = { labels, calls: 0, bytes: 0, latency: new Histogram() }
      slots[slot] = series
      spanSeries++
    }
    return series
  }

  const edgeList = () => [...edges.values()]
  const spanList = () =>
    [...spans.values()].flatMap((names) => [...names.values()].flatMap((slots) => slots.flatMap((s) => s ?? [])))
  const counter = (name: string, help: string, samples: () => Sample[]) =>
    register(registry, name, help, 'counter', samples)
  const histogram = (name: string, help: string, samples: (name: string) => Sample[]) =>
    register(registry, name, help, 'histogram', () => samples(name))

  counter('traces_service_graph_request', 'Requests between two nodes.', () =>
    edgeList().map(({ labels, total }) => ({ labels, value: total })),
  )
  counter('traces_service_graph_request_failed', 'Requests between two nodes that failed on either side.', () =>
    edgeList().map(({ labels, failed }) => ({ labels, value: failed })),
  )
  histogram('traces_service_graph_request_client_seconds', 'Time of a request as the client saw it.', (name) =>
    edgeList().flatMap(({ labels, client }) => client.samples(name, labels)),
  )
  histogram('traces_service_graph_request_server_seconds', 'Time of a request as the server saw it.', (name) =>
    edgeList().flatMap(({ labels, server }) => server.samples(name, labels)),
  )
  counter('traces_service_graph_unpaired_spans', 'Ends of calls whose other end never came.', () =>
    [...unpaired].map(([client, value]) => ({ labels: { client }, value })),
  )
  counter('traces_service_graph_dropped_spans', 'Ends of calls that could not wait for lack of room.', () => [
    { labels: {}, value: dropped },
  ])
  counter('traces_spanmetrics_calls', 'Spans.', () => spanList().map(({ labels, calls }) => ({ labels, value: calls })))
  counter('traces_spanmetrics_size', 'Bytes of spans as received.', () =>
    spanList().map(({ labels, bytes }) => ({ labels, value: bytes })),
  )
  histogram('traces_spanmetrics_latency', 'Duration of spans in seconds.', (name) =>
    spanList().flatMap(({ labels, latency }) => latency.samples(name, labels)),
  )

  return {
    add(batch, now) {
      nowMs = now
      for (const span of batch) {
        measure(span)
        finder.add(span, now)
      }
    },
    expire(now) {
      nowMs = now
      finder.expire(now)
    },
  }
}

/** A metric whose samples are made when it is scraped. prom-client's registry asks no more of a metric than this. */
function register(
  registry: Registry<OpenMetricsContentType>,
  name: string,
  help: string,
  type: 'counter' | 'histogram',
  samples: () => Sample[],
): void {
  const metric = {
    name,
    help,
    type,
    get: async () => ({ name, help, type, aggregator: 'sum', values: samples() }),
    reset() {},
  }
  registry.registerMetric(metric as unknown as Metric)
}
