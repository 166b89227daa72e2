/**
 * The audit chain from the command line, with the database settings of PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD (or PGPASSWORD_FILE):
 *
 *   node audit-service/tool.ts verify [--checkpoint FILE --public-key FILE [--max-age SECONDS]]   exit code 1 when it is broken or overdue, 2 when it can't be read
 *   node audit-service/tool.ts verify --state FILE                            what is new since the last time with this file; goes on where one was stopped
 *   node audit-service/tool.ts verify --proof FILE [--checkpoint NOTE] --public-key FILE          the same codes; offline, without a database
 *   node audit-service/tool.ts verify ... --policy FILE | --witness KEY [--witness KEY] [--quorum N]     with enough witnesses, see below
 *   node audit-service/tool.ts verify --archive FILE [--archive FILE] ...     the rows that have left as well; all of them are to be given
 *   node audit-service/tool.ts archive --before DATE --out FILE --key FILE    moves rows sealed before DATE, and their orders, into a file
 *   node audit-service/tool.ts checkpoint --out FILE --key FILE               signs the end of the chain, and the tree in FILE.note
 *   node audit-service/tool.ts keys --out FOLDER                              makes an Ed25519 key pair
 *
 * A checkpoint is one of the chain or of the tree. --origin is what the log is called, AUDIT_LOG_ORIGIN of the service. With witnesses
 * a proof, or a checkpoint of the tree, has to bear the signatures of a quorum; where the policy has URLs and the database is read, the
 * witnesses are asked for the newest that they have signed, and rows and checkpoints are held against all of them.
 */

import { createPublicKey, type KeyObject } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { counted } from '@sightline/contracts/counted'
import { type BulkQueries, type Queries, sessionQueries } from '@sightline/service-kit'
import { withFiles } from '@sightline/service-kit/config'
import { writeWhole } from '@sightline/service-kit/whole-file'
import pg from 'pg'
import { z } from 'zod'
import { archive, boundaryFault, readBoundaries } from './archive.ts'
import { renewCheckpoint } from './checkpoint.ts'
import { type Checkpoint, isEmptied, makeKeys, readCheckpoint, readSigningKey } from './checkpoint-format.ts'
import { cosignaturesOf, readWitnessKey } from './cosignature.ts'
import { DEFAULT_ORIGIN, readTreeCheckpoint, type TreeCheckpoint, verifierKey } from './note.ts'
import { type Policy, quorumOf, readPolicy } from './policy.ts'
import { noteFile, renewTreeCheckpoint } from './tree-checkpoint.ts'
import { type KnownPlace, verifyChain } from './verify.ts'
import { verifyProof } from './verify-proof.ts'
import { type Agreed, agreedBy, askWitnesses, forkAmong, readWitnessed, treeAgainst } from './witnessed.ts'

const USAGE =
  'Use: verify [--state FILE] [--checkpoint FILE --public-key FILE [--max-age SECONDS]] | verify --proof FILE [--checkpoint NOTE] --public-key FILE | ' +
  'archive --before DATE --out FILE --key FILE | checkpoint --out FILE --key FILE | keys --out FOLDER; each with [--origin NAME], ' +
  'verify also with --archive FILE for each archive, --policy FILE, or --witness KEY for each witness and [--quorum N]'
const text = { type: 'string' } as const
const flags = {
  checkpoint: text,
  'public-key': text,
  'max-age': text,
  out: text,
  key: text,
  proof: text,
  origin: text,
  policy: text,
  quorum: text,
  state: text,
  before: text,
}
const several = { type: 'string', multiple: true } as const
const help = { type: 'boolean', short: 'h' } as const
type Options = Partial<Record<keyof typeof flags, string>> & { witness?: string[]; archive?: string[] }
/** What `verify --state` keeps. */
const stateSchema = z.strictObject({
  format: z.literal('sightline-audit-verified-1'),
  position: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
})
const commands: Record<string, (options: Options) => Promise<number>> = { verify, archive: moveOut, checkpoint, keys }

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { ...flags, witness: several, archive: several, help },
  })
  const name = positionals[0] ?? 'verify'
  if (!Object.hasOwn(commands, name)) throw new Error(USAGE)
  if (values.help) console.log(USAGE)
  else process.exitCode = await commands[name]!(values)
} catch (error) {
  // A refused connection is an AggregateError without a message.
  const { message, code } = error as Error & { code?: string }
  console.error(message || `PostgreSQL at ${process.env.PGHOST}:${process.env.PGPORT}: ${code}`)
  process.exitCode = 2
}

