/** Metrics our boards use that other programs export; ours are in contracts/telemetry-names.ts. */
export const FOREIGN_METRICS: readonly RegExp[] = [
  // Tempo's metrics generator, and the embedded backend under the same names.
  /^traces_spanmetrics_(calls_total|latency_(bucket|sum|count))$/,
  /^traces_service_graph_request_/,
  // observability/prometheus/rules
  /^(gateway|slo):/,
  // Prometheus itself.
  /^(up|ALERTS|ALERTS_FOR_STATE|scrape_duration_seconds|scrape_samples_scraped)$/,
  /^alertmanager_alerts$/,
  // Process metrics, the same from Node, Go and Nginx's exporter.
  /^process_(resident_memory_bytes|cpu_seconds_total)$/,
  /^nodejs_eventloop_lag_p99_seconds$/,
  // The embedded backend's own.
  /^embedded_(accepted|rejected)_items_total$/,
  /^embedded_sampled_(traces|span_bytes)_total$/,
]
