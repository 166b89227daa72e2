import { type Lesson, near, verdict, wrong } from '../question.ts'

/** Lesson 2: how bad, and who adds the rest. */
export const levelsAndContext: Lesson = {
  id: '2',
  title: 'Levels and context',
  minutes: 12,
  page: '02-levels-and-context.md',
  questions: [
    {
      ask: 'How many lines of level warn did order-service write in the last hour?',
      async check(answer, live) {
        const [found] = await live.lineMetric('sum(count_over_time({service_name="order-service", level="warn"}[1h]))')
        if (!found) return wrong('There is none yet. Send an order that has to be refused, then count.')
        return verdict(
          near(answer, found.value, 0.05),
          'Put both labels, service_name and level, into the braces, count over [1h], and take the sum.',
        )
      },
    },
    {
      ask: 'Send an order for 999999 pieces of phone-001. Which kind does the line of order-service about it name?',
      async check(answer, live) {
        const [line] = await live.lines('{service_name="order-service", level="warn"} |= "999999"')
        if (!line) return wrong('order-service has written nothing about 999999 pieces yet: send that order first.')
        return verdict(
          answer === line.labels.kind,
          'Ask for all fields of that line: fields, with the text 999999 behind |= in the query.',
        )
      },
    },
    {
      ask: 'What is the exception_type of the newest line of level error?',
      async check(answer, live) {
        const [line] = await live.lines('{level="error"}')
        if (!line)
          return wrong('No line of level error was written in the last hour: send the request without time again.')
        return verdict(
          line.labels.exception_type !== undefined && answer === line.labels.exception_type,
          'fields with a selector for the level shows all fields of the newest such line.',
        )
      },
    },
  ],
}
