/** How the telemetry backend and the three services are run: the project's own Node on their sources, told by environment. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { locateConsole, SHOP } from '@sightline/console/build'
import type { ServiceRole } from '@sightline/db/migrate'
import { giveFolder, type PlainUser } from '@sightline/db/plain-user'
import { backendMemory } from './backend-memory.mjs'
import type { ComponentSpec } from './component.ts'
import { roleVariables } from './database.ts'
import { extraServices } from './extra-services.ts'
import type { Gateway } from './gateway.ts'
import { flagsFileOf } from './incident.ts'
import type { Passwords } from './passwords.ts'
import type { Place } from './ports.ts'
import { postgresJsonLogOf } from './postgres.ts'
import { httpOk } from './probes.ts'
import { type PortName, root, type Settings, startError } from './settings.ts'
import type { HeldSocket } from './shared-sockets.ts'

interface NextService {
  name: string
  port: PortName
}

const services = {
  'user-service': {
    port: 'USER_SERVICE_PORT',
    role: 'user_service',
    next: { name: 'order-service', port: 'ORDER_SERVICE_PORT' },
  },
  'order-service': {
    port: 'ORDER_SERVICE_PORT',
    role: 'order_service',
    next: { name: 'audit-service', port: 'AUDIT_SERVICE_PORT' },
  },
  'audit-service': { port: 'AUDIT_SERVICE_PORT', role: 'audit_service', next: null },
} as const satisfies Record<string, { port: PortName; role: ServiceRole; next: NextService | null }>
export type ServiceName = keyof typeof services

/**
 * One of the three, or one that was added, on its port or, where it is given one, on a socket that is bound to it. Its environment:
 * the user's, then what local mode knows.
 */
export function serviceSpec(
  name: ServiceName,
  settings: Settings,
  passwords: Passwords,
  socket?: HeldSocket,
): ComponentSpec {
  const { port, role, next } = placeOf(name)
  const { ports, env, home } = settings
  const url = `http://127.0.0.1:${ports[port]}`
  return {
    name,
    ...nodeProgram(['--import', '@sightline/service-kit/register', `${name}/main.ts`]),
    env: {
      ...inherited(env),
      HOST: '127.0.0.1',
      PORT: String(ports[port]),
      LISTEN_FDS: socket ? '1' : undefined,
      NEXT_SERVICE_URL: next ? `http://127.0.0.1:${ports[next.port]}` : undefined,
      NEXT_SERVICE_NAME: next?.name,
      SHOP_PAGES: name === 'user-service' ? join(locateConsole().dist, SHOP) : undefined,
      ...(role ? roleVariables(settings, role, passwords[role]) : {}),
      // What goes to the terminal is for people; the same lines as JSON are in the files.
      LOG_FORMAT: env.LOG_FORMAT ?? 'text',
      LOG_DIR: join(home, 'logs'),
      SIGHTLINE_FLAGS_FILE: env.SIGHTLINE_FLAGS_FILE ?? flagsFileOf(home),
      OTEL_EXPORTER_OTLP_ENDPOINT: env.OTEL_EXPORTER_OTLP_ENDPOINT ?? `http://127.0.0.1:${ports.OTLP_HTTP_PORT}`,
      OTEL_RESOURCE_ATTRIBUTES: env.OTEL_RESOURCE_ATTRIBUTES ?? 'deployment.environment.name=local',
    },
    ready: () => httpOk(`${url}/ready`),
    ports: socket ? [] : [ports[port]],
    ...(socket && { socket }),
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    // The services promise to be done within 10 s.
    stopWithinMs: 12_000,
    writes: [join(home, 'logs', name)],
  }
}

/** Where a service listens. */
export const portOf = (name: ServiceName, settings: Settings): number => settings.ports[placeOf(name).port]

