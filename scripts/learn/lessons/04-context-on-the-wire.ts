import { idIn, type Lesson, verdict, withTraceId, wrong } from '../question.ts'

/** Lesson 4: what a request carries from hop to hop. */
export const contextOnTheWire: Lesson = {
  id: '4',
  title: 'W3C context on the wire',
  minutes: 15,
  page: '04-context-on-the-wire.md',
  questions: [
    {
      ask: 'Send an order with a traceparent of your own making, sampled. What is its trace id?',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          const spans = await live.trace(traceId)
          if (!spans) return wrong('This trace was not kept. Was the traceparent valid, and its last field 01?')
          const gateway = spans.find(({ service }) => service === 'gateway')
          const ids = new Set(spans.map(({ id }) => id))
          return verdict(
            gateway !== undefined && gateway.parentId !== '' && !ids.has(gateway.parentId),
            'The trace begins at the gateway, so nobody outside has begun it: the header must be named traceparent and be valid.',
          )
        }),
    },
    {
      ask: 'In that trace, what is the id of the span that is the parent of the server span of order-service?',
      async check(answer, live, [traceId = '']) {
        const spans = (await live.trace(idIn(traceId))) ?? []
        const server = spans.find(({ service, kind }) => service === 'order-service' && kind === 'SERVER')
        return verdict(
          server !== undefined && idIn(answer) === server.parentId && answer.trim().length === 16,
          'A span id has 16 hexadecimal digits. Ask for spans of order-service with kind = server, and select(span:parentID).',
        )
      },
    },
    {
      ask: 'Send an order whose traceparent says that it is not sampled. What is its trace id?',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          const lines = await live.lines(`{service_name=~".+"} | trace_id="${traceId}"`)
          if (lines.length === 0)
            return wrong('No log line has this trace id: was the order sent, with this id in its traceparent?')
          return verdict(
            (await live.trace(traceId)) === null,
            'This request has spans, so it was sampled: the last field decides.',
          )
        }),
    },
  ],
}
