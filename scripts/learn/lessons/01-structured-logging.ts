import { idIn, type Lesson, numberIn, verdict, withTraceId, wrong } from '../question.ts'

const SEND = 'Send one with curl as the lesson does, with "user_id":4242, and take trace_id from what it answers.'

/** Lesson 1: one order and the lines it left. */
export const structuredLogging: Lesson = {
  id: '1',
  title: 'Structured logging, and why',
  minutes: 15,
  page: '01-structured-logging.md',
  questions: [
    {
      ask: 'Send an order for user 4242. What is its trace id?',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          const spans = await live.trace(traceId)
          if (!spans) return wrong(`No trace has this id. ${SEND}`)
          const ordered = spans.some(({ name }) => name === 'create_order')
          const users = new Set(spans.map(({ attributes }) => attributes['user.id']))
          return verdict(ordered && users.has('4242'), `This request was no order of user 4242. ${SEND}`)
        }),
    },
    {
      ask: 'What order_id does the line "order committed" of that request carry?',
      async check(answer, live, [traceId = '']) {
        const lines = await live.lines(
          `{service_name="order-service"} |= "order committed" | trace_id="${idIn(traceId)}"`,
        )
        const id = lines[0]?.labels.order_id
        return verdict(
          id !== undefined && numberIn(answer) === Number(id),
          `Search ${live.logFile('order-service')} for the trace id of question 1, and read the field order_id.`,
        )
      },
    },
    {
      ask: 'How many log lines did that request leave, in all services together?',
      async check(answer, live, [traceId = '']) {
        const lines = await live.lines(`{service_name=~".+"} | trace_id="${idIn(traceId)}"`)
        return verdict(
          lines.length > 0 && numberIn(answer) === lines.length,
          'Ask with logql for all services, | trace_id="...", and a number behind the query that is large enough; then count. The gateway writes one, too.',
        )
      },
    },
  ],
}
