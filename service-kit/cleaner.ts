/** Removes what has expired: at the start and every hour, in steps that no statement timeout cuts off. */
import type { Logger } from './logging.ts'
import type { Queries, Statement } from './postgres.ts'
import { outsideRequests } from './request-context.ts'
import type { Component } from './run-group.ts'

/** Rows that one statement may remove. */
export const CLEAN_STEP = 5_000
const HOUR_MS = 3_600_000

/**
 * `statement` removes at most CLEAN_STEP rows and returns one for each; `what` names them in a warning. A failure waits
 * for the next hour, since nothing depends on what has expired.
 */
export function createCleaner(
  { database, logger }: { database: Queries; logger: Logger },
  what: string,
  statement: Statement,
  values: unknown[] = [],
): Component {
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function clean(): Promise<void> {
    try {
      while (!stopped && (await database.query(statement, values)).length === CLEAN_STEP);
    } catch (error) {
      logger.warn(`${what} were not removed`, error as Error)
    }
  }

  return {
    async start() {
      timer = setInterval(() => outsideRequests(clean), HOUR_MS).unref()
      void outsideRequests(clean)
    },
    async stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}
