/** /audit: the audit table with filters, each row linked to its trace, and whether the hash chain holds. */
import { counted } from '@sightline/contracts/counted'
import { useEffect, useLayoutEffect, useState } from 'preact/hooks'
import { type AuditFilter, auditPage, newestNote, PROOF_STATES, type Row, toField, verifyAudit } from '../data/audit.ts'
import { openedCapture } from '../data/capture.ts'
import type { Field, Frame } from '../data/frame.ts'
import { newClient } from '../data/http.ts'
import { Icon } from '../shell/icons.tsx'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { DataTable } from '../views/data-table.tsx'
import { ProofDialog } from './proof-dialog.tsx'
import './audit-page.css'

const FILTERS = [
  { name: 'user_id', label: 'User', pattern: '\\d*' },
  { name: 'order_id', label: 'Order', pattern: '\\d*' },
  { name: 'trace_id', label: 'Trace id', pattern: '[0-9a-fA-F]{0,32}' },
] as const

const COLUMNS: readonly { name: string; label: string; link?: string }[] = [
  { name: 'id', label: 'Id' },
  { name: 'recorded_at', label: 'Recorded' },
  { name: 'event_type', label: 'Event' },
  { name: 'action', label: 'Action' },
  { name: 'user_id', label: 'User' },
  { name: 'order_id', label: 'Order' },
  { name: 'total', label: 'Total' },
  { name: 'proof', label: 'Proof' },
  { name: 'trace_id', label: 'Trace', link: '/trace/${__value.raw}' },
]

/** Between two questions for rows that are on their way into the tree. */
const AGAIN_MS = 1_500

export function AuditPage() {
  const { params } = useAddress()
  const { tick } = useTime()
  const filter: AuditFilter = Object.fromEntries(
    FILTERS.flatMap(({ name }) => (params.get(name) ? [[name, params.get(name)!]] : [])),
  )
  useTitle(
    [
      ...FILTERS.flatMap(({ name, label }) => (filter[name] ? [`${label} ${filter[name].slice(0, 8)}`] : [])),
      'Audit table',
    ].join(' · '),
  )
  const cursor = params.get('cursor') ?? undefined
  const [again, setAgain] = useState(0)
  const {
    data: found,
    error,
    loading,
  } = useQuery(JSON.stringify([filter, cursor, tick, again]), (signal) =>
    auditPage(newClient(signal), filter, 50, cursor),
  )
  const isCapture = openedCapture() !== undefined
  // Not while an answer is awaited: a further question would give it up.
  const isOnTheWay = !isCapture && !loading && found?.items.some((row) => !canBeProven(row)) === true
  useEffect(() => {
    if (!isOnTheWay) return undefined
    // A page nobody looks at asks nothing.
    const timer = setInterval(() => document.visibilityState === 'visible' && setAgain((count) => count + 1), AGAIN_MS)
    return () => clearInterval(timer)
  }, [isOnTheWay])
  // A question that failed may be another one than what the rows answered.
  const data = error ? undefined : found
  const isSigned = !isCapture && data?.items.some(({ proof }) => proof === 'signed') === true
  const proven = data?.items.find(({ id }) => String(id) === params.get('prove'))
  return (
    <main class="page audit-page">
      <div class="page-head">
        <h1>Audit table</h1>
        {isCapture ? (
          <p class="muted">Of a capture: the hash chain is checked where the system runs.</p>
        ) : (
          <VerifyState />
        )}
      </div>
      <form class="audit-filters" onSubmit={(event) => event.preventDefault()}>
        {FILTERS.map(({ name, label, pattern }) => (
          <FilterBox
            key={name}
            label={label}
            pattern={pattern}
            value={params.get(name) ?? ''}
            onChange={(value) => setParams({ [name]: value || null, cursor: null })}
          />
        ))}
        {Object.keys(filter).length > 0 && (
          <button
            type="button"
            class="button"
            onClick={() => setParams({ user_id: null, order_id: null, trace_id: null, cursor: null })}
          >
            Clear
          </button>
        )}
      </form>
      {error && <Failure message={error} />}
      {loading && !found && <Loading />}
      {data && data.items.length === 0 && <NoData hint="No row matches." />}
      {data && data.items.length > 0 && (
        <DataTable
          frame={toTable(data.items)}
          variables={new Map()}
          label="Audit rows"
          {...(isCapture
            ? {}
            : { lead: { name: 'Prove', cell: (row: number) => <ProveButton row={data.items[row]!} /> } })}
        />
      )}
      {isSigned && <Signed tick={tick} />}
      {proven && !isCapture && <ProofDialog row={proven} onClose={() => setParams({ prove: null })} />}
      <p class="pager">
        {cursor && (
          <button type="button" class="button" onClick={() => setParams({ cursor: null })}>
            Newest rows
          </button>
        )}
        {data?.next_cursor && (
          <button type="button" class="button" onClick={() => setParams({ cursor: data.next_cursor ?? null })}>
            Older rows
          </button>
        )}
      </p>
    </main>
  )
}

