import type { Live } from '../live.ts'
import { idIn, type Lesson, numberIn, verdict, withTraceId, wrong } from '../question.ts'

/** Lesson 3: two ids, and how they reach every line. */
export const requestIdAndTraceId: Lesson = {
  id: '3',
  title: 'Request id against trace id',
  minutes: 12,
  page: '03-request-id-and-trace-id.md',
  questions: [
    {
      ask: 'Send two orders with the same X-Request-ID, one that you choose. What is it?',
      async check(answer, live) {
        const traces = await tracesOf(live, answer)
        if (traces.length === 0)
          return wrong('No request of the last hour had this X-Request-ID. Give the id itself, as sent.')
        return verdict(traces.length > 1, 'Only one request had it so far: send a second one with the same header.')
      },
    },
    {
      ask: 'What is the trace id of the second of them?',
      check: (answer, live, [requestId = '']) =>
        withTraceId(answer, async (traceId) => {
          const traces = await tracesOf(live, requestId)
          return verdict(
            traces.length > 1 && traces[0] === traceId,
            'The lines of the gateway with that request id have a trace id each; the newest line belongs to the second request.',
          )
        }),
    },
    {
      ask: 'How many spans of that trace carry the request id as an attribute?',
      async check(answer, live, [requestId = '', traceId = '']) {
        const spans = (await live.trace(idIn(traceId))) ?? []
        const carrying = spans.filter(({ attributes }) => attributes['request.id'] === requestId.trim())
        return verdict(
          carrying.length > 0 && numberIn(answer) === carrying.length,
          'Ask with traceql for trace:id and span.request.id at once; the answer shows some spans, and how many more there are.',
        )
      },
    },
  ],
}

/** Trace ids of the requests with this id, the newest first. */
async function tracesOf(live: Live, requestId: string): Promise<string[]> {
  const id = requestId.trim()
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(id)) return []
  const lines = await live.lines(`{service_name="gateway"} | request_id="${id}"`)
  return [...new Set(lines.flatMap(({ labels }) => labels.trace_id ?? []))]
}
