/**
 * The embedded backend: OTLP in; Tempo's API, Loki's API, the console and metrics out. One process, two threads.
 *
 *   services ── OTLP/HTTP ──► receiver ─┐                      ┌─► Tempo API ◄── console, curl, Grafana
 *   gateway's access log ──► follower ──┼─► ingest ─► wal.db ──┤   (worker: heads, blocks, TraceQL, LogQL)
 *   Loki clients ── push ───────────────┘      │               └─► Loki API  ◄──
 *                                              └─► service graph ─► /metrics ◄── Prometheus
 */
import { readConfig } from './config.ts'
import { listen, serveApi } from './http.ts'
import { log } from './log.ts'
import { createReceiver } from './otlp/receiver.ts'
import { startQueryWorker } from './query-worker.ts'
import { openFolder } from './store/folder.ts'
import { createIngest } from './store/ingest.ts'
import { openWal } from './store/wal.ts'

const MAX_BACKLOG_BYTES = 512 * 2 ** 20

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const folder = openFolder(config.EMBEDDED_DATA_DIR)
  const wal = openWal(folder.path, (message) => log('warn', message))
  const worker = await startQueryWorker(
    {
      dataDir: folder.path,
      epoch: wal.epoch,
      retentionMs: { traces: config.TRACES_RETENTION, logs: config.LOGS_RETENTION },
      maxBytes: { traces: config.TRACES_MAX_BYTES, logs: config.LOGS_MAX_BYTES },
      cacheBytes: config.QUERY_CACHE_BYTES,
      queryTimeoutMs: config.QUERY_TIMEOUT,
    },
    { log, sealed: (signal, below) => wal.trim(signal, below) },
  )
  const ingest = createIngest({
    wal,
    maxBacklogBytes: MAX_BACKLOG_BYTES,
    spanAttributes: new Set(),
    onSpan: () => {},
    onAccepted: () => worker.accepted(),
  })
  const onError = (error: unknown) =>
    log('error', error instanceof Error ? (error.stack ?? error.message) : String(error))
  const receiver = createReceiver({ ...ingest, maxBodyBytes: config.OTLP_MAX_BODY_BYTES, onError })

  const servers = [
    await listen(receiver, config.HOST, config.OTLP_HTTP_PORT, 'OTLP_HTTP_PORT'),
    await listen(serveApi(worker.tempo, onError), config.HOST, config.TEMPO_PORT, 'TEMPO_PORT'),
    await listen(serveApi(worker.loki, onError), config.HOST, config.LOKI_PORT, 'LOKI_PORT'),
  ]
  log(
    'info',
    `Ready: OTLP on ${config.OTLP_HTTP_PORT}, Tempo API on ${config.TEMPO_PORT}, Loki API on ${config.LOKI_PORT}.`,
  )

  const stop = async () => {
    for (const server of servers) server.close()
    for (const server of servers) server.closeIdleConnections()
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
