/** The tool that shows the service map, from the metrics that Tempo (or the embedded backend) derives from spans. */
import { rounded } from './answer.ts'
import { instant, type Sample } from './metrics.ts'
import { defineTool } from './tool.ts'
import { readWindow, secondsOf, windowFacts, windowParameters } from './window.ts'

/**
 * PromQL for how much each counter of a selector has counted in so many seconds. One that began in them may begin with what it had counted
 * by then, as the Collector's do, which increase() does not see; one that was set back meanwhile is left to it.
 */
export function countedOver(selector: string, seconds: number): string {
  const over = `${selector}[${seconds}s]`
  return `(last_over_time(${over}) unless ${selector} offset ${seconds}s unless resets(${over}) > 0) or increase(${over})`
}

export const map = defineTool({
  name: 'map',
  title: 'the service map: who calls whom, how often, how many fail, how slow',
  about:
    'Edges of the service map over a time: calls, failures (4xx are refusals and counted apart), 95th percentile of the time at the server. From the metrics that Tempo derives from spans.',
  example: '--since 15m',
  parameters: windowParameters('15m'),
  async run(times, system) {
    const window = readWindow(times)
    const seconds = Math.max(1, Math.round(secondsOf(window)))
    const at = String(Number(window.endNs / 1_000_000n) / 1000)
    const ask = (query: string) => instant(system, query, at)
    const by = 'client, server, connection_type'
    const [calls, failed, refused, p95] = await Promise.all([
      ask(`sum by (${by}) (${countedOver('traces_service_graph_request_total', seconds)})`),
      ask(
        `sum by (${by}) (${countedOver('traces_service_graph_request_failed_total{http_response_status_code!~"4.."}', seconds)})`,
      ),
      ask(
        `sum by (${by}) (${countedOver('traces_service_graph_request_total{http_response_status_code=~"4.."}', seconds)})`,
      ),
      ask(
        `histogram_quantile(0.95, sum by (${by}, le) (${countedOver('traces_service_graph_request_server_seconds_bucket', seconds)}))`,
      ),
    ])
    const edge = ({ client, server, connection_type }: Sample['labels']) => `${client}\n${server}\n${connection_type}`
    const byEdge = (samples: readonly Sample[]) => new Map(samples.map(({ labels, value }) => [edge(labels), value]))
    const [failures, refusals, quantiles] = [failed, refused, p95].map(byEdge) as [
      ReturnType<typeof byEdge>,
      ReturnType<typeof byEdge>,
      ReturnType<typeof byEdge>,
    ]
    const share = (part: number, whole: number) => (whole > 0 ? Math.round((part / whole) * 1000) / 10 : 0)
    const rows = calls
      .map(({ labels, value }) => {
        const count = value ?? 0
        const [bad, no] = [failures.get(edge(labels)) ?? 0, refusals.get(edge(labels)) ?? 0]
        const slow = quantiles.get(edge(labels)) ?? null
        return {
          client: labels.client ?? '',
          server: labels.server ?? '',
          type: labels.connection_type ?? '',
          calls: Math.round(count),
          failed_percent: share(bad, count),
          refused_percent: share(no, count),
          p95_ms: slow === null ? null : rounded(slow * 1000),
        }
      })
      .filter((row) => row.calls > 0)
      .sort((a, b) => b.calls - a.calls)
    return {
      facts: windowFacts(window),
      lists: [{ name: 'edges', rows }],
      nothing: 'Nobody has called anybody in this time.',
    }
  },
})
