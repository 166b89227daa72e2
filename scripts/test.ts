/**
 * `npm test`: everything that needs no Docker. Quick checks first, so that a typo fails in a second; then unit and
 * database tests, and beside them the end-to-end tests, which start the same local system as `npm start` on free ports:
 * those wait much and these compute much.
 *
 * `npm test -- unit` runs one stage; several names run several. Anything after `--only` goes to the test runner as file
 * patterns: `npm test -- e2e --only test/chain.test.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism, freemem, loadavg, tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { signalGroup } from '@sightline/local/process-group'
import { processIdentity } from '@sightline/local/process-identity'

const node = process.execPath
const unitTests = [
  'contracts/**/*.test.ts',
  'service-kit/**/*.test.ts',
  '*-service/**/*.test.ts',
  'db/**/*.test.ts',
  'gateway/**/*.test.ts',
  'docs/**/*.test.ts',
  'scripts/**/*.test.ts',
  'local/**/*.test.ts',
  'backend/**/*.test.ts',
  'console/**/*.test.ts',
  'observability/**/*.test.ts',
  'bench/**/*.test.ts',
]

/** Their own process each: the telemetry that they register, or replace, is that of a process. */
const alone = [
  'service-kit/{flags/flags,http-client,log-appenders,metrics,register,server-span,spans}.test.ts',
  'service-kit/telemetry/{context,diag,exporters,sampler,start}.test.ts',
  'service-kit/telemetry/tracing/*.test.ts',
]
/**
 * What a file does to the process or to something global before its tests would be done to those of all files: such a file has a process
 * of its own, too.
 */
const NEEDS_ITS_OWN = /^process\.env\.|\bmock\.method\(globalThis\b/m
/** Of the others, those with a database share one process and the rest another: a process costs more than what most of them do in it. */
const WITH_DATABASE = /^(service-kit|[a-z]+-service|db)\//

/** These have one system, and so one process; the last of them breaks what it can. */
const sharingOneSystem = ['chain', 'documented-queries', 'errors'].map((name) => `test/${name}.test.ts`)
/** The longest first: one of them begun last would be waited for alone. */
const endToEndTests = [
  ...['drills', 'incidents', 'console', 'doctor', 'learn', 'switches'].map((name) => `test/${name}.test.ts`),
  'test/**/*.test.ts',
]

/** Of end-to-end tests, so many at once have one of their own. */
const SYSTEMS = 4

type Stage = (output: Output) => Promise<void>

/** Step by step; the stages of one step run side by side. */
const steps: Record<string, Stage>[] = [
  {
    types: async (output) => {
      await run('tsc', [], output)
      for (const project of globSync('console/tsconfig.json')) await run('tsc', ['-p', project], output)
    },
    lint: async (output) => {
      await run('biome', ['check', '--error-on-warnings', '.'], output)
      await run('knip', [], output)
    },
  },
  {
    unit: async (output) => {
      if (only.length > 0) return nodeTest(files(only), 1)(output)
      const own = new Set(files(alone))
      const isAlone = (file: string) => own.has(file) || NEEDS_ITS_OWN.test(readFileSync(file, 'utf8'))
      const shared = files(unitTests).filter((file) => !isAlone(file))
      const [database, rest] = [true, false].map((has) => shared.filter((file) => WITH_DATABASE.test(file) === has))
      await apartAndTogether(files(unitTests), 1, 'one process, each a suite', [database!, rest!], output)
    },
    // Each system waits more than half of its time, for a scrape or for what it has killed: with the unit tests beside them five of
    // them keep two cores busy.
    e2e: async (output) => {
      if (only.length > 0) return nodeTest(files(only), SYSTEMS)(output)
      await apartAndTogether(files(endToEndTests), SYSTEMS, 'one process', [files(sharingOneSystem)], output)
    },
  },
]
/**
 * What hangs fails, in milliseconds, instead of holding up whoever waits for it: a test after its time, a stage that says
 * nothing for so long. A machine with too much to do needs more time for a test, and more in all, but still says something.
 */
const TEST_LIMIT = 5 * 60_000 * Math.min(3, Math.max(1, loadavg()[0]! / availableParallelism()))
const SILENCE_LIMIT = 2 * TEST_LIMIT
/** What is told to end has so long to do it in order. */
const END_WITHIN = 30_000
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const USAGE = `npm test [-- STAGE...] [--only FILE...]

Stages: ${steps.flatMap((step) => Object.keys(step)).join(', ')}; all of them without a name. --only gives the test runner file patterns.`
if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(`Usage: ${USAGE}`)
  process.exit(0)
}
const split = process.argv.indexOf('--only')
const names = process.argv.slice(2, split === -1 ? undefined : split)
const only = split === -1 ? [] : process.argv.slice(split + 1)
const known = steps.flatMap((step) => Object.keys(step))
for (const name of names) {
  if (known.includes(name)) continue
  console.error(`There is no test stage "${name}". Stages: ${known.join(', ')}.`)
  process.exit(2)
}
if (process.env.TMPDIR === undefined) Object.assign(process.env, folderInMemory())
for (const step of steps) {
  const wanted = Object.entries(step).filter(([name]) => names.length === 0 || names.includes(name))
  // The others of the step go on to their end when one fails: what they find is worth knowing too.
  if (await sideBySide(wanted)) continue
  process.exitCode = 1
  break
}

