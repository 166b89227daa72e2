/** The traces a search found: two of them can be ticked and compared, all of them counted by operation. */
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import { traceHref } from '../data/explore-address.ts'
import type { Frame } from '../data/frame.ts'
import type { Variables } from '../data/interpolate.ts'
import { patchedParams, withParams } from '../data/url.ts'
import { useTime } from '../shell/time.tsx'
import { setParams, useAddress } from '../shell/url.ts'
import { DataTable } from '../views/data-table.tsx'
import { picked } from './picks.ts'

interface FoundTracesProps {
  readonly frame: Frame
  readonly query: string
  readonly variables: Variables
  /** What the search cost. */
  readonly foot: ComponentChildren
  /** Other ways on from what was found. */
  readonly children: ComponentChildren
}

/** The ticks are in the address, `pick=ID` each, so that they are there again after a look at a trace. */
export function FoundTraces({ frame, query, variables, foot, children }: FoundTracesProps) {
  const { params } = useAddress()
  const { raw } = useTime()
  const picks = params.getAll('pick')
  // The way back is the search with its ticks.
  const { from, to } = raw
  const search = patchedParams(new URLSearchParams(), { source: 'tempo', query, from, to, pick: picks }).toString()
  const linked = useMemo(() => withSearch(frame, search), [frame, search])
  const ids = frame.fields.find((field) => field.name === 'traceID')?.values as readonly string[] | undefined
  const [left, right] = picks
  return (
    <>
      <div class="found-tools">
        {foot}
        {right ? (
          <a class="button" href={traceHref(left!, { compare: right, search })}>
            Compare
          </a>
        ) : (
          <span class="muted">Tick two to compare them</span>
        )}
        {picks.length > 0 && (
          <button type="button" class="button" onClick={() => setParams({ pick: null }, true)}>
            Untick
          </button>
        )}
        <a class="button" href={withParams('/traces', { query, from, to })}>
          By operation
        </a>
      </div>
      {children}
      <div class="result-table">
        <DataTable
          frame={linked}
          variables={variables}
          label="Found traces"
          lead={ids && { name: 'Tick', cell: (row) => <Tick id={ids[row]!} picks={picks} /> }}
        />
      </div>
    </>
  )
}

const Tick = ({ id, picks }: { id: string; picks: readonly string[] }) => (
  <label>
    <input
      type="checkbox"
      checked={picks.includes(id)}
      aria-label={`Compare trace ${id.slice(0, 8)}`}
      onChange={() => setParams({ pick: picked(picks, id) }, true)}
    />
  </label>
)

/** A trace knows the search it was found by. */
const withSearch = (frame: Frame, search: string): Frame => ({
  ...frame,
  fields: frame.fields.map((field) =>
    field.name === 'traceID' || field.name === 'traceIdHidden'
      ? {
          ...field,
          config: {
            ...field.config,
            links: [
              { title: 'Open the trace', url: `${'/trace/${__value.raw}'}?search=${encodeURIComponent(search)}` },
            ],
          },
        }
      : field,
  ),
})
