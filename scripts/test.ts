/**
 * `npm test`: everything that needs no Docker. Quick checks first, so that a typo fails in a second; then unit and
 * database tests; then the end-to-end tests, which start the same local system as `npm start` on free ports.
 *
 * `npm test -- unit` runs one stage; several names run several. Anything after `--only` goes to the test runner as file
 * patterns: `npm test -- e2e --only test/chain.test.ts`.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

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
]

const stages: Record<string, () => Promise<void>> = {
  types: async () => {
    await run('tsc', [])
    for (const project of globSync('console/tsconfig.json')) await run('tsc', ['-p', project])
  },
  lint: async () => {
    await run('biome', ['check', '--error-on-warnings', '.'])
    await run('knip', [])
  },
  unit: () => nodeTest(unitTests, 2),
  // One system at a time: two cores carry one Nginx, PostgreSQL, Prometheus, backend, three services and a browser.
  e2e: () => nodeTest(['test/**/*.test.ts'], 1),
}
/** A test or a stage that hangs fails after this, in milliseconds, instead of holding up whoever waits for it. */
const TEST_LIMIT = 5 * 60_000
const STAGE_LIMIT = 20 * 60_000

const split = process.argv.indexOf('--only')
const names = process.argv.slice(2, split === -1 ? undefined : split)
const only = split === -1 ? [] : process.argv.slice(split + 1)
for (const name of names.length ? names : Object.keys(stages)) {
  const stage = stages[name]
  if (!stage) {
    console.error(`There is no test stage "${name}". Stages: ${Object.keys(stages).join(', ')}.`)
    process.exit(2)
  }
  const started = Date.now()
  console.log(`\n== ${name}`)
  await stage()
  console.log(`== ${name}: ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

function nodeTest(patterns: string[], concurrency: number): Promise<void> {
  const files = globSync(only.length ? only : patterns, { exclude: (path) => path.includes('node_modules') }).sort()
  if (files.length === 0) throw new Error(`No test file matches ${(only.length ? only : patterns).join(' ')}`)
  const limits = [`--test-timeout=${TEST_LIMIT}`, '--import', join(import.meta.dirname, 'test-limit.mjs')]
  return run(node, ['--test', `--test-concurrency=${concurrency}`, ...limits, '--test-reporter=spec', ...files])
}

function run(command: string, args: string[]): Promise<void> {
  const path = `${resolve(import.meta.dirname, '../node_modules/.bin')}${delimiter}${process.env.PATH}`
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, PATH: path }, timeout: STAGE_LIMIT })
  const began = performance.now()
  const stop = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGTERM', stop)
  return new Promise((done, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGTERM', stop)
      if (code === 0) return done()
      const late = performance.now() - began > STAGE_LIMIT ? ` after ${STAGE_LIMIT / 60_000} minutes` : ''
      console.error(`\n${command} ${args.slice(0, 3).join(' ')} failed (${signal ?? `exit ${code}`}${late})`)
      process.exit(code || 1)
    })
  })
}
