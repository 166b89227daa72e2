/**
 * A witness of logs (C2SP tlog-witness): it signs a checkpoint when that tree begins with the largest it has signed before, and so
 * never two histories of one log. What it signs is on its disk before anybody gets the signature; two processes on one file take turns.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import * as fs from 'node:fs'
import { STATUS_CODES } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { cosign } from './cosignature.ts'
import { HASH_BYTES, provesConsistency } from './merkle.ts'
import {
  keyId,
  logSignatureFault,
  originHash,
  type ReadNote,
  readNote,
  SIGNATURE,
  signatureLine,
  type VerifierKey,
  verifierKey,
} from './note.ts'

/** What is answered over HTTP. */
export interface WitnessAnswer {
  status: number
  type: 'text/plain; charset=utf-8' | 'text/x.tlog.size' | 'application/problem+json'
  body: string
}

/** What a witness tells whoever runs it: `refused` is what may show that the log has two histories. */
export type Told = (event: 'cosigned' | 'refused', what: string) => void

export interface Witness {
  /** How others know it. */
  verifierKey: string
  /** `POST /add-checkpoint`. */
  addCheckpoint(body: string): WitnessAnswer
  /** `GET /<origin hash>/checkpoint`: what it has signed last, with the signatures of log and witness. */
  latest(originHash: string): WitnessAnswer
  close(): void
}

/** Largest body that is taken. */
export const MAX_BODY_BYTES = 64 * 1024
const MAX_PROOF_LINES = 63
/** Kept for each log: each of them bears its signature, so nobody else can fill the disk. */
const MAX_REFUSED = 1_000
const EMPTY_ROOT = createHash('sha256').digest()

const SCHEMA = `
  create table witness (only_row integer primary key check (only_row = 1), name text not null, key_id text not null) strict;
  create table logs (
    origin text primary key, size integer not null, root blob not null, signed_at integer not null, note text not null
  ) strict;
  create table refused (
    origin text not null, size integer not null, root blob not null, at integer not null, reason text not null,
    note text not null, known_note text not null, primary key (origin, size, root)
  ) strict;`

/** Makes the state of a witness that has signed nothing yet. Throws when the file is there. */
export function beginWitness(file: string, name: string, key: KeyObject): void {
  fs.closeSync(fs.openSync(file, 'wx', 0o600))
  const state = open(file)
  try {
    state.exec(`begin; ${SCHEMA}`)
    state.prepare('insert into witness values (1, ?, ?)').run(name, idOf(name, key))
    state.exec('commit')
  } finally {
    state.close()
  }
}

/**
 * The witness of a state that was begun with this key, for these logs. Throws when there is no such state: one that began anew would
 * sign another history of a log that it has signed before.
 */
export function openWitness(
  file: string,
  key: KeyObject,
  logs: readonly VerifierKey[],
  told: Told,
  now: () => number = Date.now,
): Witness {
  if (!fs.existsSync(file))
    throw new Error(
      `there is no ${file}: --begin makes a new witness. One whose state is lost must not go on with its key`,
    )
  const { state, name, key_id } = begun(file)
  if (idOf(name, key) !== key_id) {
    state.close()
    throw new Error(`${file} is the state of ${name} with another key`)
  }
  const known = state.prepare('select size, root, signed_at, note from logs where origin = ?')
  const keep = state.prepare('insert or replace into logs values (?, ?, ?, ?, ?)')
  const refused = state.prepare(
    `insert into refused select ?, ?, ?, ?, ?, ?, ? where (select count(*) from refused where origin = ?1) < ${MAX_REFUSED}
     on conflict do nothing`,
  )

  function addCheckpoint(body: string): WitnessAnswer {
    let request: AddCheckpoint
    try {
      request = readRequest(body)
    } catch (error) {
      return problem(400, (error as Error).message)
    }
    const { checkpoint } = request
    const keys = logs.filter((log) => log.name === checkpoint.origin)
    if (keys.length === 0) return problem(404, `This witness does not know the log ${checkpoint.origin}.`)
    const faults = keys.map(({ publicKey }) => logSignatureFault(checkpoint, publicKey))
    if (!faults.includes(undefined)) return problem(403, `${faults[0]}.`)
    // From here on nobody else reads or writes the state, in whichever process.
    state.exec('begin immediate')
    try {
      const answer = decide(request)
      state.exec('commit')
      if (answer.status === 200) told('cosigned', `${checkpoint.origin}: ${checkpoint.size} rows`)
      return answer
    } catch (error) {
      state.exec('rollback')
      throw error
    }
  }

  /** What to answer once the state is on the disk. */
  function decide({ old, proof, checkpoint }: AddCheckpoint): WitnessAnswer {
    const { origin, size, root, text } = checkpoint
    if (old > size) return problem(400, `The old size, ${old}, is larger than the checkpoint's, ${size}.`)
    const last = known.get(origin) as Known | undefined
    if (old !== (last?.size ?? 0)) return { status: 409, type: 'text/x.tlog.size', body: `${last?.size ?? 0}\n` }
    const reason = contradiction(last, checkpoint, proof)
    const seconds = Math.floor(now() / 1000)
    if (reason !== undefined) {
      refused.run(origin, size, root, seconds, reason, checkpoint.note, last?.note ?? '')
      told('refused', `${origin}: ${reason}`)
      return problem(422, `${reason}.`)
    }
    // A clock that was set back does not make a larger tree the older one.
    const at = Math.max(seconds, last?.signed_at ?? 0)
    const line = cosign(text, name, key, at)
    keep.run(origin, size, root, at, ownPart(checkpoint) + line)
    return { status: 200, type: 'text/plain; charset=utf-8', body: line }
  }

  function latest(asked: string): WitnessAnswer {
    const origin = logs.find(({ name: log }) => originHash(log) === asked)?.name
    const last = origin === undefined ? undefined : (known.get(origin) as Known | undefined)
    if (last === undefined) return problem(404, 'This witness has signed nothing of such a log.')
    return { status: 200, type: 'text/plain; charset=utf-8', body: last.note }
  }

  return {
    verifierKey: verifierKey(name, createPublicKey(key), SIGNATURE.cosignature),
    addCheckpoint,
    latest,
    close: () => state.close(),
  }
}

