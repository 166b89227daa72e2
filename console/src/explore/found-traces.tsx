/** The traces a search found, a row each: a click opens one, two of them can be ticked and compared. */
import { useMemo } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { TraceRow } from '../data/found-traces.ts'
import { isToday, localDateTime, localTime } from '../data/time-range.ts'
import { formatValue } from '../data/units.ts'
import { navigate, setParams } from '../shell/url.ts'
import { ServiceTags } from '../views/data-table.tsx'
import { type Column, RowTable } from '../views/row-table.tsx'
import { picked } from './picks.ts'
import './found-traces.css'

interface FoundTracesProps {
  readonly rows: readonly TraceRow[]
  readonly picks: readonly string[]
  readonly order: string
  readonly hrefOf: (row: TraceRow) => string
}

export function FoundTraces({ rows, picks, order, hrefOf }: FoundTracesProps) {
  const columns = useMemo(() => columnsFor(rows, picks, hrefOf), [rows, picks.join(), hrefOf])
  return (
    <div class="result-table found-table">
      <RowTable
        label="Found traces"
        rows={rows}
        columns={columns}
        keyOf={({ id }) => id}
        order={order}
        onOrder={(sort) => setParams({ sort }, true)}
        onSelect={(id) => {
          const row = rows.find((one) => one.id === id)
          if (row) navigate(hrefOf(row))
        }}
      />
    </div>
  )
}

/** More of what the query selects has no room. */
const MOST_ATTRIBUTES = 3

function columnsFor(
  rows: readonly TraceRow[],
  picks: readonly string[],
  hrefOf: (row: TraceRow) => string,
): Column<TraceRow>[] {
  const longest = rows.reduce((most, { duration }) => Math.max(most, duration), 1)
  const today = rows.every(({ start }) => isToday(start))
  const attributes = differing(rows).slice(0, MOST_ATTRIBUTES)
  const counted = rows.some(({ services }) => Object.keys(services).length > 0)
  return [
    { id: 'tick', name: 'Tick', width: '46px', wide: true, cell: (row) => <Tick id={row.id} picks={picks} /> },
    {
      id: 'start',
      name: 'Start',
      width: today ? 'min(110px, 22vw)' : 'min(190px, 36vw)',
      value: ({ start }) => start,
      cell: ({ start }) => (
        <span title={localDateTime(start)}>
          {today ? localTime(start) : localDateTime(start)}
          <span class="millis">.{String(Math.floor(start) % 1000).padStart(3, '0')}</span>
        </span>
      ),
    },
    {
      id: 'name',
      name: 'Trace',
      value: ({ service, name }) => `${service} ${name}`,
      cell: (row) => (
        <>
          <span class="span-color" style={{ background: serviceColor(row.service) }} />
          <a href={hrefOf(row)} title={`${row.service} ${row.name}, trace ${row.id}`} tabIndex={-1}>
            <b>{row.service}</b> {row.name || row.id.slice(0, 16)}
          </a>
        </>
      ),
    },
    {
      id: 'status',
      name: 'Status',
      title: 'error: a span of the trace has one; ok: a span that was found was set to it; unset: neither',
      width: 'min(96px, 17vw)',
      value: ({ status, errors }) => (status === 'error' ? 2 + errors : status === 'ok' ? 1 : 0),
      number: false,
      cell: (row) => <Status row={row} />,
    },
    {
      id: 'duration',
      name: 'Duration',
      number: true,
      width: 'min(120px, 21vw)',
      value: ({ duration }) => duration,
      cell: ({ duration }) => (
        <span class="cell-share" style={{ '--share': `${(duration / longest) * 100}%` }}>
          {duration === 0 ? '< 1 ms' : formatValue(duration, { unit: 'ms' })}
        </span>
      ),
    },
    {
      id: 'matched',
      name: 'Matched',
      title: 'Spans of the trace that the query matches',
      number: true,
      width: '84px',
      wide: true,
      value: ({ matched }) => matched,
      cell: ({ matched }) => matched,
    },
    ...attributes.map(
      (name): Column<TraceRow> => ({
        id: `@${name}`,
        name,
        title: `${name} of the spans that the query matches`,
        width: `${Math.floor(36 / attributes.length)}%`,
        wide: true,
        value: (row) => row.attributes.get(name)?.join(', ') ?? '',
        cell: (row) => <span title={row.attributes.get(name)?.join('\n')}>{row.attributes.get(name)?.join(', ')}</span>,
      }),
    ),
    ...(counted
      ? [
          {
            id: 'services',
            name: 'Services',
            title: 'Spans of each service',
            width: attributes.length > 0 ? '170px' : '34%',
            wide: true,
            cell: ({ services }: TraceRow) => (
              <span class={attributes.length > 0 ? 'services-brief' : ''}>
                <ServiceTags stats={services} />
              </span>
            ),
          },
        ]
      : []),
    {
      id: 'id',
      name: 'Trace id',
      width: '150px',
      wide: true,
      cell: ({ id }) => <code class="muted">{id.slice(0, 16)}…</code>,
    },
  ]
}

/** Attributes that the rows don't all say the same of: of `service.name = "x"` everybody knows what there is. */
function differing(rows: readonly TraceRow[]): string[] {
  const told = new Map<string, Set<string>>()
  for (const { attributes } of rows)
    for (const [name, values] of attributes) told.set(name, (told.get(name) ?? new Set()).add(values.join()))
  return [...told].filter(([, values]) => values.size > 1).map(([name]) => name)
}

const Tick = ({ id, picks }: { id: string; picks: readonly string[] }) => (
  <label class="tick">
    <input
      type="checkbox"
      checked={picks.includes(id)}
      aria-label={`Compare trace ${id.slice(0, 8)}`}
      onChange={() => setParams({ pick: picked(picks, id) }, true)}
    />
  </label>
)

const Status = ({ row: { status, errors } }: { row: TraceRow }) => (
  <span class={`trace-status ${status}`} title={errors > 0 ? `${errors} spans with an error` : undefined}>
    {status}
    {errors > 0 && <b> {errors}</b>}
  </span>
)
