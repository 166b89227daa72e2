/**
 * A table of which only the rows in sight are in the page. It is one stop of the keyboard: arrows walk the rows, Enter opens
 * one, Escape closes it.
 */
import type { ComponentChildren } from 'preact'
import { memo } from 'preact/compat'
import { useCallback, useEffect, useId, useMemo, useRef, useState } from 'preact/hooks'
import { FIND_KEYS, meaningOf, ROW_KEYS } from '../data/keys.ts'
import { useKeyTable } from '../shell/keys.ts'
import { useRows } from '../shell/use-rows.ts'
import { nextOrder, ordered, readOrder } from './row-order.ts'
import './data-table.css'
import './row-table.css'

export interface Column<T> {
  /** What the address calls it when the rows are sorted by it. */
  readonly id: string
  readonly name: string
  readonly title?: string
  readonly number?: boolean
  /** Any CSS width; columns without one share what is left. */
  readonly width?: string
  /** Left out where there is no room. */
  readonly wide?: boolean
  /** Undefined: not sorted by this. */
  readonly value?: (row: T) => number | string
  readonly cell: (row: T) => ComponentChildren
}

interface RowTableProps<T> {
  readonly label: string
  readonly rows: readonly T[]
  readonly columns: readonly Column<T>[]
  readonly keyOf: (row: T) => string
  /** A column's id, `-` before it for the largest first; '' for the order of `rows`. */
  readonly order: string
  readonly onOrder?: (order: string) => void
  readonly selected?: string | undefined
  readonly onSelect?: (key: string | undefined) => void
  readonly rowClass?: (row: T) => string
  readonly onFind?: () => void
}

/** Pixels, as row-table.css has them. */
const ROW = 28
const HEAD = 30

export function RowTable<T>(props: RowTableProps<T>) {
  const { label, columns, keyOf, order, onOrder, selected, onSelect, rowClass } = props
  const id = useId()
  const rows = useMemo(() => {
    const { by, descending } = readOrder(order)
    const value = columns.find((column) => column.id === by)?.value
    return value ? ordered(props.rows, value, descending) : props.rows
  }, [props.rows, columns, order])
  const { scroller, first, last, page, reveal } = useRows(rows.length, ROW, HEAD)
  const [active, setActive] = useState(0)
  useKeyTable(ROW_KEYS)
  useKeyTable(props.onFind && FIND_KEYS)
  const index = useMemo(
    () => (selected === undefined ? -1 : rows.findIndex((row) => keyOf(row) === selected)),
    [rows, selected],
  )
  useEffect(() => {
    if (index < 0) return
    setActive(index)
    reveal(index)
  }, [index])

  const choose = (at: number) => {
    const key = keyOf(rows[at]!)
    setActive(at)
    onSelect?.(key === selected ? undefined : key)
  }
  const latest = useRef(choose)
  latest.current = choose
  const onChoose = useCallback((at: number) => latest.current(at), [])
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return
    const does = meaningOf(ROW_KEYS, event.key)
    const to = moved(does, active, rows.length, page)
    if (to !== undefined) {
      setActive(to)
      reveal(to)
      if (selected !== undefined && rows[to]) onSelect?.(keyOf(rows[to]))
    } else if (does === 'open' && rows[active]) choose(active)
    else if (does === 'close') onSelect?.(undefined)
    else if (meaningOf(FIND_KEYS, event.key) && props.onFind) props.onFind()
    else return
    event.preventDefault()
  }
  return (
    <div class="row-table" ref={scroller}>
      <table
        class="data-table"
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a table that is walked row by row is a grid
        role="grid"
        tabIndex={0}
        aria-label={label}
        aria-rowcount={rows.length + 1}
        aria-activedescendant={active >= first && active < last ? `${id}-${active}` : undefined}
        onKeyDown={onKey}
      >
        <Head columns={columns} order={order} onOrder={onOrder} />
        <tbody>
          {first > 0 && <Space rows={first} />}
          {rows.slice(first, last).map((row, i) => (
            <Row
              key={keyOf(row)}
              row={row}
              columns={columns}
              id={`${id}-${first + i}`}
              index={first + i}
              active={first + i === active}
              selected={onSelect && first + i === index}
              extra={rowClass?.(row) ?? ''}
              onChoose={onChoose}
            />
          ))}
          {last < rows.length && <Space rows={rows.length - last} />}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps<T> {
  readonly row: T
  readonly columns: readonly Column<T>[]
  readonly id: string
  readonly index: number
  readonly active: boolean
  /** Undefined: rows are not chosen. */
  readonly selected: boolean | undefined
  readonly extra: string
  readonly onChoose: (index: number) => void
}

function PlainRow<T>({ row, columns, id, index, active, selected, extra, onChoose }: RowProps<T>) {
  const classes = [extra, active && 'active', selected && 'selected', selected !== undefined && 'opens']
  return (
    <tr
      id={id}
      class={classes.filter(Boolean).join(' ')}
      aria-rowindex={index + 2}
      aria-selected={selected}
      onClick={(event) => (event.target as HTMLElement).closest('a, button, label') ?? onChoose(index)}
    >
      {columns.map((column) => (
        <td key={column.id} class={cellClass(column)}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  )
}

/** Drawn again only when something of it changes: scrolling is not that. */
const Row = memo(PlainRow) as typeof PlainRow

/** In place of rows that are not in the page. */
const Space = ({ rows }: { rows: number }) => (
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row without cells takes no focus
  <tr class="row-space" aria-hidden="true" style={{ height: `${rows * ROW}px` }} />
)

const cellClass = <T,>({ number, wide }: Column<T>): string =>
  [number && 'number', wide && 'wide'].filter(Boolean).join(' ')

interface HeadProps<T> {
  readonly columns: readonly Column<T>[]
  readonly order: string
  readonly onOrder: ((order: string) => void) | undefined
}

function Head<T>({ columns, order, onOrder }: HeadProps<T>) {
  const { by, descending } = readOrder(order)
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map((column) => {
          const sorted = column.id === by
          return (
            <th
              key={column.id}
              scope="col"
              class={cellClass(column)}
              style={column.width ? { width: column.width } : {}}
              title={column.title}
              aria-sort={sorted ? (descending ? 'descending' : 'ascending') : undefined}
            >
              {column.value && onOrder ? (
                <button type="button" onClick={() => onOrder(nextOrder(order, column.id, column.number ?? false))}>
                  {column.name}
                  <span aria-hidden="true">{sorted ? (descending ? ' ↓' : ' ↑') : ''}</span>
                </button>
              ) : (
                column.name
              )}
            </th>
          )
        })}
      </tr>
    </thead>
  )
}

/** Index of the row that a move leads to; undefined: no move. */
function moved(does: string | undefined, active: number, count: number, page: number): number | undefined {
  const to: Record<string, number> = {
    next: active + 1,
    previous: active - 1,
    pageDown: active + page,
    pageUp: active - page,
    first: 0,
    last: count - 1,
  }
  return does && Object.hasOwn(to, does) ? Math.max(Math.min(to[does]!, count - 1), 0) : undefined
}
