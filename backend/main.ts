/**
 * The embedded backend: OTLP in; Tempo's API, Loki's API, the console and metrics out. One process, two threads.
 *
 *   services ── OTLP/HTTP ──► receiver ─┐              ┌─► wal.db ──► worker: heads, blocks, TraceQL, LogQL
 *   gateway's access log ──► follower ──┼──► ingest ───┤                │
 *   Loki clients ── push ───────────────┘              └─► service      ├─► Tempo's API  ◄── console, curl, Grafana
 *                                                          graph        └─► Loki's API   ◄──
 *                                                            └─► /metrics ◄── Prometheus
 */
import { readConfig } from './config.ts'
import { listen, serveApi } from './http.ts'
import { log, logError } from './log.ts'
import { createMetrics } from './metrics.ts'
import { consolePort } from './ports/console.ts'
import { lokiPort } from './ports/loki.ts'
import { tempoPort } from './ports/tempo.ts'
import { attachTail } from './query/loki-api/tail.ts'
import { createWorkerHandle } from './query/worker-handle.ts'
import { startGatewayLog } from './receive/gateway-log/index.ts'
import { createIngest } from './receive/ingest.ts'
import { createLokiPush } from './receive/loki-push.ts'
import { createReceiver } from './receive/receiver.ts'
import { createServiceGraph, GRAPH_ATTRIBUTES, graphSpan } from './service-graph/index.ts'
import { openFolder } from './store/folder.ts'
import { openWal } from './store/wal.ts'
import { VERSION } from './version.ts'

const MAX_BACKLOG_BYTES = 512 * 2 ** 20

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const folder = openFolder(config.EMBEDDED_DATA_DIR)
  const wal = openWal(folder.path, (message) => log('warn', message))
  const metrics = createMetrics(wal, () => worker.stats())
  const graph = createServiceGraph(metrics.registry)
  const worker = createWorkerHandle(
    {
      dataDir: folder.path,
      epoch: wal.epoch,
      retentionMs: { traces: config.TRACES_RETENTION, logs: config.LOGS_RETENTION },
      maxBytes: { traces: config.TRACES_MAX_BYTES, logs: config.LOGS_MAX_BYTES },
      cacheBytes: config.QUERY_CACHE_BYTES,
      queryTimeoutMs: config.QUERY_TIMEOUT,
    },
    { log, sealed: wal.trim, answered: metrics.answered },
  )
  await worker.start()
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
  const graphClock = setInterval(() => graph.expire(Date.now()), 1000)
  const receiver = createReceiver({
    ...ingest,
    maxBodyBytes: config.OTLP_MAX_BODY_BYTES,
    onError: logError,
    onRequest: ({ signal, status, bytes }) => metrics.received(signal, status, bytes),
  })
  const gateway =
    config.GATEWAY_ACCESS_LOG === undefined
      ? undefined
      : startGatewayLog({
          accessLog: config.GATEWAY_ACCESS_LOG,
          ...(config.GATEWAY_PID_FILE !== undefined && { pidFile: config.GATEWAY_PID_FILE }),
          ...(config.GATEWAY_STATUS_URL !== undefined && { statusUrl: config.GATEWAY_STATUS_URL }),
          version: VERSION,
          environment: config.DEPLOYMENT_ENVIRONMENT,
          sink: ingest,
          registry: metrics.registry,
          onError: logError,
        })
  const tempo = tempoPort({ api: worker.tempo, registry: metrics.registry, ready: worker.ready })
  const loki = lokiPort({ api: worker.loki, push: createLokiPush(ingest) })

  const lokiServer = await listen(serveApi(loki, logError), config.HOST, config.LOKI_PORT, 'LOKI_PORT')
  const endTails = attachTail(lokiServer, { loki: worker.loki, onError: logError })
  const servers = [
    lokiServer,
    await listen(receiver, config.HOST, config.OTLP_HTTP_PORT, 'OTLP_HTTP_PORT'),
    await listen(serveApi(tempo, logError), config.HOST, config.TEMPO_PORT, 'TEMPO_PORT'),
    await listen(consolePort(config, log), config.HOST, config.CONSOLE_PORT, 'CONSOLE_PORT'),
  ]
  const { OTLP_HTTP_PORT, TEMPO_PORT, LOKI_PORT, CONSOLE_PORT } = config
  log(
    'info',
    `Ready: OTLP on ${OTLP_HTTP_PORT}, Tempo's API on ${TEMPO_PORT}, Loki's on ${LOKI_PORT}, console on ${CONSOLE_PORT}.`,
  )

  const stop = async () => {
    // First what brings data, then what keeps it: nothing that was answered 200 is on its way any more when the log closes.
    for (const server of servers) server.close()
    for (const server of servers) server.closeIdleConnections()
    endTails()
    clearInterval(graphClock)
    await gateway?.stop()
    await worker.close()
    await wal.close()
    folder.release()
    process.exit(0)
  }
  process.once('SIGTERM', () => void stop())
  process.once('SIGINT', () => void stop())
}

main().catch((error: unknown) => {
  log('error', error instanceof Error ? error.message : String(error))
  process.exit(1)
})
