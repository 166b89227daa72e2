/** What the figures ask of every engine: the queries of docs/traceql.md and docs/logql.md, for the spans and lines of generate.ts. */

export interface QuestionAbout {
  readonly query: string
  readonly way: 'search' | 'metrics' | 'lines' | 'range'
  /** Of the window that ends now. */
  readonly limit?: number
}

export const traceQuestions: readonly QuestionAbout[] = [
  { way: 'search', query: '{ status = error }' },
  { way: 'search', query: '{ resource.service.name = "order-service" && span.sightline.step > 7 }' },
  { way: 'search', query: '{ span.rare.flag = "yes" }', limit: 1000 },
  { way: 'search', query: '{ name =~ "POST /api/.*" && duration > 30ms }' },
  { way: 'search', query: '{ event:name = "exception" && event.exception.type = "OutOfStock" }' },
  {
    way: 'search',
    query: '{ resource.service.name = "gateway" } >> { span.db.system.name = "postgresql" && status = error }',
    limit: 1000,
  },
  { way: 'search', query: '{ kind = server } > { name = "create_order" && status = error }' },
  { way: 'search', query: '{ status = error } | count() > 3' },
  { way: 'search', query: '{ kind = client } | avg(duration) > 60ms' },
  { way: 'metrics', query: '{ } | rate() by(resource.service.name)' },
  { way: 'metrics', query: '{ status = error } | count_over_time() by(name)' },
  { way: 'metrics', query: '{ } | quantile_over_time(duration, .5, .95) by(resource.service.name)' },
  { way: 'metrics', query: '{ kind = server } | histogram_over_time(duration)' },
  { way: 'metrics', query: '{ } | max_over_time(span.order.total) by(name)' },
]

/** `traceId` is one that eight lines have. */
export function logQuestions(traceId: string): readonly QuestionAbout[] {
  const all = '{service_name="order-service"}'
  return [
    { way: 'lines', query: `${all} |= "${traceId}" | json | trace_id="${traceId}"` },
    { way: 'lines', query: `${all} | trace_id="${traceId}"` },
    { way: 'lines', query: `${all} |= "order placed"` },
    { way: 'lines', query: `${all} | json | duration_ms > 88` },
    { way: 'lines', query: `${all} |~ "duration_ms\\":8[0-9]"` },
    { way: 'range', query: 'sum by (service_name) (rate({service_name=~".+"}[1m]))' },
    { way: 'range', query: `sum(count_over_time(${all} |= "order placed" [1m]))` },
    { way: 'range', query: `quantile_over_time(0.95, ${all} | json | unwrap duration_ms [1m]) by (route)` },
    { way: 'range', query: `sum by (detected_level) (count_over_time(${all}[1m]))` },
  ]
}
