/** Removes what has expired: at the start and every hour, in steps that no statement timeout cuts off. */
import type { Statement } from './postgres.ts'
import { outsideRequests } from './request-context.ts'
import type { Part } from './run-group.ts'
import type { KitParts } from './service.ts'

/** Rows that one statement may remove. */
export const CLEAN_STEP = 5_000
const HOUR_MS = 3_600_000

/** `statement` removes at most CLEAN_STEP rows and returns one for each. */
export function createCleaner(
  { database, logger }: Pick<KitParts, 'database' | 'logger'>,
  what: string,
  statement: Statement,
  values: unknown[] = [],
): Part {
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