async function verify(options: Options): Promise<number> {
  const policy = readWitnesses(options)
  const key = readLogKey(options, policy)
  if (options.proof) return proof(options, policy, key)
  const { known, treeCheckpoint } = readKnown(options, key)
  const state = options.state === undefined ? undefined : openState(options.state)
  const maxAge = Number(options['max-age'] ?? Number.POSITIVE_INFINITY)
  if (Number.isNaN(maxAge) || (options['max-age'] !== undefined && known === undefined && policy === undefined)) {
    throw new Error(
      `--max-age is the age of a checkpoint of the chain, or of what witnesses have signed, in seconds. ${USAGE}`,
    )
  }
  const { result, boundaries, archiveFault, witnesses } = await withDatabase(async (query) => {
    const boundaries = await readBoundaries(query)
    const files = options.archive ?? []
    const archiveFault = await boundaryFault(query, boundaries, options.origin ?? DEFAULT_ORIGIN, key, files, known)
    const result = await verifyChain(query, {
      ...(known ? { checkpoint: known } : {}),
      ...(treeCheckpoint ? { treeCheckpoint } : {}),
      ...(state?.known ? { known: state.known } : {}),
      onProgress(checked, total, place) {
        state?.keep(place)
        if (process.stderr.isTTY) process.stderr.write(`\r${checked} of ${total} rows`)
      },
    })
    return {
      result,
      boundaries,
      archiveFault,
      witnesses: policy && key && (await holdAgainst(query, policy, options, key, treeCheckpoint)),
    }
  })
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  const { first_broken: fault, checked, unsealed, last_hash, last_position, tree_size, duration_ms } = result
  if (state?.known) console.log(`${state.known.position} were checked before, and are not read again`)
  console.log(
    `${counted(checked, 'row')} checked in ${(duration_ms / 1000).toFixed(1)} s, ${unsealed} not sealed yet, ` +
      `${Math.max(0, last_position - tree_size)} not in the tree yet`,
  )
  const left = boundaries.at(-1)?.position ?? 0
  if (archiveFault !== undefined) {
    console.log(`BROKEN: ${archiveFault}`)
    return 1
  }
  if (left > 0)
    console.log(
      `${counted(left, 'row')} before them left by ${counted(boundaries.length, 'archive')}` +
        (options.archive ? ', each checked against its seal and its leaf' : ', not read: --archive FILE') +
        (key ? '; the boundaries are signed' : '; --public-key FILE tells whether their boundaries are signed'),
    )
  for (const line of witnesses?.silent ?? []) console.log(`a witness gave nothing: ${line}`)
  if (fault !== null) {
    console.log(
      result.status === 'overdue'
        ? `OVERDUE: audit row ${fault.audit_id}: ${fault.reason}`
        : `BROKEN at position ${fault.position ?? 'none'}, audit row ${fault.audit_id ?? 'unknown'}: ${fault.reason}`,
    )
  }
  if (witnesses?.fault) console.log(witnesses.fault)
  if (fault !== null || witnesses?.fault) return 1
  const agrees = treeCheckpoint ? `; agrees with the checkpoint of the tree at ${treeCheckpoint.size}` : ''
  if (known === undefined) console.log(`intact; last seal ${last_hash}${agrees}`)
  const codes = [
    known === undefined ? 0 : reportKnown(known, last_hash, last_position, maxAge),
    witnesses === undefined ? 0 : reportAgreed(witnesses.agreed, tree_size, maxAge),
  ]
  return Math.max(...codes)
}

function reportKnown(known: Checkpoint, lastHash: string, lastPosition: number, maxAge: number): number {
  const age = Math.round((Date.now() - Date.parse(known.created_at)) / 1000)
  console.log(
    `intact; last seal ${lastHash}; agrees with the checkpoint at ${known.position}\n` +
      `The checkpoint was signed at ${known.created_at}, ${age} s ago: of the ${counted(lastPosition - known.position, 'row')} sealed since, and of any ` +
      'that were cut off behind it, it says nothing.',
  )
  if (age <= maxAge) return 0
  console.log(`TOO OLD: --max-age is ${maxAge} s. An older checkpoint may have been put back to hide a cut-off end.`)
  return 1
}