/** The note with the signatures of its log alone. */
function ownPart({ text, origin, signatures }: ReadNote): string {
  const own = signatures.filter(({ name }) => name === origin)
  return `${text}\n${own.map(({ name, keyId: id, bytes }) => signatureLine(name, id, bytes)).join('')}`
}

/** Throws when the file is something else. */
function begun(file: string): { state: DatabaseSync; name: string; key_id: string } {
  try {
    const state = open(file)
    const its = state.prepare('select name, key_id from witness').get() as { name: string; key_id: string }
    return { state, ...its }
  } catch (error) {
    throw new Error(`${file} is no state of a witness that was begun: ${(error as Error).message}`)
  }
}

interface Known {
  size: number
  root: Uint8Array
  signed_at: number
  note: string
}

/** What speaks against a checkpoint; undefined when its tree begins with the one that was signed last. */
function contradiction(
  last: Known | undefined,
  { size, root }: ReadNote,
  proof: readonly Buffer[],
): string | undefined {
  if (size === 0 && !root.equals(EMPTY_ROOT)) return 'A tree without rows has another root'
  if (last === undefined || last.size === 0)
    return proof.length > 0 ? 'From size 0 there is nothing to prove: leave the hashes out' : undefined
  const before = Buffer.from(last.root)
  if (size === last.size && !before.equals(root))
    return (
      `FORK: the log has signed two trees of ${size} rows, one of root ${before.toString('base64')}, which this witness has signed, ` +
      `and this one of root ${root.toString('base64')}`
    )
  if (provesConsistency({ size: last.size, root: before }, { size, root }, proof)) return undefined
  return (
    `The proof does not lead from the tree of ${last.size} rows, which this witness has signed, to this one of ${size}: ` +
    'the hashes are wrong, or it is a FORK and the log shows another history'
  )
}

interface AddCheckpoint {
  old: number
  proof: Buffer[]
  checkpoint: ReadNote
}

/** Throws with what is wrong with the form of it. */
function readRequest(body: string): AddCheckpoint {
  const end = body.indexOf('\n\n')
  const [first = '', ...hashes] = body.slice(0, Math.max(0, end)).split('\n')
  const [, old] = /^old (0|[1-9]\d{0,15})$/.exec(first) ?? []
  if (old === undefined || !Number.isSafeInteger(Number(old)))
    throw new Error(
      'The body is: old SIZE, the hashes of a consistency proof line by line, an empty line, and a checkpoint.',
    )
  if (hashes.length > MAX_PROOF_LINES) throw new Error(`A proof has ${MAX_PROOF_LINES} hashes at most.`)
  const proof = hashes.map((line) => {
    const hash = Buffer.from(line, 'base64')
    if (hash.length !== HASH_BYTES || hash.toString('base64') !== line)
      throw new Error(`${line.slice(0, 60)} is no hash in base64.`)
    return hash
  })
  return { old: Number(old), proof, checkpoint: readNote(body.slice(end + 2)) }
}

/** An answer that says what is wrong; the protocol has no kinds of its own (RFC 9457, 4.2.1). */
export function problem(status: number, detail: string): WitnessAnswer {
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail })
  return { status, type: 'application/problem+json', body }
}

function open(file: string): DatabaseSync {
  const state = new DatabaseSync(file, { timeout: 5_000 })
  // A commit is on the disk when it returns, and so is the end of its journal.
  state.exec('pragma synchronous = extra')
  return state
}

function idOf(name: string, key: KeyObject): string {
  return keyId(name, createPublicKey(key), SIGNATURE.cosignature).toString('hex')
}
