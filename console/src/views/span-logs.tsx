/** The log lines written while a span was active. */
import type { LogLine } from '../data/frame.ts'
import { newClient } from '../data/http.ts'
import { runLoki } from '../data/loki.ts'
import type { Span, Trace } from '../data/trace.ts'
import { Failure, Loading } from '../shell/states.tsx'
import { useQuery } from '../shell/use-query.ts'
import { LogList } from './log-list.tsx'
import { Section } from './section.tsx'

/** Clocks of hosts differ, and lines are written after the fact. */
const MARGIN_MS = 60_000

export function SpanLogs({ trace, span }: { trace: Trace; span: Span }) {
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
          <LogList lines={data} label="Logs of this span" wrap />
        ) : (
          <p class="muted">No line was written inside this span.</p>
        ))}
    </Section>
  )
}

async function loadLogs(trace: Trace, span: Span, signal: AbortSignal): Promise<readonly LogLine[]> {
  const startMs = Number(trace.startNs / 1_000_000n)
  const range = { from: startMs - MARGIN_MS, to: startMs + trace.duration / 1e6 + MARGIN_MS }
  const expr = `{service_name=${JSON.stringify(span.service)}} | trace_id="${trace.traceId}" | span_id="${span.spanId}"`
  const context = { client: newClient(signal), range, stepMs: 1000, variables: new Map(), panelType: 'logs' }
  return (await runLoki({ expr, maxLines: 200 }, context)).logs
}
