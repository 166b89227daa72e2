/** The course in its order: lessons by number, then exercises by name. */
import type { Lesson } from '../question.ts'
import { structuredLogging } from './01-structured-logging.ts'
import { levelsAndContext } from './02-levels-and-context.ts'
import { requestIdAndTraceId } from './03-request-id-and-trace-id.ts'
import { contextOnTheWire } from './04-context-on-the-wire.ts'
import { spans } from './05-spans.ts'
import { metrics } from './06-metrics.ts'
import { traceql } from './07-traceql.ts'
import { logql } from './08-logql.ts'
import { sqlAndAudit } from './09-sql-and-audit.ts'
import { samplingAndCost } from './10-sampling-and-cost.ts'
import { exercises } from './exercises.ts'

export const course: readonly Lesson[] = [
  structuredLogging,
  levelsAndContext,
  requestIdAndTraceId,
  contextOnTheWire,
  spans,
  metrics,
  traceql,
  logql,
  sqlAndAudit,
  samplingAndCost,
  ...exercises,
]
