/**
 * The parts of Grafana's classic dashboard JSON (schema v1) that the console reads. Fields are optional as they are in
 * the wild: a dashboard made elsewhere may leave out anything.
 */
import type { Absentee } from './absent.ts'

export interface Dashboard {
  uid?: string
  title?: string
  description?: string
  tags?: string[]
  time?: { from: string; to: string }
  refresh?: string | false
  templating?: { list?: Variable[] }
  panels?: Panel[]
  links?: DashboardLink[]
}

/** A file from Grafana's API wraps the dashboard; one from its export doesn't. */
export const unwrapped = (json: Dashboard & { dashboard?: Dashboard }): Dashboard => json.dashboard ?? json

/** Those in rows included. */
export const allPanels = (dashboard: Dashboard): Panel[] =>
  (dashboard.panels ?? []).flatMap((panel) => [panel, ...(panel.panels ?? [])])

/** What the server's list of dashboards says of one file. */
export interface DashboardEntry {
  readonly file: string
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  /** Why the file can't be read. */
  readonly error?: string
  /** What most of its panels ask, and this console runs without. */
  readonly without?: readonly Absentee[]
}

export interface DashboardLink {
  title?: string
  type?: string
  url?: string
  tags?: string[]
  asDropdown?: boolean
}

export interface Variable {
  name: string
  type: string
  label?: string | null
  description?: string | null
  hide?: number
  multi?: boolean
  includeAll?: boolean
  allValue?: string | null
  regex?: string
  sort?: number
  query?: string | { query?: string; label?: string; stream?: string; type?: number | string; refId?: string }
  definition?: string
  datasource?: DataSourceRef | string | null
  options?: { text?: string | string[]; value?: string | string[]; selected?: boolean }[]
  current?: { text?: string | string[]; value?: string | string[] }
}

export interface DataSourceRef {
  type?: string
  uid?: string
}

export interface Panel {
  id: number
  type: string
  title?: string
  description?: string
  gridPos?: { x: number; y: number; w: number; h: number }
  datasource?: DataSourceRef | string | null
  targets?: Target[]
  fieldConfig?: { defaults?: FieldConfig; overrides?: FieldOverride[] }
  options?: Record<string, unknown>
  transformations?: Transformation[]
  links?: DataLink[]
  interval?: string | null
  maxDataPoints?: number | null
  timeFrom?: string | null
  repeat?: string | null
  repeatDirection?: 'h' | 'v'
  maxPerRow?: number
  collapsed?: boolean
  /** Children of a collapsed row. */
  panels?: Panel[]
  transparent?: boolean
}

export interface Target {
  refId?: string
  hide?: boolean
  datasource?: DataSourceRef | string | null
  /** PromQL or LogQL. */
  expr?: string
  legendFormat?: string
  instant?: boolean
  range?: boolean
  exemplar?: boolean
  format?: string
  interval?: string
  queryType?: string
  maxLines?: number
  /** Of log lines: which end of the range they are from; `backward`, the newest, unless said. */
  direction?: string
  /** TraceQL, or a trace id. */
  query?: string
  limit?: number
  spss?: number
  tableType?: string
  step?: string
  serviceMapQuery?: string | string[]
  rawSql?: string
}

export interface Transformation {
  id: string
  options?: Record<string, unknown>
  disabled?: boolean
  filter?: { id: string; options?: unknown }
}

export interface FieldConfig {
  displayName?: string
  description?: string
  unit?: string
  decimals?: number | null
  min?: number | null
  max?: number | null
  color?: { mode?: string; fixedColor?: string }
  thresholds?: { mode?: 'absolute' | 'percentage'; steps?: { value: number | null; color: string }[] }
  mappings?: ValueMapping[]
  links?: DataLink[]
  noValue?: string
  custom?: Record<string, unknown>
}

export interface FieldOverride {
  matcher: { id: string; options?: unknown }
  properties: { id: string; value?: unknown }[]
}

export interface ValueMapping {
  type: string
  options: Record<string, unknown>
}

export interface DataLink {
  title?: string
  url?: string
  targetBlank?: boolean
}
