/**
 * TraceQL: text -> `parse` -> `check` -> `search`, `metricsRange` or `metricsInstant` over the tables of a `SpanSource`. The
 * language: https://grafana.com/docs/tempo/latest/traceql/; what is supported and what differs: docs/traceql.md.
 */
export type { Field, Intrinsic, Query } from './ast.ts'
export { check } from './check.ts'
export { TraceQLError } from './errors.ts'
export { metricsInstant, metricsRange } from './metrics.ts'
export { parse } from './parse.ts'
export { runStages } from './pipeline.ts'
export { print, printFloat } from './print.ts'
export type {
  InstantSeries,
  NamedValue,
  Series,
  SpanSet,
  TraceResult,
  TypedValue,
} from './result.ts'
export { search } from './search.ts'
export type { Column, SpanSource, SpanTable, TimeRange } from './span-table.ts'
