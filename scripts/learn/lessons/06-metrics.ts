import { type Lesson, near, verdict, withTraceId, wrong } from '../question.ts'

const REQUESTS = 'http_server_request_duration_seconds_bucket{job="user-service", http_route="/process"}'

/** Lesson 6: many requests as a few numbers, and the way back from a number to one request. */
export const metrics: Lesson = {
  id: '6',
  title: 'Metrics: RED, histograms, exemplars',
  minutes: 15,
  page: '06-metrics.md',
  questions: [
    {
      ask: 'How many orders has order-service created since it was started?',
      async check(answer, live) {
        const [found] = await live.metric('sum(orders_created_total)')
        if (!found || found.value === 0)
          return wrong('None yet, as far as Prometheus knows. Send some, and wait five seconds.')
        return verdict(
          near(answer, found.value, 0.05),
          'A counter of order-service is named after it: orders_created_total.',
        )
      },
    },
    {
      ask: 'What is the 95th percentile of POST /process at user-service over the last 15 minutes, in milliseconds?',
      async check(answer, live) {
        const [found] = await live.metric(`1000 * histogram_quantile(0.95, sum by (le) (rate(${REQUESTS}[15m])))`)
        if (!found || Number.isNaN(found.value))
          return wrong('There were no such requests in the last 15 minutes: npm run load -- --count 50.')
        return verdict(
          near(answer, found.value, 0.15),
          'histogram_quantile(0.95, sum by (le) (rate(...[15m]))) with job and http_route; it gives seconds.',
        )
      },
    },
    {
      ask: 'Give the trace id of an exemplar of that histogram, of a request that took more than 10 ms.',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          if (!(await live.exemplars(REQUESTS)).includes(traceId)) {
            return wrong(
              'No exemplar of this series has that trace id. Ask with exemplars for the _bucket series of job and route.',
            )
          }
          const server = (await live.trace(traceId))?.find(
            ({ service, kind }) => service === 'user-service' && kind === 'SERVER',
          )
          if (!server) return wrong('The trace of this exemplar is gone. Take a newer one.')
          return verdict(
            server.end - server.start > 10_000_000n,
            'This one was faster: the first column says how long each took.',
          )
        }),
    },
  ],
}
