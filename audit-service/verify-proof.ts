/** Checks a proof offline: nothing but the file, a signed checkpoint and the log's public key. */
import type { KeyObject } from 'node:crypto'
import { auditProof, auditRowReceipt } from '@sightline/contracts'
import type { Entry } from '@sightline/contracts/audit-entry'
import { z } from 'zod'
import { cosignaturesOf } from './cosignature.ts'
import { entryBytes, fitsItsSeal, readEntry } from './entry.ts'
import { leafHash, provesInclusion } from './merkle.ts'
import { readTreeCheckpoint, type TreeCheckpoint } from './note.ts'
import type { Policy } from './policy.ts'

/** A row that is proven to be in the log, or why it is not; `lacks` is what the checkpoint lacks of a quorum of witnesses. */
export type ProofResult = {
  entry: Entry
  checkpoint: TreeCheckpoint
  fault: string | undefined
  lacks: string | undefined
}

/**
 * Checks the text of a proof or receipt against a signed note, and that against a policy where one is given; a receipt brings its own unless one is given. A proof that fails
 * is a result, and `fault` says where; throws with the reason when file or checkpoint can't be read, or the signature does not fit.
 */
export function verifyProof(
  text: string,
  origin: string,
  publicKey: KeyObject,
  note?: string,
  policy?: Policy,
): ProofResult {
  const file: unknown = parseJson(text)
  const parsed = auditProof.safeParse(file)
  if (!parsed.success) throw new Error(`this is no proof: ${z.prettifyError(parsed.error)}`)
  const proof = parsed.data
  const itsNote = note ?? auditRowReceipt.safeParse(file).data?.checkpoint
  if (itsNote === undefined)
    throw new Error('the proof brings no checkpoint: give one with --checkpoint, or take a receipt')
  const checkpoint = readTreeCheckpoint(itsNote, origin, publicKey)
  const entry = readEntry(proof.entry)
  return {
    entry,
    checkpoint,
    fault: faultOf(proof, entry, checkpoint),
    lacks: policy?.lacks(cosignaturesOf(checkpoint.note, policy.keys)),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`this is no proof: ${(error as Error).message}`)
  }
}

function faultOf(proof: z.infer<typeof auditProof>, entry: Entry, { size, root }: TreeCheckpoint): string | undefined {
  if (proof.size !== size)
    return `the proof is against a tree of ${proof.size} rows, the checkpoint is of ${size}: ask for /proof?size=${size}`
  const signed = root.toString('base64')
  if (proof.root !== signed)
    return `the root in the proof, ${proof.root}, is not the one that was signed, ${signed}: the log was made anew, or the proof is of another log`
  if (entry.position !== String(proof.index + 1))
    return `the entry says position ${entry.position}, the proof is of ${proof.index + 1}`
  const leaf = leafHash(entryBytes(proof.entry))
  if (leaf.toString('base64') !== proof.leaf_hash)
    return 'the entry is not what the leaf stands for: the row was changed after it came into the log'
  const hashes = proof.hashes.map((hash) => Buffer.from(hash, 'base64'))
  if (!provesInclusion(leaf, proof.index, size, root, hashes))
    return 'the hashes do not lead from the leaf to the signed root: one of them, their order or the index was changed'
  if (!fitsItsSeal(entry))
    return 'the row is in the log as it is here, and not as it was sealed: it was changed or removed between the two'
  return undefined
}
