import type { Incident } from '../incident.ts'

/** Telemetry that is dropped: the export queue of user-service has next to no room. */
export const gapsInTheRecord: Incident = {
  name: 'gaps-in-the-record',
  title: 'Gaps in the record',
  level: 3,
  symptom:
    'Some traces have holes: spans whose parent is not there. Some log lines are in the file on the machine, and nowhere else. It is worse when there is more to do.',
  seed: 'gaps-16',
  flags: { 'telemetry.export-queue': { on: { capacity: 6 }, service: 'user-service' } },
  load: { requestsPerSecond: 8, mix: { orders: 95, reads: 5 } },
  hints: [
    'Whose spans are missing? In a trace with a hole, look at which service the child below the hole is called by.',
    'The trace id is the same on both sides of the hole, so nobody has lost the context.',
    'The services count what they can’t send: telemetry_dropped_total, by job, signal and reason.',
  ],
  cause: {
    service: 'user-service',
    // It is no request's operation: spans of any are lost, on their way out.
    operations: [
      'export',
      'queue_full',
      'export queue',
      'export_queue',
      'exporter',
      'telemetry',
      'telemetry.export-queue',
      'telemetry_dropped_total',
      'telemetry_queue_capacity',
      'POST /process',
      'POST /v1/traces',
      'POST',
      'validate_user',
      'enrich_profile',
    ],
    mechanism: 'telemetry-loss',
  },
  shows: ({ service, kind, parentId }, trace) =>
    ((service === 'order-service' && kind === 'SERVER') || service === 'user-service') &&
    parentId !== '' &&
    trace.every(({ id }) => id !== parentId) &&
    trace.some(({ service: other }) => other === 'gateway'),
  // What is missing is in no line.
  line: () => false,
  metric: {
    names: /^telemetry_(dropped_total|queue_capacity)$/,
    series: ({ job, reason = 'queue_full' }) => job === 'user-service' && reason === 'queue_full',
  },
}
