/** The log lines written while a span was active: asked for, or those that came with the trace in a file. */
import { useContext, useMemo } from 'preact/hooks'
import { exploreHref } from '../data/explore-address.ts'
import { newClient } from '../data/http.ts'
import { linesOfTrace, logField, PLAN_FIELD, queryOfTrace, timeOfTrace } from '../data/loki.ts'
import type { Span, Trace } from '../data/trace.ts'
import { Failure, Loading } from '../shell/states.tsx'
import { useQuery } from '../shell/use-query.ts'
import { LinesInFile } from './in-file.ts'
import { LogList } from './log-list.tsx'
import { QueryPlan } from './query-plan.tsx'
import { Section } from './section.tsx'

const MOST_LINES = 200

export function SpanLogs({ trace, span }: { trace: Trace; span: Span }) {
  const inFile = useContext(LinesInFile)
  const own = useMemo(() => inFile?.filter((line) => logField(line, 'span_id') === span.spanId), [inFile, span])
  const { data, error, loading } = useQuery(
    // Lines come in while the trace does.
    inFile ? undefined : `${trace.traceId}/${span.spanId}/${trace.spans.length}`,
    (signal) => linesOfTrace(newClient(signal), trace, MOST_LINES, span),
  )
  const lines = own ?? data
  const { from, to } = timeOfTrace(trace)
  const asked = {
    query: queryOfTrace(trace, span),
    hrefOf: (query: string) => exploreHref('loki', query, { from: String(from), to: String(to) }),
  }
  const plan = lines?.map((line) => logField(line, PLAN_FIELD)).find((text) => text !== undefined)
  return (
    <>
      {plan && (
        <Section title="PostgreSQL’s plan" open>
          <QueryPlan text={plan} />
        </Section>
      )}
      <Section title="Logs of this span" open {...(lines && { count: lines.length })}>
        {loading && !lines && <Loading />}
        {error && <Failure message={error} />}
        {lines &&
          (lines.length ? (
            <LogList lines={lines} label="Logs of this span" wrap {...(!inFile && { asked })} />
          ) : (
            <p class="muted">No line was written inside this span.</p>
          ))}
      </Section>
    </>
  )
}
