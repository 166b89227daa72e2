/** Operations of a trace, or of many: how often called, how long, how much of it their own work, what failed. */
import { useMemo } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import { type Operation, operationKey } from '../data/operations.ts'
import { formatNanos } from '../data/units.ts'
import { type Column, RowTable } from './row-table.tsx'

interface OperationsTableProps {
  readonly operations: readonly Operation[]
  /** Several traces were counted: each operation says in how many it is. */
  readonly many?: boolean
  readonly order: string
  readonly onOrder: (order: string) => void
  /** Where a name leads. */
  readonly hrefOf: (operation: Operation) => string
  /** The page of the longest call. */
  readonly slowestHref: (operation: Operation) => string
}

/** What a table of operations is sorted by, unless its address says otherwise. */
export const BY_SELF_TIME = '-self'

export function OperationsTable({
  operations,
  many = false,
  order,
  onOrder,
  hrefOf,
  slowestHref,
}: OperationsTableProps) {
  const columns = useMemo(
    () => columnsFor(operations, many, hrefOf, slowestHref),
    [operations, many, hrefOf, slowestHref],
  )
  return (
    <RowTable
      label="Operations"
      rows={operations}
      columns={columns}
      keyOf={({ service, name }) => operationKey(service, name)}
      order={order}
      onOrder={onOrder}
    />
  )
}

function columnsFor(
  operations: readonly Operation[],
  many: boolean,
  hrefOf: (operation: Operation) => string,
  slowestHref: (operation: Operation) => string,
): Column<Operation>[] {
  const sum = (value: (operation: Operation) => number) => operations.reduce((total, one) => total + value(one), 0) || 1
  const [self, onPath] = [sum((one) => one.self), sum((one) => one.onPath)]
  const number = { number: true, width: '84px' }
  return [
    {
      id: 'name',
      name: 'Operation',
      value: ({ service, name }) => `${service} ${name}`,
      cell: (one) => (
        <>
          <span class="span-color" style={{ background: serviceColor(one.service) }} />
          <a href={hrefOf(one)} title={one.name}>
            <b>{one.service}</b> {one.name}
          </a>
        </>
      ),
    },
    ...(many
      ? [
          {
            id: 'traces',
            name: 'Traces',
            ...number,
            wide: true,
            value: (one: Operation) => one.traces,
            cell: (one: Operation) => one.traces,
          },
        ]
      : []),
    {
      id: 'calls',
      name: 'Calls',
      number: true,
      width: 'min(64px, 14vw)',
      value: (one) => one.calls,
      cell: (one) => one.calls,
    },
    {
      id: 'errors',
      name: 'Errors',
      number: true,
      width: 'min(70px, 15vw)',
      value: (one) => one.errors,
      cell: (one) => <span class={one.errors ? 'error-text' : 'muted'}>{one.errors}</span>,
    },
    {
      id: 'self',
      name: 'Self time',
      title: 'In which none of its children ran, with its share of all self time',
      number: true,
      width: 'min(150px, 32vw)',
      value: (one) => one.self,
      cell: (one) => <Shared value={one.self} of={self} />,
    },
    {
      id: 'total',
      name: 'Total',
      title: 'From begin to end; a call within a call of the same operation is not counted again',
      ...number,
      wide: true,
      value: (one) => one.total,
      cell: (one) => formatNanos(one.total),
    },
    {
      id: 'average',
      name: 'Self a call',
      ...number,
      wide: true,
      value: (one) => one.self / one.calls,
      cell: (one) => formatNanos(one.self / one.calls),
    },
    {
      id: 'path',
      name: 'Critical path',
      title: 'What the end of the trace had to wait for, with its share of the whole path',
      number: true,
      width: '150px',
      wide: true,
      value: (one) => one.onPath,
      cell: (one) => <Shared value={one.onPath} of={onPath} />,
    },
    {
      id: 'slowest',
      name: 'Slowest call',
      number: true,
      width: '104px',
      wide: true,
      value: (one) => one.slowest.duration,
      cell: (one) => (
        <a href={slowestHref(one)} title="Open the longest call">
          {formatNanos(one.slowest.duration)}
        </a>
      ),
    },
  ]
}

/** A time with its share of a whole, as text and as a bar behind it. */
const Shared = ({ value, of }: { value: number; of: number }) => (
  <span class="cell-share" style={{ '--share': `${(value / of) * 100}%` }}>
    {formatNanos(value)} <span class="muted">{((value / of) * 100).toFixed(1)}%</span>
  </span>
)