/** What was verified with this file before, if anything, and what keeps how far a verification has come. */
function openState(file: string): { known: KnownPlace | undefined; keep(place: KnownPlace): void } {
  return {
    known: readState(file),
    keep({ position, hash }) {
      if (position > 0)
        writeWhole(file, `${JSON.stringify({ format: 'sightline-audit-verified-1', position, hash })}\n`, 0o644)
    },
  }
}

/** undefined when there is none yet, or one that a power cut has emptied: then all is verified. */
function readState(file: string): KnownPlace | undefined {
  const written = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  if (isEmptied(written)) return undefined
  try {
    return stateSchema.parse(JSON.parse(written))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw new Error(`${file} is kept, since it does not say how far a verification came; choose another file: ${why}`)
  }
}

/** What the witnesses of a policy say of the tree, those that can be asked and those on the checkpoint that was given. */
async function holdAgainst(
  query: Queries,
  policy: Policy,
  { origin = DEFAULT_ORIGIN }: Options,
  key: KeyObject,
  given: TreeCheckpoint | undefined,
): Promise<{ fault: string | undefined; silent: string[]; agreed: Agreed }> {
  const { found, silent } = await askWitnesses(policy, origin, key)
  if (given !== undefined) found.push(readWitnessed(given.note, origin, key, policy))
  return {
    fault: forkAmong(found) ?? (await treeAgainst(query, found)),
    silent,
    agreed: agreedBy(policy, found),
  }
}

function reportAgreed(agreed: Agreed, treeSize: number, maxAge: number): number {
  if ('lacks' in agreed) {
    console.log(`NOT WITNESSED: ${agreed.lacks}`)
    return 1
  }
  const age = Math.round(Date.now() / 1000 - agreed.seconds)
  console.log(
    `A quorum of witnesses has signed ${counted(agreed.size, 'row')} of it, ${age} s ago; of the ${counted(treeSize - agreed.size, 'row')} in the tree since they say nothing.`,
  )
  if (age <= maxAge) return 0
  console.log(`TOO OLD: --max-age is ${maxAge} s, and not enough witnesses have signed anything since.`)
  return 1
}

/** undefined where none are asked for. */
function readWitnesses({ policy: file, witness: keys = [], quorum }: Options): Policy | undefined {
  if (file !== undefined && (keys.length > 0 || quorum !== undefined))
    throw new Error(`--policy has witnesses and a quorum of its own: leave --witness and --quorum out. ${USAGE}`)
  if (file !== undefined) return readPolicy(fs.readFileSync(file, 'utf8'))
  if (keys.length === 0 && quorum === undefined) return undefined
  const least = quorum === undefined ? keys.length : Number(quorum)
  if (!Number.isInteger(least) || least < 1 || least > keys.length)
    throw new Error(`--quorum is a number from 1 to that of --witness, ${keys.length}. ${USAGE}`)
  return quorumOf(
    keys.map((key) => ({ key: readWitnessKey(key), url: undefined })),
    least,
  )
}

/** The log's key, from its file or the policy; undefined where nothing that it signs is given. */
function readLogKey(options: Options, policy: Policy | undefined): KeyObject | undefined {
  if (options['public-key']) return createPublicKey(fs.readFileSync(options['public-key'], 'utf8'))
  const logs = policy?.logs.filter(({ name }) => name === (options.origin ?? DEFAULT_ORIGIN)) ?? []
  if (logs.length === 1) return logs[0]!.publicKey
  if (options.checkpoint || options.proof || policy)
    throw new Error(
      `What is signed is checked with --public-key, or with the one log of this origin in --policy. ${USAGE}`,
    )
  return undefined
}

/** The checkpoint that was given, by what it is: the chain's is JSON, the tree's a signed note. */
function readKnown({ checkpoint: file, origin = DEFAULT_ORIGIN }: Options, key: KeyObject | undefined) {
  if (!file || !key) return {}
  const given = fs.readFileSync(file, 'utf8')
  if (/\n\n— /.test(given)) return { treeCheckpoint: readTreeCheckpoint(given, origin, key) }
  return { known: readCheckpoint(given, key.export({ type: 'spki', format: 'pem' }).toString()) }
}

