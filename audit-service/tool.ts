/**
 * The audit chain from the command line, with the database settings of PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD (or PGPASSWORD_FILE):
 *
 *   node audit-service/tool.ts verify [--checkpoint FILE --public-key FILE [--max-age SECONDS]]   exit code 1 when it is broken or overdue, 2 when it can't be read
 *   node audit-service/tool.ts checkpoint --out FILE --key FILE               signs the end of the chain
 *   node audit-service/tool.ts keys --out FOLDER                              makes an Ed25519 key pair
 */

import * as fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { counted } from '@sightline/contracts/counted'
import { withFiles } from '@sightline/service-kit/config'
import pg from 'pg'
import { renewCheckpoint } from './checkpoint.ts'
import { makeKeys, readCheckpoint, readSigningKey } from './checkpoint-format.ts'
import { verifyChain } from './verify.ts'

const USAGE =
  'Use: verify [--checkpoint FILE --public-key FILE [--max-age SECONDS]] | checkpoint --out FILE --key FILE | keys --out FOLDER'
const text = { type: 'string' } as const
const flags = { checkpoint: text, 'public-key': text, 'max-age': text, out: text, key: text }
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
  if (options.checkpoint && !options['public-key'])
    throw new Error(`A checkpoint is checked with --public-key. ${USAGE}`)
  const known = options.checkpoint
    ? readCheckpoint(fs.readFileSync(options.checkpoint, 'utf8'), fs.readFileSync(options['public-key']!, 'utf8'))
    : undefined
  const maxAge = Number(options['max-age'] ?? Number.POSITIVE_INFINITY)
  if (Number.isNaN(maxAge) || (options['max-age'] !== undefined && known === undefined)) {
    throw new Error(`--max-age is the age of a checkpoint, in seconds. ${USAGE}`)
  }
  const result = await withDatabase((query) =>
    verifyChain(query, {
      ...(known ? { checkpoint: known } : {}),
      onProgress(checked, total) {
        if (process.stderr.isTTY) process.stderr.write(`\r${checked} of ${total} rows`)
      },
    }),
  )
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  const { first_broken: fault, checked, unsealed, last_hash, duration_ms } = result
  console.log(`${counted(checked, 'row')} checked in ${(duration_ms / 1000).toFixed(1)} s, ${unsealed} not sealed yet`)
  if (fault === null && known !== undefined) {
    const age = Math.round((Date.now() - Date.parse(known.created_at)) / 1000)
    const since = result.last_position - known.position
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
    console.log(`intact; last seal ${last_hash}`)
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

async function checkpoint({ out, key }: Options): Promise<number> {
  if (!out || !key) throw new Error(USAGE)
  const signingKey = readSigningKey(key)
  const made = await withDatabase((query) => renewCheckpoint(query, signingKey, out))
  if (made === undefined) throw new Error('The chain is empty: there is nothing to sign yet.')
  console.log(
    `${out}: position ${made.position}, seal ${made.hash}. Keep it where the database's owner can't change it.`,
  )
  return 0
}

async function keys({ out }: Options): Promise<number> {
  if (!out) throw new Error(USAGE)
  const { privateKey, publicKey } = makeKeys()
  fs.mkdirSync(out, { recursive: true })
  fs.writeFileSync(path.join(out, 'audit-private.pem'), privateKey, { mode: 0o600, flag: 'wx' })
  fs.writeFileSync(path.join(out, 'audit-public.pem'), publicKey, { flag: 'wx' })
  console.log(`audit-private.pem and audit-public.pem are in ${out}`)
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
