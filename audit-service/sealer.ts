/**
 * Seals audit rows in batches, off the request path. One advisory lock makes it one sealer at a time, whatever number of
 * audit services run; seal and removal from the queue commit together, so a crash at any moment loses nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Component, inSpan, type KitParts, outsideRequests, type Queries, sql } from '@sightline/service-kit'
import { GENESIS, hashRow, SEALABLE_COLUMNS, type SealableRow, seal } from './chain.ts'
import type { Config } from './config.ts'

const LOCK = sql('lock_chain', 'select pg_try_advisory_xact_lock(4711, 1) as locked')
const TAIL = sql('chain_tail', 'select position, hash from audit_chain order by position desc limit 1')
const UNSEALED = sql(
  'unsealed_rows',
  `select ${SEALABLE_COLUMNS} from (select audit_id from audit_unsealed order by audit_id limit $1) u
     join lateral (select * from audit_logs where id = u.audit_id limit 1) a on true
   order by u.audit_id`,
)
const APPEND = sql(
  'append_seals',
  `with sealed as (
     insert into audit_chain (position, audit_id, row_hash, hash)
     select * from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) returning audit_id
   )
   delete from audit_unsealed using sealed where audit_unsealed.audit_id = sealed.audit_id`,
)
const STATE = sql(
  'seal_state',
  `select (select count(*) from audit_unsealed) as unsealed,
     coalesce((select extract(epoch from now() - min(recorded_at)) from audit_unsealed), 0)::double precision as lag,
     coalesce((select max(position) from audit_chain), 0) as length`,
)
const BATCH = 1_000

export interface Sealer extends Component {
  /** Seals one batch; resolves to the number of rows, 0 when there are none or another instance is at it. */
  sealBatch(): Promise<number>
}

/** Seals every SEAL_POLL_MS from its start on until it is stopped; a database that is away is tried again. */
export function createSealer(deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger' | 'metrics'>): Sealer {
  const { config, database, logger, metrics } = deps
  const sealed = metrics.counter('audit_rows_sealed_total')
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  registerGauges()

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pause = config.SEAL_POLL_MS
      try {
        if ((await sealBatch()) === BATCH) pause = 0
      } catch (error) {
        logger.warn('rows could not be sealed for now', error as Error)
      }
      await delay(pause, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  function sealBatch(): Promise<number> {
    return database.transaction(async (tx) => {
      const [lock] = await tx.query<{ locked: boolean }>(LOCK)
      if (!lock!.locked) return 0
      const rows = await tx.query<SealableRow>(UNSEALED, [BATCH])
      if (rows.length === 0) return 0
      // A span only when there is something to tell: an idle service makes none.
      await inSpan('seal_audit_rows', { 'audit.rows': rows.length }, () => append(tx, rows))
      sealed.inc(rows.length)
      return rows.length
    })
  }

  async function append(tx: Queries, rows: SealableRow[]): Promise<void> {
    const [tail] = await tx.query<{ position: number; hash: Buffer }>(TAIL)
    let position = tail?.position ?? 0
    let previous = tail?.hash ?? GENESIS
    const links = rows.map((row) => {
      const rowHash = hashRow(row)
      position += 1
      previous = seal(previous, position, rowHash)
      return { position, id: row.id, rowHash, hash: previous }
    })
    await tx.query(APPEND, [
      links.map((link) => link.position),
      links.map((link) => link.id),
      links.map((link) => link.rowHash),
      links.map((link) => link.hash),
    ])
  }

  function registerGauges(): void {
    metrics.gauges(
      async () => (await database.query<{ unsealed: number; lag: number; length: number }>(STATE))[0]!,
      {
        audit_unsealed_rows: (gauge, { unsealed }) => gauge.set(unsealed),
        audit_seal_lag_seconds: (gauge, { lag }) => gauge.set(lag),
        audit_chain_length: (gauge, { length }) => gauge.set(length),
      },
      (error) => logger.debug('seal gauges keep their last values', error),
    )
  }

  return {
    sealBatch,
    async start() {
      running = outsideRequests(run)
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
