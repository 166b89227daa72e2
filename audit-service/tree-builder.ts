/**
 * Has sealed rows brought into the Merkle tree in batches, behind the sealer and beside it: neither waits for the other, and a
 * chain that was there before the tree comes in by the same batches. The database makes the hashes, one session at a time.
 */
import { again, type Component, inSpan, type KitParts, sql } from '@sightline/service-kit'
import type { Config } from './config.ts'
import { growTree } from './tree.ts'

/** A row when the chain goes on where the tree ends. */
export const WAITING = sql(
  'row_outside_tree',
  'select true as waiting where (select max(position) from audit_chain) > audit_tree_size()',
)
const STATE = sql('tree_state', 'select audit_tree_size() as size')
/** Four tiles: what a statement does in tens of milliseconds. */
const BATCH = 1_024

/** Lets the tree grow from its start on until it is stopped; a database that is away is tried again. `seen` hears of each look at it: it may have grown, here or by another service. */
export function createTreeBuilder(
  deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger' | 'metrics'>,
  seen: () => void,
): Component {
  const { config, database, logger, metrics } = deps
  metrics.gauges(
    async () => (await database.query<{ size: number }>(STATE))[0]!,
    { audit_tree_size: (gauge, { size }) => gauge.set(size) },
    (error) => logger.debug('the gauge of the tree keeps its last value', error),
  )

  /** Resolves to how long to wait for more. */
  async function growBatch(): Promise<number> {
    if ((await database.query(WAITING)).length === 0) {
      seen()
      return config.SEAL_POLL_MS
    }
    return inSpan('grow_audit_tree', {}, async (span) => {
      const grown = await growTree(database, BATCH)
      span.setAttribute('audit.rows', grown)
      seen()
      return grown === BATCH ? 0 : config.SEAL_POLL_MS
    })
  }

  return again(growBatch, (error) => {
    logger.warn('the tree could not grow for now', error)
    return config.SEAL_POLL_MS
  })
}
