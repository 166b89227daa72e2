/** Two traces side by side, and below them what each operation did in either, in the order of their trees. */
import { useMemo } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import { traceHref } from '../data/explore-address.ts'
import type { Trace } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { type Column, RowTable } from '../views/row-table.tsx'
import { TraceView } from '../views/trace-view.tsx'
import { compareTraces, type Difference, isStructural, type Share } from './compare.ts'

/** The chosen spans are in the address: `span` of the left trace, `other` of the right one. */
export function Comparison({ left, right }: { left: Trace; right: Trace }) {
  const { params } = useAddress()
  const differences = useMemo(() => compareTraces(left, right), [left, right])
  const marked = useMemo(
    () => new Set(differences.filter(isStructural).flatMap((one) => [...one.left.spanIds, ...one.right.spanIds])),
    [differences],
  )
  const [span, other] = [params.get('span') ?? undefined, params.get('other') ?? undefined]
  const chosen = useMemo(
    () =>
      differences.find(
        (one) =>
          (span !== undefined && one.left.spanIds.includes(span)) ||
          (span === undefined && other !== undefined && one.right.spanIds.includes(other)),
      ),
    [differences, span, other],
  )
  const choose = (key: string | undefined) => {
    const one = differences.find((difference) => difference.key === key)
    setParams({ span: one?.left.spanIds[0], other: one?.right.spanIds[0] }, true)
  }
  const scale = Math.max(left.duration, right.duration)
  const columns = useMemo(() => columnsFor(differences), [differences])
  return (
    <>
      <div class="comparison">
        <Side
          name="Left"
          trace={left}
          marked={marked}
          scale={scale}
          selected={span}
          onSelect={(id) => setParams({ span: id }, true)}
        />
        <Side
          name="Right"
          trace={right}
          marked={marked}
          scale={scale}
          selected={other}
          onSelect={(id) => setParams({ other: id }, true)}
        />
      </div>
      <p class="muted difference-note">
        Marked: absent in one trace, called another number of times, or failed in one only. A click shows both sides.
      </p>
      <section class="differences" aria-label="Differences by operation">
        <RowTable
          label="Operations of both traces"
          rows={differences}
          columns={columns}
          keyOf={({ key }) => key}
          order=""
          selected={chosen?.key}
          onSelect={choose}
          rowClass={(one) => [isStructural(one) && 'marked', absentSide(one) && 'absent'].filter(Boolean).join(' ')}
        />
      </section>
    </>
  )
}

interface SideProps {
  readonly name: string
  readonly trace: Trace
  readonly marked: ReadonlySet<string>
  readonly scale: number
  readonly selected: string | undefined
  readonly onSelect: (spanId: string | undefined) => void
}

function Side({ name, trace, marked, scale, selected, onSelect }: SideProps) {
  const search = useAddress().params.get('search')
  return (
    <section aria-label={`${name}: trace ${trace.traceId}`}>
      <p>
        {name}{' '}
        <a class="link" href={traceHref(trace.traceId, search ? { search } : {})}>
          {trace.traceId}
        </a>
      </p>
      <TraceView trace={trace} selected={selected} onSelect={onSelect} marked={marked} scale={scale} compact />
    </section>
  )
}

const absentSide = ({ left, right }: Difference): 'left' | 'right' | undefined =>
  left.count === 0 ? 'left' : right.count === 0 ? 'right' : undefined

function columnsFor(differences: readonly Difference[]): Column<Difference>[] {
  const widest = differences.reduce(
    (most, { left, right }) => Math.max(most, Math.abs(right.duration - left.duration)),
    1,
  )
  return [
    {
      id: 'name',
      name: 'Operation',
      cell: (one) => (
        <span class="difference-name" style={{ '--depth': Math.min(one.depth, 24) }}>
          <span class="span-color" style={{ background: serviceColor(one.service) }} />
          <b>{one.service}</b> <span title={one.name}>{one.name}</span>
        </span>
      ),
    },
    { id: 'left', name: 'Left', number: true, width: '23%', cell: ({ left }) => <ShareCell share={left} /> },
    { id: 'right', name: 'Right', number: true, width: '23%', cell: ({ right }) => <ShareCell share={right} /> },
    {
      id: 'delta',
      name: 'Right is',
      number: true,
      width: '21%',
      wide: true,
      cell: (one) => <Delta difference={one} widest={widest} />,
    },
  ]
}

const ShareCell = ({ share }: { share: Share }) =>
  share.count === 0 ? (
    <span class="absent-mark">absent</span>
  ) : (
    <>
      {formatNanos(share.duration)}
      {share.count > 1 && ` in ${share.count}`}
      {share.errors > 0 && <span class="error-text"> {share.errors} err</span>}
    </>
  )

function Delta({ difference, widest }: { difference: Difference; widest: number }) {
  const { left, right } = difference
  if (left.count === 0) return <>only there</>
  if (right.count === 0) return <>without it</>
  const delta = right.duration - left.duration
  return (
    <span
      class={`delta${delta > 0 ? ' slower' : ' faster'}`}
      style={{ '--share': `${(Math.abs(delta) / widest) * 100}%` }}
    >
      {formatNanos(Math.abs(delta))} {delta > 0 ? 'slower' : 'faster'}
    </span>
  )
}
