/**
 * A witness as a process of its own, with its own key, on another machine than the log best (docs/audit.md):
 *
 *   node audit-service/witness-main.ts --begin --name NAME --key FILE --state FILE           makes key and state, and prints the verifier key
 *   node audit-service/witness-main.ts --key FILE --state FILE --log KEY --port PORT         signs what these logs send, until a signal
 *
 * Without database and telemetry. Exit code 2 when it can't begin.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import * as fs from 'node:fs'
import { parseArgs } from 'node:util'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { makeKeys, readSigningKey } from './checkpoint-format.ts'
import { ORIGIN_PATTERN, readVerifierKey, SIGNATURE, verifierKey } from './note.ts'
import { beginWitness, openWitness } from './witness.ts'
import { serveWitness } from './witness-server.ts'

const USAGE =
  'Use: --begin --name NAME --key FILE --state FILE | --key FILE --state FILE --log KEY [--log KEY] --port PORT [--host ADDRESS]; ' +
  "KEY is the log's, as npm run audit:keys prints it"
const text = { type: 'string' } as const
const options = {
  begin: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  log: { type: 'string', multiple: true },
  name: text,
  key: text,
  state: text,
  port: text,
  host: text,
} as const

const say = (line: string) => console.log(`${new Date().toISOString()} ${line}`)

try {
  const { values } = parseArgs({ options })
  if (values.help) console.log(USAGE)
  else if (values.begin) begin(values)
  else await serve(values)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}

function begin({ name = '', key, state }: { name?: string; key?: string; state?: string }): void {
  if (!key || !state) throw new Error(USAGE)
  if (!ORIGIN_PATTERN.test(name)) throw new Error(`--name is a name without spaces and plus signs. ${USAGE}`)
  if (fs.existsSync(state)) throw new Error(`${state} is there: a witness begins once, and then goes on`)
  const { privateKey } = makeKeys()
  fs.writeFileSync(key, privateKey, { mode: 0o600, flag: 'wx' })
  const made = createPrivateKey(privateKey)
  beginWitness(state, name, made)
  console.log(verifierKey(name, createPublicKey(made), SIGNATURE.cosignature))
}

async function serve(values: {
  key?: string
  state?: string
  port?: string
  host?: string
  log?: string[]
}): Promise<void> {
  const { key, state, port = '', host = '127.0.0.1', log = [] } = values
  if (!key || !state || log.length === 0 || !/^\d{1,5}$/.test(port)) throw new Error(USAGE)
  const logs = log.map((one) => readVerifierKey(one, SIGNATURE.ed25519))
  const witness = openWitness(state, readSigningKey(key), logs, (event, what) => say(`${event} ${what}`))
  const place = { host, port: Number(port), hosts: allowedHosts(process.env.SIGHTLINE_ALLOWED_HOSTS) }
  const server = await serveWitness(witness, place, (error) => say(`failed ${error.stack}`)).catch((error) => {
    witness.close()
    throw error
  })
  say(`${witness.verifierKey} listens on ${server.url} for ${logs.map(({ name }) => name).join(', ')}`)
  let closing: Promise<void> | undefined
  // Taken more than once: npm passes on what the terminal has sent already.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => (closing ??= server.close().then(witness.close)))
}
