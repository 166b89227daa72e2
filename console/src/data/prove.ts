/**
 * Checks in the browser that a row is in the audit log, and that the table shows the row that is: nothing of what the server says is
 * taken for granted but the root, and that only where no key is known. What exactly is hashed stands in docs/audit.md.
 */
import { ENTRY_FIELDS, ENTRY_FORMAT, type Entry, entryByName } from '@sightline/contracts/audit-entry'
import { leftSiblings } from '@sightline/contracts/proof-path'
import type { Receipt, Row } from './audit.ts'
import { fromBase64, isSignedBy, type LogKey, type Note, readNote, sha256, toBase64 } from './signed-note.ts'

/** One hash on the way from the leaf to the root, in base64. */
export interface Step {
  /** Where the sibling stands. */
  readonly side: 'left' | 'right'
  readonly sibling: string
  readonly hash: string
}

/** What the log's signature is worth here. */
export type SignatureState = 'valid' | 'none' | 'no key' | 'not possible'

export interface Proof {
  /** What does not fit; undefined when the row is proven. */
  readonly fault: string | undefined
  readonly entry: Readonly<Entry>
  readonly leaf: string
  readonly steps: readonly Step[]
  readonly root: string
  readonly size: number
  readonly signature: SignatureState
  /** Names of those who have signed besides the log. */
  readonly cosigners: readonly string[]
}

/** Where the row begins in an entry. */
const ROW_AT = 1 + ENTRY_FIELDS.indexOf('id')
/** What the table shows of a row as the entry writes it: times and details it writes otherwise. */
const OTHERWISE: readonly string[] = ['occurred_at', 'recorded_at', 'details']
const SHOWN = ENTRY_FIELDS.slice(ROW_AT - 1).filter((name) => !OTHERWISE.includes(name))

/** Whether this page may hash at all: browsers let it over https and on this machine only. */
export const canProve = (): boolean => globalThis.crypto?.subtle !== undefined

/** Proves a row, as it is shown, by its receipt. `key` is the log's, where it is known. Rejects when the receipt is none. */
export async function proveRow(row: Row, receipt: Receipt, key: LogKey | undefined): Promise<Proof> {
  const { entry: elements, hashes, index, size } = receipt
  const entry = entryByName(elements)
  if (entry === undefined) throw new Error(`The proof is of another format than ${ENTRY_FORMAT}: load the page anew.`)
  const note = receipt.checkpoint === undefined ? undefined : readNote(receipt.checkpoint)
  const leaf = await hashOf(0, utf8(JSON.stringify(elements)))
  const steps = await climb(leaf, index, size, hashes)
  const root = steps?.at(-1)?.hash ?? toBase64(leaf)
  const signature = await signatureState(note, key)
  const rowHash = hex(await sha256(utf8(JSON.stringify(elements.slice(ROW_AT)))))
  const other = SHOWN.find((name) => name in row && text(row[name]) !== entry[name])
  return {
    entry,
    leaf: toBase64(leaf),
    steps: steps ?? [],
    root,
    size,
    signature: signature ?? 'valid',
    cosigners: [...new Set((note?.signatures ?? []).slice(1).map(({ name }) => name))],
    fault: firstTrue([
      [signature === undefined, 'the checkpoint is not signed by the key that you gave'],
      [note !== undefined && note.size !== size, 'the proof is against another tree than the signed one'],
      [toBase64(leaf) !== receipt.leaf_hash, 'the row was changed after it came into the log: its leaf is another'],
      [steps === undefined, 'the proof has not the hashes that lead to a root'],
      [root !== (note?.root ?? receipt.root), 'the hashes do not lead from the row to the root'],
      [entry.position !== String(index + 1), 'the entry is of another position than its leaf'],
      [rowHash !== entry.row_hash, 'the row was changed between its seal and the tree'],
      [other !== undefined, `the table shows another ${other} than the log has`],
    ]),
  }
}

const firstTrue = (faults: ReadonlyArray<readonly [boolean, string]>): string | undefined =>
  faults.find(([isSo]) => isSo)?.[1]

/** undefined: it is there, and not of this key. */
async function signatureState(note: Note | undefined, key: LogKey | undefined): Promise<SignatureState | undefined> {
  if (note === undefined) return 'none'
  if (key === undefined) return 'no key'
  try {
    return (await isSignedBy(note, key)) ? 'valid' : undefined
  } catch (error) {
    // Ed25519 came late to browsers; any other failure is one.
    if (error instanceof DOMException && error.name === 'NotSupportedError') return 'not possible'
    throw error
  }
}

async function climb(
  leaf: Uint8Array<ArrayBuffer>,
  index: number,
  size: number,
  hashes: readonly string[],
): Promise<Step[] | undefined> {
  const left = index >= 0 && index < size ? leftSiblings(index, size - 1, hashes.length) : undefined
  if (left === undefined) return undefined
  const steps: Step[] = []
  let reached = leaf
  for (const [n, sibling] of hashes.entries()) {
    const bytes = fromBase64(sibling)
    reached = await hashOf(1, left[n] ? joined(bytes, reached) : joined(reached, bytes))
    steps.push({ side: left[n] ? 'left' : 'right', sibling, hash: toBase64(reached) })
  }
  return steps
}

const utf8 = (value: string) => new TextEncoder().encode(value)
const joined = (one: Uint8Array, other: Uint8Array) => new Uint8Array([...one, ...other])
const hashOf = (prefix: number, bytes: Uint8Array) => sha256(joined(Uint8Array.of(prefix), bytes))
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
const text = (value: unknown): string | null => (value === null || value === undefined ? null : String(value))
