/** PgBouncer as the Pooler of deploy/kubernetes has CloudNativePG run it, less TLS, on 127.0.0.1. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { plainUser } from '@sightline/db/plain-user'
import { withClient } from '@sightline/db/with-client'
import { freePort } from '@sightline/service-kit/free-port'
import { until } from '@sightline/service-kit/poll'
import { parseAllDocuments } from 'yaml'

/** A server, as its owner reaches it. */
interface Upstream {
  host: string
  port: number
  user: string
  password: string
}

export interface Pooler {
  readonly host: string
  readonly port: number
  /** `PgBouncer 1.18.0`, say. */
  readonly version: string
  /** What it has written so far. */
  log(): string
  /** Its connections and how they are used: `show pools`. */
  pools(): Promise<{ user: string; cl_active: string; cl_waiting: string; sv_active: string; sv_idle: string }[]>
  /** A second one takes what comes from now on, as the pod of a rollout does; the first one is killed, and its clients with it. */
  replace(): Promise<void>
  stop(): Promise<void>
}

export interface PoolerOptions {
  /** Default: PGBOUNCER, else what PATH has. */
  program?: string
  /** In place of what the Pooler says. */
  poolMode?: string
  parameters?: Record<string, string>
}

const DATABASE = resolve(import.meta.dirname, '../../deploy/kubernetes/base/database.yaml')
/** CloudNativePG adds these to the list of each Pooler. */
const ALWAYS_IGNORED = 'extra_float_digits,options'

/** The program of PGBOUNCER or PATH; undefined where there is none. */
export function findPgBouncer(): string | undefined {
  const program = process.env.PGBOUNCER ?? 'pgbouncer'
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return program
  } catch {
    return undefined
  }
}

/** What the Pooler of deploy/kubernetes says of PgBouncer. */
export function poolerSpec(): { poolMode: string; parameters: Record<string, string> } {
  const objects = parseAllDocuments(readFileSync(DATABASE, 'utf8')).map((one) => one.toJS())
  return objects.find(({ kind }) => kind === 'Pooler').spec.pgbouncer
}

/** Starts one before `upstream`; resolves when it answers. */
export async function startPooler(upstream: Upstream, options: PoolerOptions = {}): Promise<Pooler> {
  const program = options.program ?? findPgBouncer()
  if (program === undefined) throw new Error('There is no pgbouncer in PATH: install it, or name it in PGBOUNCER.')
  const folder = mkdtempSync(join(tmpdir(), 'sightline-pooler-'))
  const user = plainUser()
  const port = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  const logFile = join(folder, 'log')
  writeFileSync(users, `"${upstream.user}" "${upstream.password}"\n`, { mode: 0o600 })
  writeFileSync(config, configuration(upstream, port, users, options))
  if (user !== null) {
    chmodSync(folder, 0o711)
    chownSync(users, user.uid, user.gid)
  }
  const output = openSync(logFile, 'a', 0o600)
  const start = () => spawn(program, [config], { stdio: ['ignore', output, output], ...user })
  const login = { host: '127.0.0.1', port, user: upstream.user, password: upstream.password }
  const log = () => readFileSync(logFile, 'utf8')
  const answers = (child: ChildProcess, times: number) =>
    until(`PgBouncer answers: ${log()}`, 20, async () => {
      if (child.exitCode !== null) throw new Error(log())
      return log().split('process up').length > times
    })
  let [child, started] = [start(), 1]
  await answers(child, started)
  return {
    host: login.host,
    port,
    version: execFileSync(program, ['--version'], { encoding: 'utf8' }).split('\n')[0]!,
    log,
    pools: () =>
      withClient({ ...login, database: 'pgbouncer' }, async (client) => (await client.query('show pools')).rows),
    async replace() {
      const before = child
      child = start()
      started += 1
      await answers(child, started)
      await end(before)
    },
    async stop() {
      await end(child)
      rmSync(folder, { recursive: true })
    },
  }
}

function configuration(upstream: Upstream, port: number, users: string, options: PoolerOptions): string {
  const spec = poolerSpec()
  const parameters: Record<string, string> = { ...spec.parameters, ...options.parameters }
  const ignored = [ALWAYS_IGNORED, parameters.ignore_startup_parameters].filter(Boolean).join(',')
  return `[databases]
* = host=${upstream.host} port=${upstream.port}
[pgbouncer]
pool_mode = ${options.poolMode ?? spec.poolMode}
listen_addr = 127.0.0.1
listen_port = ${port}
so_reuseport = 1
unix_socket_dir =
auth_type = md5
auth_file = ${users}
auth_user = ${upstream.user}
auth_query = select usename, passwd from pg_catalog.pg_shadow where usename = $1
admin_users = ${upstream.user}
log_stats = 0
${Object.entries({ ...parameters, ignore_startup_parameters: ignored })
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`
}

/** At once, in every version: SIGTERM waits for clients since 1.23. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGQUIT')
  await ended
}
