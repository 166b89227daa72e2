/** prom-client with a registry of its own, OpenMetrics output, and names that must stand in the catalogue. */
import { type SpanContext, TraceFlags, trace } from '@opentelemetry/api'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { surelyKept } from './telemetry/consistent-sampling.ts'
import { telemetry } from './telemetry/state.ts'

/** Every metric of a service by name: `counter`, `gauge` or `histogram`, its labels, and what it means. */
export type Catalogue = Record<string, { type: string; labels: readonly string[]; help: string }>

/** Seconds, from a fast statement to a request that used up its budget. */
export const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The metrics of one process. Asking for a name twice gives the same metric; an unknown one throws. */
export interface Metrics {
  counter(name: string, collect?: (counter: Counter) => void): Counter
  gauge(name: string, collect?: (gauge: Gauge) => void | Promise<void>): Gauge
  /** Several gauges from one reading per scrape; when it fails they keep their last values. */
  gauges<State>(
    read: () => Promise<State>,
    set: Record<string, (gauge: Gauge, state: State) => void>,
    onError: (error: Error) => void,
  ): void
  /** Observations carry the trace as exemplar when they are made through `observe`. */
  histogram(name: string): Histogram
  /** The text for a scrape, with its content type. */
  scrape(): Promise<{ body: string; contentType: string }>
}

/**
 * An empty registry with Node's own metrics, `service_build_info` and the counts of the export queues. Throws when a name
 * is asked for that is not in `catalogue`, or as another type. Scrapes are OpenMetrics 1.0, which carries exemplars.
 */
export function createMetrics(service: { name: string; version: string }, catalogue: Catalogue): Metrics {
  const registry = new Registry()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  collectDefaultMetrics({ register: registry })

  function options(name: string, type: string) {
    const entry = catalogue[name]
    if (entry?.type !== type) throw new Error(`${name} is no ${type} in the catalogue of telemetry names`)
    return { name, help: entry.help, labelNames: [...entry.labels], registers: [registry] }
  }
  // Two parts of a service may count the same thing: the first to ask makes the metric.
  function once<Metric>(name: string, make: () => Metric): Metric {
    return (registry.getSingleMetric(name) as Metric | undefined) ?? make()
  }
  const metrics: Metrics = {
    counter: (name, collect) =>
      once(name, () => new Counter({ ...options(name, 'counter'), collect: collect && atScrape<Counter>(collect) })),
    gauge: (name, collect) =>
      once(name, () => new Gauge({ ...options(name, 'gauge'), collect: collect && atScrape<Gauge>(collect) })),
    gauges(read, set, onError) {
      let reading: ReturnType<typeof read> | undefined
      const share = () => {
        reading ??= read().finally(() => {
          reading = undefined
        })
        return reading
      }
      for (const [name, apply] of Object.entries(set)) {
        metrics.gauge(name, (gauge) => share().then((state) => apply(gauge, state), onError))
      }
    },
    histogram: (name) =>
      once(
        name,
        () => new Histogram({ ...options(name, 'histogram'), buckets: DURATION_BUCKETS, enableExemplars: true }),
      ),
    scrape: async () => ({ body: await registry.metrics(), contentType: registry.contentType }),
  }
  metrics
    .gauge('service_build_info')
    .set({ service_name: service.name, service_version: service.version, node_version: process.versions.node }, 1)
  registerTelemetryMetrics(metrics)
  return metrics
}

/** prom-client calls it with the metric as `this`. */
function atScrape<Metric>(collect: (metric: Metric) => void | Promise<void>) {
  return function (this: Metric) {
    return collect(this)
  }
}

/** One observation in seconds; the active trace becomes its exemplar when it is sampled, and surely kept. */
export function observe(histogram: Histogram, labels: Record<string, string | number>, value: number): void {
  const span = trace.getActiveSpan()?.spanContext()
  const sampled = span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0
  const exemplarLabels =
    sampled && isThere(span, labels, value) ? { trace_id: span.traceId, span_id: span.spanId } : undefined
  histogram.observe({ labels, value, exemplarLabels } as never)
}

function isThere(
  { traceId, traceState }: SpanContext,
  labels: Record<string, string | number>,
  seconds: number,
): boolean {
  const { tracesSample } = telemetry
  if (tracesSample === undefined) return true
  // Of a server span, which fails with 5xx alone.
  const failed = Number(labels.http_response_status_code) >= 500
  return surelyKept(traceId, traceState?.get('ot'), { seconds, failed }, tracesSample)
}

/** What the export queues hold and lost: the counts are kept by them, so a scrape only copies. */
function registerTelemetryMetrics(metrics: Metrics): void {
  const each = (gauge: Gauge, read: (queue: { size: number; capacity: number }) => number) => {
    for (const [signal, queue] of telemetry.queues) gauge.set({ signal }, read(queue))
  }
  metrics.gauge('telemetry_queue_size', (gauge) => each(gauge, (queue) => queue.size))
  metrics.gauge('telemetry_queue_capacity', (gauge) => each(gauge, (queue) => queue.capacity))
  metrics.counter('telemetry_exported_total', (counter) => {
    counter.reset()
    for (const [signal, queue] of telemetry.queues) counter.inc({ signal }, queue.exported)
  })
  metrics.counter('telemetry_exported_bytes_total', (counter) => {
    counter.reset()
    for (const [signal, { exportedBytes }] of telemetry.queues) {
      if (exportedBytes !== undefined) counter.inc({ signal }, exportedBytes)
    }
  })
  metrics.counter('telemetry_dropped_total', (counter) => {
    counter.reset()
    for (const [signal, queue] of telemetry.queues) {
      for (const [reason, count] of Object.entries(queue.dropped)) counter.inc({ signal, reason }, count)
    }
  })
  const duration = metrics.histogram('telemetry_export_duration_seconds')
  telemetry.onExport = (signal, seconds) => observe(duration, { signal }, seconds)
}