const canBeProven = ({ proof }: Row) => proof === 'in_tree' || proof === 'signed'

function ProveButton({ row }: { row: Row }) {
  return (
    <button
      type="button"
      class="button"
      disabled={!canBeProven(row)}
      title={
        canBeProven(row) ? 'Proves in this browser that the row is in the log' : 'Comes into the tree within a second'
      }
      aria-label={`Prove row ${row.id}`}
      onClick={() => setParams({ prove: String(row.id) })}
    >
      Prove
    </button>
  )
}

/** Who stands for the log's newest checkpoint. */
function Signed({ tick }: { tick: number }) {
  const { data: note, error } = useQuery(`note ${tick}`, (signal) => newestNote(newClient(signal)))
  if (error) return <Failure message={error} />
  if (!note) return null
  const witnesses = [...new Set(note.signatures.slice(1).map(({ name }) => name))]
  return (
    <p class="muted signed">
      Signed by {note.origin}: the first {counted(note.size, 'row')};{' '}
      {witnesses.length > 0 ? `cosigned by ${witnesses.join(', ')}` : 'no witness has cosigned'}.
    </p>
  )
}

function toTable(items: readonly Row[]): Frame {
  const rows = items.map((item): Row => {
    const { total, currency } = (item.details ?? {}) as { total?: unknown; currency?: unknown }
    return {
      ...item,
      total: total === undefined ? null : `${total} ${currency ?? ''}`,
      proof: PROOF_STATES[String(item.proof)] ?? (item.sealed ? 'sealed' : 'waits for its seal'),
    }
  })
  const fields = COLUMNS.map(({ name, label, link }): Field => {
    const field = toField(
      name,
      rows.map((row) => row[name] ?? null),
    )
    return {
      ...field,
      config: { displayName: label, ...(link && { links: [{ title: 'Open the trace', url: link }] }) },
    }
  })
  return { refId: 'audit', fields }
}

function FilterBox({
  label,
  pattern,
  value,
  onChange,
}: {
  label: string
  pattern: string
  value: string
  onChange: (value: string) => void
}) {
  const [text, setText] = useState(value)
  useLayoutEffect(() => setText(value), [value])
  const commit = () => text !== value && new RegExp(`^${pattern}$`).test(text) && onChange(text)
  return (
    <label>
      {label}
      <input
        value={text}
        pattern={pattern}
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value.trim())}
        onBlur={commit}
        onKeyDown={(event) => event.key === 'Enter' && commit()}
      />
    </label>
  )
}

interface Verification {
  status?: string
  checked?: number
  unsealed?: number
  /** False: the chain goes on behind the rows checked. */
  complete?: boolean
  first_broken?: { position: number | null; audit_id: number | null; reason: string } | null
}

function VerifyState() {
  const [asked, setAsked] = useState(0)
  // The check reads the whole chain: once per visit and when asked for, not at every refresh.
  const { data, error, loading } = useQuery(
    `verify ${asked}`,
    async (signal) => (await verifyAudit(newClient(signal))) as Verification,
  )
  const intact = data?.status === 'intact'
  return (
    <div class={`verify ${data ? (intact ? 'intact' : 'broken') : ''}`} role="status">
      {loading && 'Checking the hash chain…'}
      {error && `The chain can't be checked: ${error}`}
      {!loading && data && (
        <>
          <Icon name={intact ? 'check' : 'warning'} />
          {intact
            ? `Chain intact${data.complete === false ? ' so far' : ''}: ${counted(data.checked ?? 0, 'row')} checked, ${data.unsealed ?? 0} waiting for their seal`
            : `Chain ${data.status ?? 'broken'} at row ${data.first_broken?.audit_id ?? data.first_broken?.position ?? '?'}: ${data.first_broken?.reason ?? ''}`}
        </>
      )}
      <button type="button" class="button" onClick={() => setAsked(asked + 1)}>
        Verify again
      </button>
    </div>
  )
}
