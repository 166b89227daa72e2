/**
 * Can the owner of the database change the audit log unnoticed? `node_modules/.bin/node bench/audit/tamper.ts [--count 1000] [--seed 1]`.
 * A log in a PostgreSQL of its own, an audit-service that signs it, and two witnesses, each a process; then so many tamperings, each
 * verified with the witnesses and taken back; then the window: what is not noticed before the witnesses have signed, and how long that is.
 * Exit code 1 when one tampering was not found or not named.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startTestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import { startProcess } from '@sightline/service-kit/testing'
import { makeKeys } from '../../audit-service/checkpoint-format.ts'
import { DEFAULT_ORIGIN, readTreeCheckpoint, verifierKey } from '../../audit-service/note.ts'
import { readPolicy } from '../../audit-service/policy.ts'
import {
  KIND_NAMES,
  type Outcome,
  ownerOf,
  type Scene,
  tamperInWindow,
  tamperOnce,
} from '../../audit-service/test/tamperings.ts'
import { event, recordOrders } from '../../audit-service/test/testing.ts'
import { quantile } from '../chain/slices.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    list: { type: 'boolean' },
  },
})
const [count, seed] = [Number(values.count), Number(values.seed)]
/** In the tree when the witnesses sign; three levels of tiles would change nothing but the time. */
const STEPS = [100, 200, 300]
const MORE = 12
const EVENTS = 200

const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-tamper-'))
const witnessMain = path.join(import.meta.dirname, '../../audit-service/witness-main.ts')
const children: ChildProcess[] = []

/** Begins a witness and runs it; resolves to its line in a policy. */
async function startWitness(name: string, logKey: string): Promise<string> {
  const files = ['--key', path.join(folder, `${name}.pem`), '--state', path.join(folder, `${name}.state`)]
  const begin = spawn(process.execPath, [witnessMain, '--begin', '--name', `local/${name}`, ...files], {
    stdio: 'inherit',
  })
  if ((await once(begin, 'exit'))[0] !== 0) throw new Error(`${name} could not begin`)
  const child = spawn(process.execPath, [witnessMain, ...files, '--log', logKey, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
    createInterface(child.stdout!).on('line', (line) => {
      const [, key, url] = / (\S+) listens on (\S+) /.exec(line) ?? []
      if (key !== undefined) resolve(`witness ${name} ${key} ${url}`)
    })
  })
}

interface Log {
  database: TestDatabase
  service: Awaited<ReturnType<typeof startProcess>>
  /** The newest note that a quorum has signed, of so many rows or more. */
  witnessed(rows: number): Promise<string>
}

function publishedBy({ service }: Pick<Log, 'service'>, publicKey: Scene['publicKey']) {
  return async (rows: number) => {
    let note = ''
    await until(`${rows} rows are witnessed`, 120, async () => {
      const answer = await service.call('GET', '/audit/checkpoint')
      note = answer.text
      return answer.status === 200 && readTreeCheckpoint(note, DEFAULT_ORIGIN, publicKey).size >= rows
    })
    return note
  }
}

async function tamperings(scene: Scene): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let n = 0; n < count; n++) {
    const outcome = await tamperOnce(scene, seed, n)
    outcomes.push(outcome)
    if (values.list || outcome.missed)
      console.log(`${n} ${outcome.kind}, ${outcome.what}\n    ${outcome.missed ?? ''} ${outcome.found}`)
  }
  return outcomes
}

/** How long each of some events takes from its answer to its seal and to its witnesses, seconds; the defaults of the service decide. */
async function windowOf(
  { database, service, witnessed }: Log,
  publicKey: Scene['publicKey'],
  from: number,
): Promise<Record<string, number[]>> {
  const answered: number[] = []
  const found: number[] = []

  async function record(): Promise<void> {
    for (let n = 0; n < EVENTS; n++) {
      const recorded = event(1_000_000 + n, { user_id: 1, occurred_at: new Date().toISOString() })
      const { status, text } = await service.call('POST', '/process', recorded)
      if (status !== 200) throw new Error(text)
      answered.push(performance.now())
      await delay(100)
    }
  }

  async function watch(): Promise<void> {
    while (found.length < EVENTS) {
      const { size } = readTreeCheckpoint(await witnessed(from + found.length + 1), DEFAULT_ORIGIN, publicKey)
      const at = performance.now()
      // A row may be there before its own answer.
      while (from + found.length < size) found.push(Math.max(0, at - (answered[found.length] ?? at)) / 1000)
    }
  }

  await Promise.all([record(), watch()])
  const lags = await database.query<{ lag: number }>(
    `select extract(epoch from c.sealed_at - a.recorded_at)::float8 as lag from audit_chain c join audit_logs a on a.id = c.audit_id
     where c.position > ${from}`,
  )
  return { sealed: lags.map(({ lag }) => lag), 'signed by its witnesses': found }
}

