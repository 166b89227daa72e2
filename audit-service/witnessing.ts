/**
 * Has checkpoints of the tree signed by witnesses (C2SP tlog-witness), beside the requests: each is asked with what it lacks, and
 * told nothing but hashes. A witness that refuses has seen another history of this log, or this service has.
 */
import { inSpan, type KitParts, type Queries } from '@sightline/service-kit'
import { type Cosignature, cosignatureIn } from './cosignature.ts'
import type { TreeCheckpoint } from './note.ts'
import { addressAt, type Policy, type Witness } from './policy.ts'
import { proveConsistency } from './tree.ts'

/** What the witnesses made of a checkpoint. */
export interface Witnessed {
  /** The note with the signatures of those that signed. */
  note: string
  /** Why these are no quorum; undefined when they are. */
  lacks: string | undefined
  /** The most rows that a witness has signed before, where that is more than the checkpoint has; else 0. */
  ahead: number
}

/** Asks all witnesses of a policy that have a URL; never rejects: who does not sign is missing, and the log says why. */
export interface Witnessing {
  collect(checkpoint: TreeCheckpoint): Promise<Witnessed>
}

/** How a witness answered, as audit_witness_answers_total counts it. */
type Outcome = 'cosigned' | 'behind' | 'refused' | 'failed'
type Answered = { outcome: Outcome; cosignature?: Cosignature; ahead?: number; reason?: string }

const TIMEOUT_MS = 3_000
const MAX_ANSWER_BYTES = 16 * 1024

export function createWitnessing(
  policy: Policy,
  deps: { database: Queries } & Pick<KitParts, 'logger' | 'metrics'>,
  timeoutMs = TIMEOUT_MS,
): Witnessing {
  const { database, logger, metrics } = deps
  const answers = metrics.counter('audit_witness_answers_total')
  const sizes = metrics.gauge('audit_witness_size')
  const times = metrics.gauge('audit_witness_timestamp_seconds')
  /** How many rows each has signed, as far as it is known here: what it says where that is wrong. */
  const known = new Map<Witness, number>()

  async function collect(checkpoint: TreeCheckpoint): Promise<Witnessed> {
    return inSpan('witness_audit_tree', { 'audit.rows': checkpoint.size }, async () => {
      const asked = policy.witnesses.filter(({ url }) => url !== undefined)
      const answered = await Promise.all(asked.map((witness) => askAndCount(witness, checkpoint)))
      const cosignatures = answered.flatMap(({ cosignature }) => cosignature ?? [])
      return {
        note: checkpoint.note + cosignatures.map(({ line }) => line).join(''),
        lacks: policy.lacks(cosignatures),
        ahead: Math.max(0, ...answered.map(({ ahead = 0 }) => ahead)),
      }
    })
  }

  async function askAndCount(witness: Witness, checkpoint: TreeCheckpoint): Promise<Answered> {
    const { name } = witness.key
    const answered = await ask(witness, checkpoint).catch(
      (error: Error): Answered => ({ outcome: 'failed', reason: `it does not answer: ${causeOf(error)}` }),
    )
    const { outcome, cosignature, reason } = answered
    answers.inc({ witness: name, outcome })
    if (cosignature !== undefined) {
      sizes.set({ witness: name }, checkpoint.size)
      times.set({ witness: name }, cosignature.seconds)
    }
    const details = { witness: name, rows: checkpoint.size, reason }
    if (outcome === 'refused') logger.error('a witness refuses the tree: npm run audit:verify', details)
    if (outcome === 'failed') logger.warn('a witness did not sign the tree', details)
    return answered
  }

  async function ask(witness: Witness, checkpoint: TreeCheckpoint): Promise<Answered> {
    const { size, note } = checkpoint
    // Twice where it has signed another tree than is known here; that it signs for another service meanwhile is no reason to hurry.
    for (let tries = 0; tries < 2; tries++) {
      const old = known.get(witness) ?? 0
      const hashes = old === 0 ? [] : (await proveConsistency(database, old, size)).hashes
      const proof = hashes.map((hash) => `${hash.toString('base64')}\n`).join('')
      const { status, text } = await post(witness.url!, `old ${old}\n${proof}\n${note}`)
      if (status === 200) {
        const cosignature = cosignatureIn(text, note, witness.key)
        if (cosignature === undefined) return { outcome: 'failed', reason: 'its answer has no signature of its key' }
        known.set(witness, size)
        return { outcome: 'cosigned', cosignature }
      }
      if (status !== 409) return { outcome: status === 422 ? 'refused' : 'failed', reason: `${status} ${text}` }
      const its = /^(0|[1-9]\d{0,15})\n?$/.exec(text)
      if (its === null) return { outcome: 'failed', reason: `its answer is no size: ${text}` }
      if (Number(its[1]) > size) return { outcome: 'behind', ahead: Number(its[1]) }
      known.set(witness, Number(its[1]))
    }
    return { outcome: 'behind' }
  }

  async function post(url: string, body: string): Promise<{ status: number; text: string }> {
    const response = await fetch(addressAt(url, 'add-checkpoint'), {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { status: response.status, text: await bounded(response) }
  }

  return { collect }
}

/** The text of an answer, cut off where it is longer than any that a witness has to give. */
export async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString('utf8')
}

/** `fetch failed` says nothing, its cause does. */
export function causeOf(error: Error): string {
  return error.cause instanceof Error
    ? error.cause.message || String((error.cause as { code?: string }).code)
    : error.message
}
