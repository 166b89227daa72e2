/** Log lines as a dashboard panel. */
import { exploreHref } from '../data/explore-address.ts'
import { interpolate } from '../data/interpolate.ts'
import { NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { LogList } from '../views/log-list.tsx'
import type { PanelProps } from './props.ts'

export function LogsPanel({ panel, data }: PanelProps) {
  const { raw } = useTime()
  if (data.logs.length === 0) return <NoData hint="No line matches in this time range." />
  const target = panel.targets?.find(({ hide, expr }) => !hide && expr)
  const asked = target && {
    query: interpolate(target.expr!, data.variables, 'logql'),
    hrefOf: (query: string) => exploreHref('loki', query, raw),
  }
  return (
    <LogList
      lines={data.logs}
      label={panel.title || 'Logs'}
      wrap={Boolean(panel.options?.wrapLogMessage)}
      asked={asked}
    />
  )
}
