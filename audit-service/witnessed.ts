/**
 * What witnesses say of a log, for whoever verifies it: their newest checkpoints, asked of themselves or from files, held against each
 * other and against the tree. Two histories that one log has signed can't both agree with it.
 */
import type { KeyObject } from 'node:crypto'
import type { Queries } from '@sightline/service-kit'
import { type Cosignature, cosignaturesOf } from './cosignature.ts'
import { originHash, readTreeCheckpoint, type TreeCheckpoint } from './note.ts'
import { addressAt, type Policy } from './policy.ts'
import { treeHead, treeSize } from './tree.ts'
import { bounded, causeOf } from './witnessing.ts'

/** A checkpoint that the log has signed, with those of the policy's witnesses that have signed it, too. */
export interface WitnessedCheckpoint {
  checkpoint: TreeCheckpoint
  cosignatures: Cosignature[]
}

/** Throws when log or witness did not sign this: a signature is missing or does not fit. */
export function readWitnessed(note: string, origin: string, publicKey: KeyObject, policy: Policy): WitnessedCheckpoint {
  return { checkpoint: readTreeCheckpoint(note, origin, publicKey), cosignatures: cosignaturesOf(note, policy.keys) }
}

const TIMEOUT_MS = 5_000

/** Asks each witness of the policy that has a URL what it has signed last; `silent` are those that gave nothing of use, and why. */
export async function askWitnesses(
  policy: Policy,
  origin: string,
  publicKey: KeyObject,
): Promise<{ found: WitnessedCheckpoint[]; silent: string[] }> {
  const found: WitnessedCheckpoint[] = []
  const silent: string[] = []
  const hash = originHash(origin)
  await Promise.all(
    policy.witnesses.map(async ({ key, url }) => {
      if (url === undefined) return
      try {
        const response = await fetch(addressAt(url, `${hash}/checkpoint`), {
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        })
        const text = await bounded(response)
        if (response.status !== 200) throw new Error(`${response.status} ${text}`)
        const witnessed = readWitnessed(text, origin, publicKey, policy)
        if (!witnessed.cosignatures.some(({ witness }) => witness === key))
          throw new Error('it has not signed what it shows')
        found.push(witnessed)
      } catch (error) {
        silent.push(`${key.name}: ${causeOf(error as Error)}`)
      }
    }),
  )
  return { found, silent }
}

const byWhom = ({ cosignatures }: WitnessedCheckpoint) =>
  cosignatures.length === 0
    ? 'nobody else'
    : cosignatures
        .map(({ witness, seconds }) => `${witness.name} at ${new Date(seconds * 1000).toISOString()}`)
        .join(', ')

/** Two of them with as many rows and another root; undefined when there are none. */
export function forkAmong(found: readonly WitnessedCheckpoint[]): string | undefined {
  const bySize = new Map<number, WitnessedCheckpoint>()
  for (const one of found) {
    const { size, root, origin } = one.checkpoint
    const other = bySize.get(size)
    if (other !== undefined && !other.checkpoint.root.equals(root))
      return (
        `FORK: ${origin} has signed two trees of ${size} rows: root ${other.checkpoint.root.toString('base64')}, signed by ${byWhom(other)}, ` +
        `and root ${root.toString('base64')}, signed by ${byWhom(one)}`
      )
    bySize.set(size, one)
  }
  return undefined
}

/** What of them a tree contradicts, the largest first; undefined when it begins with each of them. */
export async function treeAgainst(
  database: Queries,
  found: readonly WitnessedCheckpoint[],
): Promise<string | undefined> {
  const size = await treeSize(database)
  for (const one of found.toSorted((a, b) => b.checkpoint.size - a.checkpoint.size)) {
    const signed = one.checkpoint
    if (signed.size === 0) continue
    const who = `the log has signed ${signed.size} rows, and so has ${byWhom(one)}`
    if (size < signed.size) return `ROLLED BACK: the tree has ${size} rows; ${who}: the end was cut off`
    const { root } = await treeHead(database, signed.size)
    if (!root.equals(signed.root))
      return (
        `ANOTHER HISTORY: the first ${signed.size} rows of the tree have the root ${root.toString('base64')}; ${who}, ` +
        `with the root ${signed.root.toString('base64')}: the log was made anew, or shows two histories (a fork)`
      )
  }
  return undefined
}

/** The most rows that a quorum stands for, and since when at the latest; why there is none otherwise. */
export type Agreed = { size: number; seconds: number } | { lacks: string }

/** Who has signed a larger tree stands for the smaller ones, too, where all agree with one tree. */
export function agreedBy(policy: Policy, found: readonly WitnessedCheckpoint[]): Agreed {
  const sizes = [...new Set(found.map(({ checkpoint }) => checkpoint.size))].toSorted((a, b) => b - a)
  let lacks = policy.lacks([])
  for (const size of sizes) {
    const cosignatures = found.filter(({ checkpoint }) => checkpoint.size >= size).flatMap((one) => one.cosignatures)
    lacks = policy.lacks(cosignatures)
    if (lacks === undefined) return { size, seconds: oldestOf(cosignatures) }
  }
  return { lacks: lacks ?? 'there is no checkpoint' }
}

/** The oldest of the witnesses' newest signatures. */
function oldestOf(cosignatures: readonly Cosignature[]): number {
  const newest = new Map<string, number>()
  for (const { witness, seconds } of cosignatures)
    newest.set(witness.text, Math.max(seconds, newest.get(witness.text) ?? 0))
  return Math.min(...newest.values())
}
