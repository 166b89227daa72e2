import type { Panel } from '../data/grafana-json.ts'
import type { PanelData } from '../data/run-panel.ts'

/** What every panel is drawn from. Sizes in CSS pixels. */
export interface PanelProps {
  readonly panel: Panel
  readonly data: PanelData
  readonly width: number
  readonly height: number
}

export interface ReduceOptions {
  readonly calcs?: readonly string[]
  readonly values?: boolean
  readonly fields?: string
}
