/** Log lines, newest first, each opening to its fields and its trace. */
import { useState } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { LogLine } from '../data/frame.ts'
import { logField, logKey, logLevel } from '../data/loki.ts'
import { localDateTime, localTime } from '../data/time-range.ts'
import { CopyButton } from '../shell/copy.tsx'
import { Icon } from '../shell/icons.tsx'
import './log-list.css'

const PAGE = 200

export function LogList({ lines, label, wrap = false }: { lines: readonly LogLine[]; label: string; wrap?: boolean }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [limit, setLimit] = useState(PAGE)
  const toggle = (key: string) => {
    const next = new Set(open)
    if (!next.delete(key)) next.add(key)
    setOpen(next)
  }
  return (
    <section class={`logs${wrap ? ' wrap' : ''}`} tabIndex={0} aria-label={label}>
      <ol>
        {lines.slice(0, limit).map((line, index) => {
          const key = `${logKey(line)}/${index}`
          return <LogRow key={key} line={line} open={open.has(key)} onToggle={() => toggle(key)} />
        })}
      </ol>
      {lines.length > limit && (
        <button type="button" class="more-rows" onClick={() => setLimit(limit + PAGE)}>
          Show more ({lines.length - limit} left)
        </button>
      )}
    </section>
  )
}

const millisOf = (line: LogLine): number => Number(BigInt(line.timeNs) / 1_000_000n)

function LogRow({ line, open, onToggle }: { line: LogLine; open: boolean; onToggle: () => void }) {
  const level = logLevel(line)
  const service = logField(line, 'service_name') ?? logField(line, 'service') ?? ''
  return (
    <li class={`log level-${level}`}>
      <button type="button" class="log-line" aria-expanded={open} onClick={onToggle}>
        <time title={localDateTime(millisOf(line))}>{localTime(millisOf(line), true)}</time>
        <span class="log-level">{level}</span>
        <span class="log-service tinted" style={{ '--data-color': serviceColor(service) }}>
          {service}
        </span>
        <span class="log-text">{line.line}</span>
      </button>
      {open && <LogDetails line={line} />}
    </li>
  )
}

function LogDetails({ line }: { line: LogLine }) {
  const traceId = logField(line, 'trace_id')
  const spanId = logField(line, 'span_id')
  const fields = Object.entries({ ...line.labels, ...line.metadata }).sort(([a], [b]) => (a < b ? -1 : 1))
  return (
    <div class="log-details">
      <p class="log-full">{line.line}</p>
      <p class="log-actions">
        {traceId && (
          <a class="button" href={`/trace/${traceId}${spanId ? `?span=${spanId}` : ''}`}>
            <Icon name="link" /> Open the trace
          </a>
        )}
        <CopyButton
          text={JSON.stringify({ time: line.timeNs, line: line.line, ...line.labels, ...line.metadata })}
          label="Copy as JSON"
        />
      </p>
      <dl class="attributes">
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
