/**
 * What PostgreSQL says of itself, read at each scrape: transactions, cache, locks, table sizes. One service reads it for
 * the whole database, in all modes alike, where a separate exporter would be one more program to run. The metrics have
 * the names of postgres_exporter.
 */
import { type KitParts, sql } from '@sightline/service-kit'

const STATE = sql(
  'database_state',
  `select xact_commit::float8, xact_rollback::float8, blks_hit::float8, blks_read::float8, deadlocks::float8, numbackends,
          (select count(*) from pg_locks where not granted)::int as waiting
   from pg_stat_database where datname = current_database()`,
)
const SIZES = sql(
  'table_sizes',
  `select relname, pg_total_relation_size(oid)::float8 as bytes
   from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
)

interface State {
  xact_commit: number
  xact_rollback: number
  blks_hit: number
  blks_read: number
  deadlocks: number
  numbackends: number
  waiting: number
}

/** Adds the gauges. When PostgreSQL does not answer a scrape they keep their last values. */
export function registerDatabaseState({
  database,
  logger,
  metrics,
}: Pick<KitParts, 'database' | 'logger' | 'metrics'>) {
  const counters = ['xact_commit', 'xact_rollback', 'blks_hit', 'blks_read', 'deadlocks'] as const
  const gauges = counters.map((name) => [name, metrics.gauge(`pg_stat_database_${name}`)] as const)
  const waiting = metrics.gauge('pg_locks_waiting')
  const sizes = metrics.gauge('pg_table_size_bytes')
  metrics.gauge('pg_stat_database_numbackends', async (sessions) => {
    try {
      const [[state], tables] = await Promise.all([
        database.query<State>(STATE),
        database.query<{ relname: string; bytes: number }>(SIZES),
      ])
      sessions.set(state!.numbackends)
      waiting.set(state!.waiting)
      for (const [name, gauge] of gauges) gauge.set(state![name])
      for (const { relname, bytes } of tables) sizes.set({ relname }, bytes)
    } catch (error) {
      logger.debug('database gauges keep their last values', error as Error)
    }
  })
}
