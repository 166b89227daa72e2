/** LogQL: reads, checks and prints queries, and evaluates them over any `LogSource`. */
export { LogQLError } from './errors.ts'
export type { Labels, LogSource, LogTimeRange } from './log-table.ts'
export { type MetricSample, type MetricSeries, metricsInstant, metricsRange } from './metric.ts'
export { parse } from './parse.ts'
export { print } from './print.ts'
export { type Budget, createBudget } from './scan.ts'
export { type LogEntry, select } from './select.ts'
