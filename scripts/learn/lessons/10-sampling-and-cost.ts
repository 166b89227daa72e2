import { isKept } from '../../../service-kit/telemetry/consistent-sampling.ts'
import { type Lesson, near, verdict, withTraceId, wrong } from '../question.ts'

/** Lesson 10: what to keep, for how long, and what that costs. */
export const samplingAndCost: Lesson = {
  id: '10',
  title: 'Sampling, retention and what it costs',
  minutes: 15,
  page: '10-sampling-and-cost.md',
  questions: [
    {
      ask: 'How many spans have the three services sent since they were started?',
      async check(answer, live) {
        const [sent] = await live.metric('sum(telemetry_exported_total{signal="traces"})')
        if (!sent || sent.value === 0)
          return wrong('None yet, as far as Prometheus knows. Send an order, and wait ten seconds.')
        return verdict(
          near(answer, sent.value, 0.1),
          'Each service counts them: telemetry_exported_total, with signal="traces".',
        )
      },
    },
    {
      ask: 'Make up a trace id that is kept with a ratio of 0.1, and dropped with a ratio of 0.05.',
      check: (answer) =>
        withTraceId(answer, async (traceId) => {
          if (!isKept(traceId, 0.1))
            return wrong('0.1 drops this one: its digits 19 to 26, as a number, are too small.')
          return verdict(
            !isKept(traceId, 0.05),
            '0.05 keeps it, too: its digits 19 to 26 must lie below 0.95 of their range.',
          )
        }),
    },
    {
      ask: 'How many orders of the last hour were committed without leaving a trace?',
      async check(answer, live) {
        const [lines] = await live.lineMetric(
          'sum(count_over_time({service_name="order-service"} |= "order committed" [1h]))',
        )
        const [spans] = await live.traceMetric('{ name = "persist_order" } | count_over_time()')
        const untraced = (lines?.value ?? 0) - (spans?.value ?? 0)
        if (untraced < 1) return wrong('None: send some that say they are not sampled, as the lesson does.')
        return verdict(
          near(answer, untraced, 0),
          'Lines "order committed", minus spans persist_order; both over the last hour.',
        )
      },
    },
  ],
}
