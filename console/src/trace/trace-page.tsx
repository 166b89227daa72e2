/** /trace/<id>: one trace, or with ?compare=<id> two side by side. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { newClient } from '../data/http.ts'
import { fetchTrace, isTraceId } from '../data/tempo.ts'
import type { Trace } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { Failure, Loading } from '../shell/states.tsx'
import { useTitle } from '../shell/title.ts'
import { navigate, setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { TraceView } from '../views/trace-view.tsx'
import { compareTraces, type Difference, isStructural } from './compare.ts'
import '../views/data-table.css'
import './trace-page.css'

export function TracePage({ traceId }: { traceId: string }) {
  const { params } = useAddress()
  const compare = params.get('compare') ?? undefined
  const { data, error, loading } = useTrace(traceId)
  useTitle(titleOf(traceId, data, compare))
  return (
    <main class="page trace-page">
      <div class="page-head">
        <h1>{compare ? 'Two traces' : 'Trace'}</h1>
        <CompareForm compare={compare} />
      </div>
      {loading && <Loading what="Loading the trace" />}
      {error && <Failure message={error} />}
      {data && !compare && (
        <TraceView
          trace={data}
          selected={params.get('span') ?? undefined}
          onSelect={(span) => setParams({ span }, true)}
          search={params.get('find') ?? ''}
          onSearch={(find) => setParams({ find: find || null }, true)}
        />
      )}
      {compare && <CompareWith key={compare} left={data} traceId={compare} />}
    </main>
  )
}

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
      {left && right.data && <Comparison left={left} right={right.data} />}
    </>
  )
}

/** Spans reach the store some seconds after the request: a trace younger than this may still grow. */
const GROWS_MS = 10_000
const ASK_AGAIN_MS = 1000

/** `traceId` stays the same as long as its component is mounted. */
function useTrace(traceId: string) {
  const [attempt, setAttempt] = useState(0)
  const last = useRef<Trace | undefined>(undefined)
  const state = useQuery(`${traceId} ${attempt}`, async (signal) => {
    if (!isTraceId(traceId)) throw new Error(`"${traceId}" is no trace id: those are up to 32 hexadecimal digits.`)
    const trace = await fetchTrace(newClient(signal), traceId)
    if (!trace)
      throw new Error(`No trace ${traceId} is stored. It may be older than the retention, or not finished yet.`)
    // Nothing new is the same object, so that nothing is laid out again.
    if (last.current?.spans.length !== trace.spans.length) last.current = trace
    return last.current
  })
  const mayGrow = !state.loading && isTraceId(traceId) && (!state.data || Date.now() - endMs(state.data) < GROWS_MS)
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

function Comparison({ left, right }: { left: Trace; right: Trace }) {
  const differences = useMemo(() => compareTraces(left, right), [left, right])
  const marked = useMemo(
    () => new Set(differences.filter(isStructural).flatMap((one) => [...one.left.spanIds, ...one.right.spanIds])),
    [differences],
  )
  const scale = Math.max(left.duration, right.duration)
  return (
    <>
      <div class="comparison">
        {[left, right].map((trace) => (
          <SideView key={trace.traceId} trace={trace} marked={marked} scale={scale} />
        ))}
      </div>
      <DifferenceTable differences={differences} />
    </>
  )
}

function SideView({ trace, marked, scale }: { trace: Trace; marked: ReadonlySet<string>; scale: number }) {
  const [selected, setSelected] = useState<string>()
  return (
    <section aria-label={`Trace ${trace.traceId}`}>
      <p>
        <button type="button" class="link" onClick={() => navigate(`/trace/${trace.traceId}`)}>
          {trace.traceId}
        </button>
      </p>
      <TraceView trace={trace} selected={selected} onSelect={setSelected} marked={marked} scale={scale} compact />
    </section>
  )
}

function DifferenceTable({ differences }: { differences: readonly Difference[] }) {
  const widest = Math.max(...differences.map(({ left, right }) => Math.abs(right.duration - left.duration)), 1)
  const cell = (share: Difference['left']) =>
    share.count
      ? `${formatNanos(share.duration)}${share.count > 1 ? ` in ${share.count}` : ''}${share.errors ? `, ${share.errors} err` : ''}`
      : 'absent'
  return (
    <section class="table-box" tabIndex={0} aria-label="Differences by operation">
      <table class="data-table">
        <thead>
          <tr>
            {['Operation', 'Left', 'Right', 'Right is'].map((name, i) => (
              <th key={name} scope="col" class={i ? 'number' : ''}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {differences.map((one) => {
            const delta = one.right.duration - one.left.duration
            return (
              <tr key={one.key} class={isStructural(one) ? 'marked' : ''}>
                <td style={{ paddingLeft: `${one.depth * 14 + 8}px` }}>
                  <b>{one.service}</b> {one.name}
                </td>
                <td class="number">{cell(one.left)}</td>
                <td class="number">{cell(one.right)}</td>
                <td class="number">
                  <span
                    class={`delta${delta > 0 ? ' slower' : ' faster'}`}
                    style={{ '--share': `${(Math.abs(delta) / widest) * 100}%` }}
                  >
                    {formatNanos(Math.abs(delta))} {delta > 0 ? 'slower' : 'faster'}
                  </span>
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </section>
  )
}
