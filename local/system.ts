/**
 * Local mode as one value: the same system for `npm start`, for the drills and for the end-to-end tests.
 *
 *   settings -> the state folder is ours -> ports are free -> programs are found
 *     -> postgres, migrations | telemetry-backend | alertmanager | prometheus
 *     -> audit-service | order-service | user-service
 *     -> gateway
 *
 * What stands on one line starts at the same time. Each is awaited by asking it, and all are stopped the other way round.
 */
import { logFileOf } from './component.ts'
import { type ComponentName, type Components, componentNames, prepareComponents, serviceNames } from './components.ts'
import { ownerConnection, updateDatabase } from './database.ts'
import { followFiles } from './follow.ts'
import { endLeftIncident } from './incident.ts'
import { type LocalOptions, type LocalSystem, urlsOf } from './local-system.ts'
import { type Passwords, readOrMakePasswords } from './passwords.ts'
import { assertPortsFree } from './ports.ts'
import { postgresJsonLogOf } from './postgres.ts'
import { readSettings, type Settings, startError } from './settings.ts'
import { stopLeftovers, takeStateFolder } from './state-folder.ts'
import { createSupervisor, type Supervisor } from './supervisor.ts'

/** Starts the whole system. Rejects with a readable error when it can't, and then has left nothing running. */
export async function startLocal(options: LocalOptions = {}): Promise<LocalSystem> {
  const settings = readSettings(options)
  const say = options.onProgress ?? (() => undefined)
  const warn = options.onWarning ?? (() => undefined)
  const release = await takeStateFolder(settings.home)
  let supervisor: Supervisor<ComponentName> | null = null
  try {
    // --- everything that can be found wrong before anything is started
    const passwords = readOrMakePasswords(settings.home)
    const leftovers = await stopLeftovers(settings.home)
    if (leftovers.length > 0) say(`stopped what a killed start had left running: ${leftovers.join(', ')}`)
    await assertPortsFree(settings.ports)
    const components = await prepareComponents(settings, passwords, say, warn, options.signal)

    supervisor = createSupervisor({
      names: componentNames,
      starters: components.starters,
      onEnd: options.onEnd ?? 'stop',
      say,
      onComponentEnded: (name, description) => options.onComponentEnded?.(name, description),
      release,
    })
    await startInOrder(supervisor, components.hasAlertmanager, settings, passwords, say, options.signal)
    return systemOf(supervisor, components, settings, passwords)
  } catch (error) {
    if (supervisor) await supervisor.stop()
    else release()
    throw error
  }
}

async function startInOrder(
  supervisor: Supervisor<ComponentName>,
  hasAlertmanager: boolean,
  settings: Settings,
  passwords: Passwords,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const start = (name: ComponentName) => {
    signal?.throwIfAborted()
    return supervisor.start(name)
  }
  await together([
    async () => {
      await start('postgres')
      await updateDatabase(settings, passwords)
      say('database is up to date')
      const incident = await endLeftIncident(settings.home, ownerConnection(settings, passwords))
      if (incident) say(`the incident ${incident}, which ran when the system ended, is over: all is as it was before`)
    },
    () => start('telemetry-backend'),
    ...(hasAlertmanager ? [() => start('alertmanager')] : []),
    () => start('prometheus'),
  ])
  await together(serviceNames.map((name) => () => start(name)))
  await start('gateway')
  signal?.throwIfAborted()
  const failed = supervisor.firstEnd()
  if (failed !== null) throw startError(failed)
}

/** Waits for all, also when one fails: nothing may still be starting while the others are being stopped. */
async function together(steps: (() => Promise<void>)[]): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => step()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

function systemOf(
  supervisor: Supervisor<ComponentName>,
  components: Components,
  settings: Settings,
  passwords: Passwords,
): LocalSystem {
  const logFiles = Object.fromEntries(componentNames.map((name) => [name, logFileOf(settings.home, name)]))
  return {
    home: settings.home,
    ports: settings.ports,
    urls: urlsOf(settings.ports, components.hasAlertmanager),
    logFiles: logFiles as Record<ComponentName, string>,
    postgres: ownerConnection(settings, passwords),
    pid: (name) => supervisor.component(name).pid,
    stopComponent: (name) => supervisor.component(name).stop(),
    killComponent: (name, signal) => supervisor.component(name).kill(signal),
    startComponent: async (name) => {
      await supervisor.component(name).exited
      await supervisor.start(name)
    },
    replaceService: (name, env) => {
      if (env) components.configure(name, env)
      return supervisor.replace(name)
    },
    follow: async (print, signal) => {
      const bounded = followFiles({ postgres: postgresJsonLogOf(settings.home) }, null, signal)
      await Promise.all([followFiles(logFiles, print, signal), bounded])
    },
    stop: supervisor.stop,
    stopped: supervisor.stopped,
  }
}
