/** Log lines as a dashboard panel. */
import { NoData } from '../shell/states.tsx'
import { LogList } from '../views/log-list.tsx'
import type { PanelProps } from './props.ts'

export function LogsPanel({ panel, data }: PanelProps) {
  if (data.logs.length === 0) return <NoData hint="No line matches in this time range." />
  return <LogList lines={data.logs} label={panel.title || 'Logs'} wrap={Boolean(panel.options?.wrapLogMessage)} />
}
