/** Rows and columns: sortable, with links, bars and colours in cells. */
import type { ComponentChildren } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import { valueColor, valueRatio, valueText } from '../data/field-config.ts'
import { displayName, type Field, type Frame, numberAt, rowCount } from '../data/frame.ts'
import type { Variables } from '../data/interpolate.ts'
import { cellLinks } from '../data/links.ts'
import { isToday, localDateTime, localTime } from '../data/time-range.ts'
import { sortedRows } from '../data/transformations.ts'
import { Sparkline } from './sparkline.tsx'
import './data-table.css'

const PAGE = 200

export interface SortBy {
  displayName?: string
  desc?: boolean
}

interface TableProps {
  readonly frame: Frame
  readonly variables: Variables
  readonly label: string
  readonly initialSort?: SortBy | undefined
  /** A column before the others, for what can be done with a row; `row` is its index in the frame. */
  readonly lead?: { readonly name: string; readonly cell: (row: number) => ComponentChildren } | undefined
}

export function DataTable({ frame, variables, label, initialSort, lead }: TableProps) {
  const [sort, setSort] = useState(initialSort)
  const [limit, setLimit] = useState(PAGE)
  const columns = frame.fields.filter(
    (field) => !field.config.custom?.hidden && !(field.config.custom?.hideFrom as { viz?: boolean } | undefined)?.viz,
  )
  const rows = useMemo(() => {
    const field = frame.fields.find((candidate) => displayName(candidate, frame) === sort?.displayName)
    return field ? sortedRows(field, sort?.desc ?? false) : Array.from({ length: rowCount(frame) }, (_, i) => i)
  }, [frame, sort])
  const ranges = useMemo(() => new Map(columns.map((field) => [field, withRange(field)])), [columns])
  return (
    // Focusable, so that the keyboard can scroll it.
    <section class="table-box" tabIndex={0} aria-label={label}>
      <table class="data-table">
        <thead>
          <tr>
            {lead && (
              <th scope="col" class="lead">
                {lead.name}
              </th>
            )}
            {columns.map((field) => {
              const name = displayName(field, frame)
              const sorted = sort?.displayName === name
              return (
                <th
                  scope="col"
                  key={field.name}
                  class={alignment(field)}
                  aria-sort={sorted ? (sort?.desc ? 'descending' : 'ascending') : undefined}
                  style={width(field)}
                  title={field.config.description}
                >
                  <button
                    type="button"
                    onClick={() => setSort({ displayName: name, desc: sorted ? !sort?.desc : field.type === 'number' })}
                  >
                    {name}
                    <span aria-hidden="true">{sorted ? (sort?.desc ? ' ↓' : ' ↑') : ''}</span>
                  </button>
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, limit).map((row) => (
            <tr key={row}>
              {lead && <td class="lead">{lead.cell(row)}</td>}
              {columns.map((field) => (
                <td key={field.name} class={alignment(field)}>
                  <Cell field={ranges.get(field) ?? field} frame={frame} row={row} variables={variables} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > limit && (
        <button type="button" class="more-rows" onClick={() => setLimit(limit + PAGE)}>
          Show more ({rows.length - limit} left)
        </button>
      )}
    </section>
  )
}

const alignment = (field: Field): string => (field.type === 'number' ? 'number' : '')
const width = (field: Field) =>
  typeof field.config.custom?.width === 'number' ? { width: `${field.config.custom.width}px` } : {}

/** Bars in cells need a scale; without one in the JSON it is the column's own. */
function withRange(field: Field): Field {
  if (field.type !== 'number') return field
  const numbers = field.values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value))
  return {
    ...field,
    config: { ...field.config, min: field.config.min ?? 0, max: field.config.max ?? Math.max(...numbers, 0) },
  }
}

interface CellProps {
  readonly field: Field
  readonly frame: Frame
  readonly row: number
  readonly variables: Variables
}

function Cell({ field, frame, row, variables }: CellProps) {
  const value = field.values[row]
  const kind = (field.config.custom?.cellOptions as { type?: string } | undefined)?.type ?? 'auto'
  if (kind === 'services') return <ServiceTags stats={value as ServiceStats} />
  if (kind === 'sparkline' && Array.isArray(value))
    return <Sparkline values={value} color={valueColor(field.config, numberAt(field, row))} />
  const moment = field.type === 'time' && typeof value === 'number' && !field.config.unit ? value : undefined
  if (moment !== undefined && isToday(moment)) return <span title={localDateTime(moment)}>{localTime(moment)}</span>
  const text = moment === undefined ? valueText(field.config, value) : localDateTime(moment)
  const link = cellLinks(field, frame, row, variables)[0]
  if (link) {
    return (
      <a href={link.href} title={`${link.title}: ${text}`}>
        {shortened(text)}
      </a>
    )
  }
  const color = valueColor(field.config, typeof value === 'number' || typeof value === 'string' ? value : null)
  if (kind === 'gauge' && typeof value === 'number') {
    return (
      <span class="cell-gauge">
        <span class="bar-track">
          <span class="bar-fill" style={{ width: `${valueRatio(field.config, value) * 100}%`, background: color }} />
        </span>
        <span class="tinted" style={{ '--data-color': color }}>
          {text}
        </span>
      </span>
    )
  }
  if (kind === 'color-text')
    return (
      <span class="tinted" style={{ '--data-color': color }}>
        {text}
      </span>
    )
  if (kind === 'color-background')
    return (
      <span class="cell-fill" style={{ background: color }}>
        {text}
      </span>
    )
  if (frame.fields.length > 1 && SERVICE_COLUMNS.has(field.name.toLowerCase()) && typeof value === 'string' && value) {
    return (
      <span class="service-name">
        <span class="swatch" style={{ background: serviceColor(value) }} /> {value}
      </span>
    )
  }
  return <span title={text.length > 60 ? text : undefined}>{text}</span>
}

const SERVICE_COLUMNS = new Set(['service.name', 'service', 'job', 'service_name', 'traceservice', 'client', 'server'])

/** Ids are known by their first characters. */
const shortened = (text: string): string => (/^[\da-f]{32}$/.test(text) ? `${text.slice(0, 16)}…` : text)

type ServiceStats = Readonly<Record<string, { spanCount?: number; errorCount?: number }>>

/** The services of a trace, each with its spans and those that failed. */
export const ServiceTags = ({ stats }: { stats: ServiceStats }) => (
  <span class="service-tags">
    {Object.entries(stats).map(([service, { spanCount = 0, errorCount = 0 }]) => (
      <span key={service} class="service-tag" style={{ borderColor: serviceColor(service) }} title={service}>
        <span class="service-tag-name">{service}</span> <b>{spanCount}</b>
        {errorCount > 0 && <em> {errorCount} err</em>}
      </span>
    ))}
  </span>
)
