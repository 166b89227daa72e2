/** The tool that searches traces by TraceQL. */
import { isMetricsQuery } from '@sightline/console/traceql-text'
import { z } from 'zod'
import { milliseconds, page, pairs, rounded } from './answer.ts'
import { attributesOf, type FoundSpan, type FoundTrace, searchTraces, traceMetric, withNames } from './tempo.ts'
import { defineTool, limit, offset } from './tool.ts'
import { momentText, readWindow, windowParameters } from './window.ts'

export const traces = defineTool({
  name: 'traces',
  title: 'search traces with TraceQL',
  about:
    'Traces that have spans matching a TraceQL query, newest first: { status = error }, { resource.service.name = "order-service" && duration > 250ms }. Each row has what matched; add | select(span.http.route) to see more of it. A metrics query answers with series: { kind = server } | quantile_over_time(duration, .95) by (resource.service.name, name), { } | rate() by (resource.service.name). The language: the tool docs, page traceql. Next: trace with one of the ids.',
  example: "'{ status = error }' --since 15m",
  positionals: ['query'],
  parameters: {
    query: z.string().default('{ }').describe('TraceQL'),
    ...windowParameters(),
    limit: limit('traces', 50, 500),
    offset,
  },
  async run({ query, limit, offset, ...times }, system) {
    const window = readWindow(times)
    if (isMetricsQuery(query)) {
      const series = await traceMetric(system, query, window)
      const rows = series
        .map(({ labels: { __name__: _, ...labels }, value }) => ({ series: pairs(labels), value: rounded(value) }))
        .sort((a, b) => b.value - a.value)
      return { facts: {}, lists: [page('series', rows, offset, '| topk(10)')], nothing: nothingIn(times.since) }
    }
    // One more than is shown tells whether there are more.
    const found = await searchTraces(system, { query: withNames(query), window, limit: offset + limit + 1 })
    const rows = found.slice(offset, offset + limit).map(traceRow)
    return {
      facts: {},
      lists: [
        {
          name: 'traces',
          rows,
          total: found.length > offset + limit ? 'more' : rows.length,
          // Pinned: those that come meanwhile would move the page.
          next: (shown) => ({ offset: offset + shown, end: momentText(window.endNs) }),
          hint: 'a narrower query',
        },
      ],
      nothing: nothingIn(times.since),
    }
  },
  follow: { list: 'traces', key: ({ trace }) => String(trace) },
})

const nothingIn = (since: string) =>
  `Nothing in this time (since ${since}). Look further back: since 1d. Requests to look at: npm run load -- --count 20`

function traceRow({ traceID, rootServiceName, rootTraceName, startTimeUnixNano, durationMs, ...found }: FoundTrace) {
  const stats = Object.values(found.serviceStats ?? {})
  const sets = found.spanSets ?? []
  return {
    trace: traceID,
    start: momentText((BigInt(startTimeUnixNano) / 1_000_000n) * 1_000_000n),
    duration_ms: durationMs ?? 0,
    root: [rootServiceName, rootTraceName].filter(Boolean).join(' ') || null,
    spans: stats.reduce((all, { spanCount = 0 }) => all + spanCount, 0),
    errors: stats.reduce((all, { errorCount = 0 }) => all + errorCount, 0),
    matched: sets.reduce((all, { matched = 0 }) => all + matched, 0),
    such_as: sets.flatMap(({ spans }) => spans.slice(0, 3).map(spanText)),
  }
}

/** `order-service create_order 12.3 ms error order.total=8` */
function spanText(span: FoundSpan): string {
  const { 'service.name': service, name = span.name, status, ...rest } = attributesOf(span)
  const isError = status === 'error' ? status : ''
  return [service, name, milliseconds(Number(span.durationNanos ?? 0) / 1e6), isError, pairs(rest)]
    .filter(Boolean)
    .join(' ')
}
