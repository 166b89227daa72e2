/** The words in which an answer names how a fault works: more than there are incidents, so that none is found by elimination. */
export const MECHANISMS = {
  'slow-code': 'the service itself waits or works too long; what it calls is quick',
  'failing-code': 'the service itself fails; what it calls answers well',
  'bad-instance': 'one of several processes of a service behaves differently from the others',
  'missing-index': 'a statement reads far more rows than it needs',
  'lock-contention': 'statements wait for a lock that another session holds',
  deadlock: 'two transactions wait for each other until one is ended',
  'pool-leak': 'connections are taken from the pool and not given back',
  'n-plus-one': 'one statement for each item instead of one for all',
  'cache-miss': 'a cache is asked each time and never has the answer',
  'stock-held': 'pieces are there, but promised to someone who does not take them',
  'stock-sold': 'all pieces are sold',
  'poison-message': 'a message that its receiver will never take is sent again and again',
  'retry-storm': 'callers repeat failed calls so often that the callee gets no rest',
  'bad-answer': 'a service answers in time and with success, but with nonsense',
  'clock-skew': 'the clock of one machine is wrong',
  'lost-context': 'a hop does not pass the trace context on',
  sampling: 'traces are left out on purpose, and those that matter among them',
  'telemetry-loss': 'spans or log lines are dropped on their way',
  'memory-leak': 'a process keeps more and more memory',
  'noisy-neighbour': 'one user takes what all share',
  'traffic-growth': 'there are more requests than before, from everybody',
  'rate-limit': 'requests are refused because there are too many',
  'certificate-expired': 'a connection is refused because a certificate is out of date',
  'disk-full': 'nothing can be written any more',
  'name-resolution': 'a host name does not resolve, or to the wrong address',
} as const

/** One of the words. */
export type Mechanism = keyof typeof MECHANISMS
