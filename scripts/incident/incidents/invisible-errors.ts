import type { Incident } from '../incident.ts'

/** Sampling that hides the failure: what fails is what is not traced. */
export const invisibleErrors: Incident = {
  name: 'invisible-errors',
  title: 'The invisible errors',
  level: 3,
  symptom:
    'The shop shows errors where it should show the stock of a product. Those who look after it say that no trace of theirs has such an error, so it must be the network. Why is there none?',
  seed: 'invisible-13',
  flags: {
    'orders.stock-forecast': { on: { days: 14 }, share: 40 },
    'telemetry.sampling-rules': { on: { drop_path: '^/inventory/[^/]+$' }, service: 'order-service' },
  },
  load: { requestsPerSecond: 6, mix: { stock: 50, orders: 40, reads: 10 } },
  hints: [
    'Begin where the errors are seen for certain: the gateway’s lines and spans. Which service was asked?',
    'That service has a line for each of them, with a trace id. Look at that trace: whose spans are in it?',
    'Other routes of the same service are in their traces. So is it about the route, and about all requests of it, not only those that fail.',
  ],
  cause: {
    service: 'order-service',
    operations: ['GET /inventory/{product_id}', 'GET /api/v1/inventory/{product_id}', 'find_inventory'],
    mechanism: 'sampling',
  },
  shows: (span, trace) =>
    span.service === 'gateway' &&
    Number(span.attributes['http.response.status_code']) >= 500 &&
    /inventory/.test(String(span.attributes['http.route'] ?? span.attributes['url.path'])) &&
    trace.every(({ service }) => service === 'gateway'),
  line: (line, { service_name }) =>
    (service_name === 'order-service' && /GET \/inventory\/\{product_id\} 500|Cannot read properties/.test(line)) ||
    (service_name === 'gateway' && /inventory\/.* 500/.test(line)),
  metric: {
    names: /^(http_server_request_duration_seconds|traces_spanmetrics)_/,
    series: ({ job, service, http_route, span_name = '', http_response_status_code }) =>
      http_response_status_code === '500' &&
      ((job === 'order-service' && http_route === '/inventory/{product_id}') ||
        (service === 'gateway' && span_name === 'GET /api/v1/inventory/{product_id}')),
  },
}
