/** SQL of idempotency keys: one key, one order, decided by a unique row in the order's own transaction. */
import {
  CLEAN_STEP,
  type Component,
  conflict,
  createCleaner,
  type KitParts,
  keyReused,
  type Queries,
  SQLSTATE,
  sql,
} from '@sightline/service-kit'

/** Takes the key, or one that is older than 24 hours. A second request waits here until the first has committed. */
const CLAIM = sql(
  'claim_idempotency_key',
  `insert into idempotency_keys (key, request_hash) values ($1, $2)
   on conflict (key) do update set request_hash = excluded.request_hash, order_id = null, created_at = now()
     where idempotency_keys.created_at <= now() - interval '24 hours'
   returning key`,
)
const FIND = sql('find_idempotency_key', 'select request_hash, order_id from idempotency_keys where key = $1')

const EXPIRE = sql(
  'expire_idempotency_keys',
  `delete from idempotency_keys where key in (
     select key from idempotency_keys where created_at <= now() - interval '24 hours' limit ${CLEAN_STEP})
   returning key`,
)
/** Removes keys older than 24 hours, every hour. */
export const createKeyCleaner = (parts: Pick<KitParts, 'database' | 'logger'>): Component =>
  createCleaner(parts, 'expired idempotency keys', EXPIRE)

/**
 * undefined when the key is now ours; else the id of the order that was placed with it. `requestHash` is SHA-256 in hex.
 * Rejects with 422 when the key was used with another body, and with 409 while another request is at it.
 */
export async function claimKey(tx: Queries, key: string, requestHash: string): Promise<number | undefined> {
  try {
    if ((await tx.query(CLAIM, [key, Buffer.from(requestHash, 'hex')])).length > 0) return undefined
  } catch (error) {
    if ((error as { cause?: { code?: string } }).cause?.code === SQLSTATE.lock_not_available) throw keyInUse()
    throw error
  }
  const [row] = await tx.query<{ request_hash: Buffer; order_id: number | null }>(FIND, [key])
  if (row === undefined || row.order_id === null) throw keyInUse()
  if (row.request_hash.toString('hex') !== requestHash) throw keyReused()
  return row.order_id
}

function keyInUse() {
  const detail = 'Another request with this Idempotency-Key is under way; ask again in a moment.'
  return conflict('idempotency-key-in-use', 'Idempotency-Key in use', detail)
}
