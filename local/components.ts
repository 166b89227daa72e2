/** What local mode consists of, in which order it starts, and how each component is started. */
import { dirname } from 'node:path'
import { makeReadable } from './access.ts'
import { alertmanagerSpec } from './alertmanager.ts'
import { type ComponentSpec, type RunningComponent, startComponent } from './component.ts'
import { extraServices } from './extra-services.ts'
import { prepareGateway } from './gateway.ts'
import { flagsFileOf } from './incident.ts'
import { buildPagesFor } from './pages.ts'
import type { Passwords } from './passwords.ts'
import { freePort, placesClosedToBrowsers } from './ports.ts'
import { startPostgresComponent } from './postgres.ts'
import { type FindOptions, findAlertmanager, findNginx, findPrometheus, type Program } from './programs.ts'
import { preparePrometheus } from './prometheus.ts'
import { whoRunsParts } from './run-as.ts'
import { asUser, backendSpec, portOf, type ServiceName, serviceSpec } from './services.ts'
import { type Settings, startError } from './settings.ts'
import { createSharedSockets } from './shared-sockets.ts'

export type ComponentName = 'postgres' | 'telemetry-backend' | 'alertmanager' | 'prometheus' | 'gateway' | ServiceName

/** The end of the chain first. Names of added services are known at run time only; they are used like the others. */
export const serviceNames: readonly ServiceName[] = [
  ...extraServices.map(({ name }) => name as ServiceName).toReversed(),
  'audit-service',
  'order-service',
  'user-service',
]

/** In the order in which they start; stopped the other way round. */
export const componentNames: readonly ComponentName[] = [
  'postgres',
  'telemetry-backend',
  'alertmanager',
  'prometheus',
  ...serviceNames,
  'gateway',
]

export interface Components {
  /** False where there is none: its starter then rejects, and the rest runs without. */
  hasAlertmanager: boolean
  starters: Record<ComponentName, () => Promise<RunningComponent>>
  /** From its next start on, a service has these variables on top of the system's. */
  configure(name: ServiceName, env: NodeJS.ProcessEnv): void
}

/**
 * Finds the programs and writes their configuration; nothing is started yet. `say` hears of what is found and fetched, `warn`
 * of what is less than it could be.
 * Rejects with a startError when a program is missing or a setting is one that the gateway can't be given.
 */
export async function prepareComponents(
  settings: Settings,
  passwords: Passwords,
  say: (line: string) => void,
  warn: (line: string) => void,
  signal?: AbortSignal,
): Promise<Components> {
  const finding = { signal, fetching: (what: string) => say(`fetching ${what} ...`) }
  const nginx = await findNginx(finding)
  const prometheus = await findPrometheus(finding)
  const { user, asRoot } = whoRunsParts(settings, [nginx.path, prometheus.path])
  const alertmanager = await findAlertmanagerIfAny({ ...finding, user }, say)
  const found = Object.entries({ nginx, prometheus, alertmanager }).flatMap(([name, program]) =>
    program ? [`${name} ${program.version} (${program.from})`] : [],
  )
  say(`found ${found.join(', ')}`)

  if (user) say(`the parts run as user ${user.uid}; only what starts and watches them is root`)
  if (user) makeReadable(dirname(flagsFileOf(settings.home)), user)
  if (asRoot) warn(`All parts but PostgreSQL run as root: ${asRoot}.`)
  const gateway = prepareGateway(settings, nginx, await freePort(settings.ports), user)
  const places = await placesClosedToBrowsers(settings.ports)
  const alerts = alertmanager && places.alertmanager
  const metrics = preparePrometheus(settings, prometheus, places.prometheus, alerts, user)
  if (gateway.connections < 4096)
    say(
      `the limit of open files (ulimit -n) leaves the gateway ${gateway.connections} connections instead of 4096, ` +
        'a quarter of them for one client',
    )
  const configured = new Map<ServiceName, NodeJS.ProcessEnv>()
  const sockets = createSharedSockets()
  const run = (spec: ComponentSpec) => startComponent(spec, settings.home, signal)
  const runNode = (spec: ComponentSpec) => run(asUser(spec, user))
  const startService = (name: ServiceName) => async () => {
    const env = { ...settings.env, ...configured.get(name) }
    const socket = sockets.hold(portOf(name, settings))
    try {
      return await runNode(serviceSpec(name, { ...settings, env }, passwords, socket))
    } catch (error) {
      socket.release()
      throw error
    }
  }
  const services = Object.fromEntries(serviceNames.map((name) => [name, startService(name)]))
  return {
    hasAlertmanager: alertmanager !== null,
    starters: {
      postgres: () => startPostgresComponent(settings, passwords.sightline),
      'telemetry-backend': () => {
        if (user) buildPagesFor(user, warn)
        return runNode(backendSpec(settings, gateway, { prometheus: metrics.url, alertmanager: alerts }, passwords))
      },
      alertmanager: async () => {
        if (!alertmanager) throw startError('There is no Alertmanager on this machine.')
        return run({ ...alertmanagerSpec(settings, alertmanager, places.alertmanager), user })
      },
      prometheus: () => run(metrics.spec),
      ...(services as Record<ServiceName, () => Promise<RunningComponent>>),
      gateway: () => run(gateway.spec),
    },
    configure: (name, env) => void configured.set(name, env),
  }
}

/** Alerts are evaluated, and shown on the boards, without it: a machine that has none is told so, and goes on. */
async function findAlertmanagerIfAny(options: FindOptions, say: (line: string) => void): Promise<Program | null> {
  try {
    return await findAlertmanager(options)
  } catch (error) {
    if ((error as Error).name !== 'StartError') throw error
    say(
      `alertmanager is off, alerts are on the boards all the same: ${(error as Error).message.replaceAll('\n', '. ')}`,
    )
    return null
  }
}
