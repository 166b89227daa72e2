import { type Incident, isAbout, within } from '../incident.ts'

/** Poison audit event: audit-service refuses some events, and they are sent again and again. */
export const lateLetters: Incident = {
  name: 'late-letters',
  title: 'The late letters',
  level: 3,
  symptom:
    'A few orders are still without a receipt after minutes, always the same ones; those before and after them have theirs. The audit service has more requests than there are orders.',
  seed: 'letters-6',
  flags: { 'audit.event-schema-v3': { on: { version: 3 }, share: 15 } },
  database: {
    begin: [],
    // Events that wait for their next try get it at once, with a fresh count of tries.
    undo: ['update outbox set attempts = 0, dead_at = null, next_attempt_at = now() where attempts > 0'],
  },
  load: { requestsPerSecond: 5, mix: { orders: 90, reads: 10 } },
  hints: [
    'What does audit-service answer to such an event? Look at the innermost span of an order that was answered 202.',
    'The event is sent again by the relay, in a trace of its own that is linked to the order’s: { name = "relay_audit_event" }.',
    'The answer is the same each time, because it is about the event and not about the moment.',
  ],
  cause: {
    service: 'audit-service',
    // Whose version of the event is the wrong one, the refusal does not say.
    orService: 'order-service',
    operations: ['record_audit', 'POST /process', 'relay_audit_event', 'deliver_audit_event', 'insert_audit_log'],
    mechanism: 'poison-message',
  },
  shows: (span, trace) =>
    within('audit-service', span, trace, ({ attributes }) => attributes['http.response.status_code'] === 422) ||
    (span.error && /^(relay|deliver)_audit_event$/.test(span.name)) ||
    (span.service === 'audit-service' && span.name === 'record_audit' && span.error),
  line: (line) => /422|audit event still waits|is an array of items of version 3|not valid|does not fit/.test(line),
  metric: {
    names: /^(http_(server|client)_request_duration_seconds|traces_(service_graph|spanmetrics)|outbox_deliveries)_/,
    series: (labels) =>
      (isAbout('audit-service', labels) && labels.http_response_status_code === '422') ||
      labels.outcome === 'failed' ||
      labels.path === 'relay',
  },
}
