/** The signed checkpoint of the tree: kept in a file beside that of the chain, and moved on while the service runs. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Component, every, type KitParts, outsideRequests, type Queries } from '@sightline/service-kit'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { readKept, readSigningKey } from './checkpoint-format.ts'
import type { Config } from './config.ts'
import { cosignaturesOf } from './cosignature.ts'
import { provesConsistency } from './merkle.ts'
import { readTreeCheckpoint, signTreeCheckpoint, type TreeCheckpoint } from './note.ts'
import type { Policy } from './policy.ts'
import { proveConsistency, treeHead, treeSize } from './tree.ts'
import { createWitnessing, type Witnessing } from './witnessing.ts'

/** Where the tree's checkpoint is kept, beside the chain's. */
export const noteFile = (checkpointFile: string) => `${checkpointFile}.note`

/** With what checkpoints are signed, and where the last one is kept. */
export interface Signer {
  origin: string
  key: KeyObject
  /** The file of the tree's checkpoint. */
  file: string
}

/**
 * Signs the tree as it is, and only when it begins with what was signed last, in the file or as `known`: else whoever rewrote
 * the log would have the other history signed. Resolves to the newest checkpoint, undefined while the tree is empty; rejects when
 * the tree does not hold the last one, and leaves that where it is.
 */
export async function renewTreeCheckpoint(
  database: Queries,
  signer: Signer,
  known?: TreeCheckpoint,
): Promise<TreeCheckpoint | undefined> {
  const { origin, key, file } = signer
  const kept = readCheckpointFile(file, signer)
  const last = known !== undefined && known.size > (kept?.size ?? 0) ? known : kept
  const size = await treeSize(database)
  if (last === undefined) {
    return size === 0 ? undefined : write(file, signTreeCheckpoint(await treeHead(database, size), origin, key))
  }
  const refuse = (why: string) =>
    new Error(`the tree no longer holds the checkpoint of ${last.size} rows in ${file}: ${why}; npm run audit:verify`)
  if (size < last.size) throw refuse(`it has ${size}`)
  const { first, second, hashes } = await proveConsistency(database, last.size, size)
  if (!first.root.equals(last.root)) throw refuse('its root is another')
  if (!provesConsistency(first, second, hashes)) throw refuse('what was added does not follow from it')
  if (size === last.size) return last === kept ? last : write(file, last)
  return write(file, signTreeCheckpoint(second, origin, key))
}

/** undefined when none is kept. */
function readCheckpointFile(file: string, { origin, key }: Signer): TreeCheckpoint | undefined {
  return readKept(file, (note) => readTreeCheckpoint(note, origin, createPublicKey(key)))
}

/** To be kept elsewhere, too: everybody may read it. */
function write(file: string, checkpoint: TreeCheckpoint): TreeCheckpoint {
  writeWhole(file, checkpoint.note, 0o644)
  return checkpoint
}

export interface TreeCheckpoints extends Component {
  /** Whether this service has a key to sign with. */
  signs: boolean
  /**
   * The newest checkpoint, of so many rows or more where the tree has them; the last one when the tree does not hold it any more,
   * which the log tells. With witnesses the newest that enough of them have signed: it is not waited for. undefined while there is none.
   */
  newest(leastSize?: number): Promise<TreeCheckpoint | undefined>
  /** What the newest tree that was signed here still lacks; undefined when it lacks nothing. */
  lacks(): string | undefined
}

/** A checkpoint is brought to the witnesses anew after this time although the tree has not grown: their date says until when nothing was cut off. */
const REFRESH_MS = 60_000

/** Keeps the tree's checkpoint up to date while the service runs; signs nothing without a configured file and key. */
export function createTreeCheckpoints(
  deps: Pick<KitParts<Config>, 'config' | 'database' | 'logger' | 'metrics'>,
): TreeCheckpoints {
  const { config, database, logger } = deps
  const file = config.AUDIT_CHECKPOINT_FILE
  const keyFile = config.AUDIT_SIGNING_KEY_FILE
  if (file === undefined || keyFile === undefined)
    return { signs: false, newest: async () => undefined, lacks: () => undefined, stop: async () => {} }
  const signer = { origin: config.AUDIT_LOG_ORIGIN, key: readSigningKey(keyFile), file: noteFile(file) }
  const policy = config.AUDIT_WITNESSES
  return policy === undefined
    ? createSigned(signer, config.AUDIT_CHECKPOINT_MS, deps)
    : createWitnessed(signer, policy, createWitnessing(policy, deps), config.AUDIT_CHECKPOINT_MS, { database, logger })
}

