/**
 * The boards without a browser: every panel asked as the pages ask it, by the same code and at the same addresses. For
 * programs that want to know what a reader would see.
 */
import { resolveVariables, variableValues } from './src/dashboards/variables.ts'
import { loadDashboard, loadEntries } from './src/data/dashboards.ts'
import { sourceOf } from './src/data/datasources.ts'
import { allPanels, type Dashboard, type DashboardEntry, type Panel } from './src/data/grafana-json.ts'
import { newClient } from './src/data/http.ts'
import { builtInVariables, interpolate, type Variables } from './src/data/interpolate.ts'
import { runPanel, showsNothing } from './src/data/run-panel.ts'
import type { TimeRange } from './src/data/time-range.ts'

export interface AskedPanel {
  readonly title: string
  /** What the reader sees in place of data; undefined when there is data. */
  readonly instead?: { readonly kind: 'error' | 'nothing'; readonly says: string } | undefined
  /** Why the board itself takes nothing for an answer: the panel's own words for it. */
  readonly mayBeEmpty?: string | undefined
  /** Its PromQL as it was asked. */
  readonly promql: readonly string[]
}

export interface BoardScope {
  /** The console's base URL, without a slash at the end. */
  readonly base: string
  readonly range: TimeRange
  readonly signal: AbortSignal
}

export { type DashboardEntry, loadEntries }

/** As on a screen of usual width. */
const WIDTH = 600

/** Panels under way at once: a browser has no more connections to one host. */
const AT_ONCE = 6

/** One of the console's boards, ready to be asked. Rejects with a sentence when it can't be read. */
export async function openBoard(entry: DashboardEntry, base: string, signal: AbortSignal) {
  const dashboard = await loadDashboard(entry, signal, base)
  const panels = allPanels(dashboard).filter(({ type }) => type !== 'row')
  return {
    panels,
    /** Asks `some` of its panels; rejects when the board's variables have no answer. */
    async ask(some: readonly Panel[], scope: BoardScope): Promise<AskedPanel[]> {
      const variables = await variablesOf(dashboard, scope)
      const answers: AskedPanel[] = []
      const left = some.entries()
      const one = async () => {
        for (const [index, panel] of left) answers[index] = await askPanel(panel, dashboard, variables, scope)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, one))
      return answers
    },
  }
}

async function variablesOf(dashboard: Dashboard, { base, range, signal }: BoardScope): Promise<Variables> {
  const definitions = dashboard.templating?.list ?? []
  const resolved = await resolveVariables(definitions, new Map(), newClient(signal, base), range)
  const failed = resolved.find(({ error }) => error !== undefined)
  if (failed) throw new Error(`the variable "${failed.definition.name}": ${failed.error}`)
  return variableValues(resolved)
}

async function askPanel(
  panel: Panel,
  dashboard: Dashboard,
  variables: Variables,
  { base, range, signal }: BoardScope,
): Promise<AskedPanel> {
  const { data, error } = await runPanel(panel, { base, range, signal, variables, dashboard, width: WIDTH })
  const all = new Map([...variables, ...builtInVariables(range, data?.stepMs ?? 15_000)])
  const noValue = panel.fieldConfig?.defaults?.noValue
  const nothing =
    data && showsNothing(panel, data) ? ({ kind: 'nothing', says: noValue ?? 'No data' } as const) : undefined
  return {
    title: interpolate(panel.title ?? `panel ${panel.id}`, all, 'text'),
    instead: error === undefined ? nothing : { kind: 'error', says: error },
    mayBeEmpty: noValue,
    promql: promqlOf(panel, dashboard).map((expr) => interpolate(expr, all, 'promql')),
  }
}

const promqlOf = (panel: Panel, { templating }: Dashboard): string[] =>
  (panel.targets ?? []).flatMap((target) => {
    const isPromql =
      !target.hide && sourceOrNone(() => sourceOf(target, panel, templating?.list ?? []).id) === 'prometheus'
    return isPromql && target.expr ? [target.expr] : []
  })

/** A source that isn't here is the panel's error already. */
function sourceOrNone<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}
