/** The tool that groups failed spans: the same failure once, with how often and where it began. */
import { z } from 'zod'
import { page, type Row, type Value } from './answer.ts'
import { attributesOf, type FoundSpan, searchTraces } from './tempo.ts'
import { defineTool, limit, offset } from './tool.ts'
import { momentText, readWindow, windowFacts, windowParameters } from './window.ts'

const SELECTED =
  'name, kind, resource.service.name, statusMessage, span:parentID, span.error.type, event.exception.type, event.exception.message'
/** Of one trace more are not looked at. */
const SPANS_PER_TRACE = 100

const HINT = 'a query for one service: { status = error && resource.service.name = "..." }'

interface Failure {
  traceId: string
  spanId: string
  parentId: string
  startNs: bigint
  endNs: bigint
  isClient: boolean
  service: string
  name: string
  type: string
  message: string
}

export const errors = defineTool({
  name: 'errors',
  title: 'failed spans, grouped by service, operation, kind of error and message',
  about:
    'Failures of the newest traces that have some, grouped by service, operation, kind of error and message (numbers in it do not matter). began counts those that no other failure explains: start with these, the others pass a failure on, or are calls that were left out while a hop kept failing (next_hop_unavailable). Client spans count a 4xx as an error: { kind = server && status = error } leaves them out. Next: trace with the example.',
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
    const began = beginningsOf(failures)
    const groups = Map.groupBy(failures.map(worded(failures)), ({ service, name, type, message }) =>
      [service, name, type, message.replaceAll(/[0-9a-f]{8,}|\d+/gi, '#')].join('\n'),
    )
    const rows = [...groups.values()]
      .map((group): Row & { began: number; spans: number } => {
        const newest = group.reduce((a, b) => (a.startNs >= b.startNs ? a : b))
        const { service, name, type, message, traceId, spanId, startNs } = newest
        const traces = new Set(group.map((one) => one.traceId)).size
        const last = momentText((startNs / 1_000_000n) * 1_000_000n)
        return {
          began: group.filter(({ traceId, spanId }) => began.has(`${traceId} ${spanId}`)).length,
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
        ...windowFacts(window),
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

/** A call that wasn't made, because the hop had kept failing: docs/errors.md. */
const LEFT_OUT = 'next_hop_unavailable'

/** Those below which nothing failed: no child, and behind a call none of what the other side did meanwhile (its server span is no error at 4xx). */
function beginningsOf(failures: readonly Failure[]): Set<string> {
  const passedOn = new Set(failures.map(({ traceId, parentId }) => `${traceId} ${parentId}`))
  const byTrace = Map.groupBy(failures, ({ traceId }) => traceId)
  const isAnswered = (call: Failure) =>
    call.isClient &&
    byTrace
      .get(call.traceId)!
      .some(({ service, startNs, endNs }) => service !== call.service && startNs >= call.startNs && endNs <= call.endNs)
  const began = failures.filter(
    (one) => one.type !== LEFT_OUT && !passedOn.has(`${one.traceId} ${one.spanId}`) && !isAnswered(one),
  )
  return new Set(began.map(({ traceId, spanId }) => `${traceId} ${spanId}`))
}

/** What pg's instrumentation says of an error is its code alone; the span around it has the message. */
const CODE_ONLY = /^PostgreSQL error of type /

function worded(failures: readonly Failure[]): (failure: Failure) => Failure {
  const bySpan = new Map(failures.map((failure) => [`${failure.traceId} ${failure.spanId}`, failure]))
  return (failure) => {
    const around = bySpan.get(`${failure.traceId} ${failure.parentId}`)
    if (!CODE_ONLY.test(failure.message) || !around?.message || CODE_ONLY.test(around.message)) return failure
    return { ...failure, message: around.message }
  }
}

function failureOf(traceId: string, span: FoundSpan): Failure {
  const attributes: Record<string, Value> = attributesOf(span)
  const text = (...names: string[]) => String(names.map((name) => attributes[name]).find(Boolean) ?? '')
  return {
    traceId,
    spanId: span.spanID,
    startNs: BigInt(span.startTimeUnixNano),
    endNs: BigInt(span.startTimeUnixNano) + BigInt(span.durationNanos ?? 0),
    isClient: text('kind') === 'client',
    parentId: text('span:parentID'),
    service: text('service.name'),
    name: span.name ?? text('name'),
    type: text('error.type', 'exception.type'),
    message: text('exception.message', 'statusMessage'),
  }
}