/** What is signed is what everybody gets. */
function createSigned(
  signer: Signer,
  everyMs: number,
  { database, logger }: Pick<KitParts, 'database' | 'logger'>,
): TreeCheckpoints {
  let last: TreeCheckpoint | undefined
  const renew = oneAtATime(async () => {
    try {
      last = (await renewTreeCheckpoint(database, signer, last)) ?? last
    } catch (error) {
      logger.error('the tree could not be signed', error as Error)
    }
  })
  return {
    signs: true,
    async newest(leastSize = 1) {
      if (last === undefined || last.size < leastSize) await renew()
      return last
    },
    lacks: () => undefined,
    ...every(everyMs, renew),
  }
}

/** What is signed is kept aside until enough witnesses have signed it, too; then it is what everybody gets. */
function createWitnessed(
  signer: Signer,
  policy: Policy,
  witnessing: Witnessing,
  everyMs: number,
  { database, logger }: Pick<KitParts, 'database' | 'logger'>,
): TreeCheckpoints {
  const aside = { ...signer, file: `${signer.file}.next` }
  let published: TreeCheckpoint | undefined
  let publishedAt = 0
  let signed: TreeCheckpoint | undefined
  let unusable: Error | undefined
  let lacks: string | undefined = 'no witness was asked yet'
  try {
    signed = readCheckpointFile(signer.file, signer)
  } catch (error) {
    // What another key has signed is not written over; that it is so is said whenever there is something to sign.
    unusable = error as Error
  }
  if (signed !== undefined) {
    lacks = lacksOf(signed)
    if (lacks === undefined) published = signed
  }

  function lacksOf({ note }: TreeCheckpoint): string | undefined {
    try {
      return policy.lacks(cosignaturesOf(note, policy.keys))
    } catch (error) {
      return (error as Error).message
    }
  }

  /** Resolves when the tree is signed, and its witnesses are asked. */
  const renew = oneAtATime(async () => {
    try {
      await sign()
      // Twice where a witness has signed a larger tree, for another service on this log.
      if (await publish()) {
        await sign()
        await publish()
      }
    } catch (error) {
      logger.error('the tree could not be signed', error as Error)
    }
  })

  async function sign(): Promise<void> {
    if (unusable !== undefined) throw unusable
    signed = (await renewTreeCheckpoint(database, aside, signed)) ?? signed
  }

  /** Resolves to whether a larger tree is to be signed first; rejects when there is none, though a witness has signed it. */
  async function publish(): Promise<boolean> {
    if (signed === undefined) return false
    if (published?.size === signed.size && performance.now() - publishedAt < REFRESH_MS && publishedAt > 0) return false
    const witnessed = await witnessing.collect(signed)
    lacks = witnessed.lacks
    if (lacks === undefined) {
      published = write(signer.file, { ...signed, note: witnessed.note })
      publishedAt = performance.now()
    }
    if (witnessed.ahead === 0) return false
    const size = await treeSize(database)
    if (size >= witnessed.ahead) return lacks !== undefined
    throw new Error(
      `a witness has signed ${witnessed.ahead} rows, and the tree has ${size}: the end was cut off; npm run audit:verify`,
    )
  }

  return {
    signs: true,
    async newest(leastSize = 1) {
      // Witnesses are not waited for; who asks again gets what they have signed meanwhile.
      if (published === undefined || published.size < leastSize) void outsideRequests(renew)
      return published
    },
    lacks: () => lacks,
    ...every(everyMs, renew),
  }
}

/** Who asks for what is under way gets its end. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= work().finally(() => {
      running = undefined
    })
    return running
  }
}
