import type { Span } from '../../trace/spans.ts'
import { type Incident, within } from '../incident.ts'

/** So many tries below one delivery are no patience any more. */
const MANY = 4

const isOneOfMany = ({ service, kind, parentId }: Span, trace: readonly Span[]): boolean =>
  service === 'order-service' &&
  kind === 'CLIENT' &&
  trace.filter((other) => other.parentId === parentId && other.kind === 'CLIENT').length >= MANY

/** Retry storm: a callee lets little through, and its caller repeats at once. */
export const avalanche: Incident = {
  name: 'avalanche',
  title: 'The avalanche',
  level: 3,
  symptom:
    'There are as many orders as ever. The audit service counts several times as many requests as orders, refuses most of them, and orders take longer the more it refuses.',
  seed: 'avalanche-3',
  flags: {
    'orders.delivery-retries': { on: { attempts: 8 } },
    'audit.connection-guard': { on: { one_in: 5 } },
  },
  load: { requestsPerSecond: 5, mix: { orders: 95, reads: 5 } },
  hints: [
    'Compare the number of orders with the number of requests to audit-service: which part of the chain makes more of them?',
    'Count the calls below one deliver_audit_event, and look at the pauses between them.',
    'That audit-service refuses is a cause of a few errors; that the caller asks eight times at once makes the rest.',
  ],
  cause: {
    service: 'order-service',
    operations: ['deliver_audit_event', 'POST /process', 'POST'],
    mechanism: 'retry-storm',
  },
  shows: (span, trace) =>
    within(
      'order-service',
      span,
      trace,
      ({ name, id }, all) =>
        name === 'deliver_audit_event' &&
        all.filter(({ parentId, kind }) => parentId === id && kind === 'CLIENT').length >= MANY,
    ) ||
    isOneOfMany(span, trace) ||
    (span.attributes['http.response.status_code'] === 429 &&
      trace.some((call) => call.id === span.parentId && isOneOfMany(call, trace))),
  metric: {
    names: /^(http_(client|server)_request_duration_seconds|traces_(service_graph|spanmetrics)|http_client_retries)_/,
    series: ({ job, peer_service, http_route, server, service }) =>
      (job === 'order-service' && peer_service === 'audit-service') ||
      (job === 'audit-service' && http_route === '/process') ||
      server === 'audit-service' ||
      service === 'audit-service',
  },
}
