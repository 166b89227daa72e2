/** The signed checkpoint of the tree: kept in a file beside that of the chain, and moved on while the service runs. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Component, KitParts, Queries } from '@sightline/service-kit'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { readKept, readSigningKey } from './checkpoint-format.ts'
import type { Config } from './config.ts'
import { provesConsistency } from './merkle.ts'
import { readTreeCheckpoint, signTreeCheckpoint, type TreeCheckpoint } from './note.ts'
import { proveConsistency, treeHead, treeSize } from './tree.ts'

/** Where the tree's checkpoint is kept, beside the chain's. */
export const noteFile = (checkpointFile: string) => `${checkpointFile}.note`

/** With what checkpoints are signed, and where the last one is kept. */
export interface Signer {
  origin: string
  key: KeyObject
  /** The file of the chain's checkpoint. */
  file: string
}

/**
 * Signs the tree as it is, and only when it begins with what was signed last, in the file or as `known`: else whoever rewrote
 * the log would have the other history signed. Resolves to the newest checkpoint, undefined while the tree is empty; rejects when
 * the tree does not hold the last one, and leaves that where it is.
 */
export async function renewTreeCheckpoint(
  database: Queries,
  signer: Signer,
  known?: TreeCheckpoint,
): Promise<TreeCheckpoint | undefined> {
  const { origin, key } = signer
  const file = noteFile(signer.file)
  const kept = readKept(file, (note) => readTreeCheckpoint(note, origin, createPublicKey(key)))
  const last = known !== undefined && known.size > (kept?.size ?? 0) ? known : kept
  const size = await treeSize(database)
  if (last === undefined) {
    return size === 0 ? undefined : write(file, signTreeCheckpoint(await treeHead(database, size), origin, key))
  }
  const refuse = (why: string) =>
    new Error(`the tree no longer holds the checkpoint of ${last.size} rows in ${file}: ${why}; npm run audit:verify`)
  if (size < last.size) throw refuse(`it has ${size}`)
  const { first, second, hashes } = await proveConsistency(database, last.size, size)
  if (!first.root.equals(last.root)) throw refuse('its root is another')
  if (!provesConsistency(first, second, hashes)) throw refuse('what was added does not follow from it')
  if (size === last.size) return last === kept ? last : write(file, last)
  return write(file, signTreeCheckpoint(second, origin, key))
}

/** To be kept elsewhere, too: everybody may read it. */
function write(file: string, checkpoint: TreeCheckpoint): TreeCheckpoint {
  writeWhole(file, checkpoint.note, 0o644)
  return checkpoint
}

export interface TreeCheckpoints extends Component {
  /** Whether this service has a key to sign with. */
  signs: boolean
  /**
   * The newest checkpoint, of so many rows or more where the tree has them; the last one when the tree does not hold it any more,
   * which the log tells. undefined while there is none.
   */
  newest(leastSize?: number): Promise<TreeCheckpoint | undefined>
}

/** Keeps the tree's checkpoint up to date while the service runs; signs nothing without a configured file and key. */
export function createTreeCheckpoints(deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger'>): TreeCheckpoints {
  const { config, database, logger } = deps
  const file = config.AUDIT_CHECKPOINT_FILE
  const keyFile = config.AUDIT_SIGNING_KEY_FILE
  if (file === undefined || keyFile === undefined)
    return { signs: false, newest: async () => undefined, stop: async () => {} }
  const signer = { origin: config.AUDIT_LOG_ORIGIN, key: readSigningKey(keyFile), file }
  let timer: NodeJS.Timeout | undefined
  let last: TreeCheckpoint | undefined
  let renewing: Promise<void> | undefined

  function renew(): Promise<void> {
    renewing ??= renewNow().finally(() => {
      renewing = undefined
    })
    return renewing
  }

  async function renewNow(): Promise<void> {
    try {
      last = (await renewTreeCheckpoint(database, signer, last)) ?? last
    } catch (error) {
      logger.error('the tree could not be signed', error as Error)
    }
  }

  return {
    signs: true,
    async newest(leastSize = 1) {
      if (last === undefined || last.size < leastSize) await renew()
      return last
    },
    async start() {
      timer = setInterval(renew, config.AUDIT_CHECKPOINT_MS).unref()
    },
    async stop() {
      clearInterval(timer)
      await renew()
    },
  }
}
