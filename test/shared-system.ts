/**
 * One system for all test files of a process that need none of their own: to start and stop one costs as much as most of them do.
 * They run one after the other, in the order in which `npm test` names them.
 */
import { after } from 'node:test'
import { startSystem, type TestSystem } from './system.ts'

let system: Promise<TestSystem> | undefined

/** Whoever asks first starts it; it stops with the tests of the process. */
export function sharedSystem(): Promise<TestSystem> {
  // As many connections as the load of chain.test.ts has workers.
  system ??= startSystem({ env: { ...process.env, DB_POOL_MAX: '20' } })
  return system
}

after(async () => (await system)?.[Symbol.asyncDispose]())
