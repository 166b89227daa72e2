/**
 * Main thread. Follows PostgreSQL's log and hands its entries to the store as log lines, each exactly once: the position is written in the
 * same transaction as what was read up to it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { showsPersonalData } from '@sightline/service-kit/masking'
import type { Follower, GatewayLogSink } from '../gateway-log/follower.ts'
import { LogReader, type Position } from '../gateway-log/log-reader.ts'
import { gatewaySwitches } from '../gateway-log/switches.ts'
import { parsePostgresRecord } from './record.ts'
import { logsFrom } from './to-otlp.ts'

export interface PostgresLogOptions {
  /** Path of the file in the format jsonlog (POSTGRES_JSON_LOG). */
  log: string
  environment: string
  /** Where the OTEL_* variables and SIGHTLINE_PII are read. */
  env: NodeJS.ProcessEnv
  sink: Pick<GatewayLogSink, 'cursor' | 'ingestLogs'>
  /** The store refused, or the file can't be read: tried again every second. Also lines that are no entries. */
  onError: (error: unknown) => void
  pollMs?: number
}

const CURSOR = 'postgres-log'
const RETRY_MS = 1000

/** Begins to follow at once, where it left off. Never throws. */
export function startPostgresLog(options: PostgresLogOptions): Follower {
  const stopping = new AbortController()
  const done = follow(options, stopping.signal)
  return {
    stop: async () => {
      stopping.abort()
      await done
    },
  }
}

async function follow(options: PostgresLogOptions, signal: AbortSignal): Promise<void> {
  const reader = new LogReader(options.log)
  const take = takerOf(options)
  let found = false
  try {
    for (;;) {
      let pause = options.pollMs ?? 250
      try {
        if (!found) reader.seek([positionIn(options.sink)])
        found = true
        if (await take(reader)) continue
      } catch (error) {
        options.onError(error)
        // What was read and not stored is read again.
        found = false
        pause = RETRY_MS
      }
      if (signal.aborted) return
      await delay(pause, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    reader.close()
  }
}

function positionIn(sink: PostgresLogOptions['sink']): Position | null {
  const value = sink.cursor(CURSOR)
  return value === undefined ? null : (JSON.parse(value) as Position)
}

/** Stores what has become complete; false when there was nothing. */
function takerOf({ env, environment, sink, onError }: PostgresLogOptions): (reader: LogReader) => Promise<boolean> {
  const { attributes, unwanted } = gatewaySwitches(env, onError)
  const resource = { 'service.namespace': 'sightline', 'deployment.environment.name': environment, ...attributes }
  const shows = showsPersonalData(env)
  return async (reader) => {
    const lines = reader.read(Date.now())
    const last = lines.at(-1)
    if (!last) return false
    const records = lines.flatMap(({ text }) => parsePostgresRecord(text, shows) ?? [])
    const bytes = logsFrom(unwanted.logs ? [] : records, resource)
    await sink.ingestLogs(bytes, { name: CURSOR, value: JSON.stringify(last.next) })
    if (records.length < lines.length) {
      onError(new Error(`PostgreSQL's log: ${lines.length - records.length} lines are no entries of jsonlog`))
    }
    return true
  }
}
