/** LogQL: reads, checks and prints queries, and evaluates them over any `LogSource`. */
export type { Query } from './ast.ts'
export { isLogQLError, type LogQLError } from './errors.ts'
export type { Labels, LogSource, LogTable, LogTimeRange } from './log-table.ts'
export { type MetricOptions, type MetricSample, type MetricSeries, metricsInstant, metricsRange } from './metric.ts'
export { parse } from './parse.ts'
export { print } from './print.ts'
export { type Budget, createBudget } from './scan.ts'
export { type LogEntry, type SelectOptions, select } from './select.ts'
