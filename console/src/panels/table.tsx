/** The rows of a panel's first frame that has any columns. */
import { rowCount } from '../data/frame.ts'
import { NoData } from '../shell/states.tsx'
import { DataTable, type SortBy } from '../views/data-table.tsx'
import type { PanelProps } from './props.ts'

export function TablePanel({ panel, data }: PanelProps) {
  const frames = data.frames.filter((frame) => frame.fields.length > 0)
  const first = frames[0]
  if (!first || frames.every((frame) => rowCount(frame) === 0)) return <NoData />
  return (
    <DataTable
      frame={first}
      variables={data.variables}
      label={panel.title || 'Table'}
      initialSort={(panel.options?.sortBy as SortBy[] | undefined)?.[0]}
    />
  )
}
