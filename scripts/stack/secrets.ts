/**
 * The stack's passwords: made at its first start, in `.env` beside docker-compose.yaml, where `docker compose` reads them
 * by itself. The file is ignored by git, readable by its owner only, and may hold your own settings (ports, say) too.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

export const secretNames = [
  'POSTGRES_PASSWORD',
  'USER_SERVICE_DB_PASSWORD',
  'ORDER_SERVICE_DB_PASSWORD',
  'AUDIT_SERVICE_DB_PASSWORD',
  'DASHBOARDS_DB_PASSWORD',
  'GRAFANA_PASSWORD',
] as const

/** Adds what is missing and keeps the rest of the file as it is. Returns its KEY=value pairs. */
export function readOrMakeSecrets(path: string): Record<string, string> {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const pairs = parseEnv(text)
  const missing = secretNames.filter((name) => !pairs[name])
  if (missing.length === 0) return pairs
  // Hex: no character that a shell, a connection string or Compose would read as more than itself.
  const made = Object.fromEntries(missing.map((name) => [name, randomBytes(18).toString('hex')]))
  const kept = text.split('\n').filter((line) => !missing.some((name) => line.startsWith(`${name}=`)))
  const lines = [
    ...kept.join('\n').trimEnd().split('\n'),
    ...Object.entries(made).map(([name, value]) => `${name}=${value}`),
  ]
  writeFileSync(`${path}.new`, `${lines.filter((line, at) => line || at > 0).join('\n')}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  chmodSync(path, 0o600)
  return { ...pairs, ...made }
}

/** After the volumes are gone the passwords mean nothing; other settings stay. */
export function forgetSecrets(path: string): void {
  if (!existsSync(path)) return
  const isSecret = (line: string) => secretNames.some((name) => line.startsWith(`${name}=`))
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !isSecret(line))
  if (kept.length === 0) rmSync(path)
  else writeFileSync(path, `${kept.join('\n')}\n`, { mode: 0o600 })
}

/** The KEY=value lines of an env file; anything else is passed over. */
export function parseEnv(text: string): Record<string, string> {
  const pairs = text.split('\n').map((line) => /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line.trim()))
  return Object.fromEntries(pairs.filter((pair) => pair !== null).map((pair) => [pair[1]!, pair[2]!]))
}
