/**
 * The embedded backend: OTLP in; Tempo's API, Loki's API, the console and metrics out. One process, two threads.
 *
 *   services ── OTLP ───────► receiver ─┐              ┌─► wal.db ──► worker: heads, blocks, TraceQL, LogQL
 *   gateway's access log ──► follower ──┼──► ingest ───┤                │
 *   PostgreSQL's log ──────► follower ──┤              │                │
 *   Loki clients ── push ───────────────┘              └─► service      ├─► Tempo's API  ◄── console, curl, Grafana
 *                                                          graph        └─► Loki's API   ◄──
 *                                                            └─► /metrics ◄── Prometheus ◄── remote write: OTLP metrics
 */
import { attachConsoleTail } from '@sightline/console/tail'
import { createRunGroup } from '@sightline/service-kit/run-group'
import type { Config } from './config.ts'
import { collectLessOften, giveBackMemory } from './give-back.ts'
import { serveApi } from './http.ts'
import type { Log } from './log.ts'
import { type BackendMetrics, createMetrics } from './metrics.ts'
import type { ReadCounts } from './otlp/traces.ts'
import { type ConsolePages, consolePort } from './ports/console.ts'
import { lokiPort, withOtlp } from './ports/loki.ts'
import { createPorts, type PortSpec } from './ports/open-ports.ts'
import { passedOnPort } from './ports/passed-on.ts'
import { tempoPort } from './ports/tempo.ts'
import { attachTail } from './query/loki-api/tail.ts'
import { attachStreaming } from './query/tempo-api/stream.ts'
import { createWorkerHandle, type WorkerHandle } from './query/worker-handle.ts'
import { METRICS_REFUSED } from './receive/answers.ts'
import { type Follower, startGatewayLog } from './receive/gateway-log/index.ts'
import { createGrpcReceiver } from './receive/grpc.ts'
import { createIngest, type Ingest } from './receive/ingest.ts'
import { createLokiPush } from './receive/loki-push/index.ts'
import { createMetricsSink } from './receive/metrics/index.ts'
import { startPostgresLog } from './receive/postgres-log/index.ts'
import { createReceiver, LOKI_OTLP_PATHS, type ReceiverDeps } from './receive/receiver.ts'
import { createRefusals, type TellRefusal } from './receive/refusals.ts'
import {
  createKeptTraces,
  createServiceGraph,
  GRAPH_ATTRIBUTES,
  graphSpan,
  type KeptTraces,
} from './service-graph/index.ts'
import { type DataFolder, openFolder } from './store/folder.ts'
import { openWal, type Wal } from './store/wal.ts'
import { VERSION } from './version.ts'

/** When the console has opened, if somebody waits for it. */
const REST_AFTER_MS = 1_000

type OnError = (error: unknown) => void

const MAX_BACKLOG_BYTES = 512 * 2 ** 20
/**
 * Three seconds each for requests under way and for the worker, and some more; local mode waits 15 s before it kills.
 */
const STOP_WITHIN_MS = 10_000

export type { ConsolePages }

/** Who hears of what happens while it runs. */
export interface BackendListeners {
  readonly log: Log
  /** All ports are open. */
  onReady(): void
  /** What ends it; SIGINT and SIGTERM unless said. */
  readonly signals?: readonly NodeJS.Signals[]
  /** After its start it gives back what the start needed: for one that may have nothing to do for hours. */
  readonly thrifty?: boolean
}

/**
 * Runs in this process until a signal or a failure; resolves to the failure when everything has stopped. Rejects where the data
 * folder can't be had.
 */
