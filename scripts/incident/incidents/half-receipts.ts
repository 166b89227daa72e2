import { type Incident, isAbout, within } from '../incident.ts'

/** One bad instance of two: the second audit-service has a role that may not write. */
export const halfReceipts: Incident = {
  name: 'half-receipts',
  title: 'Half of the receipts',
  level: 2,
  symptom:
    'There is more capacity since this morning, and yet about half of the orders are answered with 202: their receipt follows later. The other half is as good as ever.',
  seed: 'receipts-2',
  flags: {},
  secondProcess: { of: 'audit-service', flag: 'orders.audit-endpoints', role: 'dashboards' },
  load: { requestsPerSecond: 5, mix: { orders: 90, reads: 10 } },
  hints: [
    'Which call fails in an order that was answered 202, and with which message of the database?',
    'Compare where the failing calls go with where the good ones go: address, port, service.instance.id.',
    'There are two processes of audit-service. All errors are of one of them.',
  ],
  cause: {
    service: 'audit-service',
    operations: ['record_audit', 'POST /process', 'insert_audit_log'],
    mechanism: 'bad-instance',
  },
  shows: (span, trace) =>
    within('audit-service', span, trace, ({ error, statusMessage, events }) =>
      [statusMessage, ...events.map(({ attributes }) => attributes['exception.message'])].some(
        (message) => error && /read-only transaction|permission denied/.test(String(message)),
      ),
    ),
  // PostgreSQL's own lines are the first to say it.
  line: (line, { service_name = '' }) =>
    /^(audit-service|postgresql)$/.test(service_name) && /read-only transaction/.test(line),
  metric: {
    names: /^(http_client_request_duration_seconds|traces_(service_graph|spanmetrics))_/,
    series: (labels) =>
      isAbout('audit-service', labels) &&
      (/^5/.test(labels.http_response_status_code ?? '') ||
        labels.status_code === 'STATUS_CODE_ERROR' ||
        labels.__name__ === 'traces_service_graph_request_failed_total'),
  },
}
