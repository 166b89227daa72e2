/**
 * Main thread. Follows PostgreSQL's log and hands its entries to the store as log lines, each exactly once: the position is written in the
 * same transaction as what was read up to it.
 */
import { showsPersonalData } from '@sightline/service-kit/masking'
import { type Follower, followFile } from '../gateway-log/follow-file.ts'
import { type GatewayLogSink, positionOf } from '../gateway-log/follower.ts'
import type { LogReader } from '../gateway-log/log-reader.ts'
import { gatewaySwitches } from '../gateway-log/switches.ts'
import { isNotUpYet, parsePostgresRecord } from './record.ts'
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
const POLL_MS = 250

/** Begins to follow at once, where it left off. Never throws. */
export const startPostgresLog = (options: PostgresLogOptions): Follower =>
  followFile({
    file: options.log,
    pollMs: options.pollMs ?? POLL_MS,
    resume: (reader) => void reader.seek([positionOf(options.sink, CURSOR)]),
    take: takerOf(options),
    onError: options.onError,
  })

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
    const told = unwanted.logs ? [] : records.filter((record) => !isNotUpYet(record))
    const bytes = logsFrom(told, resource)
    await sink.ingestLogs(bytes, { name: CURSOR, value: JSON.stringify(last.next) })
    if (records.length < lines.length) {
      onError(new Error(`PostgreSQL's log: ${lines.length - records.length} lines are no entries of jsonlog`))
    }
    return true
  }
}
