/**
 * Main thread. Service graph and span metrics for Prometheus, with the names and labels that Tempo's metrics generator
 * uses (https://grafana.com/docs/tempo/latest/metrics-from-traces/metrics-generator/).
 */
import type { Metric, OpenMetricsContentType, Registry } from 'prom-client'
import { createEdgeFinder, type Edge } from './edges.ts'
import type { GraphSpan } from './graph-span.ts'
import type { Sample } from './histogram.ts'
import { ALL_TRACES, type KeptTraces } from './kept-traces.ts'
import { type EdgeSeries, EdgeSeriesSet, type SpanSeries, SpanSeriesSet } from './series.ts'

export { GRAPH_ATTRIBUTES, type GraphSpan, graphSpan } from './graph-span.ts'
export { createKeptTraces, type KeptTraces } from './kept-traces.ts'

export interface ServiceGraph {
  /** Spans of a batch that has been accepted. */
  add(spans: readonly GraphSpan[], nowMs: number): void
  /** Lets go of waiting ends; call it every second or so. */
  expire(nowMs: number): void
}

export interface ServiceGraphOptions {
  /** How long one end of a call waits for the other, 30,000 by default. */
  readonly waitMs?: number
  /** Which traces exemplars may name; all by default. */
  readonly kept?: KeptTraces | undefined
}

/** A graph without edges, its metrics registered in `registry`. */
export function createServiceGraph(
  registry: Registry<OpenMetricsContentType>,
  { waitMs, kept = ALL_TRACES }: ServiceGraphOptions = {},
): ServiceGraph {
  const edges = new EdgeSeriesSet(kept)
  const spans = new SpanSeriesSet(kept)
  const lost = { dropped: 0, unpaired: new Map<string, number>() }
  let nowMs = 0
  let reads = 0
  const finder = createEdgeFinder({
    onEdge: countEdge,
    onUnpaired: ({ service }) => lost.unpaired.set(service, (lost.unpaired.get(service) ?? 0) + 1),
    onDropped: () => lost.dropped++,
    ...(waitMs !== undefined && { waitMs }),
  })
  // Metrics are read in the order in which they are registered: with this one a reading begins.
  counter(registry, 'traces_service_graph_dropped_spans', 'Ends of calls that could not wait for lack of room.', () => {
    reads++
    return [{ labels: {}, value: lost.dropped }]
  })
  /**
   * A series is 0 in the first reading that shows it, as Tempo's are: Prometheus' rate() counts from the first value that it
   * saw, and would miss what a series had when it appeared. The first refusal is often the only one.
   */
  const shown = (born: number, samples: Sample[]): Sample[] =>
    born === reads - 1 ? samples.map(({ exemplar: _, ...sample }) => ({ ...sample, value: 0 })) : samples
  registerEdges(registry, () => edges.list(), shown, lost.unpaired)
  registerSpans(registry, () => spans.list(), shown)

  function measure(span: GraphSpan): void {
    const series = spans.of(span, reads)
    series.calls += span.count
    series.bytes += span.bytes * span.count
    series.latency.observe(span.seconds, span, nowMs)
  }

  function countEdge(edge: Edge): void {
    const { clientSeconds, serverSeconds, count } = edge
    const series = edges.of(edge, reads)
    series.total += count
    if (edge.failed) series.failed += count
    if (clientSeconds !== undefined) series.client.observe(clientSeconds, edge, nowMs)
    if (serverSeconds !== undefined) series.server.observe(serverSeconds, edge, nowMs)
  }

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

type Registers = Registry<OpenMetricsContentType>
/** What is told of a series, which has these samples. */
type Shown = (born: number, samples: Sample[]) => Sample[]

function registerEdges(
  registry: Registers,
  edges: () => EdgeSeries[],
  shown: Shown,
  unpaired: ReadonlyMap<string, number>,
): void {
  counter(registry, 'traces_service_graph_request', 'Requests between two nodes.', () =>
    edges().flatMap(({ labels, born, total }) => shown(born, [{ labels, value: total }])),
  )
  counter(
    registry,
    'traces_service_graph_request_failed',
    'Requests between two nodes that failed on either side.',
    () => edges().flatMap(({ labels, born, failed }) => shown(born, [{ labels, value: failed }])),
  )
  histogram(
    registry,
    'traces_service_graph_request_client_seconds',
    'Time of a request as the client saw it.',
    (name) => edges().flatMap(({ labels, born, client }) => shown(born, client.samples(name, labels))),
  )
  histogram(
    registry,
    'traces_service_graph_request_server_seconds',
    'Time of a request as the server saw it.',
    (name) => edges().flatMap(({ labels, born, server }) => shown(born, server.samples(name, labels))),
  )
  counter(registry, 'traces_service_graph_unpaired_spans', 'Ends of calls whose other end never came.', () =>
    [...unpaired].map(([client, value]) => ({ labels: { client }, value })),
  )
}

function registerSpans(registry: Registers, spans: () => SpanSeries[], shown: Shown): void {
  counter(registry, 'traces_spanmetrics_calls', 'Spans.', () =>
    spans().flatMap(({ labels, born, calls }) => shown(born, [{ labels, value: calls }])),
  )
  counter(registry, 'traces_spanmetrics_size', 'Bytes of spans as received.', () =>
    spans().flatMap(({ labels, born, bytes }) => shown(born, [{ labels, value: bytes }])),
  )
  histogram(registry, 'traces_spanmetrics_latency', 'Duration of spans in seconds.', (name) =>
    spans().flatMap(({ labels, born, latency }) => shown(born, latency.samples(name, labels))),
  )
}

function counter(registry: Registers, name: string, help: string, samples: () => Sample[]): void {
  register(registry, { name, help, type: 'counter' }, samples)
}

function histogram(registry: Registers, name: string, help: string, samples: (name: string) => Sample[]): void {
  register(registry, { name, help, type: 'histogram' }, () => samples(name))
}

/** A metric whose samples are made when it is scraped. prom-client's registry asks no more of a metric than this. */
function register(
  registry: Registers,
  about: { readonly name: string; readonly help: string; readonly type: 'counter' | 'histogram' },
  samples: () => Sample[],
): void {
  const metric = { ...about, get: async () => ({ ...about, aggregator: 'sum', values: samples() }), reset() {} }
  registry.registerMetric(metric as unknown as Metric)
}
