/**
 * The words in which an answer names how a fault works: more than there are incidents, so that none is found by elimination. `also` are
 * other words for the same, which count as well.
 */
interface Meaning {
  meaning: string
  also: readonly string[]
}

export const MECHANISMS = {
  'slow-code': {
    meaning: 'the service itself waits or works too long; what it calls is quick',
    also: ['slow-service', 'slow-hop', 'artificial-delay', 'delay', 'sleep', 'batching'],
  },
  'failing-code': {
    meaning: 'the service itself fails; what it calls answers well',
    also: [
      'exception',
      'bug',
      'type-error',
      'null-pointer',
      'null-dereference',
      'unhandled-exception',
      'code-error',
      'failing-service',
      'failing-hop',
    ],
  },
  'bad-instance': {
    meaning: 'one of several processes of a service behaves differently from the others',
    also: [
      'bad-replica',
      'one-bad-instance',
      'faulty-instance',
      'broken-instance',
      'misconfigured-instance',
      'bad-process',
      'outlier',
    ],
  },
  'missing-index': {
    meaning: 'a statement reads far more rows than it needs',
    also: [
      'slow-query',
      'slow-sql',
      'slow-statement',
      'full-scan',
      'full-table-scan',
      'sequential-scan',
      'seq-scan',
      'unused-index',
      'no-index',
      'table-scan',
    ],
  },
  'lock-contention': {
    meaning: 'statements wait for a lock that another session holds',
    also: ['lock', 'locks', 'locking', 'row-lock', 'lock-wait', 'blocked-by-lock', 'blocking-session', 'contention'],
  },
  deadlock: { meaning: 'two transactions wait for each other until one is ended', also: ['dead-lock', 'lock-cycle'] },
  'pool-leak': {
    meaning: 'connections are taken from the pool and not given back',
    also: [
      'connection-leak',
      'leaked-connections',
      'pool-exhaustion',
      'pool-exhausted',
      'connection-pool-exhaustion',
      'connection-pool-leak',
      'connection-exhaustion',
    ],
  },
  'n-plus-one': {
    meaning: 'one statement for each item instead of one for all',
    also: ['n+1', 'n+1-queries', 'n-plus-one-queries', 'n-plus-1', 'n+1-query', 'query-in-a-loop'],
  },
  'cache-miss': {
    meaning: 'a cache is asked each time and never has the answer',
    also: [
      'cache-misses',
      'cold-cache',
      'cache-never-hits',
      'useless-cache',
      'wrong-cache-key',
      'broken-cache',
      'no-cache-hits',
      'cache-key',
    ],
  },
  'stock-held': {
    meaning: 'pieces are there, but promised to someone who does not take them',
    also: [
      'stock-reserved',
      'reserved-stock',
      'reservation-leak',
      'hoarding',
      'reservations',
      'reservations-not-released',
      'inventory-held',
    ],
  },
  'stock-sold': { meaning: 'all pieces are sold', also: ['sold-out', 'out-of-stock'] },
  'poison-message': {
    meaning: 'a message that its receiver will never take is sent again and again',
    also: [
      'poison-event',
      'poison-pill',
      'bad-message',
      'unprocessable-message',
      'invalid-message',
      'schema-mismatch',
      'incompatible-schema',
    ],
  },
  'retry-storm': {
    meaning: 'callers repeat failed calls so often that the callee gets no rest',
    also: [
      'retries',
      'retry',
      'retry-amplification',
      'too-many-retries',
      'thundering-herd',
      'no-backoff',
      'missing-backoff',
    ],
  },
  'bad-answer': {
    meaning: 'a service answers in time and with success, but with nonsense',
    also: [
      'bad-response',
      'invalid-response',
      'malformed-response',
      'invalid-answer',
      'contract-violation',
      'broken-contract',
      'nonsense',
      'unexpected-body',
      'wrong-answer',
      'contract-mismatch',
    ],
  },
  'clock-skew': {
    meaning: 'the clock of one machine is wrong',
    also: ['wrong-clock', 'clock', 'clock-drift', 'clock-offset', 'time-skew', 'time-drift'],
  },
  'lost-context': {
    meaning: 'a hop does not pass the trace context on',
    also: [
      'broken-context',
      'context-loss',
      'context-lost',
      'missing-context',
      'context-propagation',
      'broken-propagation',
      'lost-trace-context',
      'propagation',
      'torn-trace',
      'missing-traceparent',
      'no-propagation',
    ],
  },
  sampling: {
    meaning: 'traces are left out on purpose, and those that matter among them',
    also: [
      'sampled-out',
      'head-sampling',
      'wrong-sampling',
      'sampling-rule',
      'sampling-rules',
      'dropped-by-sampler',
      'sampler',
      'biased-sampling',
    ],
  },
  'telemetry-loss': {
    meaning: 'spans or log lines are dropped on their way',
    also: [
      'dropped-telemetry',
      'dropped-spans',
      'lost-telemetry',
      'telemetry-dropped',
      'queue-full',
      'export-queue-full',
      'exporter-queue-full',
      'span-loss',
      'lost-spans',
    ],
  },
  'memory-leak': {
    meaning: 'a process keeps more and more memory',
    also: ['mem-leak', 'memory-growth', 'growing-memory', 'unbounded-cache', 'heap-leak'],
  },
  'noisy-neighbour': {
    meaning: 'one user takes what all share',
    also: ['noisy-neighbor', 'noisy-user', 'hot-user', 'abusive-user', 'heavy-user', 'one-user', 'hot-tenant'],
  },
  'traffic-growth': {
    meaning: 'there are more requests than before, from everybody',
    also: ['traffic-spike', 'overload', 'more-traffic', 'high-load'],
  },
  'rate-limit': {
    meaning: 'requests are refused because there are too many',
    also: ['rate-limiting', 'throttling', 'rate-limited'],
  },
  'certificate-expired': {
    meaning: 'a connection is refused because a certificate is out of date',
    also: ['expired-certificate', 'tls', 'certificate'],
  },
  'disk-full': {
    meaning: 'nothing can be written any more',
    also: ['full-disk', 'no-space', 'out-of-disk', 'no-space-left'],
  },
  'name-resolution': {
    meaning: 'a host name does not resolve, or to the wrong address',
    also: ['dns', 'dns-failure', 'name-lookup'],
  },
} as const satisfies Record<string, Meaning>

/** One of the words. */
export type Mechanism = keyof typeof MECHANISMS

/** The mechanism of that name, or of another name for it; case, blanks and underscores don't count. undefined where it is none. */
export function mechanismCalled(text: string): Mechanism | undefined {
  const word = wordOf(text)
  return (Object.keys(MECHANISMS) as Mechanism[]).find(
    (name) => name === word || (MECHANISMS[name].also as readonly string[]).includes(word),
  )
}

const wordOf = (text: string) =>
  text
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_]+/g, '-')
    .replace(/^(a|an|the)-/, '')