export async function runBackend(
  config: Config,
  pages: ConsolePages,
  { log, onReady, signals, thrifty }: BackendListeners,
): Promise<unknown> {
  collectLessOften()
  const logError = (error: unknown) => log('error', stackOf(error))
  const { folder, wal } = openData(config.EMBEDDED_DATA_DIR, log)
  const metrics = createMetrics(wal, () => worker.stats())
  const { TRACES_SAMPLE: share } = config
  const kept = share === undefined ? undefined : createKeptTraces(share)
  const graph = createServiceGraph(metrics.registry, { kept })
  const worker = workerOf(config, folder, wal, metrics, log, kept)
  const ingest = createIngest({
    wal,
    maxBacklogBytes: MAX_BACKLOG_BYTES,
    stage: graphSpan,
    spanAttributes: GRAPH_ATTRIBUTES,
    onSpans: (spans) => graph.add(spans, Date.now()),
    onAccepted(signal, counts) {
      metrics.accepted(signal, counts)
      worker.accepted()
    },
  })
  const tell = createRefusals((message) => log('warn', message))
  const takers = takersOf(ingest, metricsSinkOf(config, metrics, log), tell)
  const ports = portsOf(config, pages, takers, worker, metrics, logError)
  const rest = () => {
    giveBackMemory()
    worker.rest()
  }
  let graphClock: NodeJS.Timeout
  let gateway: Follower | undefined
  let postgres: Follower | undefined

  // First what keeps data, then what brings it. It stops the other way round: nothing that was answered 200 is on its way
  // any more when the log closes.
  const group = createRunGroup({ stopWithinMs: STOP_WITHIN_MS, onEvent: reportTo(log), ...(signals && { signals }) })
  group.add('data folder', { stop: async () => folder.release() })
  group.add('write-ahead log', { stop: wal.close })
  group.add('query worker', { start: worker.start, stop: worker.close })
  group.add('service graph', {
    start: async () => {
      graphClock = setInterval(() => graph.expire(Date.now()), 1000)
    },
    stop: async () => clearInterval(graphClock),
  })
  group.add('gateway log', {
    start: async () => {
      gateway = gatewayLogOf(config, ingest, metrics, logError)
    },
    stop: async () => gateway?.stop(),
  })
  group.add('PostgreSQL log', {
    start: async () => {
      postgres = postgresLogOf(config, ingest, logError)
    },
    stop: async () => postgres?.stop(),
  })
  const { OTLP_GRPC_PORT: grpcPort } = config
  group.add(
    'OTLP over gRPC',
    createGrpcReceiver({ ...receiving(config, takers, metrics, logError), host: config.HOST, port: grpcPort }),
  )
  group.add('ports', {
    async start() {
      await ports.start()
      onReady()
      if (thrifty === true) setTimeout(rest, REST_AFTER_MS).unref()
      pages.build?.(log)
    },
    stop: ports.stop,
  })
  return group.run()
}

/** The data folder and its write-ahead log, or neither. */
function openData(path: string, log: Log): { folder: DataFolder; wal: Wal } {
  const warn = (message: string) => log('warn', message)
  const folder = openFolder(path, warn)
  try {
    return { folder, wal: openWal(folder.path, warn) }
  } catch (error) {
    folder.release()
    throw error
  }
}

function workerOf(
  config: Config,
  folder: DataFolder,
  wal: Wal,
  metrics: BackendMetrics,
  log: Log,
  kept: KeptTraces | undefined,
): WorkerHandle {
  const settings = {
    dataDir: folder.path,
    epoch: wal.epoch,
    retentionMs: { traces: config.TRACES_RETENTION, logs: config.LOGS_RETENTION },
    maxBytes: { traces: config.TRACES_MAX_BYTES, logs: config.LOGS_MAX_BYTES },
    cacheBytes: config.QUERY_CACHE_BYTES,
    queryTimeoutMs: config.QUERY_TIMEOUT,
    tracesSample: config.TRACES_SAMPLE,
  }
  return createWorkerHandle(
    settings,
    { log, sealed: wal.trim, answered: metrics.answered, ...(kept && { kept: kept.tell }) },
    config.QUERY_NOW_MS,
  )
}

function gatewayLogOf(
  config: Config,
  sink: Ingest,
  { registry }: BackendMetrics,
  onError: OnError,
): Follower | undefined {
  if (config.GATEWAY_ACCESS_LOG === undefined) return undefined
  return startGatewayLog({
    accessLog: config.GATEWAY_ACCESS_LOG,
    ...(config.GATEWAY_PID_FILE !== undefined && { pidFile: config.GATEWAY_PID_FILE }),
    ...(config.GATEWAY_STATUS_URL !== undefined && { statusUrl: config.GATEWAY_STATUS_URL }),
    version: VERSION,
    environment: config.DEPLOYMENT_ENVIRONMENT,
    share: config.TRACES_SAMPLE,
    env: process.env,
    sink,
    registry,
    onError,
  })
}

function postgresLogOf(config: Config, sink: Ingest, onError: OnError): Follower | undefined {
  const { POSTGRES_JSON_LOG: log, DEPLOYMENT_ENVIRONMENT: environment } = config
  return log === undefined ? undefined : startPostgresLog({ log, environment, env: process.env, sink, onError })
}

type Takers = Ingest & Pick<ReceiverDeps, 'ingestMetrics' | 'onNoMetrics'>

