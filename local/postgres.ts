/** PostgreSQL as a component of local mode: db/server.ts runs it; here is what a kept data folder needs beyond that. */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { plainUser } from '@sightline/db/plain-user'
import { findPrograms, runningServerPid, startPostgres, stopLeftover } from '@sightline/db/server'
import { handOver } from './access.ts'
import { logFileOf, type RunningComponent, trackComponent } from './component.ts'
import { listensOn } from './port-holder.ts'
import { type Settings, startError } from './settings.ts'

const OLDEST_MAJOR = 15

/** From here on a statement is logged, with its plan. */
const SLOW = '100ms'

/** The log as JSON, in the state folder `home`: beside the one for people. */
export const postgresJsonLogOf = (home: string) => logFileOf(home, 'postgres').replace(/\.log$/, '.json')

/** The data folder in the state folder `home`. */
export const postgresDataOf = (home: string) => join(home, 'postgres')

/** Resolves when it answers. What keeps it from starting is a startError. */
export async function startPostgresComponent(settings: Settings, password: string): Promise<RunningComponent> {
  const { home, ports } = settings
  const dataDir = postgresDataOf(home)
  const program = findPostgres()
  hydrateSymlinks(program)
  assertUsable(program, dataDir)
  await clearLeftovers(dataDir)
  const logs = dirname(logFileOf(home, 'postgres'))
  mkdirSync(logs, { recursive: true, mode: 0o700 })
  const user = plainUser()
  if (user) handOver(home, [logs], user)
  const server = await startPostgres({
    dataDir,
    port: ports.POSTGRES_PORT,
    password,
    logFile: logFileOf(home, 'postgres'),
    jsonLog: true,
    settings: telemetrySettings(modulesOf(program)),
  }).catch((error: Error) => {
    throw startError(error.message, error)
  })
  if (!(await listensOn(server.pid, ports.POSTGRES_PORT))) {
    await server.stop()
    throw startError(`Another server than the one just started answers on port ${ports.POSTGRES_PORT} (POSTGRES_PORT).`)
  }
  return trackComponent('postgres', home, server)
}

/** Which modules for telemetry a build has. */
interface Modules {
  statements: boolean
  plans: boolean
}

function modulesOf(program: string): Modules {
  const has = (module: string) => existsSync(join(dirname(program), `../lib/postgresql/${module}.so`))
  return { statements: has('pg_stat_statements'), plans: has('auto_explain') }
}

/** What telemetry asks of PostgreSQL; docker-compose.yaml says the same. */
export function telemetrySettings({ statements, plans }: Modules): Record<string, string> {
  return {
    shared_preload_libraries: [statements && 'pg_stat_statements', plans && 'auto_explain'].filter(Boolean).join(','),
    log_min_duration_statement: SLOW,
    log_lock_waits: 'on',
    // Times per statement for the database dashboard.
    ...(statements && { track_io_timing: 'on' }),
    ...(plans && {
      'auto_explain.log_min_duration': SLOW,
      'auto_explain.log_format': 'json',
      'auto_explain.log_parameter_max_length': '0',
    }),
  }
}

function findPostgres(): string {
  try {
    return findPrograms().postgres
  } catch (error) {
    throw startError((error as Error).message, error)
  }
}

/** npm packages can't hold symbolic links; this one makes them after installation, unless scripts were switched off. */
function hydrateSymlinks(program: string): void {
  const folder = dirname(dirname(dirname(program)))
  const list = join(folder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  for (const link of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const target = join(folder, link.target)
    if (existsSync(target)) continue
    rmSync(target, { force: true })
    symlinkSync(basename(link.source), target)
  }
}

function assertUsable(program: string, dataDir: string): void {
  const version = /(\d+)[\d.]*/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))!
  if (Number(version[1]) < OLDEST_MAJOR) {
    throw startError(`${program} is PostgreSQL ${version[0]}; ${OLDEST_MAJOR} or newer is needed.`)
  }
  const note = join(dataDir, 'PG_VERSION')
  if (!existsSync(note)) return
  const made = readFileSync(note, 'utf8').trim()
  if (made === version[1]) return
  throw startError(
    `The database in ${dataDir} was made by PostgreSQL ${made}, but ${program} is ${version[0]}.\n` +
      `Put PostgreSQL ${made} first on PATH, choose another SIGHTLINE_HOME, or start empty: npm run reset`,
  )
}

/**
 * A server whose launcher was killed is stopped. After kill -9 of the server a postmaster.pid stays, and PostgreSQL refuses to
 * start when that process id belongs to anybody by now. Its backends outlive it for a moment: as long as one is there the file
 * must stay, because two servers on one data folder would destroy it.
 */
async function clearLeftovers(dataDir: string): Promise<void> {
  await stopLeftover(dataDir)
  const deadline = Date.now() + 10_000
  while (workIn(dataDir).length > 0) {
    if (Date.now() > deadline) {
      const pids = workIn(dataDir).join(', ')
      throw startError(`Processes ${pids} of a PostgreSQL server that was killed still use ${dataDir}. End them first.`)
    }
    await delay(20)
  }
  if (runningServerPid(dataDir) === undefined) rmSync(join(dataDir, 'postmaster.pid'), { force: true })
}

/** Processes with the data folder as their working directory, which is how PostgreSQL runs all of its own. Linux only. */
function workIn(dataDir: string): string[] {
  if (process.platform !== 'linux' || !existsSync(dataDir)) return []
  const folder = realpathSync(dataDir)
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === folder && !hasEnded(pid)
    } catch {
      // Gone meanwhile, or another user's: not one of ours.
      return false
    }
  })
}

const hasEnded = (pid: string) => / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, ''))
