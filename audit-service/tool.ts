/**
 * The audit chain from the command line, with the database settings of PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD (or PGPASSWORD_FILE):
 *
 *   node audit-service/tool.ts verify [--checkpoint FILE --public-key FILE [--max-age SECONDS]]   exit code 1 when it is broken or overdue, 2 when it can't be read
 *   node audit-service/tool.ts verify --proof FILE [--checkpoint NOTE] --public-key FILE          the same codes; offline, without a database
 *   node audit-service/tool.ts checkpoint --out FILE --key FILE               signs the end of the chain, and the tree in FILE.note
 *   node audit-service/tool.ts keys --out FOLDER                              makes an Ed25519 key pair
 *
 * A checkpoint is one of the chain or of the tree. --origin is what the log is called, AUDIT_LOG_ORIGIN of the service.
 */

import { createPublicKey } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { counted } from '@sightline/contracts/counted'
import { withFiles } from '@sightline/service-kit/config'
import pg from 'pg'
import { renewCheckpoint } from './checkpoint.ts'
import { makeKeys, readCheckpoint, readSigningKey } from './checkpoint-format.ts'
import { DEFAULT_ORIGIN, readTreeCheckpoint, verifierKey } from './note.ts'
import { renewTreeCheckpoint } from './tree-checkpoint.ts'
import { verifyChain } from './verify.ts'
import { verifyProof } from './verify-proof.ts'

const USAGE =
  'Use: verify [--checkpoint FILE --public-key FILE [--max-age SECONDS]] | verify --proof FILE [--checkpoint NOTE] --public-key FILE | ' +
  'checkpoint --out FILE --key FILE | keys --out FOLDER; each with [--origin NAME]'
const text = { type: 'string' } as const
const flags = { checkpoint: text, 'public-key': text, 'max-age': text, out: text, key: text, proof: text, origin: text }
const help = { type: 'boolean', short: 'h' } as const
type Options = Partial<Record<keyof typeof flags, string>>
const commands: Record<string, (options: Options) => Promise<number>> = { verify, checkpoint, keys }

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { ...flags, help } })
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
  if ((options.checkpoint || options.proof) && !options['public-key'])
    throw new Error(`What is signed is checked with --public-key. ${USAGE}`)
  if (options.proof) return proof(options)
  const { known, treeCheckpoint } = readKnown(options)
  const maxAge = Number(options['max-age'] ?? Number.POSITIVE_INFINITY)
  if (Number.isNaN(maxAge) || (options['max-age'] !== undefined && known === undefined)) {
    throw new Error(`--max-age is the age of a checkpoint of the chain, in seconds. ${USAGE}`)
  }
  const result = await withDatabase((query) =>
    verifyChain(query, {
      ...(known ? { checkpoint: known } : {}),
      ...(treeCheckpoint ? { treeCheckpoint } : {}),
      onProgress(checked, total) {
        if (process.stderr.isTTY) process.stderr.write(`\r${checked} of ${total} rows`)
      },
    }),
  )
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  const { first_broken: fault, checked, unsealed, last_hash, last_position, tree_size, duration_ms } = result
  console.log(
    `${counted(checked, 'row')} checked in ${(duration_ms / 1000).toFixed(1)} s, ${unsealed} not sealed yet, ` +
      `${Math.max(0, last_position - tree_size)} not in the tree yet`,
  )
  if (fault === null && known !== undefined) {
    const age = Math.round((Date.now() - Date.parse(known.created_at)) / 1000)
    const since = last_position - known.position
    console.log(
      `intact; last seal ${last_hash}; agrees with the checkpoint at ${known.position}\n` +
        `The checkpoint was signed at ${known.created_at}, ${age} s ago: of the ${counted(since, 'row')} sealed since, and of any that were ` +
        'cut off behind it, it says nothing.',
    )
    if (age <= maxAge) return 0
    console.log(`TOO OLD: --max-age is ${maxAge} s. An older checkpoint may have been put back to hide a cut-off end.`)
    return 1
  }
  if (fault === null) {
    const agrees = treeCheckpoint ? `; agrees with the checkpoint of the tree at ${treeCheckpoint.size}` : ''
    console.log(`intact; last seal ${last_hash}${agrees}`)
    return 0
  }
  if (result.status === 'overdue') {
    console.log(`OVERDUE: audit row ${fault.audit_id}: ${fault.reason}`)
    return 1
  }
  console.log(
    `BROKEN at position ${fault.position ?? 'none'}, audit row ${fault.audit_id ?? 'unknown'}: ${fault.reason}`,
  )
  return 1
}

/** The checkpoint that was given, by what it is: the chain's is JSON, the tree's a signed note. */
function readKnown({ checkpoint: file, 'public-key': keyFile, origin = DEFAULT_ORIGIN }: Options) {
  if (!file || !keyFile) return {}
  const [given, key] = [fs.readFileSync(file, 'utf8'), fs.readFileSync(keyFile, 'utf8')]
  if (/\n\n— /.test(given)) return { treeCheckpoint: readTreeCheckpoint(given, origin, createPublicKey(key)) }
  return { known: readCheckpoint(given, key) }
}

async function proof(options: Options): Promise<number> {
  const file = fs.readFileSync(options.proof!, 'utf8')
  const key = createPublicKey(fs.readFileSync(options['public-key']!, 'utf8'))
  const note = options.checkpoint && fs.readFileSync(options.checkpoint, 'utf8')
  const started = performance.now()
  const { entry, checkpoint, fault } = verifyProof(file, options.origin ?? DEFAULT_ORIGIN, key, note)
  const took = `${(performance.now() - started).toFixed(1)} ms`
  if (fault !== undefined) {
    console.log(`NOT PROVEN: audit row ${entry.id}: ${fault}`)
    return 1
  }
  console.log(
    `proven in ${took}: audit row ${entry.id} (order ${entry.order_id}, ${entry.action}, recorded ${entry.recorded_at}, sealed ${entry.sealed_at}) ` +
      `is number ${entry.position} of the ${counted(checkpoint.size, 'row')} that ${checkpoint.origin} has signed`,
  )
  return 0
}

async function checkpoint({ out, key, origin = DEFAULT_ORIGIN }: Options): Promise<number> {
  if (!out || !key) throw new Error(USAGE)
  const signingKey = readSigningKey(key)
  const [made, tree] = await withDatabase(async (query) => [
    await renewCheckpoint(query, signingKey, out),
    await renewTreeCheckpoint(query, { origin, key: signingKey, file: out }),
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

async function withDatabase<T>(work: (queries: Parameters<typeof verifyChain>[0]) => Promise<T>): Promise<T> {
  const { PGPASSWORD: password } = withFiles(process.env, ['PGPASSWORD'])
  const client = new pg.Client({ application_name: 'audit-tool', password })
  // Positions and ids as numbers, as the service reads them.
  client.setTypeParser(pg.types.builtins.INT8, Number)
  await client.connect()
  try {
    return await work({
      query: async (statement, values) => (await client.query({ ...statement, values: values ?? [] })).rows,
    })
  } finally {
    await client.end()
  }
}
