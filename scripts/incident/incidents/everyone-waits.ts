import { type Incident, ofStatement } from '../incident.ts'

const NEIGHBOUR = 2007

/** Noisy neighbour: one user's requests are many and dear. */
export const everyoneWaits: Incident = {
  name: 'everyone-waits',
  title: 'Everyone waits',
  level: 2,
  symptom:
    'The database is busy and everybody’s orders take longer than yesterday. There are more requests than usual, but not more customers.',
  seed: 'waits-10',
  flags: { 'users.loyalty-points': { on: { days: 600_000 }, users: [NEIGHBOUR] } },
  load: { requestsPerSecond: 10, mix: { neighbour: 50, orders: 45, reads: 5 } },
  hints: [
    'Which statement has most of the database’s time, and in whose requests does it run?',
    'The spans of a request have user.id. Is it a different one each time?',
    '{ span.user.id = "2007" } finds half of all requests.',
  ],
  cause: {
    service: 'user-service',
    operations: ['POST /process', 'validate_user', 'sum_loyalty_points'],
    mechanism: 'noisy-neighbour',
  },
  shows: ({ service, attributes }) => service !== 'gateway' && attributes['user.id'] === String(NEIGHBOUR),
  // No line says whose request it was.
  line: () => false,
  metric: ofStatement(/^sum_loyalty_points$/),
}
