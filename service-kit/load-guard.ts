/**
 * Refuses work with 503 before the event loop drowns: a request that would wait a second for its turn is better told so
 * at once. Health, readiness and metrics are always answered.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'
import { type ProblemError, unavailable } from './problems.ts'

/** Watches the event loop of this process. */
export interface LoadGuard {
  /** The refusal while the event loop is late, else undefined. */
  admit: () => ProblemError | undefined
}

const WINDOW_MS = 250
const RESOLUTION_MS = 10

/** `limitMs` is the event loop delay (mean of the last quarter second) from which requests are refused; 0 never does. */
export function createLoadGuard(limitMs: number, metrics: Metrics): LoadGuard {
  const shed = metrics.counter('http_server_shed_requests_total')
  if (limitMs === 0) return { admit: () => undefined }
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  let late = false
  setInterval(() => {
    // The histogram counts from one timer tick to the next, so an idle loop shows the resolution itself.
    late = (Number.isNaN(delay.mean) ? 0 : delay.mean / 1e6 - RESOLUTION_MS) >= limitMs
    delay.reset()
  }, WINDOW_MS).unref()
  return {
    admit() {
      if (!late) return undefined
      shed.inc()
      return unavailable('overloaded', `the event loop is more than ${limitMs} ms late`, 1)
    },
  }
}
