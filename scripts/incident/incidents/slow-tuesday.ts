import { childrenOf, descendantsOf, type Incident, isAbout, milliseconds } from '../incident.ts'

const LINGER_MS = 400

/** A slow hop: the audit service waits before it writes. */
export const slowTuesday: Incident = {
  name: 'slow-tuesday',
  title: 'The slow Tuesday',
  level: 1,
  symptom:
    'Since this Tuesday some customers wait noticeably longer for the confirmation of their order. Nothing fails, and most orders are as quick as ever.',
  seed: 'tuesday-31',
  flags: { 'audit.batch-writer': { on: { linger_ms: LINGER_MS }, share: 35 } },
  load: { requestsPerSecond: 6, mix: { orders: 80, reads: 20 } },
  hints: [
    'Compare two traces of POST /api/v1/process, a quick one and one of half a second: which service has the time?',
    'A span that is long while its children are short spends the time itself.',
    'It happens in audit-service, between the begin of a span and the first statement in it.',
  ],
  cause: {
    service: 'audit-service',
    operations: ['record_audit', 'POST /process', 'insert_audit_log'],
    mechanism: 'slow-code',
  },
  // Long although all that it waits for is quick, or above such a span in the same service.
  shows: (span, trace) =>
    span.service === 'audit-service' &&
    [span, ...descendantsOf(span, trace)].some(
      (one) =>
        one.name === 'record_audit' &&
        milliseconds(one) >= LINGER_MS &&
        childrenOf(one, trace).every((child) => milliseconds(child) < LINGER_MS / 2),
    ),
  metric: {
    names:
      /^(http_(server|client)_request_duration_seconds|traces_(service_graph_request_(server|client)|spanmetrics_latency)(_seconds)?)_(sum|bucket)$/,
    series: (labels) => isAbout('audit-service', labels),
  },
}
