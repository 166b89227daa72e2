/** Checkpoints of the chain as it is: made, kept in a file, and moved on while the service runs. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import * as fs from 'node:fs'
import { type Component, type KitParts, type Queries, sql } from '@sightline/service-kit'
import { type Checkpoint, readCheckpoint, readSigningKey, signCheckpoint } from './checkpoint-format.ts'
import type { Config } from './config.ts'
import { sealAt } from './verify.ts'

const TAIL = sql('checkpoint_tail', 'select position, hash from audit_chain order by position desc limit 1')

/** The end of the chain, signed; undefined while the chain is empty. */
export async function makeCheckpoint(database: Queries, privateKey: KeyObject): Promise<Checkpoint | undefined> {
  const [tail] = await database.query<{ position: number; hash: Buffer }>(TAIL)
  if (tail === undefined) return undefined
  return signCheckpoint(tail.position, tail.hash, privateKey)
}

/**
 * Moves the checkpoint in the file forward to the end of the chain, and only on a chain that still holds it: else whoever
 * cut off the end would have the shorter chain signed. Resolves to the checkpoint that is in the file then, undefined
 * while the chain is empty.
 */
export async function renewCheckpoint(
  database: Queries,
  privateKey: KeyObject,
  file: string,
): Promise<Checkpoint | undefined> {
  const last = lastCheckpoint(file, privateKey)
  const checkpoint = await makeCheckpoint(database, privateKey)
  if (last !== undefined) {
    const seal = await sealAt(database, last.position)
    if (seal?.toString('hex') !== last.hash) {
      throw new Error(
        `the chain no longer holds the checkpoint at position ${last.position}, which is kept in ${file}: npm run audit:verify`,
      )
    }
    if (checkpoint === undefined || checkpoint.position <= last.position) return last
  }
  if (checkpoint !== undefined) writeCheckpoint(file, checkpoint)
  return checkpoint
}

function lastCheckpoint(file: string, privateKey: KeyObject): Checkpoint | undefined {
  if (!fs.existsSync(file)) return undefined
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
  try {
    return readCheckpoint(fs.readFileSync(file, 'utf8'), publicKey)
  } catch (error) {
    throw new Error(`${file} is kept, since it is none of this key's; choose another file: ${(error as Error).message}`)
  }
}

/** Writes whole or not at all: a reader never sees half a checkpoint. */
function writeCheckpoint(file: string, checkpoint: Checkpoint): void {
  const whole = `${file}.${process.pid}`
  fs.writeFileSync(whole, `${JSON.stringify(checkpoint, null, 2)}\n`)
  fs.renameSync(whole, file)
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
  let timer: NodeJS.Timeout | undefined

  async function write(): Promise<void> {
    try {
      await renewCheckpoint(database, key, file!)
    } catch (error) {
      logger.error('no checkpoint could be written', error as Error)
    }
  }

  return {
    async start() {
      timer = setInterval(write, config.AUDIT_CHECKPOINT_MS).unref()
    },
    async stop() {
      clearInterval(timer)
      await write()
    },
  }
}