/** A service added later has no role in the database, and may stand behind one of the three or behind another added one. */
function placeOf(name: ServiceName): { port: PortName; role: ServiceRole | null; next: NextService | null } {
  const behind = extraServices.find((extra) => extra.after === name)
  const next = behind ? { name: behind.name, port: behind.portVariable as PortName } : null
  const own = Object.entries(services).find(([service]) => service === name)?.[1]
  if (own) return { ...own, next: next ?? own.next }
  const extra = extraServices.find((added) => added.name === name)
  if (!extra) throw startError(`There is no service ${name}.`)
  return { port: extra.portVariable as PortName, role: null, next }
}

/**
 * The telemetry backend, which also reads the gateway's access log and status, and answers PROMETHEUS_PORT and
 * ALERTMANAGER_PORT for those who are `behind` them.
 */
export function backendSpec(
  settings: Settings,
  gateway: Gateway,
  behind: { prometheus: string; alertmanager: Place | null },
  passwords: Passwords,
): ComponentSpec {
  const { ports, home } = settings
  const variables = {
    GATEWAY_ACCESS_LOG: gateway.accessLog,
    GATEWAY_PID_FILE: gateway.pidFile,
    GATEWAY_STATUS_URL: gateway.statusUrl,
    POSTGRES_JSON_LOG: postgresJsonLogOf(home),
    PROMETHEUS_URL: behind.prometheus,
    PROMETHEUS_REMOTE_WRITE_URL: `${behind.prometheus}/api/v1/write`,
    ALERTMANAGER_URL: behind.alertmanager
      ? `http://${behind.alertmanager.host}:${behind.alertmanager.port}`
      : undefined,
    AUDIT_SERVICE_URL: `http://127.0.0.1:${ports.AUDIT_SERVICE_PORT}`,
    // The console runs the SQL of dashboards, as the role that may read what they show.
    ...roleVariables(settings, 'dashboards', passwords.dashboards),
  }
  const spec = backendProgram(settings, variables, behind.alertmanager ? [ports.ALERTMANAGER_PORT] : [])
  // It renames the gateway's log once that has grown, too.
  return { ...spec, writes: [join(home, 'telemetry'), dirname(gateway.accessLog)] }
}

/** The telemetry backend with these variables; besides its own ports it listens on `more`. */
export function backendProgram(
  settings: Settings,
  variables: Record<string, string | undefined>,
  more: readonly number[],
): ComponentSpec {
  const { ports, env, home } = settings
  return {
    name: 'telemetry-backend',
    ...nodeProgram([...backendMemory.flags, '--import', '@sightline/service-kit/packages', 'backend/main.ts']),
    env: {
      ...inherited(env),
      HOST: '127.0.0.1',
      ...backendMemory.env,
      EMBEDDED_DATA_DIR: join(home, 'telemetry'),
      ...variables,
    },
    ready: () => httpOk(`http://127.0.0.1:${ports.TEMPO_PORT}/ready`),
    ports: [
      ports.TEMPO_PORT,
      ports.LOKI_PORT,
      ports.OTLP_HTTP_PORT,
      ports.OTLP_GRPC_PORT,
      ports.CONSOLE_PORT,
      ports.PROMETHEUS_PORT,
      ...more,
    ],
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 15_000,
    writes: [join(home, 'telemetry')],
  }
}

/**
 * The same run as `user`, null for this process's. What Node compiles for that user is kept beside what it compiles for this one,
 * for all systems of the checkout: nobody runs what another user has compiled.
 */
export function asUser(spec: ComponentSpec, user: PlainUser | null): ComponentSpec {
  if (user === null) return spec
  if (!spec.env.NODE_COMPILE_CACHE) return { ...spec, user }
  const compiled = `${spec.env.NODE_COMPILE_CACHE}-${user.uid}`
  mkdirSync(compiled, { recursive: true, mode: 0o755 })
  giveFolder(compiled, user)
  return { ...spec, user, env: { ...spec.env, NODE_COMPILE_CACHE: compiled } }
}

const nodeProgram = (args: string[]) => ({ command: process.execPath, args, cwd: root })

/** The user's environment without what would point a service at another database, give all of them one name, or is npm's own. */
function inherited(env: Settings['env']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(PG[A-Z]+|OTEL_SERVICE_NAME|npm_.*|INIT_CWD|NODE_TEST_CONTEXT)$/.test(name),
    ),
  )
}
