/**
 * Local mode as one value: the same system for `npm start` and for the end-to-end tests.
 *
 *   postgres -> migrations -> telemetry backend -> prometheus -> audit -> order -> user -> gateway
 *
 * Each is awaited by asking it, and stopped the other way round. What doesn't depend on each other starts at the same time.
 */
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { migrate } from '@sightline/db/migrate'
import { stopLeftover } from '@sightline/db/server'
import { assertPortsFree } from './busy-ports.ts'
import { extraServices } from './extra-services.ts'
import { prepareGateway } from './gateway.ts'
import { createGroup, type Group, type GroupOptions } from './group.ts'
import { abandonParts, logFileOf, type PartSpec, type RunningPart, startPart, stopOrphans } from './part.ts'
import { type Passwords, readOrMakePasswords } from './passwords.ts'
import { postgresDataOf, startPostgresPart } from './postgres.ts'
import { takeLock } from './process-identity.mjs'
import { findNginx, findPrometheus } from './programs.ts'
import { preparePrometheus } from './prometheus.ts'
import { backendSpec, canSharePorts, type ServiceName, serviceSpec } from './services.ts'
import { freePort, type Ports, readSettings, type Settings, startError } from './settings.ts'

export { freePorts } from './settings.ts'

/** Names known at run time only; they are used like the others. */
const extraNames = extraServices.map(({ name }) => name as ServiceName)
export type PartName = 'postgres' | 'telemetry-backend' | 'prometheus' | 'gateway' | ServiceName
/** In the order in which they start; the last hop of the chain first. */
export const partNames: readonly PartName[] = [
  'postgres',
  'telemetry-backend',
  'prometheus',
  ...extraNames.toReversed(),
  'audit-service',
  'order-service',
  'user-service',
  'gateway',
]

export interface LocalOptions {
  /** State folder; default SIGHTLINE_HOME or .sightline. */
  home?: string
  /** Ports that differ from env/local.env and the environment; `await freePorts()` for a second system. */
  ports?: Partial<Ports>
  /** Stands in for process.env: settings of the services, such as OTEL_TRACES_SAMPLER or LOG_LEVEL. */
  env?: NodeJS.ProcessEnv
  /** What happens when a part ends that nobody stopped; default: everything is stopped. See GroupOptions. */
  onEnd?: GroupOptions<PartName>['onEnd']
  /** Called with one line for each thing done. */
  onProgress?: (line: string) => void
  /** Called when a part ends that nobody stopped. */
  onPartEnded?: (name: PartName, description: string) => void
  /** Gives up between two steps and stops what was started. */
  signal?: AbortSignal
}

export interface LocalSystem {
  home: string
  ports: Ports
  urls: Urls
  logFiles: Record<PartName, string>
  /** How to reach the database as its owner. */
  postgres: { host: string; port: number; user: string; password: string; database: string }
  pid(name: PartName): number
  /** Stops one part as wanted, the rest goes on. */
  stopPart(name: PartName): Promise<void>
  /** Sends a signal to one part; the end that SIGKILL or SIGTERM brings is taken as wanted. Resolves when sent. */
  killPart(name: PartName, signal: NodeJS.Signals): void
  /** Starts a part again that was stopped or killed, and waits until it is ready. */
  startPart(name: PartName): Promise<void>
  /** Starts a service anew without a gap: its successor listens beside it before it is stopped (where ports can be shared). */
  replaceService(name: ServiceName): Promise<void>
  /** Stops everything in reverse order. Safe to call twice. */
  stop(): Promise<void>
  /** Resolves when all has stopped: with null after stop(), else with what ended first and its last lines. */
  stopped: Promise<string | null>
}

export interface Urls {
  gateway: string
  userService: string
  orderService: string
  auditService: string
  console: string
  tempo: string
  loki: string
  prometheus: string
  otlp: string
}

/** Starts the whole system. Rejects with a readable error when it can't, and then has left nothing running. */
export async function startLocal(options: LocalOptions = {}): Promise<LocalSystem> {
  const settings = readSettings(options)
  const say = options.onProgress ?? (() => undefined)
  await assertRoomFor(settings.home)
  const lock = takeLock(join(settings.home, 'run/launcher.lock'))
  if (lock.holder !== null) {
    throw startError(
      `Sightline is already running in ${settings.home} (process ${lock.holder}).\n` +
        'Stop it with Ctrl-C there, or give this one its own SIGHTLINE_HOME and ports.',
    )
  }
  const abandon = () => abandonParts(settings.home, partNames)
  process.on('exit', abandon)
  const release = () => {
    process.off('exit', abandon)
    lock.release()
  }
  const passwords = readOrMakePasswords(settings.home)
  let group: Group<PartName> | null = null
  try {
    group = await prepare(settings, options, passwords, say, release)
    return await startAll(group, settings, options, passwords, say)
  } catch (error) {
    if (group) await group.stop()
    else release()
    throw error
  }
}

