/** Who calls whom, how often, how many fail or are refused, and how slow: from the metrics that Tempo (or the embedded backend) derives. */
import type { GraphEdge, GraphNode, ServiceGraph } from './graph.ts'
import type { Client } from './http.ts'
import { instantQuery } from './prometheus.ts'
import { quantilesOf } from './quantiles.ts'
import type { Series } from './series.ts'
import type { TimeRange } from './time-range.ts'
import { lastValue, scaleOf, windowOf } from './whole-range.ts'

/** Rates over the whole range (milliseconds), or over as much of it as was measured. */
export async function loadServiceGraph(client: Client, range: TimeRange): Promise<ServiceGraph> {
  const window = windowOf(range)
  const over = (metric: string, by: string) => `sum by (${by}) (rate(${metric}[${window}]))`
  const ask = (query: string) => instantQuery(client, query, range.to)
  const [totals, failures, refusals, buckets, samples] = await Promise.all([
    ask(over('traces_service_graph_request_total', 'client, server, connection_type')),
    // Client spans call a 4xx an error, server spans don't: by the code both ends, and all hops, say the same.
    ask(over('traces_service_graph_request_failed_total{http_response_status_code!~"4.."}', 'client, server')),
    ask(over('traces_service_graph_request_total{http_response_status_code=~"4.."}', 'client, server')),
    ask(over('traces_service_graph_request_server_seconds_bucket', 'client, server, le')),
    ask(`max(count_over_time(traces_service_graph_request_total[${window}]))`),
  ])
  return buildGraph({ totals, failures, refusals, buckets }, scaleOf(range, samples))
}

/** Rates by client and server. */
interface EdgeRates {
  readonly totals: readonly Series[]
  readonly failures: readonly Series[]
  readonly refusals: readonly Series[]
  /** With the label `le`, counting cumulatively. */
  readonly buckets: readonly Series[]
}

/** Rates are multiplied by `scale`; nodes and edges come in the order of their names. */
export function buildGraph({ totals, failures, refusals, buckets }: EdgeRates, scale = 1): ServiceGraph {
  const byEdge = (series: readonly Series[]) => new Map(series.map((one) => [edgeId(one.labels), lastValue(one)]))
  const failed = byEdge(failures)
  const refused = byEdge(refusals)
  const edgeP95 = quantilesOf(0.95, buckets, edgeId)
  const nodeP95 = quantilesOf(0.95, buckets, ({ server = '' }) => server)
  const edges = totals
    .map((one): GraphEdge & { kind: string } => {
      const id = edgeId(one.labels)
      const rate = (lastValue(one) ?? 0) * scale
      return {
        id,
        source: one.labels.client ?? '',
        target: one.labels.server ?? '',
        kind: one.labels.connection_type ?? '',
        rate,
        errorRatio: rate > 0 ? ((failed.get(id) ?? 0) * scale) / rate : 0,
        refusedRatio: rate > 0 ? ((refused.get(id) ?? 0) * scale) / rate : 0,
        p95: lastValue(edgeP95.get(id)),
      }
    })
    .filter((edge) => edge.rate > 0)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const names = [...new Set(edges.flatMap((edge) => [edge.source, edge.target]))].sort()
  const nodes = names.map((id): GraphNode => {
    const incoming = edges.filter((edge) => edge.target === id)
    const flows = incoming.length ? incoming : edges.filter((edge) => edge.source === id)
    const rate = flows.reduce((total, edge) => total + edge.rate, 0)
    const share = (ratio: 'errorRatio' | 'refusedRatio') =>
      rate > 0 ? flows.reduce((total, edge) => total + edge.rate * edge[ratio], 0) / rate : 0
    return {
      id,
      kind: incoming.find((edge) => edge.kind)?.kind ?? '',
      rate,
      errorRatio: share('errorRatio'),
      refusedRatio: share('refusedRatio'),
      p95: lastValue(nodeP95.get(id)),
    }
  })
  return { nodes, edges: edges.map(({ kind: _kind, ...edge }) => edge) }
}

const edgeId = ({ client, server }: Series['labels']): string => `${client} -> ${server}`
