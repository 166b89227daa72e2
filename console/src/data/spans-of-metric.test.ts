import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spansOfMetric } from './spans-of-metric.ts'

test('labels of request metrics are attributes of their spans', () => {
  assert.equal(
    spansOfMetric(
      'sum by (le) (increase(http_server_request_duration_seconds_bucket{job=~"user-service|order-service", http_route!~"/metrics|/health", http_response_status_code=~"5.."}[1m]))',
    ),
    'kind = server && resource.service.name =~ "user-service|order-service" && span.http.route !~ "/metrics|/health" && span.http.response.status_code >= 500 && span.http.response.status_code < 600',
  )
  assert.equal(
    spansOfMetric('rate(db_client_operation_duration_seconds_bucket{db_query_summary="insert_order", le="+Inf"}[1m])'),
    'kind = client && span.db.query.summary = "insert_order"',
  )
  assert.equal(
    spansOfMetric(
      'traces_spanmetrics_latency_bucket{service="gateway", span_kind="SPAN_KIND_SERVER", status_code!="STATUS_CODE_ERROR"}',
    ),
    'resource.service.name = "gateway" && kind = server && status != error',
  )
})

test('what counts no requests has no spans', () => {
  assert.equal(spansOfMetric('nodejs_heap_size_used_bytes{job="user-service"}'), undefined)
  assert.equal(spansOfMetric('up'), undefined)
})
