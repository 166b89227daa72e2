import type { Incident } from '../incident.ts'

/** Lost context: user-service calls on without the trace. */
export const brokenTrail: Incident = {
  name: 'broken-trail',
  title: 'The broken trail',
  level: 2,
  symptom:
    'Who looks for an order by the trace id of its answer finds half of the story: many traces end in the middle, and the rest of the order is nowhere near. The orders themselves are well.',
  seed: 'trail-21',
  flags: { 'users.http-client-v2': { on: { pool: 'shared' }, share: 50 } },
  load: { requestsPerSecond: 5, mix: { orders: 90, reads: 10 } },
  hints: [
    'Compare a trace that ends early with a whole one: which span is the last, and which one is missing after it?',
    'The rest exists: look for traces whose first span is of order-service: { rootServiceName = "order-service" }. request.id is the same in both halves.',
    'Whoever makes a call writes the traceparent header. There is not even a span of the call.',
  ],
  cause: {
    service: 'user-service',
    operations: ['POST /process', 'router - /process', 'POST', 'enrich_profile'],
    mechanism: 'lost-context',
  },
  shows: (span, trace) =>
    span.service === 'order-service' || span.service === 'audit-service'
      ? trace.some(
          ({ service, kind, parentId, name }) =>
            service === 'order-service' && kind === 'SERVER' && name === 'POST /process' && parentId === '',
        )
      : span.service === 'user-service' &&
        trace.some(({ name }) => name === 'enrich_profile') &&
        !trace.some(({ service }) => service === 'order-service') &&
        !trace.some(({ error }) => error),
}
