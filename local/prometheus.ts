/** Prometheus in local mode: the configuration of observability/prometheus with this installation's targets. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PlainUser } from '@sightline/db/plain-user'
import { letRead } from './access.ts'
import type { ComponentSpec } from './component.ts'
import { extraServices } from './extra-services.ts'
import type { Place } from './ports.ts'
import { httpOk } from './probes.ts'
import type { Program } from './programs.ts'
import { root, type Settings } from './settings.ts'

/**
 * Writes its configuration and targets into the state folder, anew at each start, and says how to run it, as `user` where that
 * isn't null, and where it listens: at a place that is for the backend. That answers PROMETHEUS_PORT, because Prometheus does not
 * look at who asks. `alertmanager`: where its alerts go, null for nowhere.
 */
export function preparePrometheus(
  settings: Settings,
  prometheus: Program,
  { host, port }: Place,
  alertmanager: Place | null,
  user: PlainUser | null,
): { spec: ComponentSpec; url: string } {
  const folder = join(settings.home, 'prometheus')
  const { ports } = settings
  rmSync(join(folder, 'config'), { recursive: true, force: true })
  mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o700 })
  cpSync(join(root, 'observability/prometheus'), join(folder, 'config'), { recursive: true })
  // Same labels as the stack's targets, so that every query and panel means the same in both.
  const targets = [
    ['user-service', ports.USER_SERVICE_PORT],
    ['order-service', ports.ORDER_SERVICE_PORT],
    ['audit-service', ports.AUDIT_SERVICE_PORT],
    ...extraServices.map(({ name, portVariable }) => [name, ports[portVariable as keyof typeof ports]] as const),
    ['telemetry-backend', ports.TEMPO_PORT],
  ] as const
  const groups = [
    ...targets.map(([job, port]) => ({ targets: [`127.0.0.1:${port}`], labels: { job } })),
    { targets: [`${host}:${port}`], labels: { job: 'prometheus' } },
  ]
  const receivers = alertmanager ? [{ targets: [`${alertmanager.host}:${alertmanager.port}`] }] : []
  writeTargets(join(folder, 'config/alertmanagers'), receivers)
  writeTargets(join(folder, 'config/targets'), [
    ...groups,
    ...receivers.map((group) => ({ ...group, labels: { job: 'alertmanager' } })),
  ])
  const kept = [
    `--storage.tsdb.retention.time=${settings.env.METRICS_RETENTION ?? '15d'}`,
    '--storage.tsdb.retention.size=2GB',
    // The backend writes what comes in as OTLP.
    '--web.enable-remote-write-receiver',
  ]
  return prometheusProgram(settings, prometheus, { host, port }, kept, user)
}

/** Prometheus with the configuration and data of its folder, and further arguments. */
export function prometheusProgram(
  { home, ports }: Settings,
  prometheus: Program,
  { host, port }: Place,
  more: readonly string[],
  user: PlainUser | null,
): { spec: ComponentSpec; url: string } {
  const folder = join(home, 'prometheus')
  if (user) letRead(join(folder, 'config'), user)
  const url = `http://${host}:${port}`
  const spec: ComponentSpec = {
    name: 'prometheus',
    command: prometheus.path,
    args: [
      `--config.file=${join(folder, 'config/prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      ...more,
      `--web.listen-address=${host}:${port}`,
      `--web.external-url=http://localhost:${ports.PROMETHEUS_PORT}/`,
      // Prometheus 3 expands external labels unasked, and says that it doesn't know the second name.
      '--enable-feature=exemplar-storage,expand-external-labels',
      // By default a page of any site may read what it is asked. Nothing of ours asks from another origin: nobody may.
      '--web.cors.origin=nobody',
      '--log.level=warn',
    ],
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      CONSOLE_URL: `http://localhost:${ports.CONSOLE_PORT}`,
      ...prometheus.env,
    },
    ready: () => httpOk(`${url}/-/ready`),
    ports: [port],
    readyWithinMs: 30_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 15_000,
    writes: [join(folder, 'data')],
    user,
  }
  return { spec, url }
}

/** In the place of the stack's. */
function writeTargets(folder: string, groups: { targets: string[]; labels?: { job: string } }[]): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  writeFileSync(join(folder, 'local.json'), `${JSON.stringify(groups, null, 2)}\n`)
}