async function proof(options: Options, policy: Policy | undefined, key: KeyObject | undefined): Promise<number> {
  const file = fs.readFileSync(options.proof!, 'utf8')
  const note = options.checkpoint && fs.readFileSync(options.checkpoint, 'utf8')
  const started = performance.now()
  const { entry, checkpoint, fault, lacks } = verifyProof(file, options.origin ?? DEFAULT_ORIGIN, key!, note, policy)
  const took = `${(performance.now() - started).toFixed(1)} ms`
  const why = fault ?? lacks
  if (why !== undefined) {
    console.log(`NOT PROVEN: audit row ${entry.id}: ${why}`)
    return 1
  }
  const witnesses = policy && cosignaturesOf(checkpoint.note, policy.keys)
  console.log(
    `proven in ${took}: audit row ${entry.id} (order ${entry.order_id}, ${entry.action}, recorded ${entry.recorded_at}, sealed ${entry.sealed_at}) ` +
      `is number ${entry.position} of the ${counted(checkpoint.size, 'row')} that ${checkpoint.origin} has signed` +
      (witnesses
        ?.map(({ witness: { name }, seconds }) => `, and ${name} at ${new Date(seconds * 1000).toISOString()}`)
        .join('') ?? ''),
  )
  return 0
}

async function moveOut({ before, out, key, origin = DEFAULT_ORIGIN }: Options): Promise<number> {
  if (!before || !out || !key) throw new Error(USAGE)
  const date = new Date(before)
  if (Number.isNaN(date.getTime()))
    throw new Error(`--before ${before} is no date: 2026-01-31, or with a time, 2026-01-31T12:00:00Z`)
  const signingKey = readSigningKey(key)
  const { boundary, removed } = await withDatabase((query) =>
    archive(query, { before: date, file: out, key: signingKey, origin }),
  )
  if (boundary === undefined)
    console.log(`No row to archive: none was sealed before ${date.toISOString()} and is free to leave.`)
  else
    console.log(
      `${out}: rows ${boundary.first} to ${boundary.position} with their orders, SHA-256 ${boundary.file_hash}. ` +
        'Keep it: with every archive the whole log can be verified.',
    )
  console.log(`${counted(removed, 'row')} removed`)
  return 0
}

async function checkpoint({ out, key, origin = DEFAULT_ORIGIN }: Options): Promise<number> {
  if (!out || !key) throw new Error(USAGE)
  const signingKey = readSigningKey(key)
  const [made, tree] = await withDatabase(async (query) => [
    await renewCheckpoint(query, signingKey, out),
    await renewTreeCheckpoint(query, { origin, key: signingKey, file: noteFile(out) }),
  ])
  if (made === undefined) throw new Error('The chain is empty: there is nothing to sign yet.')
  console.log(
    `${out}: position ${made.position}, seal ${made.hash}. Keep it where the database's owner can't change it.` +
      (tree
        ? `\n${out}.note: ${counted(tree.size, 'row')} in the tree, root ${tree.root.toString('base64')}. Keep it there, too.`
        : ''),
  )
  return 0
}

async function keys({ out, origin = DEFAULT_ORIGIN }: Options): Promise<number> {
  if (!out) throw new Error(USAGE)
  const { privateKey, publicKey } = makeKeys()
  fs.mkdirSync(out, { recursive: true })
  fs.writeFileSync(path.join(out, 'audit-private.pem'), privateKey, { mode: 0o600, flag: 'wx' })
  fs.writeFileSync(path.join(out, 'audit-public.pem'), publicKey, { flag: 'wx' })
  console.log(`audit-private.pem and audit-public.pem are in ${out}. For other readers of signed notes:`)
  console.log(verifierKey(origin, createPublicKey(publicKey)))
  return 0
}

async function withDatabase<T>(work: (queries: BulkQueries) => Promise<T>): Promise<T> {
  const { PGPASSWORD: password } = withFiles(process.env, ['PGPASSWORD'])
  const client = new pg.Client({ application_name: 'audit-tool', password })
  await client.connect()
  try {
    // The roles of services have a limit for what nobody waits for any more; here somebody does, for a log of any length.
    await client.query('set statement_timeout = 0')
    return await work(sessionQueries(client))
  } finally {
    await client.end()
  }
}
