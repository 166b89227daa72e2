/**
 * A signed statement about the chain, to be kept where the database's owner can't reach it: whoever rewrites the whole
 * chain or cuts off its end can't make the checkpoint agree. Here is what it holds and how it is signed and read.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import * as fs from 'node:fs'
import { z } from 'zod'

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

/** A checkpoint of now, or of another time: the chain's seal at a position. */
export function signCheckpoint(position: number, seal: Buffer, privateKey: KeyObject, at = new Date()): Checkpoint {
  const statement = {
    format: 'sightline-audit-checkpoint-1' as const,
    position,
    hash: seal.toString('hex'),
    created_at: at.toISOString(),
  }
  const signature = sign(null, signedBytes(statement), privateKey).toString('base64')
  return { ...statement, signature }
}

/** Whether a file holds nothing, or zeros only: what a power cut can leave of one that was not yet on the disk. */
export function isEmptied(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: zeros are what is looked for
  return /^[\s\u0000]*$/.test(text)
}

/**
 * What `read` makes of a file in which checkpoints are kept; undefined when there is no file, or one that a power cut has left empty:
 * there is nothing in it to be kept. Throws what `read` throws, with what to do.
 */
export function readKept<Kept>(file: string, read: (text: string) => Kept): Kept | undefined {
  if (!fs.existsSync(file)) return undefined
  const text = fs.readFileSync(file, 'utf8')
  if (isEmptied(text)) return undefined
  try {
    return read(text)
  } catch (error) {
    throw new Error(`${file} is kept, since it is none of this key's; choose another file: ${(error as Error).message}`)
  }
}

/** Parses a checkpoint and checks its signature; throws with the reason. */
export function readCheckpoint(text: string, publicKeyPem: string): Checkpoint {
  if (isEmptied(text))
    throw new Error('the checkpoint is empty: take a copy of it, or make one with npm run audit:checkpoint')
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
