/**
 * A signed statement about the chain, to be kept where the database's owner can't reach it: whoever rewrites the whole
 * chain or cuts off its end can't make the checkpoint agree.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import * as fs from 'node:fs'
import { type KitParts, type Part, type Queries, sql } from '@sightline/service-kit'
import { z } from 'zod'
import type { Config } from './config.ts'
import { sealAt } from './verify.ts'

const checkpointSchema = z.object({
  format: z.literal('sightline-audit-checkpoint-1'),
  position: z.int().min(1),
  /** The seal at that position, hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.iso.datetime(),
  /** Ed25519 signature of the other fields, base64. */
  signature: z.base64(),
})
export type Checkpoint = z.infer<typeof checkpointSchema>

const TAIL = sql('checkpoint_tail', 'select position, hash from audit_chain order by position desc limit 1')

/** The end of the chain, signed; undefined while the chain is empty. */
export async function makeCheckpoint(database: Queries, privateKey: KeyObject): Promise<Checkpoint | undefined> {
  const [tail] = await database.query<{ position: number; hash: Buffer }>(TAIL)
  if (tail === undefined) return undefined
  const statement = {
    format: 'sightline-audit-checkpoint-1' as const,
    position: tail.position,
    hash: tail.hash.toString('hex'),
    created_at: new Date().toISOString(),
  }
  const signature = sign(null, signedBytes(statement), privateKey).toString('base64')
  return { ...statement, signature }
}

/** Parses a checkpoint and checks its signature; throws with the reason. */
export function readCheckpoint(text: string, publicKeyPem: string): Checkpoint {
  const parsed = checkpointSchema.safeParse(JSON.parse(text))
  if (!parsed.success) throw new Error(`this is no checkpoint: ${z.prettifyError(parsed.error)}`)
  const { signature, ...statement } = parsed.data
  if (!verify(null, signedBytes(statement), createPublicKey(publicKeyPem), Buffer.from(signature, 'base64'))) {
    throw new Error('the signature of the checkpoint does not fit: it was changed, or signed with another key')
  }
  return parsed.data
}

function signedBytes({ format, position, hash, created_at }: Omit<Checkpoint, 'signature'>): Buffer {
  return Buffer.from([format, position, hash, created_at].join('\n'))
}

/** The private key in a PEM file; throws with what is wrong with it. */
export function readSigningKey(file: string): KeyObject {
  const advice = 'npm run audit:keys makes a pair'
  let key: KeyObject
  try {
    key = createPrivateKey(fs.readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`${file} is no private key to sign checkpoints with; ${advice}: ${(error as Error).message}`)
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new Error(`${file} is a key for ${key.asymmetricKeyType}, checkpoints are signed with Ed25519; ${advice}`)
}

/** A new Ed25519 key pair in PEM. */
export function makeKeys(): { privateKey: string; publicKey: string } {
  return generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
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
): Part | undefined {
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
