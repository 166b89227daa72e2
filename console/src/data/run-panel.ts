/** Everything between a panel's JSON and what it draws: interpolate, ask, transform, apply the field configuration. */
import { sourceOf } from './datasources.ts'
import { applyFieldConfig } from './field-config.ts'
import type { Dashboard, Panel, Target } from './grafana-json.ts'
import { newClient, type RequestRecord } from './http.ts'
import { builtInVariables, type Variables } from './interpolate.ts'
import { isEmpty, joinResults, type QueryResult } from './query.ts'
import { queryStep } from './step.ts'
import { parseDuration, type TimeRange } from './time-range.ts'
import { transform } from './transformations.ts'

export interface PanelData extends QueryResult {
  readonly range: TimeRange
  readonly stepMs: number
  /** With built-ins, for links and titles. */
  readonly variables: Variables
}

export interface PanelRun {
  readonly records: readonly RequestRecord[]
  readonly data?: PanelData
  readonly error?: string
}

export interface PanelScope {
  readonly range: TimeRange
  readonly variables: Variables
  /** What the panel belongs to; empty for a panel that no file has. */
  readonly dashboard: Dashboard
  /** Width in CSS pixels: no more points are asked for than can be drawn. */
  readonly width: number
  readonly signal: AbortSignal
  /** The console's base URL, for who is no page of it. */
  readonly base?: string
}

/** Never rejects but on abort: what failed is in `error`. */
export async function runPanel(panel: Panel, scope: PanelScope): Promise<PanelRun> {
  const range = panelRange(panel, scope.range)
  const client = newClient(scope.signal, scope.base)
  const { dashboard } = scope
  const points = panel.maxDataPoints ?? Math.max(Math.min(Math.round(scope.width / 2), 1500), 60)
  const base = queryStep(range.to - range.from, points, panel.interval)
  const targets = (panel.targets ?? []).filter((target) => !target.hide)
  const stepOf = ({ interval }: Target) => (interval ? queryStep(range.to - range.from, points, interval) : base)
  const contextFor = (stepMs: number) => ({
    client,
    range,
    stepMs,
    variables: new Map([...scope.variables, ...builtInVariables(range, stepMs)]),
    panelType: panel.type,
    panel: dashboard.uid === undefined ? undefined : { dashboard: dashboard.uid, id: panel.id },
    targets: targets.filter((target) => !target.instant && stepOf(target) === stepMs),
  })
  try {
    const results = await Promise.all(
      targets.map((target) =>
        sourceOf(target, panel, dashboard.templating?.list ?? []).run(target, contextFor(stepOf(target))),
      ),
    )
    const joined = joinResults(results)
    // Overrides may name fields as they were queried or as a transformation renamed them: both passes see them.
    const frames = applyFieldConfig(transform(joined.frames, panel.transformations), panel.fieldConfig)
    return {
      records: client.records,
      data: { ...joined, frames, range, stepMs: base, variables: contextFor(base).variables },
    }
  } catch (cause) {
    if (scope.signal.aborted) throw cause
    return { records: client.records, error: cause instanceof Error ? cause.message : String(cause) }
  }
}

function panelRange(panel: Panel, range: TimeRange): TimeRange {
  const own = panel.timeFrom ? parseDuration(panel.timeFrom) : undefined
  return own ? { from: range.to - own, to: range.to } : range
}

/** Whether there is nothing to show. Notes say what they say, and a trace's panel may wait for somebody to choose one. */
export const showsNothing = (panel: Panel, data: PanelData): boolean =>
  panel.type !== 'text' && panel.type !== 'traces' && isEmpty(data)
