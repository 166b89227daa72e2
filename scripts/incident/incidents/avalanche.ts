import type { Span } from '../../trace/spans.ts'
import { type Incident, within } from '../incident.ts'

const isTry = ({ service, kind, attributes }: Span): boolean =>
  service === 'order-service' && kind === 'CLIENT' && attributes['http.request.method'] !== undefined

const isRefused = ({ attributes }: Span): boolean => attributes['http.response.status_code'] === 429

/**
 * Whether what was refused below this span was asked for again there. One repeat is enough: without the flag a refusal is the end of a
 * delivery, and on a machine with much to do the request's time may be up after few of them.
 */
function repeatsBelow(id: string, trace: readonly Span[]): boolean {
  const tries = trace.filter((span) => span.parentId === id && isTry(span))
  return tries.length > 1 && tries.some(isRefused)
}

const isOneOfMany = (span: Span, trace: readonly Span[]): boolean => isTry(span) && repeatsBelow(span.parentId, trace)

/** A refusal of one of many, and what audit-service does below it: its lines are of those spans. */
function isInRefusal(span: Span, trace: readonly Span[]): boolean {
  if (span.service !== 'audit-service') return false
  const parent = trace.find(({ id }) => id === span.parentId)
  if (parent === undefined) return false
  return parent.service === 'audit-service' ? isInRefusal(parent, trace) : isRefused(span) && isOneOfMany(parent, trace)
}

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
    'audit.connection-guard': { on: { of_tries: 4 } },
  },
  load: { requestsPerSecond: 5, mix: { orders: 95, reads: 5 } },
  hints: [
    'Compare the number of orders with the number of requests to audit-service: which part of the chain makes more of them?',
    'Count the calls below one deliver_audit_event, and look at the pauses between them.',
    'That audit-service refuses is a cause of a few errors; that the caller asks again at once, and again, makes the rest.',
  ],
  cause: {
    service: 'order-service',
    operations: ['deliver_audit_event', 'POST /process', 'POST'],
    mechanism: 'retry-storm',
  },
  shows: (span, trace) =>
    within('order-service', span, trace, ({ id }) => repeatsBelow(id, trace)) ||
    isOneOfMany(span, trace) ||
    isInRefusal(span, trace),
  metric: {
    names: /^(http_(client|server)_request_duration_seconds|traces_(service_graph|spanmetrics)|http_client_retries)_/,
    series: ({ job, peer_service, http_route, server, service }) =>
      (job === 'order-service' && peer_service === 'audit-service') ||
      (job === 'audit-service' && http_route === '/process') ||
      server === 'audit-service' ||
      service === 'audit-service',
  },
}
