/**
 * Main thread. What Prometheus is told of the gateway: requests from its access records, connections from its
 * stub_status.
 */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { otOf, surelyKept } from '@sightline/service-kit/consistent-sampling'
import { Counter, Gauge, Histogram, type OpenMetricsContentType, type Registry } from 'prom-client'
import type { AccessRecord } from './access-record.ts'

export interface GatewayMetrics {
  onRecord(record: AccessRecord): void
  onMalformed(count: number): void
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
const STATUS_TIMEOUT_MS = 1000

/** An OpenMetrics registry: the other text format has no exemplars, and prom-client refuses them there. */
export type ExemplarRegistry = Registry<OpenMetricsContentType>

/**
 * Registers the collectors. `statusUrl` is where stub_status answers; without it there are no connection metrics. `share`: of the
 * traces, where the store doesn't keep all.
 */
export function registerGatewayMetrics(
  registry: ExemplarRegistry,
  statusUrl: string | undefined,
  { share, timeoutMs = STATUS_TIMEOUT_MS }: { share?: number | undefined; timeoutMs?: number } = {},
): GatewayMetrics {
  const requests = new Counter({
    name: 'nginx_http_requests_total',
    help: 'Requests answered by the gateway; health probes that succeed are not counted.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })
  // Exemplars bring label names of their own: <string>, not the labels of the series.
  const duration = new Histogram<string>({
    name: 'nginx_http_request_duration_seconds',
    help: 'From the first byte of the request to the last of the answer, seen by the gateway.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    enableExemplars: true,
    registers: [registry],
  })
  const malformed = new Counter({
    name: 'gateway_log_malformed_lines_total',
    help: 'Lines of the access log that are no access records.',
    registers: [registry],
  })
  if (statusUrl) registerConnections(registry, statusUrl, timeoutMs)
  return {
    onRecord(record) {
      // Bounded: routes are templates, methods a short list, and what is not published shares one empty route.
      const method = METHODS.has(record.method) ? record.method : '_OTHER'
      const labels = { method, route: record.route, status: String(record.status) }
      requests.inc(labels)
      const value = Number(record.endNs - record.startNs) / 1e9
      const call = { seconds: value, failed: record.status >= 500 }
      const named = record.sampled && surelyKept(record.traceId, otOf(record.traceState), call, share)
      const exemplarLabels = named ? { trace_id: record.traceId, span_id: record.spanId } : undefined
      duration.observe({ labels, value, exemplarLabels })
    },
    onMalformed: (count) => malformed.inc(count),
  }
}

/** Names and meanings as nginx-prometheus-exporter gives them. */
const CONNECTIONS = {
  nginx_connections_active: ['active', 'Open client connections.'],
  nginx_connections_reading: ['reading', 'Connections whose request header is being read.'],
  nginx_connections_writing: ['writing', 'Connections whose answer is being written.'],
  nginx_connections_waiting: ['waiting', 'Idle kept-alive connections.'],
  nginx_connections_accepted: ['accepted', 'Connections accepted since Nginx started.'],
  nginx_connections_handled: ['handled', 'Of these, handled: fewer when a limit was met.'],
} as const satisfies Record<string, [keyof StubStatus, string]>

function registerConnections(registry: ExemplarRegistry, statusUrl: string, timeoutMs: number): void {
  // One look per scrape serves all of them.
  let latest: { at: number; status: Promise<StubStatus | null> } | null = null
  const look = () => {
    if (!latest || Date.now() - latest.at > STATUS_TIMEOUT_MS)
      latest = { at: Date.now(), status: readStubStatus(statusUrl, timeoutMs) }
    return latest.status
  }
  new Gauge({
    name: 'nginx_up',
    help: '1 when stub_status answers.',
    registers: [registry],
    async collect() {
      this.set((await look()) ? 1 : 0)
    },
  })
  for (const [name, [field, help]] of Object.entries(CONNECTIONS)) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set((await look())?.[field] ?? 0)
      },
    })
  }
}

export interface StubStatus {
  active: number
  accepted: number
  handled: number
  requests: number
  reading: number
  writing: number
  waiting: number
}

/** null when Nginx doesn't answer in time, or something else does. */
async function readStubStatus(url: string, timeoutMs: number): Promise<StubStatus | null> {
  try {
    // Not by fetch, which this process would load for it alone.
    const request = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const page = await text(response)
    return response.statusCode === 200 ? parseStubStatus(page) : null
  } catch {
    // Down, which nginx_up says.
    return null
  }
}

/** The page of ngx_http_stub_status_module as numbers; null when it is something else. */
export function parseStubStatus(text: string): StubStatus | null {
  const numbers =
    /Active connections: (\d+)\s+server accepts handled requests\s+(\d+) (\d+) (\d+)\s+Reading: (\d+) Writing: (\d+) Waiting: (\d+)/
      .exec(text)
      ?.slice(1)
      .map(Number)
  if (!numbers) return null
  const [active, accepted, handled, requests, reading, writing, waiting] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return { active, accepted, handled, requests, reading, writing, waiting }
}
