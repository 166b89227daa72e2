import type { Span } from '../../trace/spans.ts'
import type { Incident } from '../incident.ts'

const OFFSET_MS = -150_000
/** So far from its caller no span begins by itself. */
const FAR_NS = 60_000_000_000n

/** Wrong clock: order-service is two and a half minutes behind. */
export const impossibleTimeline: Incident = {
  name: 'impossible-timeline',
  title: 'The impossible timeline',
  level: 2,
  symptom:
    'Traces of orders have become minutes long, although each customer has an answer at once; and in a search by time some log lines of an order are missing.',
  seed: 'timeline-1',
  flags: { 'platform.time-source': { on: { offset_ms: OFFSET_MS }, service: 'order-service' } },
  load: { requestsPerSecond: 5, mix: { orders: 95, reads: 5 } },
  hints: [
    'Durations of single spans are as ever. Look at when each begins, against when its parent does.',
    'All spans of one service lie apart from all others, by the same time.',
    'Lines and orders of order-service have that time, too: created_at of an order against recorded_at of its audit row.',
  ],
  cause: {
    service: 'order-service',
    // A clock is behind in all that its service does.
    operations: [
      'POST /process',
      'create_order',
      'validate_order',
      'check_inventory',
      'reserve_inventory',
      'price_order',
      'persist_order',
      'insert_order',
      'deliver_audit_event',
      'relay_audit_event',
      'GET /orders',
      'POST',
      'clock',
      'time',
    ],
    mechanism: 'clock-skew',
  },
  lookBackSeconds: 200,
  shows: (span, trace) =>
    span.service === 'order-service' &&
    trace.some((one) => one.service === 'order-service' && isFarFromParent(one, trace)),
}

function isFarFromParent(span: Span, trace: readonly Span[]): boolean {
  const parent = trace.find(({ id }) => id === span.parentId)
  if (parent === undefined || parent.service === span.service) return false
  const apart = span.start - parent.start
  return apart > FAR_NS || apart < -FAR_NS
}
