import { compareLines, compareSeries } from '../compare.ts'
import { type Lesson, verdictOf } from '../question.ts'

/** Lesson 8: the same for log lines. */
export const logql: Lesson = {
  id: '8',
  title: 'LogQL in 20 queries',
  minutes: 15,
  page: '08-logql.md',
  questions: [
    {
      ask: 'Write a query that finds the lines of level warn of the three services, without those of the gateway.',
      check: async (answer, live) =>
        verdictOf(
          await compareLines(live, answer, '{service_name=~".+-service", level="warn"}'),
          'Both conditions are about labels, so both stand in the braces; =~ takes a pattern for the names.',
        ),
    },
    {
      ask: 'Write a query that counts the lines of the last hour by service and level.',
      check: async (answer, live) =>
        verdictOf(
          await compareSeries(
            (query) => live.lineMetric(query),
            answer,
            'sum by (service_name, level) (count_over_time({service_name=~".+"}[1h]))',
          ),
          'count_over_time over [1h], and around it sum by the two labels.',
        ),
    },
    {
      ask: 'Write a query that gives the 95th percentile of duration_ms by service, of the lines of the last hour whose field route is /process.',
      check: async (answer, live) =>
        verdictOf(
          await compareSeries(
            (query) => live.lineMetric(query),
            answer,
            'quantile_over_time(0.95, {service_name=~".+"} | route="/process" | unwrap duration_ms [1h]) by (service_name)',
          ),
          'quantile_over_time(0.95, ...) by (service_name); inside: a selector, the filter for route, unwrap, and [1h].',
        ),
    },
  ],
}
