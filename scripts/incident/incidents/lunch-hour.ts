import { type Incident, isAbout } from '../incident.ts'

/** A failing hop: order-service reads a field that is not there. */
export const lunchHour: Incident = {
  name: 'lunch-hour',
  title: 'The lunch hour',
  level: 1,
  symptom:
    'Since lunch every few orders are answered with an error. Customers who try again get through, mostly. Nobody has touched the servers.',
  seed: 'lunch-12',
  flags: { 'orders.regional-tax': { on: { rate: 0.19 }, share: 30 } },
  load: { requestsPerSecond: 6, mix: { orders: 85, reads: 15 } },
  hints: [
    'Find the traces with errors: { status = error }. Which service is the innermost one that fails?',
    'An exception is an event on the span in which it was thrown, and a log line of level error has its text.',
    'order-service throws it before anything is written.',
  ],
  cause: {
    service: 'order-service',
    operations: ['validate_order', 'create_order', 'POST /process', 'find_products'],
    mechanism: 'failing-code',
  },
  shows: (span, trace) =>
    span.service === 'order-service' &&
    span.error &&
    trace.some(
      ({ service, events }) =>
        service === 'order-service' &&
        events.some(({ name, attributes }) => name === 'exception' && attributes['exception.type'] === 'TypeError'),
    ),
  line: (line, { service_name }) => service_name === 'order-service' && /Cannot read properties|\b500\b/.test(line),
  metric: {
    names: /^(http_(server|client)_request_duration_seconds|orders_rejected|traces_(service_graph|spanmetrics))_/,
    series: (labels) =>
      isAbout('order-service', labels) &&
      (/^5/.test(labels.http_response_status_code ?? '') ||
        labels.status_code === 'STATUS_CODE_ERROR' ||
        /^(orders_rejected|traces_service_graph_request_failed)_total$/.test(labels.__name__ ?? '')),
  },
}
