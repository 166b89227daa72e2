/** The life of one service process: settings, logging, database, next hop, server; and all of it backwards at the end. */
import type Koa from 'koa'
import type { z } from 'zod'
import { connectionOf, readConfig, type ServiceEnvironment } from './config.ts'
import { type Flags, openFlags } from './flags/index.ts'
import { applyToProcess } from './flags/process-flags.ts'
import { createServiceClient, type ServiceClient } from './http-client.ts'
import { type HttpServer, listen, listenOnHanded } from './listen.ts'
import { createLoadGuard } from './load-guard.ts'
import { getLogger, type Logger, startLogging, stopLogging } from './logging.ts'
import { type Catalogue, createMetrics, type Metrics } from './metrics.ts'
import { createDatabase, type Database } from './postgres.ts'
import type { ProblemError } from './problems.ts'
import { type Component, createRunGroup } from './run-group.ts'
import { entryPackage } from './telemetry/entry-package.ts'

/** What the kit makes for a service; the service builds its app on it. */
export interface KitParts<Config = ServiceEnvironment> {
  service: { name: string; version: string }
  config: Config
  logger: Logger
  metrics: Metrics
  database: Database
  flags: Flags
  nextService: ServiceClient | undefined
  isDraining: () => boolean
  /** Asked before each request: the refusal while the process is overloaded. */
  admit: () => ProblemError | undefined
}

/** What a service gives back to be run. */
export interface ServiceParts {
  app: Koa
  /** Background work: started before the server, and stopped after it has finished what was in flight. */
  background?: Record<string, Component>
}

/** The whole stop takes 10 s at most: 6 for requests in flight, 2 for telemetry, the rest for pools and logs. */
const DRAIN_MS = 6_000
const FLUSH_MS = 2_000
const STOP_MS = 9_500

/** The parts of one service from its checked environment; nothing is connected or listening yet. */
export function createParts<Config extends ServiceEnvironment>(
  service: { name: string; version: string },
  config: Config,
  catalogue: Catalogue,
  isDraining: () => boolean,
): KitParts<Config> {
  const logger = getLogger(service.name)
  const metrics = createMetrics(service, catalogue)
  const flags = openFlags(config.SIGHTLINE_FLAGS_FILE, service.name, logger)
  const database = createDatabase({
    connection: connectionOf(config),
    applicationName: service.name,
    poolMax: config.DB_POOL_MAX,
    acquireTimeoutMs: config.DB_ACQUIRE_TIMEOUT_MS,
    outageWaitMs: config.DB_OUTAGE_WAIT_MS,
    statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
    carriesTrace: config.SIGHTLINE_STATEMENT_CONTEXT === 'carry',
    metrics,
    logger,
  })
  const url = config.NEXT_SERVICE_URL
  const peer = config.NEXT_SERVICE_NAME ?? (url ? new URL(url).hostname : '')
  const nextService = url
    ? createServiceClient({ url, peer, metrics, logger, timeoutMs: config.HOP_TIMEOUT_MS })
    : undefined
  const { admit } = createLoadGuard(config.SHED_DELAY_MS, metrics)
  return { service, config, logger, metrics, database, flags, nextService, isDraining, admit }
}

/**
 * Runs a service until a signal or a failure, then stops all of it and ends the process: exit code 0 after a signal, 1
 * after a failure. Throws before anything starts when the environment does not pass `schema`. `catalogue` has every metric
 * that the service makes; `compose` puts the service together from what the kit has made.
 */
export async function runService<Schema extends z.ZodType<ServiceEnvironment>>(
  schema: Schema,
  catalogue: Catalogue,
  compose: (parts: KitParts<z.infer<Schema>>) => ServiceParts,
): Promise<void> {
  // Where a process is run, it is there already (register.ts). Elsewhere it would be most of what the kit imports: half a second
  // of each command and test that only wants a part of the kit.
  const { stopTelemetry } = await import('./telemetry/start.ts')
  const service = entryPackage(process.argv[1])
  const config = readConfig(schema, process.env)
  startLogging({
    service,
    level: config.LOG_LEVEL,
    format: config.LOG_FORMAT,
    dir: config.LOG_DIR,
    showPersonalData: config.SIGHTLINE_PII === 'show',
  })
  let draining = false
  const parts = createParts(service, config, catalogue, () => draining)
  const { logger, database, flags, nextService } = parts
  const { app, background = {} } = compose(parts)

  const group = createRunGroup({
    stopWithinMs: STOP_MS,
    onEvent: (event, name, error) => report(logger, event, name, error),
  })
  group.add('telemetry', { stop: () => stopTelemetry(FLUSH_MS) })
  if (config.SIGHTLINE_FLAGS_FILE !== undefined) {
    applyToProcess(flags)
    group.add('flags', flags)
  }
  group.add('database', {
    // Before the server: in a rolling restart half of the requests are a new process' at once.
    async start() {
      await database.open()
    },
    stop: () => database.close(),
  })
  if (nextService) group.add('next hop', { stop: () => nextService.close() })
  for (const [name, component] of Object.entries(background)) group.add(name, component)
  let server: HttpServer | undefined
  group.add('server', {
    async start() {
      const handler = app.callback()
      server = await (config.LISTEN_FDS ? listenOnHanded(handler) : listen(handler, config.HOST, config.PORT))
      logger.info(`${service.name} ${service.version} listens on http://${config.HOST}:${server.port}`)
      // To who has started it and can't tell by the port, which a predecessor may have as well.
      if (process.connected) process.send!('ready')
    },
    async stop() {
      draining = true
      await server?.close(DRAIN_MS)
    },
  })

  const error = await group.run()
  await stopLogging()
  // What is left (a timer of a library, a socket that hangs) must not keep a stopped service alive.
  process.exit(error === undefined ? 0 : 1)
}

function report(logger: Logger, event: string, name: string, error: unknown): void {
  if (error !== undefined) logger.error(`${event}: ${name}`, error instanceof Error ? error : { error })
  else if (event === 'ending') logger.info(`stopping after ${name}`)
  else logger.debug(`${event}: ${name}`)
}
