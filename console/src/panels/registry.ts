/** Which component draws which panel type of Grafana's JSON. */
import type { ComponentType } from 'preact'
import { BarGauge } from './bargauge.tsx'
import { Gauge } from './gauge.tsx'
import { Heatmap } from './heatmap.tsx'
import { LogsPanel } from './logs.tsx'
import { NodeGraphPanel } from './node-graph.tsx'
import type { PanelProps } from './props.ts'
import { Stat } from './stat.tsx'
import { TablePanel } from './table.tsx'
import { TextPanel } from './text.tsx'
import { TimeSeries } from './timeseries.tsx'
import { TracesPanel } from './traces.tsx'

const COMPONENTS: Readonly<Record<string, ComponentType<PanelProps>>> = {
  timeseries: TimeSeries,
  // Grafana's old line chart; Grafana itself shows it as a time series.
  graph: TimeSeries,
  stat: Stat,
  singlestat: Stat,
  gauge: Gauge,
  bargauge: BarGauge,
  heatmap: Heatmap,
  table: TablePanel,
  'table-old': TablePanel,
  logs: LogsPanel,
  nodeGraph: NodeGraphPanel,
  traces: TracesPanel,
  text: TextPanel,
}

/** Undefined for a type that this console can't draw. */
export const panelComponent = (type: string): ComponentType<PanelProps> | undefined =>
  Object.hasOwn(COMPONENTS, type) ? COMPONENTS[type] : undefined