async function withService(
  database: TestDatabase,
  env: Record<string, string>,
  work: (service: Log['service']) => Promise<void>,
): Promise<void> {
  const service = await startProcess('audit-service', database.connection('audit_service'), env)
  try {
    await work(service)
  } finally {
    await service.stop()
  }
}

/** All tamperings, and those that can't be noticed; resolves to whether each of the former was found and named. */
async function attack(scene: Scene): Promise<boolean> {
  const began = performance.now()
  const outcomes = await tamperings(scene)
  const missed = outcomes.filter((outcome) => outcome.missed !== undefined)
  for (const kind of KIND_NAMES) {
    const its = outcomes.filter((outcome) => outcome.kind === kind)
    console.log(
      `${kind}: ${its.length}, of which ${its.filter((one) => one.missed === undefined).length} found and named`,
    )
  }
  console.log(
    `${outcomes.length} tamperings of seed ${seed}, ${missed.length} undetected or not named, in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  )
  let unnoticed = 0
  for (let n = 1; n <= MORE; n++) if (!(await tamperInWindow(scene, scene.size + n))) unnoticed += 1
  console.log(`before the witnesses have signed, all covered: ${unnoticed} of ${MORE} unnoticed`)
  return missed.length === 0
}

const cluster = await startTestCluster()
try {
  const { privateKey, publicKey } = makeKeys()
  fs.writeFileSync(path.join(folder, 'private.pem'), privateKey)
  fs.writeFileSync(path.join(folder, 'public.pem'), publicKey)
  const key = createPublicKey(publicKey)
  const logKey = verifierKey(DEFAULT_ORIGIN, key)
  const lines = await Promise.all(['w1', 'w2'].map((name) => startWitness(name, logKey)))
  const policyText = [`log ${logKey}`, ...lines, 'group both all w1 w2', 'quorum both'].join('\n')
  const database = await cluster.createDatabase()
  const env = {
    AUDIT_CHECKPOINT_FILE: path.join(folder, 'checkpoint.json'),
    AUDIT_SIGNING_KEY_FILE: path.join(folder, 'private.pem'),
    AUDIT_WITNESSES: policyText,
    OTEL_SDK_DISABLED: 'true',
  }
  const older: string[] = []
  await withService(database, env, async (service) => {
    const witnessed = publishedBy({ service }, key)
    for (const size of STEPS) {
      await recordOrders(database, 100)
      older.push(await witnessed(size))
    }
  })
  older.pop()
  const { owner, queries } = await ownerOf(database)
  await recordOrders(database, MORE)
  await owner.query('select audit_seal(1000), audit_grow(1000)')
  const policy = readPolicy(policyText)
  const signer = { origin: DEFAULT_ORIGIN, key: createPrivateKey(privateKey) }
  const scene: Scene = { owner, queries, signer, publicKey: key, policy, size: STEPS.at(-1)!, older }

  const isSound = await attack(scene).finally(() => owner.end())

  await withService(database, env, async (service) => {
    const witnessed = publishedBy({ service }, key)
    await witnessed(scene.size + MORE)
    for (const [what, seconds] of Object.entries(
      await windowOf({ database, service, witnessed }, key, scene.size + MORE),
    )) {
      const sorted = seconds.toSorted((a, b) => a - b)
      const [median, p99, most] = [0.5, 0.99, 1].map((q) => quantile(sorted, q).toFixed(2))
      console.log(
        `a row is ${what} after, s: median ${median}, p99 ${p99}, most ${most} (${seconds.length} rows, 10 a second)`,
      )
    }
  })
  process.exitCode = isSound ? 0 : 1
} finally {
  for (const child of children) {
    child.removeAllListeners('exit')
    child.kill('SIGTERM')
  }
  await cluster.stop()
  fs.rmSync(folder, { recursive: true })
}
