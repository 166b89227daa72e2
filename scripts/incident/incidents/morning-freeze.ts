import { type Incident, within } from '../incident.ts'

/** Pool leak: a report takes connections and gives none back. */
export const morningFreeze: Incident = {
  name: 'morning-freeze',
  title: 'The morning freeze',
  level: 2,
  symptom:
    'Right after the start all is well. Then, within a minute, every order is refused, and it does not get better. PostgreSQL is up, and has next to nothing to do.',
  seed: 'freeze-8',
  flags: { 'orders.report-cursor': { on: { fetch_size: 500 }, share: 60 } },
  load: { requestsPerSecond: 6, mix: { orders: 70, history: 30 } },
  hints: [
    'What exactly does order-service say when it refuses? Its lines of level error have it.',
    'It waits for a connection: look at db_client_connection_count by state, and at db_client_connection_max.',
    'All connections are in use although hardly a statement runs. Who took one and ran nothing on it? Look at spans of pg-pool.connect without a statement after them.',
  ],
  cause: {
    service: 'order-service',
    operations: ['GET /orders', 'list_orders', 'create_order', 'validate_order', 'POST /process', 'pg-pool.connect'],
    mechanism: 'pool-leak',
  },
  // Who waits in vain, and who took a connection for good.
  shows: (span, trace) =>
    within(
      'order-service',
      span,
      trace,
      ({ error, statusMessage, events }) =>
        [statusMessage, ...events.map(({ attributes }) => attributes['exception.message'])].some(
          (message) => error && /timeout exceeded when trying to connect/.test(String(message)),
        ) ||
        events.some(
          ({ attributes }) =>
            attributes['feature_flag.key'] === 'orders.report-cursor' &&
            attributes['feature_flag.result.variant'] === 'on',
        ),
    ),
  line: (line, { service_name }) =>
    service_name === 'order-service' &&
    /timeout exceeded when trying to connect|database-unavailable| 503\b/.test(line),
  metric: {
    names: /^db_client_connection_(count|pending_requests|timeouts_total)$/,
    series: ({ job, state = 'used' }) => job === 'order-service' && state === 'used',
  },
}
