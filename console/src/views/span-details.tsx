/** Everything one span says, its logs, and ways on from it. */
import { useContext } from 'preact/hooks'
import { isAbsent } from '../data/absent-here.ts'
import { serviceColor } from '../data/colors.ts'
import { exploreHref, traceHref } from '../data/explore-address.ts'
import { statementFacts } from '../data/statement-facts.ts'
import type { Attributes, AttributeValue, Span, SpanEvent, Trace } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { CopyButton } from '../shell/copy.tsx'
import { Icon } from '../shell/icons.tsx'
import { LinesInFile } from './in-file.ts'
import { Section } from './section.tsx'
import { SpanLogs } from './span-logs.tsx'
import './span-details.css'

interface DetailsProps {
  readonly trace: Trace
  readonly span: Span
  readonly selfTime: number | undefined
  readonly onClose: () => void
}

export function SpanDetails({ trace, span, selfTime, onClose }: DetailsProps) {
  const startMs = Number((trace.startNs + BigInt(Math.round(span.start))) / 1_000_000n)
  // The service's metrics around the request, with room to see what was before and after.
  const around = { from: String(startMs - 15 * 60_000), to: String(startMs + 15 * 60_000) }
  const red = `sum by (http_route) (rate(http_server_request_duration_seconds_count{job=${JSON.stringify(span.service)}}[1m]))`
  const isInFile = useContext(LinesInFile) !== undefined
  return (
    <section class="span-details" aria-label={`Details of ${span.name}`} tabIndex={0}>
      <header>
        <span class="span-color" style={{ background: serviceColor(span.service) }} />
        <h3>{span.name}</h3>
        <button type="button" class="icon-button" aria-label="Close the details" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <dl class="facts">
        <Fact name="Service" value={span.service} />
        <Fact name="Kind" value={span.kind} />
        <Fact name="Duration" value={formatNanos(span.duration)} />
        {selfTime !== undefined && (
          <Fact
            name="Self time"
            value={`${formatNanos(selfTime)} (${Math.round((selfTime / (span.duration || 1)) * 100)}%)`}
          />
        )}
        {statementFacts(span).map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
        <Fact name="Starts at" value={`+${formatNanos(span.start)}`} />
        <Fact name="Status" value={span.status} tone={span.status === 'error' ? 'error-text' : undefined} />
      </dl>
      {span.statusMessage && (
        <p class="span-message" role="note">
          {span.statusMessage}
        </p>
      )}
      <p class="ways">
        {!isInFile && (
          <>
            <a
              class="button"
              href={exploreHref(
                'loki',
                `{service_name=${JSON.stringify(span.service)}} | trace_id="${trace.traceId}"`,
                around,
              )}
            >
              Logs in Explore
            </a>
            {!isAbsent('prometheus') && (
              <a class="button" href={exploreHref('prometheus', red, around)}>
                Metrics of {span.service}
              </a>
            )}
          </>
        )}
        <CopyButton text={span.spanId} label="Span id" />
      </p>
      <Section title="Attributes" count={Object.keys(span.attributes).length} open>
        <AttributeList attributes={span.attributes} />
      </Section>
      {span.events.length > 0 && (
        <Section title="Events" count={span.events.length} open>
          {span.events.map((event, i) => (
            <EventCard
              key={`${event.name}/${i}`}
              event={event}
              offset={Number(event.timeNs - trace.startNs) - span.start}
            />
          ))}
        </Section>
      )}
      {span.links.length > 0 && (
        <Section title="Links" count={span.links.length} open>
          {span.links.map((link) => (
            <div key={link.traceId + link.spanId} class="event-card">
              <SpanLink traceId={link.traceId} spanId={link.spanId} here={trace.traceId} />
              <AttributeList attributes={link.attributes} />
            </div>
          ))}
        </Section>
      )}
      <SpanLogs trace={trace} span={span} />
      <Section title="Resource" count={Object.keys(span.resource).length}>
        <AttributeList attributes={span.resource} />
      </Section>
      {span.scope && <p class="muted scope">Recorded by {span.scope}</p>}
    </section>
  )
}

interface SpanLinkProps {
  readonly traceId: string
  readonly spanId: string
  /** The trace that it stands in. */
  readonly here: string
}

function SpanLink({ traceId, spanId, here }: SpanLinkProps) {
  if (useContext(LinesInFile))
    return (
      <p>
        {traceId === here ? 'Span in this trace' : 'Trace'} <code>{traceId === here ? spanId : traceId}</code>
      </p>
    )
  return (
    <a href={traceHref(traceId, spanId ? { span: spanId } : {})}>
      <Icon name="link" /> {traceId === here ? 'Span in this trace' : `Trace ${traceId.slice(0, 16)}…`}
    </a>
  )
}

const Fact = ({ name, value, tone }: { name: string; value: string; tone?: string | undefined }) => (
  <div>
    <dt>{name}</dt>
    <dd class={tone}>{value}</dd>
  </div>
)

function EventCard({ event, offset }: { event: SpanEvent; offset: number }) {
  const { 'exception.stacktrace': stack, ...rest } = event.attributes
  return (
    <div class={`event-card${event.name === 'exception' ? ' exception' : ''}`}>
      <p>
        <b>{event.name}</b> <span class="muted">+{formatNanos(Math.max(offset, 0))}</span>
      </p>
      <AttributeList attributes={rest} />
      {stack !== undefined && <pre tabIndex={0}>{String(stack)}</pre>}
    </div>
  )
}

function AttributeList({ attributes }: { attributes: Attributes }) {
  const entries = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))
  if (entries.length === 0) return null
  return (
    <dl class="attributes">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <span class={`value ${typeof value}`}>{text(value)}</span>
            <CopyButton text={text(value)} label={`Copy ${name}`} iconOnly />
          </dd>
        </div>
      ))}
    </dl>
  )
}

const text = (value: AttributeValue): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))