/**
 * Where tests put what they throw away: in memory, where Linux and this machine have enough of it, for a sixth of the processor time
 * goes into files otherwise. It goes when this process ends; what one that was killed has left goes now. The environment that says so; empty where there is none.
 */
function folderInMemory(): { TMPDIR?: string } {
  const [memory, gibibytes] = ['/dev/shm', 2 ** 30]
  if (!existsSync(memory)) return {}
  const [mostlyUsed, leftForOthers] = [4 * gibibytes, 4 * gibibytes]
  try {
    const { bavail, bsize } = statfsSync(memory)
    if (bavail * bsize < mostlyUsed || freemem() < mostlyUsed + leftForOthers) return {}
    for (const left of globSync(`${memory}/sightline-tests-*`)) {
      if (processIdentity(Number(left.split('-').at(-1))) === null) rmSync(left, { recursive: true, force: true })
    }
    const folder = `${memory}/sightline-tests-${process.pid}`
    mkdirSync(folder)
    // As /tmp: some of what is started runs as another user.
    chmodSync(folder, 0o1777)
    process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
    return { TMPDIR: folder }
  } catch (error) {
    // It may not be ours to write to: the usual place does as well.
    console.error(`Tests write to ${tmpdir()}: ${(error as Error).message}`)
    return {}
  }
}

/** Runs stages at the same time and shows their output one after the other. Resolves to whether all passed. */
async function sideBySide(stages: [name: string, stage: Stage][]): Promise<boolean> {
  const outputs = stages.map((_, index) => createOutput(index === 0))
  const running = stages.map(async ([, stage], index) => {
    const started = Date.now()
    const error = await stage(outputs[index]!).then(
      () => null,
      (reason: Error) => reason,
    )
    return { error, seconds: ((Date.now() - started) / 1000).toFixed(1) }
  })
  let passed = true
  for (const [index, [name]] of stages.entries()) {
    console.log(`\n== ${name}`)
    outputs[index]!.show()
    const { error, seconds } = await running[index]!
    if (error) console.error(`\n${error.message}`)
    else console.log(`== ${name}: ${seconds} s`)
    passed &&= error === null
  }
  return passed
}

/** Where a program of a stage writes to: the terminal itself, or a place from which it is shown when its turn has come. */
interface Output {
  take(child: ChildProcess): void
  show(): void
}

function createOutput(atOnce: boolean): Output {
  let held: Buffer[] | null = atOnce ? null : []
  const take = (chunk: Buffer) => void (held ? held.push(chunk) : process.stdout.write(chunk))
  return {
    take(child) {
      child.stdout!.on('data', take)
      child.stderr!.on('data', take)
    },
    show() {
      if (held) process.stdout.write(Buffer.concat(held))
      held = null
    },
  }
}