/** Everything that senders bring; what is refused of it is told. */
function takersOf(ingest: Ingest, sink: ReceiverDeps['ingestMetrics'], tell: TellRefusal): Takers {
  const telling = async (signal: string, taken: Promise<ReadCounts>) => {
    const counts = await taken
    tell(signal, counts.reason)
    return counts
  }
  return {
    ...ingest,
    ingestTraces: (bytes, cursor) => telling('traces', ingest.ingestTraces(bytes, cursor)),
    ingestLogs: (bytes, cursor) => telling('logs', ingest.ingestLogs(bytes, cursor)),
    ingestMetrics: sink && ((bytes) => telling('metrics', sink(bytes))),
    onNoMetrics: () => tell('metrics', METRICS_REFUSED),
  }
}

/** Where OTLP metrics go: undefined for nowhere. */
function metricsSinkOf(
  { PROMETHEUS_REMOTE_WRITE_URL: url }: Config,
  metrics: BackendMetrics,
  log: Log,
): ReceiverDeps['ingestMetrics'] {
  if (url === undefined) return undefined
  return createMetricsSink({
    url,
    onCounted: (counts) => metrics.accepted('metrics', counts),
    onAway: (why) =>
      why === undefined
        ? log('info', 'Prometheus takes OTLP metrics again.')
        : log('warn', `Prometheus does not take OTLP metrics: ${why}. Senders are told to send them again.`),
  })
}

/** What OTLP has in common, over HTTP and gRPC. */
const receiving = (
  config: Config,
  ingest: Takers,
  metrics: BackendMetrics,
  onError: OnError,
): Omit<ReceiverDeps, 'hosts'> => ({
  ...ingest,
  maxBodyBytes: config.OTLP_MAX_BODY_BYTES,
  onError,
  onRequest: ({ signal, status, bytes }) => metrics.received(signal, status, bytes),
})

function portsOf(
  config: Config,
  pages: ConsolePages,
  ingest: Takers,
  worker: WorkerHandle,
  metrics: BackendMetrics,
  onError: OnError,
) {
  const { SIGHTLINE_ALLOWED_HOSTS: hosts } = config
  const taking: ReceiverDeps = { ...receiving(config, ingest, metrics, onError), hosts }
  const receiver = createReceiver({ ...taking, origins: config.OTLP_CORS_ORIGINS })
  const push = createLokiPush({ ...ingest, maxBodyBytes: config.OTLP_MAX_BODY_BYTES })
  const loki = withOtlp(
    serveApi(lokiPort({ api: worker.loki, push }), hosts, onError),
    createReceiver({ ...taking, paths: LOKI_OTLP_PATHS }),
    LOKI_OTLP_PATHS,
  )
  const tempoApi = tempoPort({ api: worker.tempo, registry: metrics.registry, ready: worker.ready })
  const tempo = serveApi(tempoApi, hosts, onError)
  const specs: PortSpec[] = [
    {
      listener: loki,
      port: config.LOKI_PORT,
      variable: 'LOKI_PORT',
      attach: (server) => attachTail(server, { loki: worker.loki, hosts, onError }),
    },
    { listener: receiver, port: config.OTLP_HTTP_PORT, variable: 'OTLP_HTTP_PORT' },
    {
      listener: tempo,
      port: config.TEMPO_PORT,
      variable: 'TEMPO_PORT',
      attach: (server) => attachStreaming(server, { tempo: worker.tempo, onError }),
    },
    {
      listener: consolePort(config, pages),
      port: config.CONSOLE_PORT,
      variable: 'CONSOLE_PORT',
      attach: (server) => attachConsoleTail(server, `http://${config.HOST}:${config.LOKI_PORT}`, hosts),
    },
  ]
  if (config.PROMETHEUS_URL !== undefined && config.PROMETHEUS_PORT !== undefined) {
    const listener = passedOnPort('Prometheus', config.PROMETHEUS_URL, hosts, onError)
    specs.push({ listener, port: config.PROMETHEUS_PORT, variable: 'PROMETHEUS_PORT' })
  }
  if (config.ALERTMANAGER_URL !== undefined && config.ALERTMANAGER_PORT !== undefined) {
    const listener = passedOnPort('Alertmanager', config.ALERTMANAGER_URL, hosts, onError)
    specs.push({ listener, port: config.ALERTMANAGER_PORT, variable: 'ALERTMANAGER_PORT' })
  }
  return createPorts(config.HOST, specs)
}

/** What can't start says in its message what to do; of a fault of ours the stack is worth more. */
const reportTo =
  (log: Log) =>
  (event: string, name: string, error: unknown): void => {
    if (error === undefined) return
    if (event === 'ending') log('error', name === 'uncaught error' ? stackOf(error) : messageOf(error))
    else log('error', `${event}: ${name}: ${messageOf(error)}`)
  }

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** For what should not happen: with the stack, which never leaves the process another way. */
const stackOf = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error))
