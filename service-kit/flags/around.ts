/** Puts what a flag changes around the parts of a service, so that the service's own story stays as it is. */
import type { z } from 'zod'
import type { ServiceCall, ServiceClient } from '../http-client.ts'
import type { Database, Queries, Statement } from '../postgres.ts'
import type { Flags } from './index.ts'

/** Runs a statement, or what stands for it; `run` is how the pool or transaction at hand runs one. */
export type AroundStatement = (
  statement: Statement,
  values: unknown[] | undefined,
  run: Queries['query'],
) => Promise<object[]>

/** The database with `around` before each statement, in and out of transactions, while any flag is enabled. */
export function aroundStatements(database: Database, flags: Flags, around: AroundStatement): Database {
  const wrap =
    (query: Queries['query']): Queries['query'] =>
    (statement, values) =>
      flags.enabled === undefined ? query(statement, values) : (around(statement, values, query) as Promise<never[]>)
  return {
    ...database,
    query: wrap(database.query),
    transaction: (work, isCommitted) => database.transaction((tx) => work({ query: wrap(tx.query) }), isCommitted),
  }
}

/** Does a call, or what stands for it; `call` is the real one. */
export type AroundCall = <Answer extends z.ZodType>(
  wanted: ServiceCall<Answer>,
  call: (wanted: ServiceCall<Answer>) => Promise<z.output<Answer>>,
) => Promise<z.output<Answer>>

/** The next service with `around` before each POST while any flag is enabled. */
export function aroundCalls(
  nextService: ServiceClient | undefined,
  flags: Flags,
  around: AroundCall,
): ServiceClient | undefined {
  if (nextService === undefined) return undefined
  return {
    ...nextService,
    post: (wanted) => (flags.enabled === undefined ? nextService.post(wanted) : around(wanted, nextService.post)),
  }
}
