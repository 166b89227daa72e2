/** Checkpoints as signed notes (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint) and the keys that sign them, read in a browser. */
import { readNoteText } from '@sightline/contracts/signed-note'

/** The signature types of C2SP signed-note that are known here. */
const ED25519 = 1

export interface NoteSignature {
  readonly name: string
  /** Key id and signature. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** A checkpoint of a log. The first signature is the log's, those after it are of whoever has cosigned. */
export interface Note {
  readonly origin: string
  readonly size: number
  /** base64 */
  readonly root: string
  /** What is signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** Parses a note and checks nothing; throws when it is none. */
export function readNote(note: string): Note {
  const read = readNoteText(note)
  if (read === undefined) throw new Error('The checkpoint is no signed note of a tree.')
  const { lines, ...more } = read
  return { ...more, signatures: lines.map(({ name, encoded }) => ({ name, bytes: fromBase64(encoded) })) }
}

/** A key that checkpoints are checked with: 32 bytes of Ed25519, and the name that came with it. */
export interface LogKey {
  readonly name: string | undefined
  readonly raw: Uint8Array<ArrayBuffer>
}

/** What an SPKI of Ed25519 has before its 32 bytes (RFC 8410). */
const SPKI = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]

/** Reads `audit-public.pem` as `npm run audit:keys` writes it, or the key in one line as it prints it. Throws with what is wrong. */
export function readKey(text: string): LogKey {
  const line = /^([^\s+]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/]+=*)$/.exec(text.trim())
  if (line) {
    const bytes = fromBase64(line[2]!)
    if (bytes[0] !== ED25519 || bytes.length !== 33) throw new Error('This key is none of Ed25519.')
    return { name: line[1], raw: bytes.slice(1) }
  }
  const pem = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(text.trim())
  const der = pem ? fromBase64(pem[1]!.replaceAll(/\s/g, '')) : undefined
  if (der?.length !== SPKI.length + 32 || !SPKI.every((byte, n) => der[n] === byte))
    throw new Error('Give the text of audit-public.pem, or the line that npm run audit:keys prints.')
  return { name: undefined, raw: der.slice(SPKI.length) }
}

/**
 * Whether the log's own signature is this key's and fits; false when none of them is. Rejects in a browser that does not know
 * Ed25519.
 */
export async function isSignedBy(note: Note, key: LogKey): Promise<boolean> {
  const named = new Uint8Array([...new TextEncoder().encode(`${note.origin}\n`), ED25519, ...key.raw])
  const id = (await sha256(named)).slice(0, 4)
  const its = note.signatures.find(
    ({ name, bytes }) => name === note.origin && id.every((byte, n) => bytes[n] === byte),
  )
  if (its === undefined || (key.name ?? note.origin) !== note.origin) return false
  const imported = await crypto.subtle.importKey('raw', key.raw, { name: 'Ed25519' }, false, ['verify'])
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, its.bytes.slice(4), new TextEncoder().encode(note.text))
}

export const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

export const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
