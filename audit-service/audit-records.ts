/**
 * Each row as an OpenTelemetry log record, beside the service's log lines and with the names that the audit logging of OTEP 0267 drafts:
 * who did what, and its place in the chain. They are never sampled and never dropped: the database keeps up to where the telemetry
 * backend has taken them, and only then goes on. A backend that is away delays them; a service that dies in between sends some twice.
 */
import { ENTRY_FORMAT } from '@sightline/contracts/audit-entry'
import type { Component, KeptRecord, KitParts, Queries } from '@sightline/service-kit'
import { again, sql, telemetry } from '@sightline/service-kit'
import type { Config } from './config.ts'
import { entryBytes, entryOf, SEALED_COLUMNS, type SealedRow } from './entry.ts'
import { leafHash } from './merkle.ts'
import { treeSize } from './tree.ts'
import type { TreeCheckpoints } from './tree-checkpoint.ts'

const EXPORTED = sql('exported_records', 'select position from audit_exported')
/** Of several services at it, one moves on; what the others have sent as well is there twice at most. */
const MOVE_ON = sql('move_exported_records', 'update audit_exported set position = $2 where position = $1')
const BATCH = 256
const NEXT = sql(
  'rows_to_export',
  `select ${SEALED_COLUMNS}, (select hash from audit_chain where position = c.position - 1) as previous
   from (select * from audit_chain where position > $1 and position <= $2 order by position limit ${BATCH}) c
     left join lateral (select * from audit_logs where id = c.audit_id limit 1) a on true
   order by c.position`,
)
/** So many rounds are left out after a failure. */
const ROUNDS_OUT = 10

type RowToExport = SealedRow & { previous: Buffer | null }

/** Sends records from its start on until it is stopped, where log records are exported at all. */
export function createAuditRecords(
  deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger' | 'metrics'>,
  checkpoints: TreeCheckpoints,
): Component {
  const { config, database, logger, metrics } = deps
  const exported = metrics.counter('audit_records_exported_total')
  const retryMs = ROUNDS_OUT * config.SEAL_POLL_MS
  let isAway = false
  metrics.gauges(
    async () => {
      const [from, to] = [await exportedTo(database), await provable()]
      return { waiting: Math.max(0, to - from) }
    },
    { audit_records_waiting: (gauge, { waiting }) => gauge.set(waiting) },
    (error) => logger.debug('the gauge of audit records keeps its last value', error),
  )

  /** Rows that can be proven: with a signature where the log signs. */
  async function provable(): Promise<number> {
    return checkpoints.signs ? ((await checkpoints.newest())?.size ?? 0) : treeSize(database)
  }

  async function sendNext(stopping: AbortSignal): Promise<number> {
    const { deliver } = telemetry
    if (deliver === undefined) return retryMs
    const from = await exportedTo(database)
    const rows = await database.query<RowToExport>(NEXT, [from, await provable()])
    if (rows.length === 0) return config.SEAL_POLL_MS
    const proof = checkpoints.signs ? 'signed' : 'in_tree'
    await unlessStopped(deliver(rows.map((row) => recordOf(row, config.AUDIT_LOG_ORIGIN, proof))), stopping)
    await database.query(MOVE_ON, [from, rows.at(-1)!.position])
    exported.inc(rows.length)
    isAway = false
    return rows.length === BATCH ? 0 : config.SEAL_POLL_MS
  }

  return again(sendNext, (error) => {
    if (!isAway) logger.warn('audit records wait for the telemetry backend', error)
    isAway = true
    return retryMs
  })
}

/** A backend that hangs must not hold up a stop: what it may have taken is sent again after the next start. */
async function unlessStopped(sending: Promise<void>, stopping: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<void>()
  const stop = () => stopped.reject(new Error('the service stops before the backend has answered'))
  stopping.addEventListener('abort', stop)
  try {
    await Promise.race([sending, stopped.promise])
  } finally {
    stopping.removeEventListener('abort', stop)
  }
}

async function exportedTo(database: Queries): Promise<number> {
  const [row] = await database.query<{ position: number }>(EXPORTED)
  return row!.position
}

/** The record of a row; of one that is gone, what its seal says. */
export function recordOf(row: RowToExport, origin: string, proof: 'signed' | 'in_tree'): KeptRecord {
  const now = Date.now() * 1_000
  const observed = Math.min(now, microseconds(row.recorded_at) ?? now)
  const attributes: Record<string, string | number | null> = {
    'audit.record.id': row.event_id ?? String(row.audit_id),
    'audit.actor.id': row.user_id ?? row.source ?? 'unknown',
    'audit.actor.type': row.user_id === null ? 'service' : 'user',
    'audit.action': row.action ?? 'unknown',
    'audit.outcome': row.id === null ? 'unknown' : 'success',
    'audit.target.type': row.order_id === null ? null : 'order',
    'audit.target.id': row.order_id,
    'audit.source.id': row.source,
    'audit.schema.version': ENTRY_FORMAT,
    'audit.sequence.stream_id': origin,
    'audit.sequence.number': row.position,
    'audit.sequence.prev_hash': row.previous?.toString('hex') ?? null,
    'audit.id': String(row.audit_id),
    'audit.seal': row.hash.toString('hex'),
    'audit.leaf_hash': leafHash(entryBytes(entryOf(row))).toString('base64'),
    'audit.proof': proof,
    request_id: row.request_id,
  }
  return {
    eventName: row.event_type ?? 'audit.row.missing',
    time: Math.min(observed, microseconds(row.occurred_at) ?? observed),
    observedTime: observed,
    traceId: row.trace_id,
    body: row.details ?? '',
    attributes: Object.fromEntries(
      Object.entries(attributes).filter(([, value]) => value !== null),
    ) as KeptRecord['attributes'],
  }
}

/** Since 1970; undefined for what OTLP has no time for: before 1970, beyond 9999, or none at all. */
function microseconds(time: string | null): number | undefined {
  const [, second, micros] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/.exec(time ?? '') ?? []
  const us = Date.parse(`${second}Z`) * 1_000 + Number(micros)
  return us >= 0 ? us : undefined
}
