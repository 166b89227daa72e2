/**
 * Has audit rows sealed in batches, off the request path. The database makes the seals, one session at a time, whatever number
 * of audit services run: no role can write one that fits nothing. Seal and removal from the queue commit together, so a crash
 * at any moment loses nothing.
 */
import { again, type Component, countOf, inSpan, type KitParts, sql } from '@sightline/service-kit'
import type { Config } from './config.ts'
import { type Progress, watchProgress } from './standstill.ts'

const WAITING = sql(
  'unsealed_row',
  `select exists (select from audit_unsealed) as waits, coalesce((select max(position) from audit_chain), 0) as "end"`,
)
const SEAL = sql('seal_rows', 'select audit_seal($1) as sealed')
const STATE = sql(
  'seal_state',
  `select ${countOf('audit_unsealed')} as unsealed,
     coalesce((select extract(epoch from now() - recorded_at) from audit_unsealed order by audit_id limit 1), 0)::double precision as lag,
     coalesce((select max(position) from audit_chain), 0) as length`,
)
const BATCH = 1_000

export interface Sealer extends Component {
  /** Seals one batch; resolves to the number of rows, 0 when there are none or another instance is at it. */
  sealBatch(): Promise<number>
  /** Since when rows wait and none is sealed. */
  progress: Pick<Progress, 'since'>
}

/** Seals every SEAL_POLL_MS from its start on until it is stopped; a database that is away is tried again. */
export function createSealer(deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger' | 'metrics'>): Sealer {
  const { config, database, logger, metrics } = deps
  const sealed = metrics.counter('audit_rows_sealed_total')
  const progress = watchProgress()
  metrics.gauge('audit_seal_waiting_since_seconds', (gauge) => gauge.set((progress.since()?.getTime() ?? 0) / 1000))
  const rounds = again(
    async () => ((await sealBatch()) === BATCH ? 0 : config.SEAL_POLL_MS),
    (error) => {
      progress.saw(undefined)
      logger.warn('rows could not be sealed for now', error)
      return config.SEAL_POLL_MS
    },
  )
  registerGauges()

  async function sealBatch(): Promise<number> {
    const [look] = await database.query<{ waits: boolean; end: number }>(WAITING)
    if (!look!.waits) {
      progress.saw(look)
      return 0
    }
    // A span only when there is something to tell: an idle service makes none.
    return inSpan('seal_audit_rows', {}, async (span) => {
      const [batch] = await database.query<{ sealed: number }>(SEAL, [BATCH])
      span.setAttribute('audit.rows', batch!.sealed)
      sealed.inc(batch!.sealed)
      progress.saw({ waits: true, end: look!.end + batch!.sealed })
      return batch!.sealed
    })
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

  return { sealBatch, progress, ...rounds }
}
