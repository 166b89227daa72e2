/** The tool that groups failed spans: the same failure once, with how often and where it began. */
import { z } from 'zod'
import { page, type Row, type Value } from './answer.ts'
import { attributesOf, type FoundSpan, searchTraces } from './tempo.ts'
import { defineTool, limit, offset } from './tool.ts'
import { momentText, readWindow, windowParameters } from './window.ts'

const SELECTED =
  'name, resource.service.name, statusMessage, span:parentID, span.error.type, event.exception.type, event.exception.message'
/** Of one trace more are not looked at. */
const SPANS_PER_TRACE = 100

const HINT = 'a query for one service: { status = error && resource.service.name = "..." }'

interface Failure {
  traceId: string
  spanId: string
  parentId: string
  startNs: bigint
  service: string
  name: string
  type: string
  message: string
}

export const errors = defineTool({
  name: 'errors',
  title: 'failed spans, grouped by service, operation, kind of error and message',
  about:
    'Failures of the newest traces that have some, grouped by service, operation, kind of error and message (numbers in it do not matter). began counts those below which nothing failed: start with these, the others pass a failure on. Client spans count a 4xx as an error: { kind = server && status = error } leaves them out. Next: trace with the example.',
  example: '--since 15m',
  positionals: ['query'],
  parameters: {
    query: z.string().default('{ status = error }').describe('TraceQL filter: which spans count as failed'),
    ...windowParameters(),
    traces: limit('traces are looked at', 200, 1000),
    offset,
  },
  async run({ query, traces: most, offset, ...times }, system) {
    const window = readWindow(times)
    const asked = { query: `${query} | select(${SELECTED})`, window, limit: most, spans: SPANS_PER_TRACE }
    const found = await searchTraces(system, asked)
    const failures = found.flatMap(({ traceID, spanSets = [] }) =>
      spanSets.flatMap(({ spans }) => spans.map((span) => failureOf(traceID, span))),
    )
    const passedOn = new Set(failures.map(({ traceId, parentId }) => `${traceId} ${parentId}`))
    const began = ({ traceId, spanId }: Failure) => !passedOn.has(`${traceId} ${spanId}`)
    const groups = Map.groupBy(failures, ({ service, name, type, message }) =>
      [service, name, type, message.replaceAll(/[0-9a-f]{8,}|\d+/gi, '#')].join('\n'),
    )
    const rows = [...groups.values()]
      .map((group): Row & { began: number; spans: number } => {
        const newest = group.reduce((a, b) => (a.startNs >= b.startNs ? a : b))
        const { service, name, type, message, traceId, spanId, startNs } = newest
        const traces = new Set(group.map((one) => one.traceId)).size
        const last = momentText((startNs / 1_000_000n) * 1_000_000n)
        return {
          began: group.filter(began).length,
          spans: group.length,
          traces,
          service,
          name,
          type,
          message,
          last,
          trace: traceId,
          span: spanId,
        }
      })
      .sort((a, b) => b.began - a.began || b.spans - a.spans)
    return {
      facts: {
        traces_looked_at: found.length,
        failed_spans: failures.length,
        ...(found.length === most
          ? { note: `the newest ${most} traces with failures only: more with traces, or a narrower time` }
          : {}),
      },
      lists: [page('groups', rows, offset, HINT)],
      nothing: 'Nothing failed in this time.',
    }
  },
})

function failureOf(traceId: string, span: FoundSpan): Failure {
  const attributes: Record<string, Value> = attributesOf(span)
  const text = (...names: string[]) => String(names.map((name) => attributes[name]).find(Boolean) ?? '')
  return {
    traceId,
    spanId: span.spanID,
    startNs: BigInt(span.startTimeUnixNano),
    parentId: text('span:parentID'),
    service: text('service.name'),
    name: span.name ?? text('name'),
    type: text('exception.type', 'error.type'),
    message: text('exception.message', 'statusMessage'),
  }
}
