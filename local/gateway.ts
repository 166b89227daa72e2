/** Nginx in local mode: the one template of gateway/ rendered into the state folder. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { PlainUser } from '@sightline/db/plain-user'
import type { ComponentSpec } from './component.ts'
import { httpOk } from './probes.ts'
import type { Program } from './programs.ts'
import { root, type Settings, startError } from './settings.ts'

export interface Gateway {
  spec: ComponentSpec
  accessLog: string
  pidFile: string
  /** Where the backend reads stub_status. */
  statusUrl: string
  /** Of one worker, to clients and services together: 4096, or what the limit of open files leaves room for. */
  connections: number
}

/**
 * Writes Nginx's configuration into the state folder and says how to run it, all of it as `user` where that isn't null. `statusPort`
 * is for the backend's questions.
 * A setting that Nginx could misread, or an API key that could be guessed, is a startError.
 */
export function prepareGateway(
  settings: Settings,
  nginx: Program,
  statusPort: number,
  user: PlainUser | null = null,
): Gateway {
  const folder = join(settings.home, 'gateway')
  const run = join(folder, 'run')
  const logs = join(settings.home, 'logs/gateway')
  for (const path of [run, logs]) mkdirSync(path, { recursive: true, mode: 0o700 })
  const accessLog = join(logs, 'access.log')
  const telemetry = telemetryVariant(settings, nginx)
  const told = switches(settings)
  const { ports, env } = settings
  renderTemplates(join(root, 'gateway'), folder, {
    GATEWAY_LISTEN: `127.0.0.1:${ports.GATEWAY_PORT}`,
    GATEWAY_STATUS_LISTEN: `127.0.0.1:${statusPort}`,
    GATEWAY_USER_SERVICE: `127.0.0.1:${ports.USER_SERVICE_PORT}`,
    GATEWAY_ORDER_SERVICE: `127.0.0.1:${ports.ORDER_SERVICE_PORT}`,
    GATEWAY_AUDIT_SERVICE: `127.0.0.1:${ports.AUDIT_SERVICE_PORT}`,
    GATEWAY_CONSOLE_PORT: String(ports.CONSOLE_PORT),
    GATEWAY_TEMPO_PORT: String(ports.TEMPO_PORT),
    GATEWAY_LOKI_PORT: String(ports.LOKI_PORT),
    GATEWAY_PROMETHEUS_PORT: String(ports.PROMETHEUS_PORT),
    GATEWAY_ALERTMANAGER_PORT: String(ports.ALERTMANAGER_PORT),
    GATEWAY_OTLP_HTTP_PORT: String(ports.OTLP_HTTP_PORT),
    GATEWAY_TELEMETRY: telemetry.variant,
    GATEWAY_TRACE_VIEW: env.GATEWAY_TRACE_VIEW,
    GATEWAY_OTLP_GRPC_ENDPOINT: env.GATEWAY_OTLP_GRPC_ENDPOINT ?? `127.0.0.1:${ports.OTLP_GRPC_PORT}`,
    GATEWAY_BROWSER_OTLP_ENDPOINT: `127.0.0.1:${ports.OTLP_HTTP_PORT}`,
    GATEWAY_RUN_DIR: run,
    GATEWAY_ACCESS_LOG: accessLog,
    GATEWAY_ERROR_LOG: 'stderr',
    GATEWAY_WORKERS: env.GATEWAY_WORKERS ?? '1',
    GATEWAY_RATE_LIMIT: env.GATEWAY_RATE_LIMIT,
    GATEWAY_RATE_BURST: env.GATEWAY_RATE_BURST,
    GATEWAY_BROWSER_RATE_LIMIT: env.GATEWAY_BROWSER_RATE_LIMIT,
    GATEWAY_BROWSER_RATE_BURST: env.GATEWAY_BROWSER_RATE_BURST,
    GATEWAY_MAX_BODY: env.GATEWAY_MAX_BODY,
    GATEWAY_UPSTREAM_TIMEOUT: env.GATEWAY_UPSTREAM_TIMEOUT,
    GATEWAY_CLIENT_TIMEOUT: env.GATEWAY_CLIENT_TIMEOUT,
    GATEWAY_API_KEY: apiKey(env.GATEWAY_API_KEY ?? ''),
    ...told,
  })
  if (user) giveConfiguration(folder, user)
  // As root the workers would be another user, who may not enter a clone under /root.
  const workers = process.getuid?.() === 0 && user === null ? ' user root;' : ''
  const statusUrl = `http://127.0.0.1:${statusPort}/stub_status`
  return {
    accessLog,
    pidFile: join(run, 'nginx.pid'),
    statusUrl,
    connections: Number(told.GATEWAY_WORKER_CONNECTIONS),
    spec: {
      name: 'gateway',
      command: nginx.path,
      args: [
        '-p',
        folder,
        '-c',
        join(folder, 'nginx.conf'),
        '-e',
        'stderr',
        '-g',
        `daemon off;${workers}${telemetry.loadModule}`,
      ],
      cwd: folder,
      env: { PATH: process.env.PATH, ...nginx.env },
      ready: () => httpOk(statusUrl),
      ports: [ports.GATEWAY_PORT, statusPort],
      readyWithinMs: 10_000,
      // Graceful: requests in flight are answered, their records written.
      stopSignal: 'SIGQUIT',
      stopWithinMs: 10_000,
      writes: [run, logs],
      user,
    },
  }
}

