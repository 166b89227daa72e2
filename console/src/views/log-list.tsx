/** Log lines in the order they come in, each opening to its fields, its trace and the lines around it. */
import type { ComponentChildren } from 'preact'
import { useContext, useState } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { LogLine } from '../data/frame.ts'
import { LOG_KEYS, meaningOf } from '../data/keys.ts'
import { type FieldSign, isFieldName, type LogField, withField } from '../data/logql-edit.ts'
import { logField, logKey, logLevel, PLAN_FIELD } from '../data/loki.ts'
import { localDateTime, localTime } from '../data/time-range.ts'
import { CopyButton } from '../shell/copy.tsx'
import { Icon } from '../shell/icons.tsx'
import { useKeyTable } from '../shell/keys.ts'
import { LinesInFile } from './in-file.ts'
import { LogContext } from './log-context.tsx'
import { QueryPlan } from './query-plan.tsx'
import './log-list.css'

const PAGE = 200

/** What found the lines, and the address of another such query. */
export interface AskedLines {
  readonly query: string
  readonly hrefOf: (query: string) => string
}

interface LogListProps {
  readonly lines: readonly LogLine[]
  readonly label: string
  readonly wrap?: boolean
  /** With it fields can be put into the query. */
  readonly asked?: AskedLines | undefined
  /** Called when a line is opened. */
  readonly onOpen?: () => void
  /** Stands below the last line. */
  readonly children?: ComponentChildren
}

export function LogList({ lines, label, wrap = false, asked, onOpen, children }: LogListProps) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [limit, setLimit] = useState(PAGE)
  useKeyTable(lines.length > 0 ? LOG_KEYS : undefined)
  const toggle = (key: string) => {
    const next = new Set(open)
    if (!next.delete(key)) {
      next.add(key)
      onOpen?.()
    }
    setOpen(next)
  }
  const keys = keysOf(lines.slice(0, limit))
  return (
    <section class={`logs${wrap ? ' wrap' : ''}`} tabIndex={0} aria-label={label} onKeyDown={moveAlong}>
      <ol>
        {keys.map((key, index) => (
          <LogRow key={key} line={lines[index]!} open={open.has(key)} onToggle={() => toggle(key)} asked={asked} />
        ))}
      </ol>
      {lines.length > limit ? (
        <button type="button" class="more-rows" onClick={() => setLimit(limit + PAGE)}>
          Show more ({(lines.length - limit).toLocaleString('en')} left)
        </button>
      ) : (
        children
      )}
    </section>
  )
}

/** Enter opens a line as it does any button. */
function moveAlong(event: KeyboardEvent): void {
  const does = meaningOf(LOG_KEYS, event.key)
  if (!does || event.ctrlKey || event.metaKey || event.altKey) return
  const lines = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('button.log-line')]
  const active = document.activeElement?.closest('.log')?.querySelector<HTMLElement>('button.log-line')
  const at = active ? lines.indexOf(active) : -1
  const to = { next: at + 1, previous: Math.max(at - 1, 0), first: 0, last: lines.length - 1 }[does]
  if (!lines[to]) return
  event.preventDefault()
  lines[to].focus()
}

/** Lines that come in, before or behind the others, change no other's key. */
function keysOf(lines: readonly LogLine[]): string[] {
  const seen = new Map<string, number>()
  return lines.map((line) => {
    const key = logKey(line)
    const nth = seen.get(key) ?? 0
    seen.set(key, nth + 1)
    return `${key}/${nth}`
  })
}

const millisOf = (line: LogLine): number => Number(BigInt(line.timeNs) / 1_000_000n)

interface RowProps {
  readonly line: LogLine
  readonly open: boolean
  readonly onToggle: () => void
  readonly asked: AskedLines | undefined
}

function LogRow({ line, open, onToggle, asked }: RowProps) {
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
      {open && <LogDetails line={line} asked={asked} />}
    </li>
  )
}

function LogDetails({ line, asked }: { line: LogLine; asked: AskedLines | undefined }) {
  const [around, setAround] = useState(false)
  const traceId = logField(line, 'trace_id')
  const spanId = logField(line, 'span_id')
  const isInFile = useContext(LinesInFile) !== undefined
  const fields = [
    ...Object.entries(line.labels).map(([name, value]) => ({ name, value, isLabel: true })),
    ...Object.entries(line.metadata).map(([name, value]) => ({ name, value, isLabel: false })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1))
  return (
    <div class="log-details">
      <p class="log-full">{line.line}</p>
      <p class="log-actions">
        {traceId && !isInFile && (
          <a class="button" href={`/trace/${traceId}${spanId ? `?span=${spanId}` : ''}`}>
            <Icon name="link" /> Open the trace
          </a>
        )}
        {!isInFile && (
          <button type="button" class="button" aria-expanded={around} onClick={() => setAround(!around)}>
            Lines around it
          </button>
        )}
        <CopyButton
          text={JSON.stringify({ time: line.timeNs, line: line.line, ...line.labels, ...line.metadata })}
          label="Copy as JSON"
        />
      </p>
      {around && <LogContext line={line} />}
      <QueryPlan text={logField(line, PLAN_FIELD) ?? ''} />
      <dl class="attributes">
        {fields.map((field) => (
          <div key={field.name}>
            <dt>{field.name}</dt>
            <dd>
              <span class="value">{field.value}</span>
              {asked && isFieldName(field.name) && <FieldWays field={field} asked={asked} />}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

/** The same query with the field in it, and without. */
function FieldWays({ field, asked }: { field: LogField; asked: AskedLines }) {
  const way = (sign: FieldSign, words: string) => (
    <a
      class="icon-button small"
      href={asked.hrefOf(withField(asked.query, field, sign))}
      aria-label={`${words} ${field.name} ${field.value}`}
      title={`${words} this ${field.name}`}
    >
      <Icon name={sign === '=' ? 'plus' : 'minus'} />
    </a>
  )
  return (
    <span class="field-ways">
      {way('=', 'Only lines with')}
      {way('!=', 'No lines with')}
    </span>
  )
}
