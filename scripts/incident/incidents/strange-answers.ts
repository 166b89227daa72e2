import { type Incident, within } from '../incident.ts'

/** Nonsense: audit-service answers 200 with something that nobody can read. */
export const strangeAnswers: Incident = {
  name: 'strange-answers',
  title: 'The strange answers',
  level: 2,
  symptom:
    'Many orders are answered with 202, their receipt would follow. But it is there already, seconds before anybody sends it again. Every service is well, and says 200.',
  seed: 'strange-18',
  flags: { 'audit.compact-answer': { on: { version: 2 }, share: 40 } },
  database: {
    begin: [],
    undo: ['update outbox set attempts = 0, dead_at = null, next_attempt_at = now() where attempts > 0'],
  },
  load: { requestsPerSecond: 5, mix: { orders: 90, reads: 10 } },
  hints: [
    'In an order that was answered 202: what does order-service say of the call, and what does audit-service?',
    'The call was answered in time and with 200, and still its caller calls it a failure. Read its message.',
    'What is in the answer is not what was agreed: contracts/messages.ts.',
  ],
  cause: {
    service: 'audit-service',
    operations: ['POST /process', 'router - /process', 'record_audit'],
    mechanism: 'bad-answer',
  },
  shows: (span, trace) =>
    (span.error &&
      within('order-service', span, trace, ({ events }) =>
        events.some(({ attributes }) => /unexpected body/.test(String(attributes['exception.message']))),
      )) ||
    (span.service === 'audit-service' &&
      !span.error &&
      trace.some(
        ({ service, events }) =>
          service === 'order-service' &&
          events.some(({ attributes }) => /unexpected body/.test(String(attributes['exception.message']))),
      )),
  line: (line, labels) => /unexpected body/.test(line + JSON.stringify(labels)),
  // What is sent again is there already.
  metric: { names: /^audit_events_total$/, series: ({ outcome }) => outcome === 'duplicate' },
}
