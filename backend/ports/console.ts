/** Main thread. What CONSOLE_PORT serves. */
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { consoleListener } from '@sightline/console/server'
import type { Config } from '../config.ts'

/** Where the console's files lie. */
export interface ConsolePages {
  /** The folder of the built pages. */
  readonly dist: string
  /** The folder of the boards' JSON. */
  readonly dashboards: string
  /** Sees to it that the pages are there, and tells `log` how it went; without it they are. */
  build?(log: (level: 'info' | 'error', message: string) => void): void
}

/** Pages, boards, and the query APIs at the addresses of `config`. */
export function consolePort(config: Config, { dist, dashboards }: ConsolePages): RequestListener {
  const at = (port: number) => `http://${config.HOST}:${port}`
  const capture = config.CAPTURE_DIR
  return consoleListener({
    dist,
    dashboards: capture === undefined ? dashboards : join(capture, 'boards'),
    capture,
    allowedHosts: config.SIGHTLINE_ALLOWED_HOSTS,
    tempoUrl: at(config.TEMPO_PORT),
    lokiUrl: at(config.LOKI_PORT),
    prometheusUrl: config.PROMETHEUS_URL,
    alertmanagerUrl: config.ALERTMANAGER_URL,
    auditUrl: config.AUDIT_SERVICE_URL,
    database: config.PGPASSWORD === undefined ? undefined : databaseOf(config, config.PGPASSWORD),
  })
}

const databaseOf = (config: Config, password: string) => ({
  host: config.PGHOST,
  port: config.PGPORT,
  database: config.PGDATABASE,
  user: config.PGUSER,
  password,
})
