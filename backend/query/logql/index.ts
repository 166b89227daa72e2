/**
 * LogQL: text -> `parse`, which checks, too -> `select`, `metricsRange` or `metricsInstant` over the tables of a `LogSource`.
 * The language: https://grafana.com/docs/loki/latest/query/; what is supported and what differs: docs/logql.md.
 */
export { type Budget, createBudget } from './budget.ts'
export { LogQLError } from './errors.ts'
export type { Labels, LogSource, LogTimeRange } from './log-table.ts'
export { MAX_SERIES, type MetricSample, type MetricSeries, metricsInstant, metricsRange } from './metrics/evaluate.ts'
export { mine } from './mine.ts'
export { parse } from './parse.ts'
export { parseFields } from './parsers/fields.ts'
export { print } from './print.ts'
export { type LogEntry, select } from './select.ts'
export { type StreamSize, streamSizes, streamSizesPerStep, streamsIn } from './streams.ts'