/** Everything that can be found wrong before anything is started. */
async function prepare(
  settings: Settings,
  options: LocalOptions,
  passwords: Passwords,
  say: (line: string) => void,
  release: () => void,
): Promise<Group<PartName>> {
  const orphans = await stopOrphans(settings.home, [...partNames])
  if (orphans.length > 0) say(`stopped what a killed start had left running: ${orphans.join(', ')}`)
  // One that was killed before PostgreSQL answered has left no pid file of ours.
  await stopLeftover(postgresDataOf(settings.home))
  await assertPortsFree(settings.ports)

  // --- the programs and what each is told
  const finding = { signal: options.signal, fetching: (what: string) => say(`fetching ${what} ...`) }
  const nginx = await findNginx(finding)
  const prometheus = await findPrometheus(finding)
  say(`found nginx ${nginx.version} (${nginx.from}), prometheus ${prometheus.version} (${prometheus.from})`)
  const gateway = prepareGateway(settings, nginx, await freePort(settings.ports))
  const run = (spec: PartSpec) => () => startPart(spec, settings.home, options.signal)
  const starters: Record<PartName, () => Promise<RunningPart>> = {
    postgres: () => startPostgresPart(settings, passwords.sightline),
    'telemetry-backend': run(backendSpec(settings, gateway)),
    prometheus: run(preparePrometheus(settings, prometheus)),
    ...Object.fromEntries(extraNames.map((name) => [name, run(serviceSpec(name, settings, passwords))])),
    'audit-service': run(serviceSpec('audit-service', settings, passwords)),
    'order-service': run(serviceSpec('order-service', settings, passwords)),
    'user-service': run(serviceSpec('user-service', settings, passwords)),
    gateway: run(gateway.spec),
  }

  return createGroup({
    names: partNames,
    starters,
    onEnd: options.onEnd ?? 'stop',
    say,
    onPartEnded: (name, description) => options.onPartEnded?.(name, description),
    release,
  })
}

async function startAll(
  group: Group<PartName>,
  settings: Settings,
  options: LocalOptions,
  passwords: Passwords,
  say: (line: string) => void,
): Promise<LocalSystem> {
  const start = (name: PartName) => {
    options.signal?.throwIfAborted()
    return group.start(name)
  }
  await all([
    async () => {
      await start('postgres')
      await runMigrations(settings, passwords)
      say('database is up to date')
    },
    () => start('telemetry-backend'),
    () => start('prometheus'),
  ])
  await all(partNames.filter((name) => name.endsWith('-service')).map((name) => () => start(name)))
  await start('gateway')
  options.signal?.throwIfAborted()
  const failed = group.firstEnd()
  if (failed !== null) throw startError(failed)

  return {
    home: settings.home,
    ports: settings.ports,
    urls: urlsOf(settings.ports),
    logFiles: Object.fromEntries(partNames.map((name) => [name, logFileOf(settings.home, name)])) as Record<
      PartName,
      string
    >,
    postgres: ownerConnection(settings, passwords),
    pid: (name) => group.part(name).pid,
    stopPart: (name) => group.part(name).stop(),
    killPart: (name, signal) => group.part(name).kill(signal),
    startPart: async (name) => {
      await group.part(name).exited
      await start(name)
    },
    replaceService: async (name) => {
      if (canSharePorts) return group.replace(name)
      await group.part(name).stop()
      await start(name)
    },
    stop: group.stop,
    stopped: group.stopped,
  }
}

/** Waits for all, also when one fails: nothing may still be starting while the others are being stopped. */
async function all(steps: (() => Promise<void>)[]): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => step()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

async function runMigrations(settings: Settings, passwords: Passwords): Promise<void> {
  await migrate({
    connection: ownerConnection(settings, passwords),
    rolePasswords: {
      user_service: passwords.user_service,
      order_service: passwords.order_service,
      audit_service: passwords.audit_service,
    },
  }).catch((error: Error) => {
    throw error.message.includes('newer version') ? startError(error.message, error) : error
  })
}

const ownerConnection = (settings: Settings, passwords: Passwords) => ({
  host: '127.0.0.1',
  port: settings.ports.POSTGRES_PORT,
  user: 'sightline',
  password: passwords.sightline,
  database: 'sightline',
})

const MEGABYTE = 2 ** 20
const ROOM_NEEDED = 300 * MEGABYTE

/** A full disk half-way through leaves a database that won't start: say so before. */
async function assertRoomFor(home: string): Promise<void> {
  await mkdir(home, { recursive: true })
  const { bavail, bsize } = await statfs(home)
  const free = bavail * bsize
  if (free >= ROOM_NEEDED) return
  throw startError(
    `Only ${Math.floor(free / MEGABYTE)} MB are free where ${home} lies; ${ROOM_NEEDED / MEGABYTE} MB are needed.\n` +
      'Free some space, or put the state elsewhere: SIGHTLINE_HOME=/path/on/another/disk npm start',
  )
}

function urlsOf(ports: Ports): Urls {
  const at = (port: number) => `http://localhost:${port}`
  return {
    gateway: at(ports.GATEWAY_PORT),
    userService: at(ports.USER_SERVICE_PORT),
    orderService: at(ports.ORDER_SERVICE_PORT),
    auditService: at(ports.AUDIT_SERVICE_PORT),
    console: at(ports.CONSOLE_PORT),
    tempo: at(ports.TEMPO_PORT),
    loki: at(ports.LOKI_PORT),
    prometheus: at(ports.PROMETHEUS_PORT),
    otlp: at(ports.OTLP_HTTP_PORT),
  }
}
