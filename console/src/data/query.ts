/** What a target is run with and what comes back, whatever the data source. */

import type { Exemplar, Frame, LogLine } from './frame.ts'
import type { Target } from './grafana-json.ts'
import type { ServiceGraph } from './graph.ts'
import type { Client } from './http.ts'
import type { Variables } from './interpolate.ts'
import type { TimeRange } from './time-range.ts'
import type { Trace } from './trace.ts'

export interface QueryContext {
  readonly client: Client
  readonly range: TimeRange
  readonly stepMs: number
  /** The dashboard's variables and the built-in ones. */
  readonly variables: Variables
  readonly panelType: string
  /** Where the dashboard's file says it, for the server to find; undefined for what no file says. */
  readonly panel?: { readonly dashboard: string; readonly id: number } | undefined
  /** The panel's range queries of this step: what two of them need may be asked for once. */
  readonly targets?: readonly Target[]
}

export interface QueryResult {
  readonly frames: readonly Frame[]
  readonly exemplars: readonly Exemplar[]
  readonly logs: readonly LogLine[]
  readonly trace?: Trace | undefined
  readonly graph?: ServiceGraph | undefined
}

export type RunTarget = (target: Target, context: QueryContext) => Promise<QueryResult>

/** Whether there is nothing to draw. */
export const isEmpty = (result: QueryResult): boolean =>
  result.logs.length === 0 &&
  !result.trace &&
  !result.graph?.nodes.length &&
  result.frames.every((frame) => frame.fields.every((field) => field.values.length === 0))

/** The results of a panel's targets as one; of traces and graphs the first. */
export const joinResults = (results: readonly QueryResult[]): QueryResult => ({
  frames: results.flatMap((result) => result.frames),
  exemplars: results.flatMap((result) => result.exemplars),
  logs: results.flatMap((result) => result.logs),
  trace: results.find((result) => result.trace)?.trace,
  graph: results.find((result) => result.graph)?.graph,
})
