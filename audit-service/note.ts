/**
 * Checkpoints of the Merkle tree as C2SP tlog-checkpoint has them, in signed notes (C2SP signed-note) with Ed25519: how they are
 * written, signed and read. They are kept where the database's owner can't write, as those of the chain are.
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { type NoteLine, readNoteLines, readNoteText } from '@sightline/contracts/signed-note'
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

/** Signature types of C2SP signed-note: Ed25519 over the text, and the cosignatures of witnesses. */
export const SIGNATURE = { ed25519: 1, cosignature: 4 } as const
export type SignatureType = (typeof SIGNATURE)[keyof typeof SIGNATURE]

/** A line below a note: whose it is, and the bytes behind the id of the key. */
export interface NoteSignature {
  name: string
  keyId: Buffer
  bytes: Buffer
}

/** A note that says what a checkpoint says; nothing of it is believed yet. */
export interface ReadNote extends TreeHead {
  origin: string
  /** What is signed: all lines above the empty one. */
  text: string
  note: string
  signatures: NoteSignature[]
}

/** The checkpoint of a tree, signed. */
export function signTreeCheckpoint({ size, root }: TreeHead, origin: string, privateKey: KeyObject): TreeCheckpoint {
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`
  const signature = sign(null, Buffer.from(text), privateKey)
  const id = keyId(origin, createPublicKey(privateKey), SIGNATURE.ed25519)
  return { origin, size, root, note: `${text}\n${signatureLine(origin, id, signature)}` }
}

/** A line below a note. */
export function signatureLine(name: string, id: Buffer, signature: Buffer): string {
  return `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`
}

/** Parses a note without a look at its signatures. Throws with the reason when it is no checkpoint. */
export function readNote(note: string): ReadNote {
  if (isEmptied(note)) throw new Error('the checkpoint is empty: take a copy of it')
  const read = readNoteText(note)
  const root = Buffer.from(read?.root ?? '', 'base64')
  if (read === undefined || root.length !== HASH_BYTES || root.toString('base64') !== read.root)
    throw new Error('this is no checkpoint of a tree: a signed note of origin, size and root')
  const { origin, size, text, lines } = read
  return { origin, size, root, text, note, signatures: lines.map(signatureOf) }
}

/** The signatures in lines below a note; other lines are nobody's. */
export const readSignatures = (lines: string): NoteSignature[] => readNoteLines(lines).map(signatureOf)

function signatureOf({ name, encoded }: NoteLine): NoteSignature {
  const bytes = Buffer.from(encoded, 'base64')
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), bytes: bytes.subarray(KEY_ID_BYTES) }
}

/** What a witness calls a log in its URLs (https://c2sp.org/tlog-witness): SHA-256 of the origin, hex. */
export const originHash = (origin: string): string => hash('sha256', origin, 'hex')

/** The signatures of one key among them, by its name and id; they need not fit. */
export function signaturesBy(signatures: readonly NoteSignature[], name: string, id: Buffer): NoteSignature[] {
  return signatures.filter((one) => one.name === name && one.keyId.equals(id))
}

/**
 * Parses a note and checks the signature of the log; those of others are left to whoever knows their keys. Throws with the reason.
 */
export function readTreeCheckpoint(note: string, origin: string, publicKey: KeyObject): TreeCheckpoint {
  const read = readNote(note)
  if (read.origin !== origin) throw new Error(`the checkpoint is of the log ${read.origin}, not of ${origin}`)
  const fault = logSignatureFault(read, publicKey)
  if (fault !== undefined) throw new Error(fault)
  const { size, root } = read
  return { origin, size, root, note }
}

/** Why a note is not signed by the log with this key; undefined when it is. */
export function logSignatureFault({ origin, text, signatures }: ReadNote, publicKey: KeyObject): string | undefined {
  const its = signaturesBy(signatures, origin, keyId(origin, publicKey, SIGNATURE.ed25519))
  if (its.length === 0) return 'the checkpoint bears no signature of this key'
  return its.every(({ bytes }) => verify(null, Buffer.from(text), publicKey, bytes))
    ? undefined
    : 'the signature of the checkpoint does not fit: it was changed, or signed with another key'
}

/** A public key as readers of signed notes take it: who signs, and how. */
export interface VerifierKey {
  name: string
  type: SignatureType
  publicKey: KeyObject
  keyId: Buffer
  /** As it was written. */
  text: string
}

/** The public key as other readers of signed notes take it: name, key id, type and key. */
export function verifierKey(name: string, publicKey: KeyObject, type: SignatureType = SIGNATURE.ed25519): string {
  const key = Buffer.concat([Buffer.of(type), rawKey(publicKey)]).toString('base64')
  return `${name}+${keyId(name, publicKey, type).toString('hex')}+${key}`
}

/** Reads such a key of one type; throws with what is wrong with it. */
export function readVerifierKey(text: string, type: SignatureType): VerifierKey {
  const [, name = '', id, encoded = ''] = /^([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  if (!ORIGIN_PATTERN.test(name) || bytes.length !== 1 + ED25519_KEY_BYTES)
    throw new Error(`${text} is no verifier key: NAME+KEYID+KEY, as npm run audit:keys prints it`)
  if (bytes[0] !== type)
    throw new Error(
      `${text} is a key of signature type ${bytes[0]}; ${type === SIGNATURE.cosignature ? "a witness's" : "a log's"} is ${type}`,
    )
  const x = bytes.subarray(1).toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const its = keyId(name, publicKey, type)
  if (its.toString('hex') !== id)
    throw new Error(`${text} contradicts itself: the id of this key and name is ${its.toString('hex')}`)
  return { name, type, publicKey, keyId: its, text }
}

const KEY_ID_BYTES = 4
const ED25519_KEY_BYTES = 32

/** Which of a name's keys it is, 4 bytes. */
export function keyId(name: string, publicKey: KeyObject, type: SignatureType): Buffer {
  const named = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), rawKey(publicKey)])
  return hash('sha256', named, 'buffer').subarray(0, KEY_ID_BYTES)
}

function rawKey(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
}
