/** All spans of a trace as a list to sort: by when, how long, how much of it alone. */
import { useMemo } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { SpanNode } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { type Column, RowTable } from '../views/row-table.tsx'
import type { TraceParts } from '../views/trace-view.tsx'

interface SpanTableProps {
  readonly parts: TraceParts
  readonly order: string
  readonly onOrder: (order: string) => void
}

/** What is searched for is all that is listed. */
export function SpanTable({ parts, order, onOrder }: SpanTableProps) {
  const { nodes, found, pathBySpan, selected, onSelect, onFind } = parts
  const rows = useMemo(() => (found ? nodes.filter(({ span }) => found.has(span.spanId)) : nodes), [nodes, found])
  const columns = useMemo(() => columnsFor(pathBySpan), [pathBySpan])
  return (
    <RowTable
      label="List of spans"
      rows={rows}
      columns={columns}
      keyOf={({ span }) => span.spanId}
      order={order}
      onOrder={onOrder}
      selected={selected}
      onSelect={onSelect}
      onFind={onFind}
    />
  )
}

function columnsFor(path: TraceParts['pathBySpan']): Column<SpanNode>[] {
  const onPath = ({ span }: SpanNode) =>
    (path.get(span.spanId) ?? []).reduce((total, { start, end }) => total + end - start, 0)
  const number = { number: true, width: '92px' }
  return [
    {
      id: 'name',
      name: 'Span',
      value: ({ span }) => `${span.service} ${span.name}`,
      cell: ({ span }) => (
        <>
          <span class="span-color" style={{ background: serviceColor(span.service) }} />
          <b>{span.service}</b> <span title={span.name}>{span.name}</span>
        </>
      ),
    },
    {
      id: 'kind',
      name: 'Kind',
      width: '84px',
      wide: true,
      value: ({ span }) => span.kind,
      cell: ({ span }) => span.kind,
    },
    {
      id: 'status',
      name: 'Status',
      width: '68px',
      value: ({ span }) => span.status,
      cell: ({ span }) => <span class={span.status === 'error' ? 'error-text' : 'muted'}>{span.status}</span>,
    },
    {
      id: 'start',
      name: 'Starts at',
      ...number,
      wide: true,
      value: ({ span }) => span.start,
      cell: ({ span }) => `+${formatNanos(span.start)}`,
    },
    {
      id: 'duration',
      name: 'Duration',
      ...number,
      value: ({ span }) => span.duration,
      cell: ({ span }) => formatNanos(span.duration),
    },
    {
      id: 'self',
      name: 'Self time',
      title: 'In which none of its children ran',
      ...number,
      wide: true,
      value: (node) => node.selfTime,
      cell: (node) => formatNanos(node.selfTime),
    },
    {
      id: 'path',
      name: 'On the path',
      title: 'What the end of the trace had to wait for',
      ...number,
      wide: true,
      value: onPath,
      cell: (node) => {
        const time = onPath(node)
        return time ? formatNanos(time) : <span class="muted">–</span>
      },
    },
  ]
}
