import { compareSeries, compareSpans } from '../compare.ts'
import { type Lesson, verdictOf } from '../question.ts'

/** Lesson 7: a query as the answer, compared by what it finds. */
export const traceql: Lesson = {
  id: '7',
  title: 'TraceQL in 20 queries',
  minutes: 15,
  page: '07-traceql.md',
  questions: [
    {
      ask: 'Write a query that finds the server spans, of all services, that answered with a status of 400 or more.',
      check: async (answer, live) =>
        verdictOf(
          await compareSpans(live, answer, '{ kind = server && span.http.response.status_code >= 400 }'),
          'One pair of braces with two conditions: the kind, and the attribute of the HTTP status.',
        ),
    },
    {
      ask: 'Write a query that finds the PostgreSQL statements below create_order, at any depth.',
      check: async (answer, live) =>
        verdictOf(
          await compareSpans(live, answer, '{ name = "create_order" } >> { span.db.system.name = "postgresql" }'),
          'Two pairs of braces with the operator for descendants; the spans on its right are what is found.',
        ),
    },
    {
      ask: 'Write a query that gives the 95th percentile of the duration of server spans, by service.',
      check: async (answer, live) =>
        verdictOf(
          await compareSeries(
            (query) => live.traceMetric(query),
            answer,
            '{ kind = server } | quantile_over_time(duration, .95) by(resource.service.name)',
          ),
          'quantile_over_time takes what is measured and .95; by(...) stands behind it, with resource.service.name.',
        ),
    },
  ],
}
