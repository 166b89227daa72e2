/** Queries to start from; each has an answer as soon as the chain has had some requests. */
export interface Example {
  readonly title: string
  readonly query: string
}

export const EXAMPLES: Readonly<Record<'tempo' | 'loki' | 'prometheus', readonly Example[]>> = {
  tempo: [
    { title: 'Requests that failed', query: '{ status = error }' },
    { title: 'Orders slower than 50 ms', query: '{ name = "create_order" && duration > 50ms }' },
    {
      title: 'Failures in order-service below a request to the gateway',
      query: '{ resource.service.name = "gateway" } >> { resource.service.name = "order-service" && status = error }',
    },
    {
      title: 'p95 by service, over time',
      query: '{ kind = server } | quantile_over_time(duration, .95) by (resource.service.name)',
    },
    { title: 'What slow requests have in common', query: '{ kind = server } | compare({ duration > 20ms })' },
    {
      title: 'Statements that took longest, with their text',
      query: '{ kind = client && span.db.query.text != nil } | select(span.db.query.text) | max(duration) > 5ms',
    },
  ],
  loki: [
    { title: 'Everything the services wrote', query: '{service_name=~".+"}' },
    { title: 'Warnings and errors', query: '{service_name=~".+"} | detected_level=~"warn|error"' },
    { title: 'Lines per second by service', query: 'sum by (service_name) (rate({service_name=~".+"}[1m]))' },
    { title: 'Lines of the order service about stock', query: '{service_name="order-service"} |= "stock"' },
  ],
  prometheus: [
    {
      title: 'Requests per second by service',
      query: 'sum by (job) (rate(http_server_request_duration_seconds_count[1m]))',
    },
    {
      title: 'p95 by route',
      query:
        'histogram_quantile(0.95, sum by (le, job, http_route) (rate(http_server_request_duration_seconds_bucket[5m])))',
    },
    {
      title: 'Slowest statements',
      query:
        'topk(10, sum by (db_query_summary) (rate(db_client_operation_duration_seconds_sum[5m])) / sum by (db_query_summary) (rate(db_client_operation_duration_seconds_count[5m])))',
    },
    { title: 'What is in stock', query: 'inventory_available' },
  ],
}
