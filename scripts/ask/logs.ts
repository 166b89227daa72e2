/** The tools that read log lines: by LogQL, and those of a trace. */
import { oneLine } from '@sightline/local/terminal'
import { z } from 'zod'
import { type List, pairs, type Row } from './answer.ts'
import { seriesList } from './metrics.ts'
import { existingTrace } from './one-trace.ts'
import { getJson, type System } from './system.ts'
import { defineTool, limit, offset, traceId } from './tool.ts'
import { momentText, readWindow, secondsOf, type Window, windowParameters } from './window.ts'

interface Line {
  ns: bigint
  line: string
  labels: Record<string, string>
}

type LokiResult =
  | { resultType: 'streams'; result: { stream: Record<string, string>; values: [string, string][] }[] }
  | { resultType: 'matrix'; result: { metric: Record<string, string>; values: [number, string][] }[] }

/** What Loki and the embedded backend answer at most. */
const MOST_LINES = 5000
/** Points of a LogQL query that counts. */
const POINTS = 60

const lineParameters = {
  limit: limit('lines', 200, 2000),
  offset,
  oldest: z.boolean().default(false).describe('the oldest lines first'),
  fields: z.boolean().default(false).describe('with all labels and structured metadata of each line'),
}

export const logs = defineTool({
  name: 'logs',
  title: 'log lines by LogQL, or what LogQL counts',
  about:
    'Log lines, newest first: {service_name="order-service"} | level="error", {service_name=~".+"} |= "stock" | trace_id != "". A query that counts, sum by (service_name) (rate({level="warn"}[5m])), answers with series. Labels are service_name, level, job; everything else is structured metadata behind a |. The language: the tool docs, page logql. Next: trace with a line\'s trace id.',
  example: `'{service_name=~".+"} | level="warn"' --since 15m`,
  positionals: ['query'],
  parameters: {
    query: z.string().default('{service_name=~".+"}').describe('LogQL'),
    ...windowParameters(),
    ...lineParameters,
  },
  async run({ query, ...rest }, system) {
    const window = readWindow(rest)
    const nothing = `No line in this time (since ${rest.since}). Look further back: since 1d.`
    return { facts: {}, lists: [await ask(system, query, window, rest)], nothing }
  },
  follow: { list: 'lines', key: ({ time, service, line }) => `${time} ${service} ${line}` },
})

export const traceLogs = defineTool({
  name: 'trace-logs',
  title: 'the log lines of a trace',
  about: 'The log lines that all services wrote for one trace, oldest first, each with how long after the trace began.',
  example: '4bf92f3577b34da6a3ce929d0e0e4736',
  positionals: ['trace'],
  parameters: {
    trace: traceId,
    span: z
      .string()
      .regex(/^[0-9a-f]{16}$/i, 'a span id has 16 hexadecimal digits')
      .optional()
      .describe('only those of this span'),
    limit: lineParameters.limit,
    offset,
    fields: lineParameters.fields,
  },
  async run({ trace: id, span, ...rest }, system) {
    const { startNs, duration } = await existingTrace(system, id)
    const endNs = startNs + BigInt(Math.ceil(duration))
    const ofSpan = span === undefined ? '' : ` | span_id="${span.toLowerCase()}"`
    const query = `{service_name=~".+"} | trace_id="${id}"${ofSpan}`
    const window = { startNs: startNs - MARGIN_NS, endNs: endNs + MARGIN_NS }
    const list = await ask(system, query, window, { ...rest, oldest: true }, startNs)
    return { facts: { trace: id, start: momentText(startNs) }, lists: [list], nothing: 'It has no log line.' }
  },
})

/** Lines of a trace may be written before its first span begins, and after its last one ended. */
const MARGIN_NS = 60_000_000_000n

interface Wanted {
  limit: number
  offset: number
  oldest: boolean
  fields: boolean
}

/** A page of lines, or the series of a query that counts. With `zero` lines have the time since then, too. */
async function ask({ loki }: System, query: string, window: Window, wanted: Wanted, zero?: bigint): Promise<List> {
  const { limit, offset, oldest, fields } = wanted
  // One more than is shown tells whether there are more.
  const count = Math.min(offset + limit + 1, MOST_LINES)
  const { data } = await getJson<{ data: LokiResult }>('Loki', loki, {
    path: '/loki/api/v1/query_range',
    query: {
      query,
      start: String(window.startNs),
      end: String(window.endNs),
      limit: String(count),
      direction: oldest ? 'forward' : 'backward',
      step: `${Math.max(1, Math.ceil(secondsOf(window) / POINTS))}s`,
    },
    narrower: 'Ask for fewer lines, or with a narrower query.',
  })
  if (data.resultType === 'matrix') return seriesList(data.result, offset)
  const lines = data.result
    .flatMap(({ stream, values }) => values.map(([time, line]): Line => ({ ns: BigInt(time), line, labels: stream })))
    .sort((a, b) => Number(a.ns - b.ns) * (oldest ? 1 : -1))
  const shown = lines.slice(offset, offset + limit)
  return {
    name: 'lines',
    rows: shown.map((line) => lineRow(line, fields, zero)),
    total: lines.length > offset + limit ? 'more' : shown.length,
    next: (shown) => nextPage(lines, offset + shown, window, oldest, zero !== undefined),
    hint: 'a narrower query, or one that counts: sum by (service_name, level) (count_over_time(QUERY [1h]))',
    line: (row) => lineText(row, zero !== undefined),
  }
}

function lineRow({ ns, line, labels }: Line, fields: boolean, zero?: bigint): Row {
  const { service_name, level, detected_level, job: _, trace_id, ...others } = labels
  return {
    time: momentText(ns),
    ...(zero === undefined ? {} : { after_ms: Number((ns - zero) / 1000n) / 1000 }),
    service: service_name ?? '',
    level: level ?? detected_level ?? '',
    line,
    ...(zero === undefined && trace_id ? { trace: trace_id } : {}),
    ...(fields ? { fields: others } : {}),
  }
}

/**
 * Goes on at the last line that was shown, and passes over those of the very same moment that were: so a page costs the engine no more
 * than the first one did, and its limit of lines is no end.
 */
function nextPage(lines: readonly Line[], done: number, window: Window, oldest: boolean, isOfTrace: boolean) {
  const last = lines[done - 1]
  // The lines of a trace have their window by themselves.
  if (last === undefined || isOfTrace) return { offset: done }
  let same = 0
  while (lines[done - 1 - same]?.ns === last.ns) same++
  // The end of a window is not within it, its start is.
  const [startNs, endNs] = oldest ? [last.ns, window.endNs] : [window.startNs, last.ns + 1n]
  return { start: momentText(startNs), end: momentText(endNs), offset: same }
}

function lineText({ time, after_ms, service, level, line, trace, fields }: Row, isOfTrace: boolean): string {
  const when = isOfTrace ? `${String(after_ms).padStart(9)} ms` : time
  const more = fields ? ` ${pairs(fields as Record<string, string>)}` : ''
  return oneLine(
    `${when} ${String(service).padEnd(14)} ${String(level).padEnd(5)} ${line}${trace ? ` trace=${trace}` : ''}${more}`,
  )
}
