/**
 * One system for all test files of a process that need none of their own: to start and stop one costs as much as most of them do.
 * They run one after the other, in the order in which `npm test` names them.
 */
import { after } from 'node:test'
import { startSystem, type TestSystem } from './system.ts'

/**
 * As many connections as the load of chain.test.ts has workers; and the services' telemetry by the file, which says what local mode does
 * without it: all that is true by the variables, which other systems have, is to be true by it.
 */
export const SHARED_ENV: NodeJS.ProcessEnv = {
  ...process.env,
  DB_POOL_MAX: '20',
  OTEL_CONFIG_FILE: 'observability/otel-config.yaml',
}

let system: Promise<TestSystem> | undefined

/** Whoever asks first starts it; it stops with the tests of the process. */
export function sharedSystem(): Promise<TestSystem> {
  system ??= startSystem({ env: SHARED_ENV })
  return system
}

after(async () => (await system)?.[Symbol.asyncDispose]())
