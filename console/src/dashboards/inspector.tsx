/** What a panel asked, what it was answered, and the JSON it is made of. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { displayName, type Frame } from '../data/frame.ts'
import type { Panel } from '../data/grafana-json.ts'
import type { RequestRecord } from '../data/http.ts'
import type { PanelRun } from '../data/run-panel.ts'
import { localDateTime } from '../data/time-range.ts'
import { formatValue } from '../data/units.ts'
import { CopyButton } from '../shell/copy.tsx'
import { Icon } from '../shell/icons.tsx'
import { Failure } from '../shell/states.tsx'
import { DataTable } from '../views/data-table.tsx'
import './inspector.css'

const TABS = ['Queries', 'Data', 'JSON'] as const

interface InspectorProps {
  readonly panel: Panel
  readonly title: string
  readonly run: PanelRun | undefined
  readonly onClose: () => void
}

export function Inspector({ panel, title, run, onClose }: InspectorProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [tab, setTab] = useState<(typeof TABS)[number]>('Queries')
  // As soon as it is in the page: a key pressed meanwhile would go to what lies below it.
  useLayoutEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog class="inspector" ref={dialog} onClose={onClose} aria-label={`Inspect ${title}`}>
      <header>
        <h2>Inspect: {title || panel.type}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <div class="tabs" role="tablist">
        {TABS.map((name) => (
          <button key={name} type="button" role="tab" aria-selected={tab === name} onClick={() => setTab(name)}>
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" class="inspector-body" aria-label={tab}>
        {run?.error && <Failure message={run.error} />}
        {tab === 'Queries' &&
          (run?.records ?? []).map((record, i) => <RequestCard key={`${record.path}/${i}`} record={record} />)}
        {tab === 'Queries' && !run?.records.length && <p class="muted">Nothing was asked.</p>}
        {tab === 'Data' && <DataTab run={run} title={title} />}
        {tab === 'JSON' && <Json value={panel} />}
      </div>
    </dialog>
  )
}

function RequestCard({ record }: { record: RequestRecord }) {
  const { query, q, ...rest } = record.params
  const text = String(query ?? q ?? '')
  return (
    <section class="request-card">
      <p>
        <code>
          {record.method} {record.path}
        </code>
        <span class={record.error ? 'error-text' : 'muted'}>
          {record.status || 'no answer'} · {record.millis.toFixed(0)} ms ·{' '}
          {formatValue(record.bytes, { unit: 'bytes' })}
        </span>
      </p>
      {text && (
        <div class="query-text">
          <pre tabIndex={0}>{text}</pre>
          <CopyButton text={text} label="Copy the query" iconOnly />
        </div>
      )}
      <dl class="attributes">
        {Object.entries(rest).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{[value].flat().join(' + ')}</dd>
          </div>
        ))}
      </dl>
      {record.error && <Failure message={record.error} />}
    </section>
  )
}

function DataTab({ run, title }: { run: PanelRun | undefined; title: string }) {
  const [chosen, setChosen] = useState(0)
  const data = run?.data
  if (!data) return <p class="muted">No answer yet.</p>
  if (data.logs.length) return <Json value={data.logs} />
  if (data.graph) return <Json value={data.graph} />
  const frame = data.frames[chosen]
  if (!frame) return <p class="muted">The answer is empty.</p>
  return (
    <>
      <p class="data-tools">
        <select aria-label="Series" value={chosen} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
          {data.frames.map((one, i) => (
            <option key={`${one.refId}/${i}`} value={i}>
              {one.refId}: {one.name ?? `table of ${one.fields.length} columns`}
            </option>
          ))}
        </select>
        <a
          class="button"
          download={`${title || 'data'}.csv`}
          href={`data:text/csv;charset=utf-8,${encodeURIComponent(toCsv(frame))}`}
        >
          Download CSV
        </a>
      </p>
      <DataTable frame={frame} variables={data.variables} label="Data" />
    </>
  )
}

function toCsv(frame: Frame): string {
  const quote = (value: unknown) => `"${String(value ?? '').replaceAll('"', '""')}"`
  const head = frame.fields.map((field) => quote(displayName(field, frame))).join(',')
  const rows = (frame.fields[0]?.values ?? []).map((_value, row) =>
    frame.fields
      .map((field) =>
        quote(
          field.type === 'time' && typeof field.values[row] === 'number'
            ? localDateTime(field.values[row])
            : field.values[row],
        ),
      )
      .join(','),
  )
  return [head, ...rows].join('\r\n')
}

function Json({ value }: { value: unknown }) {
  const text = JSON.stringify(value, null, 2)
  return (
    <div class="query-text">
      <pre tabIndex={0}>{text}</pre>
      <CopyButton text={text} label="Copy" iconOnly />
    </div>
  )
}