/** Below it the services, which live with the same limit, have no room either for the database and each other. */
const FEWEST_CONNECTIONS = 128

/**
 * What the OTEL_* variables, SIGHTLINE_PII, SIGHTLINE_ALLOWED_HOSTS and the limit of open files mean for the template, by the same lines of shell as in
 * the stack.
 */
function switches(settings: Settings): Record<string, string> {
  const given = Object.entries(settings.env).filter(([name]) =>
    /^(OTEL_|SIGHTLINE_(PII|ALLOWED_HOSTS)$|GATEWAY_MAX_CONNECTIONS$)/.test(name),
  )
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, ...Object.fromEntries(given) }
  const script = join(root, 'gateway/switches.sh')
  const attributes = join(settings.home, 'gateway/resource-attributes.conf')
  const most = Number(env.GATEWAY_MAX_CONNECTIONS)
  if (!Number.isInteger(most) || most < 1)
    throw startError(`GATEWAY_MAX_CONNECTIONS=${env.GATEWAY_MAX_CONNECTIONS} is no whole number from 1 on.`)
  const text = execFileSync('/bin/sh', ['-c', '. "$0"; resource_attributes >"$1"; env', script, attributes], {
    encoding: 'utf8',
    env,
  })
  const told: Record<string, string> = Object.fromEntries(
    [...text.matchAll(/^(GATEWAY_\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
  )
  if (Number(told.GATEWAY_WORKER_CONNECTIONS) >= FEWEST_CONNECTIONS) return told
  throw startError(
    `The limit of open files (ulimit -n) leaves the gateway ${told.GATEWAY_WORKER_CONNECTIONS} connections; ` +
      `${FEWEST_CONNECTIONS} are needed. Raise it in this shell first: ulimit -n 4096`,
  )
}

/** The key stands in a regular expression of the template, and a short one could be guessed. */
function apiKey(key: string): string {
  if (key === '' || /^[A-Za-z0-9_-]{16,128}$/.test(key)) return key
  throw startError('GATEWAY_API_KEY must be 16 to 128 of A-Za-z0-9_-: openssl rand -hex 32 makes one.')
}

/**
 * The module exports by OTLP/gRPC, which the embedded backend doesn't speak: it is used where it is there and a Collector to
 * send to is named by GATEWAY_OTLP_GRPC_ENDPOINT; otherwise the access records make the same span.
 */
function telemetryVariant(settings: Settings, nginx: Program): { variant: 'stock' | 'otel'; loadModule: string } {
  const module = join(dirname(nginx.path), '../lib/nginx/modules/ngx_otel_module.so')
  if (settings.env.GATEWAY_OTLP_GRPC_ENDPOINT && existsSync(module)) {
    return { variant: 'otel', loadModule: ` load_module "${module}";` }
  }
  return { variant: 'stock', loadModule: '' }
}

/** What the official image does with envsubst: every ${GATEWAY_*} replaced, all else untouched. */
export function renderTemplates(from: string, to: string, values: Record<string, string | undefined>): void {
  for (const file of readdirSync(from).filter((name) => name.endsWith('.template'))) {
    const text = readFileSync(join(from, file), 'utf8').replace(/\$\{(GATEWAY_[A-Z_]+)\}/g, (_, name: string) => {
      const value = values[name]
      if (value === undefined) throw startError(`gateway/${file} needs ${name}, which env/local.env does not set.`)
      if (/["\\;{}$\n]/.test(value))
        throw startError(`${name}=${value} holds a character that Nginx would read as syntax.`)
      return value
    })
    const path = join(to, basename(file, '.template'))
    // It may hold the API key. The mode is for new files only: one of an earlier start keeps its own.
    writeFileSync(path, text, { mode: 0o600 })
    chmodSync(path, 0o600)
  }
}

/** Not by its group, which others may be in: the API key stands there. The folder stays root's. */
function giveConfiguration(folder: string, { uid, gid }: PlainUser): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isFile()) chownSync(join(folder, entry.name), uid, gid)
  }
}
