import type { Incident } from '../incident.ts'

const KEY = 'users.session-cache'

/** Memory leak: user-service keeps a fifth of a megabyte of each request, for four to five minutes until it has kept the most. */
export const growingHeavy: Incident = {
  name: 'growing-heavy',
  title: 'Growing heavy',
  level: 2,
  symptom:
    'No request is slow and none fails. Still one of the machines needs more memory with every minute, whatever time of day it is; last night it was restarted for that reason.',
  seed: 'heavy-7',
  flags: { [KEY]: { on: { most_mb: 300 } } },
  load: { requestsPerSecond: 6, mix: { orders: 90, reads: 10 } },
  hints: [
    'Each part says how much memory it has: process_resident_memory_bytes, by job. Which one goes up only?',
    'Is it JavaScript objects or buffers? Compare nodejs_heap_size_used_bytes with nodejs_external_memory_bytes.',
    'It grows with the requests for one operation of user-service, by about a fifth of a megabyte each.',
  ],
  cause: {
    service: 'user-service',
    operations: ['POST /process', 'validate_user', 'find_user', 'enrich_profile', 'memory'],
    mechanism: 'memory-leak',
  },
  shows: ({ service, events }) =>
    service === 'user-service' &&
    events.some(
      ({ attributes }) => attributes['feature_flag.key'] === KEY && attributes['feature_flag.result.variant'] === 'on',
    ),
  // No line says how much memory there is.
  line: () => false,
  metric: {
    names: /^(process_resident_memory_bytes|nodejs_external_memory_bytes|nodejs_arraybuffers?_.*)$/,
    series: ({ job }) => job === 'user-service',
  },
}
