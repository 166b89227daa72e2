/** /trace/<id>: one trace in several views, or with ?compare=<id> two side by side. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { isAbsent } from '../data/absent-here.ts'
import { newClient } from '../data/http.ts'
import { type Operation, operationsOf } from '../data/operations.ts'
import { type FetchedTrace, fetchTrace, isTraceId } from '../data/tempo.ts'
import type { Trace } from '../data/trace.ts'
import { withParams } from '../data/url.ts'
import { Failure, Loading } from '../shell/states.tsx'
import { useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { useZoom } from '../shell/use-zoom.ts'
import { BY_SELF_TIME, OperationsTable } from '../views/operations-table.tsx'
import { type TraceBody, type TraceParts, TraceView } from '../views/trace-view.tsx'
import { Comparison } from './comparison.tsx'
import { DownloadHtml } from './download-html.tsx'
import { TimeFlame, WorkFlame } from './flame-view.tsx'
import { JsonView } from './json-view.tsx'
import { PathView } from './path-view.tsx'
import { SpanTable } from './span-table.tsx'
import { readView, VIEWS, type ViewId } from './views.ts'
import './trace-page.css'

export function TracePage({ traceId }: { traceId: string }) {
  const { params } = useAddress()
  const compare = params.get('compare') ?? undefined
  const view = readView(params.get('view'))
  const { data, error, loading } = useTrace(traceId)
  const title = titleOf(traceId, data?.trace, compare)
  useTitle(title)
  return (
    <main class="page trace-page">
      <div class="page-head">
        <h1>{compare ? 'Two traces' : 'Trace'}</h1>
        {!compare && <ViewTabs view={view} />}
        <Ways traceId={traceId} trace={data?.trace} search={params.get('search')} />
        {data && !compare && <DownloadHtml {...data} title={title} />}
        <CompareForm compare={compare} />
      </div>
      {loading && <Loading what="Loading the trace" />}
      {error && <Failure message={error} />}
      {data && !compare && (view === 'json' ? <JsonView {...data} /> : <OneTrace trace={data.trace} view={view} />)}
      {compare && <CompareWith key={compare} left={data?.trace} traceId={compare} />}
    </main>
  )
}

/** What is chosen stays when the view changes, but for the order of a table that isn't there any more. */
const ViewTabs = ({ view }: { view: ViewId }) => (
  <fieldset class="tabs" aria-label="View">
    {VIEWS.map(({ id, label }) => (
      <button
        key={id}
        type="button"
        aria-pressed={id === view}
        onClick={() => setParams({ view: id === 'waterfall' ? null : id, sort: null, flame: null, zoom: null })}
      >
        {label}
      </button>
    ))}
  </fieldset>
)

/** Where the reader came from, and what the order left in the audit table. `search` is what Explore's address said. */
function Ways({ traceId, trace, search }: { traceId: string; trace: Trace | undefined; search: string | null }) {
  const ordered = useMemo(() => trace?.spans.some(({ attributes }) => attributes['order.id'] !== undefined), [trace])
  return (
    <>
      {search && (
        <a class="button" href={withParams('/explore', {}, new URLSearchParams(search))}>
          Back to the search
        </a>
      )}
      {ordered && !isAbsent('audit') && (
        <a class="button" href={withParams('/audit', { trace_id: traceId.padStart(32, '0') })}>
          Audit row
        </a>
      )}
    </>
  )
}

function OneTrace({ trace, view }: { trace: Trace; view: ViewId }) {
  const { params } = useAddress()
  const [window, setWindow] = useZoom(trace.duration)
  return (
    <TraceView
      trace={trace}
      selected={params.get('span') ?? undefined}
      onSelect={(span) => setParams({ span }, true)}
      search={params.get('find') ?? ''}
      onSearch={(find) => setParams({ find: find || null }, true)}
      window={window}
      onWindow={setWindow}
      body={bodyOf(view, params)}
    />
  )
}

/** Undefined: the waterfall. */
function bodyOf(view: ViewId, params: URLSearchParams): TraceBody | undefined {
  const sort = params.get('sort')
  const onOrder = (order: string) => setParams({ sort: order }, true)
  if (view === 'flame') {
    const byWork = params.get('flame') === 'work'
    return {
      timed: !byWork,
      draw: (parts) => (
        <div class="flame-view">
          <FlameModes byWork={byWork} />
          {byWork ? <WorkFlame parts={parts} /> : <TimeFlame parts={parts} />}
        </div>
      ),
    }
  }
  if (view === 'spans')
    return { timed: false, draw: (parts) => <SpanTable parts={parts} order={sort ?? 'start'} onOrder={onOrder} /> }
  if (view === 'operations')
    return {
      timed: false,
      draw: (parts) => <TraceOperations parts={parts} order={sort ?? BY_SELF_TIME} onOrder={onOrder} />,
    }
  if (view === 'path')
    return { timed: false, draw: (parts) => <PathView parts={parts} order={sort ?? 'start'} onOrder={onOrder} /> }
  return undefined
}

