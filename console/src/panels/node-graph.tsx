/** The service map as a dashboard panel. */
import { edgeHref, nodeHref } from '../data/map-links.ts'
import { NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { ServiceMap } from '../views/service-map.tsx'
import type { PanelProps } from './props.ts'

export function NodeGraphPanel({ panel, data, width, height }: PanelProps) {
  const { raw } = useTime()
  if (!data.graph?.nodes.length) return <NoData hint="The map appears with the first requests." />
  return (
    <ServiceMap
      graph={data.graph}
      label={panel.title || 'Service map'}
      width={width}
      height={height}
      nodeHref={nodeHref(raw)}
      edgeHref={edgeHref(raw, data.graph.nodes)}
    />
  )
}
