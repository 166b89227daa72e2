/** What who starts local mode gives and gets. */
import type { ComponentName } from './components.ts'
import type { OwnerConnection } from './database.ts'
import type { ServiceName } from './services.ts'
import type { Ports } from './settings.ts'
import type { SupervisorOptions } from './supervisor.ts'

export interface LocalOptions {
  /** State folder; default SIGHTLINE_HOME or .sightline. */
  home?: string
  /** Ports that differ from env/local.env and the environment; `await freePorts()` for a second system. */
  ports?: Partial<Ports>
  /** Stands in for process.env: settings of the services, such as OTEL_TRACES_SAMPLER or LOG_LEVEL. */
  env?: NodeJS.ProcessEnv
  /** What happens when a component ends that nobody stopped; default: everything is stopped. See SupervisorOptions. */
  onEnd?: SupervisorOptions<ComponentName>['onEnd']
  /** Called with one line for each thing done. */
  onProgress?: (line: string) => void
  /** Called with what is less than it could be and stops nothing. */
  onWarning?: (text: string) => void
  /** Called when a component ends that nobody stopped. */
  onComponentEnded?: (name: ComponentName, description: string) => void
  /** Gives up between two steps and stops what was started. */
  signal?: AbortSignal
}

export interface LocalSystem {
  home: string
  ports: Ports
  urls: Urls
  logFiles: Record<ComponentName, string>
  /** How to reach the database as its owner. */
  postgres: OwnerConnection
  pid(name: ComponentName): number
  /** Stops one component as wanted, the rest goes on. */
  stopComponent(name: ComponentName): Promise<void>
  /** Sends a signal to one component; the end that SIGKILL or SIGTERM brings is taken as wanted. Returns when sent. */
  killComponent(name: ComponentName, signal: NodeJS.Signals): void
  /** Starts a component again that was stopped or killed, and waits until it is ready. */
  startComponent(name: ComponentName): Promise<void>
  /**
   * Starts a service anew without a gap: its successor listens beside it before it is stopped (where ports can be shared).
   * `env` is what the successor, and whoever follows it, has on top of the system's environment.
   */
  replaceService(name: ServiceName, env?: NodeJS.ProcessEnv): Promise<void>
  /**
   * Calls `print` with every complete line that components write from now on, and keeps their files bounded, until aborted;
   * null only bounds the files.
   */
  follow(print: ((name: string, line: string) => void) | null, signal: AbortSignal): Promise<void>
  /** Stops everything in reverse order. Safe to call twice. */
  stop(): Promise<void>
  /** Resolves when all has stopped: with null after stop(), else with what ended first and its last lines. */
  stopped: Promise<string | null>
}

/** Base URLs, without a slash at the end. */
export interface Urls {
  gateway: string
  userService: string
  orderService: string
  auditService: string
  console: string
  tempo: string
  loki: string
  prometheus: string
  /** Null where there is none. */
  alertmanager: string | null
  otlp: string
}

/** As a user types them: everything listens on this machine only. */
export function urlsOf(ports: Ports, hasAlertmanager: true): Urls & { alertmanager: string }
export function urlsOf(ports: Ports, hasAlertmanager: boolean): Urls
export function urlsOf(ports: Ports, hasAlertmanager: boolean): Urls {
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
    alertmanager: hasAlertmanager ? at(ports.ALERTMANAGER_PORT) : null,
    otlp: at(ports.OTLP_HTTP_PORT),
  }
}
