/** Checkpoints of the chain as it is: made, kept in a file, and moved on while the service runs. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Component, every, type KitParts, type Queries, sql } from '@sightline/service-kit'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { type Checkpoint, readCheckpoint, readKept, readSigningKey, signCheckpoint } from './checkpoint-format.ts'
import type { Config } from './config.ts'
import { sealAt } from './verify.ts'

const TAIL = sql('checkpoint_tail', 'select position, hash from audit_chain order by position desc limit 1')

/** The end of the chain, signed; undefined while the chain is empty. */
export async function makeCheckpoint(database: Queries, privateKey: KeyObject): Promise<Checkpoint | undefined> {
  const [tail] = await database.query<{ position: number; hash: Buffer }>(TAIL)
  if (tail === undefined) return undefined
  return signCheckpoint(tail.position, tail.hash, privateKey)
}

/** A checkpoint is signed anew after this time although the chain has not grown: its date says until when nothing was cut off. */
const REFRESH_MS = 60_000

/**
 * Moves the checkpoint in the file forward to the end of the chain, and only on a chain that still holds it: else whoever
 * cut off the end would have the shorter chain signed. `known` is what the caller wrote last: a file that was put back to an
 * older checkpoint doesn't make it forget. Resolves to the checkpoint that is in the file then, undefined while the chain is
 * empty.
 */
export async function renewCheckpoint(
  database: Queries,
  privateKey: KeyObject,
  file: string,
  known?: Checkpoint,
): Promise<Checkpoint | undefined> {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
  const kept = readKept(file, (text) => readCheckpoint(text, publicKey))
  const last = known !== undefined && known.created_at > (kept?.created_at ?? '') ? known : kept
  const checkpoint = await makeCheckpoint(database, privateKey)
  if (last !== undefined) {
    const seal = await sealAt(database, last.position)
    if (seal?.toString('hex') !== last.hash) {
      throw new Error(
        `the chain no longer holds the checkpoint at position ${last.position}, which was written to ${file}: npm run audit:verify`,
      )
    }
    const isNews = checkpoint !== undefined && checkpoint.position > last.position
    const isFresh = Date.now() - Date.parse(last.created_at) < REFRESH_MS
    if (last === kept && !isNews && isFresh) return last
  }
  if (checkpoint !== undefined) writeCheckpoint(file, checkpoint)
  return checkpoint
}

/** To be kept elsewhere, too: everybody may read it. */
function writeCheckpoint(file: string, checkpoint: Checkpoint): void {
  writeWhole(file, `${JSON.stringify(checkpoint, null, 2)}\n`, 0o644)
}

/** Keeps the checkpoint file up to date while the service runs; undefined when no file and key are configured. */
export function createCheckpointWriter(
  deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger'>,
): Component | undefined {
  const { config, database, logger } = deps
  const file = config.AUDIT_CHECKPOINT_FILE
  const keyFile = config.AUDIT_SIGNING_KEY_FILE
  if (file === undefined || keyFile === undefined) return undefined
  const key = readSigningKey(keyFile)
  let written: Checkpoint | undefined

  async function write(): Promise<void> {
    try {
      written = (await renewCheckpoint(database, key, file!, written)) ?? written
    } catch (error) {
      logger.error('no checkpoint could be written', error as Error)
    }
  }

  return every(config.AUDIT_CHECKPOINT_MS, write)
}