/** The files of the patterns, in their order; throws where there is none. */
function files(patterns: string[]): string[] {
  const found = (pattern: string) => globSync(pattern, { exclude: (path) => path.includes('node_modules') }).sort()
  const all = [...new Set(patterns.flatMap(found))]
  if (all.length === 0) throw new Error(`No test file matches ${patterns.join(' ')}`)
  return all
}

/**
 * All files, `processes` at once, and beside them those of each group, which share one process. To their ends, also when one fails,
 * their output one after the other; rejects with what was wrong.
 */
async function apartAndTogether(
  all: string[],
  processes: number,
  sharing: 'one process' | 'one process, each a suite',
  groups: string[][],
  output: Output,
): Promise<void> {
  const shared = new Set(groups.flat())
  const apart = all.filter((file) => !shared.has(file))
  const later = groups.map((group) => ({ group, output: createOutput(false) }))
  const ends = await Promise.allSettled([
    nodeTest(apart, processes)(output),
    ...later.map((one) => nodeTest(one.group, sharing)(one.output)),
  ])
  for (const one of later) one.output.show()
  const wrong = ends.flatMap((end) => (end.status === 'rejected' ? [(end.reason as Error).message] : []))
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
}

/**
 * In this order, each file in a process of its own, so many at once; or all in one, file after file. There what a file does before or after
 * its tests is done to its own where each is a suite, and to those of all where not, as where they share a system.
 */
function nodeTest(files: string[], processes: number | 'one process' | 'one process, each a suite'): Stage {
  const limit = String(Math.round(TEST_LIMIT))
  const beside = (name: string) => join(import.meta.dirname, name)
  if (typeof processes === 'number') {
    return (output) => run(node, [beside('test-files.mjs'), String(processes), limit, ...files], output)
  }
  const limits = [`--test-timeout=${limit}`, '--import', beside('before-tests.mjs')]
  const args = ['--min-semi-space-size=32', '--test', '--test-isolation=none', '--test-reporter=spec', ...limits]
  if (processes === 'one process') return (output) => run(node, [...args, ...files], output)
  const further = { SIGHTLINE_TEST_FILES: files.join('\n') }
  return (output) => run(node, [...args, beside('test-together.mjs')], output, further)
}

/**
 * Rejects when it fails, with a message that says what did. All that it starts shares its process group, and ends with it:
 * services that a test has started and could not stop any more, say.
 */
function run(command: string, args: string[], output: Output, further: NodeJS.ProcessEnv = {}): Promise<void> {
  const path = `${resolve(import.meta.dirname, '../node_modules/.bin')}${delimiter}${process.env.PATH}`
  const colours = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}
  const env = { ...colours, ...process.env, ...further, PATH: path }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true })
  output.take(child)
  let why = ''
  let last: NodeJS.Timeout | undefined
  const stop = (reason: string) => {
    why ||= reason
    signalGroup(child.pid!, 'SIGTERM')
    last ??= setTimeout(() => signalGroup(child.pid!, 'SIGKILL'), END_WITHIN)
  }
  const silence = setTimeout(stop, SILENCE_LIMIT, `, silent for ${Math.round(SILENCE_LIMIT / 60_000)} minutes`)
  for (const stream of [child.stdout, child.stderr]) stream.on('data', () => silence.refresh())
  const forward = (signal: NodeJS.Signals) => stop(`, ${signal}`)
  for (const signal of STOPPING) process.on(signal, forward)
  return new Promise((done, failed) => {
    child.once('error', failed)
    // Whoever is left holds the pipes open: the child's end comes first, then that of its group, then that of the output.
    child.once('exit', () => signalGroup(child.pid!, 'SIGKILL'))
    child.once('close', (code, signal) => {
      clearTimeout(silence)
      clearTimeout(last)
      for (const name of STOPPING) process.off(name, forward)
      if (code === 0 && why === '') return done()
      failed(new Error(`${command} ${args.slice(0, 3).join(' ')} failed (${signal ?? `exit ${code}`}${why})`))
    })
  })
}
