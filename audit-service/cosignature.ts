/**
 * Cosignatures of witnesses as C2SP tlog-cosignature has them (Ed25519, `cosignature/v1`): "as of this time, the largest tree that I
 * have seen of this log, and that holds all I have seen before, is this one." How they are made, read and counted.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import {
  keyId,
  readNote,
  readSignatures,
  readVerifierKey,
  SIGNATURE,
  signatureLine,
  signaturesBy,
  type VerifierKey,
} from './note.ts'

const TIME_BYTES = 8
const SIGNED_BYTES = TIME_BYTES + 64

/** Reads the verifier key of a witness; throws with what is wrong with it. */
export function readWitnessKey(text: string): VerifierKey {
  return readVerifierKey(text, SIGNATURE.cosignature)
}

/** The line that a witness adds to a note, whose lines above the empty one are `text`; `seconds` since 1970. */
export function cosign(text: string, name: string, privateKey: KeyObject, seconds: number): string {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeBigUInt64BE(BigInt(seconds))
  const signature = sign(null, cosigned(text, seconds), privateKey)
  const id = keyId(name, createPublicKey(privateKey), SIGNATURE.cosignature)
  return signatureLine(name, id, Buffer.concat([time, signature]))
}

function cosigned(text: string, seconds: number | bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`)
}

/** That a witness has signed, and when, in seconds since 1970. */
export interface Cosignature {
  witness: VerifierKey
  seconds: number
  line: string
}

/**
 * Those of these witnesses that have signed the note, each once, by their newest signature. Throws when a signature of one of them
 * does not fit: a note with such a line was tampered with.
 */
export function cosignaturesOf(note: string, witnesses: readonly VerifierKey[]): Cosignature[] {
  const { text, signatures } = readNote(note)
  return witnesses.flatMap((witness) => {
    const its = signaturesBy(signatures, witness.name, witness.keyId).map(({ bytes }) => {
      const seconds = bytes.length === SIGNED_BYTES ? bytes.readBigUInt64BE() : 0n
      if (seconds === 0n || !verify(null, cosigned(text, seconds), witness.publicKey, bytes.subarray(TIME_BYTES)))
        throw new Error(`the signature of the witness ${witness.name} does not fit: the checkpoint was changed`)
      return { witness, seconds: Number(seconds), line: signatureLine(witness.name, witness.keyId, bytes) }
    })
    return its.toSorted((a, b) => b.seconds - a.seconds).slice(0, 1)
  })
}

/** What a witness answered, as far as it is a signature of its own on the note; undefined when none is. */
export function cosignatureIn(answer: string, note: string, witness: VerifierKey): Cosignature | undefined {
  const { text } = readNote(note)
  const its = signaturesBy(readSignatures(answer), witness.name, witness.keyId)
  const lines = its.map(({ name, keyId: id, bytes }) => signatureLine(name, id, bytes)).join('')
  return cosignaturesOf(`${text}\n${lines}`, [witness])[0]
}
