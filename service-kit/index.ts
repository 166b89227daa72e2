/** What is identical in all services. The telemetry itself is started by `@sightline/service-kit/register`. */
export { again, every } from './again.ts'
export { ownChainEntry } from './chain-entry.ts'
export { CLEAN_STEP, createCleaner } from './cleaner.ts'
export { connectionOf, serviceEnvironment } from './config.ts'
export type { CopiedRow, Copy } from './copy-rows.ts'
export { elapsedMs } from './durations.ts'
export { type AroundCall, type AroundStatement, aroundCalls, aroundStatements } from './flags/around.ts'
export type { FlagSettings, Flags } from './flags/index.ts'
export { addCommonRoutes } from './health.ts'
export { createServiceClient, isRefusal, type ServiceClient } from './http-client.ts'
export { type Answer, createHttpApp, type RouteRequest, type Routes } from './http-server.ts'
export { type AnswerStore, createAnswerStore, type Idempotency, keyReused } from './idempotency.ts'
export { getLogger, type Logger } from './logging.ts'
export { type Metrics, observe } from './metrics.ts'
export { page } from './pages.ts'
export {
  type BulkQueries,
  countOf,
  createDatabase,
  type Database,
  LAST_ID,
  type Queries,
  repeatable,
  type Statement,
  sessionQueries,
  sql,
} from './postgres.ts'
export { SQLSTATE } from './postgres-errors.ts'
export * from './problems.ts'
export {
  checkDeadline,
  currentRequest,
  outsideRequests,
  outsideTraces,
  type RequestContext,
  remainingMs,
  runInRequest,
} from './request-context.ts'
export type { Component } from './run-group.ts'
export { type KitParts, runService, type ServiceParts } from './service.ts'
export { failSpan, inSpan, linkTo, storedContext, withBaggage } from './spans.ts'
export { type KeptRecord, telemetry } from './telemetry/state.ts'
