/**
 * Checkpoints of the Merkle tree as C2SP tlog-checkpoint has them, in signed notes (C2SP signed-note) with Ed25519: how they are
 * written, signed and read. They are kept where the database's owner can't write, as those of the chain are.
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { isEmptied } from './checkpoint-format.ts'
import { HASH_BYTES, type TreeHead } from './merkle.ts'

/** What the log is called unless AUDIT_LOG_ORIGIN says so: first line of each checkpoint, and name of its key. */
export const DEFAULT_ORIGIN = 'sightline/audit'
/** What a key's name may be: no plus, no space, nothing that ends a line. */
export const ORIGIN_PATTERN = /^[^\s+\p{Cc}]{1,200}$/u

/** A checkpoint of the tree, and the signed note that says so. */
export interface TreeCheckpoint extends TreeHead {
  origin: string
  /** The note as it is to be kept, with all its signatures. */
  note: string
}

/** Signature type Ed25519 of C2SP signed-note. */
const ED25519 = Buffer.of(1)

/** The checkpoint of a tree, signed. */
export function signTreeCheckpoint({ size, root }: TreeHead, origin: string, privateKey: KeyObject): TreeCheckpoint {
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`
  const signature = sign(null, Buffer.from(text), privateKey)
  const signed = Buffer.concat([keyId(origin, createPublicKey(privateKey)), signature]).toString('base64')
  return { origin, size, root, note: `${text}\n— ${origin} ${signed}\n` }
}

/**
 * Parses a note and checks the signature of the log; those of others are left to whoever knows their keys. Throws with the reason.
 */
export function readTreeCheckpoint(note: string, origin: string, publicKey: KeyObject): TreeCheckpoint {
  if (isEmptied(note)) throw new Error('the checkpoint is empty: take a copy of it')
  const end = note.lastIndexOf('\n\n')
  const text = note.slice(0, end + 1)
  const [its, size = '', root = ''] = text.split('\n')
  const hashed = Buffer.from(root, 'base64')
  const isOne = /^(0|[1-9]\d{0,15})$/.test(size) && hashed.length === HASH_BYTES && hashed.toString('base64') === root
  if (end < 0 || !isOne) throw new Error('this is no checkpoint of a tree: a signed note of origin, size and root')
  if (its !== origin) throw new Error(`the checkpoint is of the log ${its}, not of ${origin}`)
  const id = keyId(origin, publicKey)
  const signatures = note
    .slice(end + 2)
    .split('\n')
    .map((line) => /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/.exec(line))
    .filter((match) => match?.[1] === origin)
    .map((match) => Buffer.from(match![2]!, 'base64'))
    .filter((bytes) => bytes.subarray(0, id.length).equals(id))
  if (signatures.length === 0) throw new Error('the checkpoint bears no signature of this key')
  if (!signatures.every((bytes) => verify(null, Buffer.from(text), publicKey, bytes.subarray(id.length))))
    throw new Error('the signature of the checkpoint does not fit: it was changed, or signed with another key')
  return { origin, size: Number(size), root: hashed, note }
}

/** The public key as other readers of signed notes take it: name, key id, type and key. */
export function verifierKey(origin: string, publicKey: KeyObject): string {
  const key = Buffer.concat([ED25519, rawKey(publicKey)]).toString('base64')
  return `${origin}+${keyId(origin, publicKey).toString('hex')}+${key}`
}

/** Which of a name's keys it is, 4 bytes. */
function keyId(origin: string, publicKey: KeyObject): Buffer {
  const named = Buffer.concat([Buffer.from(`${origin}\n`), ED25519, rawKey(publicKey)])
  return hash('sha256', named, 'buffer').subarray(0, 4)
}

function rawKey(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
}
