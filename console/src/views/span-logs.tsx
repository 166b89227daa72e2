/** The log lines written while a span was active. */
import { exploreHref } from '../data/explore-address.ts'
import type { LogLine } from '../data/frame.ts'
import { newClient } from '../data/http.ts'
import { runLoki } from '../data/loki.ts'
import type { TimeRange } from '../data/time-range.ts'
import type { Span, Trace } from '../data/trace.ts'
import { Failure, Loading } from '../shell/states.tsx'
import { useQuery } from '../shell/use-query.ts'
import { LogList } from './log-list.tsx'
import { Section } from './section.tsx'

/** Clocks of hosts differ, and lines are written after the fact. */
const MARGIN_MS = 60_000

export function SpanLogs({ trace, span }: { trace: Trace; span: Span }) {
  const { from, to } = rangeOf(trace)
  const { data, error, loading } = useQuery(
    // Lines come in while the trace does.
    `${trace.traceId}/${span.spanId}/${trace.spans.length}`,
    (signal) => loadLogs(trace, span, signal),
  )
  return (
    <Section title="Logs of this span" open {...(data && { count: data.length })}>
      {loading && !data && <Loading />}
      {error && <Failure message={error} />}
      {data &&
        (data.length ? (
          <LogList
            lines={data}
            label="Logs of this span"
            wrap
            asked={{
              query: spanQuery(trace, span),
              hrefOf: (query) => exploreHref('loki', query, { from: String(from), to: String(to) }),
            }}
          />
        ) : (
          <p class="muted">No line was written inside this span.</p>
        ))}
    </Section>
  )
}

const spanQuery = (trace: Trace, span: Span): string =>
  `{service_name=${JSON.stringify(span.service)}} | trace_id="${trace.traceId}" | span_id="${span.spanId}"`

function rangeOf({ startNs, duration }: Trace): TimeRange {
  const startMs = Number(startNs / 1_000_000n)
  return { from: startMs - MARGIN_MS, to: Math.ceil(startMs + duration / 1e6) + MARGIN_MS }
}

async function loadLogs(trace: Trace, span: Span, signal: AbortSignal): Promise<readonly LogLine[]> {
  const context = {
    client: newClient(signal),
    range: rangeOf(trace),
    stepMs: 1000,
    variables: new Map(),
    panelType: 'logs',
  }
  return (await runLoki({ expr: spanQuery(trace, span), maxLines: 200 }, context)).logs
}
