/**
 * `npm run test:clients`: OpenTelemetry SDKs, Loki's clients and others, unmodified, send to `npm run backend`. Their packages are
 * installed in a folder that is removed afterwards; then all runs in a network of its own, where their default ports are free.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { findPrometheus, onPath } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'
import { installKit, KIT_NAMES } from './clients/kits.ts'

const usage = `npm run test:clients [-- --only python,go] [--folder DIR]

Installs clients with the package managers of their languages; each sends a trace, a log line and metrics to a backend.
  --only      some of ${KIT_NAMES.join(', ')}
  --folder    where they are installed and kept for the next time; a temporary folder unless said`
const { values: flags } = readFlags(usage, { options: { only: { type: 'string' }, folder: { type: 'string' } } })
const kits = flags.only?.split(',') ?? KIT_NAMES
const unknown = kits.filter((kit) => !KIT_NAMES.includes(kit))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}.\nUsage: ${usage}`)
  process.exit(2)
}

/** All that is written is in here, also by a test that was cut short; but for kits that are to be kept. */
const scratch = mkdtempSync(join(tmpdir(), 'sightline-clients-'))
const folder = flags.folder ? resolve(process.env.INIT_CWD ?? '.', flags.folder) : join(scratch, 'kits')
mkdirSync(folder, { recursive: true })
// Ctrl-C ends the command that runs; then this one hears of it.
let stopped = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    stopped = true
  })
try {
  for (const kit of kits) {
    console.log(`${kit}: ${installKit(folder, kit)}`)
    await setImmediate()
    if (stopped) break
  }
  process.exitCode = stopped ? 1 : await test()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function test(): Promise<number> {
  // It may have to be fetched: while there is a network.
  const prometheus = await findPrometheus().then(
    () => 'found',
    () => '',
  )
  const args = [process.execPath, '--test', '--test-reporter=spec', 'test/clients.installed.ts']
  const env = { TMPDIR: scratch, CLIENTS_FOLDER: folder, CLIENTS_KITS: kits.join(','), CLIENTS_PROMETHEUS: prometheus }
  return run([...ownNetwork(), ...args], env)
}

/**
 * What to put before a command so that it runs where nobody listens yet, and where all it has started ends with it; nothing where the
 * machine can't do that.
 */
function ownNetwork(): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user']
  const own = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc']
  const command = ['unshare', ...asRoot, ...own, 'sh', '-c', 'ip link set lo up && "$0" "$@"; exit $?']
  if (onPath('unshare') && onPath('ip') && run([...command, 'true']) === 0) return command
  console.log(
    colour.yellow('! No network of its own can be made here: the backend takes its usual ports of this machine.'),
  )
  return []
}

function run([program = '', ...args]: readonly string[], env: Record<string, string> = {}): number {
  return spawnSync(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1
}