const FlameModes = ({ byWork }: { byWork: boolean }) => (
  <p class="flame-modes">
    <fieldset class="tabs" aria-label="Width of the boxes">
      <button type="button" aria-pressed={!byWork} onClick={() => setParams({ flame: null, zoom: null })}>
        By time
      </button>
      <button type="button" aria-pressed={byWork} onClick={() => setParams({ flame: 'work', zoom: null })}>
        By work
      </button>
    </fieldset>
    <span class="muted">
      {byWork
        ? 'Calls on the same way from the root are one box, as wide as their self time and all below. A click lists them.'
        : 'Each span where its time was; what ran side by side lies below each other.'}
    </span>
  </p>
)

interface OperationsProps {
  readonly parts: TraceParts
  readonly order: string
  readonly onOrder: (order: string) => void
}

function TraceOperations({ parts, order, onOrder }: OperationsProps) {
  const { trace, roots, found } = parts
  const all = useMemo(() => operationsOf(trace.traceId, roots), [trace, roots])
  const shown = useMemo(() => {
    if (!found) return all
    const names = new Set(trace.spans.filter(({ spanId }) => found.has(spanId)).map(({ name }) => name))
    return all.filter(({ name }) => names.has(name))
  }, [all, found, trace])
  return (
    <OperationsTable operations={shown} order={order} onOrder={onOrder} hrefOf={spansHref} slowestHref={slowestHref} />
  )
}

const here = (patch: Parameters<typeof withParams>[1]): string =>
  withParams(location.pathname, { sort: null, ...patch }, new URLSearchParams(location.search))
const spansHref = ({ name }: Operation): string => here({ view: 'spans', find: name })
const slowestHref = ({ slowest }: Operation): string => here({ view: null, find: null, span: slowest.spanId })

const titleOf = (traceId: string, trace: Trace | undefined, compare: string | undefined): string => {
  if (compare) return `${traceId.slice(0, 8)} and ${compare.slice(0, 8)}`
  const root = trace?.spans.find((span) => !span.parentSpanId)
  return root ? `${root.service}: ${root.name} · ${traceId.slice(0, 8)}` : `Trace ${traceId.slice(0, 8)}`
}

function CompareWith({ left, traceId }: { left: Trace | undefined; traceId: string }) {
  const right = useTrace(traceId)
  return (
    <>
      {right.loading && <Loading what="Loading the trace to compare with" />}
      {right.error && <Failure message={right.error} />}
      {left && right.data && <Comparison left={left} right={right.data.trace} />}
    </>
  )
}

/** Spans reach the store some seconds after the request: a trace younger than this may still grow. */
const GROWS_MS = 10_000
const ASK_AGAIN_MS = 1000

/** `traceId` stays the same as long as its component is mounted. */
function useTrace(traceId: string) {
  const [attempt, setAttempt] = useState(0)
  const last = useRef<FetchedTrace | undefined>(undefined)
  const state = useQuery(`${traceId} ${attempt}`, async (signal) => {
    if (!isTraceId(traceId)) throw new Error(`"${traceId}" is no trace id: those are up to 32 hexadecimal digits.`)
    const found = await fetchTrace(newClient(signal), traceId)
    if (!found)
      throw new Error(
        `No trace ${traceId} is stored. It may be older than the retention, not finished yet, or left out by sampling.`,
      )
    // Nothing new is the same object, so that nothing is laid out again.
    if (last.current?.trace.spans.length !== found.trace.spans.length) last.current = found
    return last.current
  })
  const mayGrow =
    !state.loading && isTraceId(traceId) && (!state.data || Date.now() - endMs(state.data.trace) < GROWS_MS)
  useEffect(() => {
    // Counted as well: a clock that is wrong must not keep the page asking.
    if (!mayGrow || attempt * ASK_AGAIN_MS >= GROWS_MS) return undefined
    const timer = setTimeout(() => setAttempt(attempt + 1), ASK_AGAIN_MS)
    return () => clearTimeout(timer)
  }, [mayGrow, attempt])
  return { ...state, loading: state.loading && attempt === 0 }
}

/** Milliseconds since 1970 of the last span's end. */
const endMs = (trace: Trace): number => Number(trace.startNs / 1_000_000n) + trace.duration / 1e6

function CompareForm({ compare }: { compare: string | undefined }) {
  const [text, setText] = useState(compare ?? '')
  if (compare)
    return (
      <button type="button" class="button" onClick={() => setParams({ compare: null })}>
        Close the comparison
      </button>
    )
  return (
    <form
      class="compare-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (isTraceId(text)) setParams({ compare: text.trim(), span: null })
      }}
    >
      <input
        value={text}
        placeholder="Trace id to compare with"
        aria-label="Trace id to compare with"
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button" disabled={!isTraceId(text)}>
        Compare
      </button>
    </form>
  )
}
