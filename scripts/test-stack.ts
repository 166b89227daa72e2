/**
 * `npm run test:stack`: observability/expectations.yaml, what arrives late, and the tools of docs/ask.md, on a running system:
 * the stack of docker-compose.yaml, or whatever GATEWAY_URL, USER_SERVICE_URL, OTLP_URL, TEMPO_URL, LOKI_URL, PROMETHEUS_URL,
 * ALERTMANAGER_URL and DATABASE_URL point at.
 */
import { spawnSync } from 'node:child_process'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'
import { readDotEnv, readPassword } from './stack/compose.ts'
import { stackPorts } from './stack.ts'

const usage = `npm run test:stack

Tests what observability/expectations.yaml says, what arrives late, and the tools of docs/ask.md, on a running system: the stack, or
what GATEWAY_URL, USER_SERVICE_URL, OTLP_URL, TEMPO_URL, LOKI_URL, PROMETHEUS_URL, ALERTMANAGER_URL and DATABASE_URL point at.`
readFlags(usage, {})
// The settings beside docker-compose.yaml, as Compose reads them.
const settings = { ...readDotEnv(), ...process.env }
const at = (name: keyof typeof stackPorts) => `http://127.0.0.1:${settings[name] ?? stackPorts[name]}`
const targets: Record<string, string | undefined> = {
  GATEWAY_URL: at('GATEWAY_PORT'),
  USER_SERVICE_URL: at('USER_SERVICE_PORT'),
  TEMPO_URL: at('TEMPO_PORT'),
  LOKI_URL: at('LOKI_PORT'),
  PROMETHEUS_URL: at('PROMETHEUS_PORT'),
  ALERTMANAGER_URL: at('ALERTMANAGER_PORT'),
  OTLP_URL: at('OTLP_HTTP_PORT'),
}
for (const name of Object.keys(targets)) targets[name] = process.env[name] || targets[name]
targets.DATABASE_URL = process.env.DATABASE_URL || databaseOfTheStack()

if (!targets.DATABASE_URL) {
  fail('The database password is not known. Start the stack (npm run stack:up), or set DATABASE_URL.')
}
try {
  await fetch(`${targets.GATEWAY_URL}/health`, { signal: AbortSignal.timeout(10_000) })
} catch (error) {
  const reason = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message
  fail(`Nothing answers at ${targets.GATEWAY_URL} (${reason}). Start the stack: npm run stack:up, or set GATEWAY_URL.`)
}
const run = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-reporter=spec',
    '--test-concurrency=1',
    'test/expectations.stack.ts',
    'test/late-telemetry.stack.ts',
    'test/ask.stack.ts',
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...targets },
  },
)
process.exitCode = run.status ?? 1

function databaseOfTheStack(): string | undefined {
  const password = readPassword('postgres', process.env)
  const port = settings.POSTGRES_PORT ?? stackPorts.POSTGRES_PORT
  return password && `postgres://sightline:${encodeURIComponent(password)}@127.0.0.1:${port}/sightline`
}

function fail(message: string): never {
  console.error(`${colour.red('✘')} ${message}`)
  process.exit(1)
}
