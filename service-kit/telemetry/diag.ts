/** The SDK's own complaints become log lines, once per half minute each: a backend that is down complains every second. */
import type { DiagLogger } from '@opentelemetry/api'
import log4js from 'log4js'
import { telemetry } from './state.ts'

const QUIET_MS = 30_000

/** A line of the log under `opentelemetry`. Telemetry starts before the log does: what it says until then waits for that. */
export function tell(level: 'error' | 'warn' | 'info', message: string): void {
  if (log4js.isConfigured()) log4js.getLogger('opentelemetry')[level](message)
  else telemetry.untold.push(() => tell(level, message))
}

/** Errors and warnings of the SDK, of at most 500 characters, in the log under `opentelemetry`; its other talk is left out. */
export function diagLogger(): DiagLogger {
  const lastSaid = new Map<string, number>()
  const say = (level: 'error' | 'warn') => (message: string) => {
    const key = message.slice(0, 120)
    const now = Date.now()
    if (now - (lastSaid.get(key) ?? 0) < QUIET_MS) return
    if (lastSaid.size > 200) lastSaid.clear()
    lastSaid.set(key, now)
    tell(level, message.slice(0, 500))
  }
  const silent = () => {}
  return { error: say('error'), warn: say('warn'), info: silent, debug: silent, verbose: silent }
}
