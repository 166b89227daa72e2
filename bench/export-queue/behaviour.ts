/**
 * What each queue does when things go wrong, counted: `node behaviour.ts KIND SIGNAL` writes one JSON line. An exporter
 * that can be told how to answer stands behind the queue; the last case has the real one before a slow server.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { LoggerProvider, type LogRecordExporter } from '@opentelemetry/sdk-logs'
import { type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { logExporter, spanExporter } from '../../service-kit/telemetry/exporters.ts'
import { type Counts, type Kind, logQueue, SERVICE_SETTINGS, type Settings, type Signal, spanQueue } from './queues.ts'

const [kind, signal] = process.argv.slice(2) as [Kind, Signal]
const SMALL: Settings = { capacity: 100, batchSize: 10, delayMs: 5, timeoutMs: 60 }
const PATIENT: Settings = { ...SMALL, timeoutMs: 60_000 }
type Done = (result: ExportResult) => void

/** Errors that nobody caught: a service would end with them. */
let uncaught = 0
process.on('uncaughtException', () => uncaught++)
process.on('unhandledRejection', () => uncaught++)
diag.setLogger({ error() {}, warn() {}, info() {}, debug() {}, verbose() {} }, { logLevel: DiagLogLevel.NONE })

const cases: Record<string, () => Promise<unknown>> = {
  async 'queue full: 135 items, 10 under way, room for 100'() {
    const queue = start(PATIENT, () => {})
    queue.add(135)
    return shown(await queue.counts())
  },
  async 'export failed with an error'() {
    const queue = start(SMALL, (done) => done({ code: ExportResultCode.FAILED, error: new TypeError('no') }))
    queue.add(6)
    await queue.flush()
    return shown(await queue.counts())
  },
  async 'export failed without an error'() {
    const queue = start(SMALL, (done) => done({ code: ExportResultCode.FAILED }))
    queue.add(6)
    await queue.flush()
    return shown(await queue.counts())
  },
  async 'exporter throws'() {
    const queue = start(SMALL, () => {
      throw new Error('broken')
    })
    queue.add(6)
    await queue.flush()
    return shown(await queue.counts())
  },
  async 'exporter never answers, time limit over'() {
    const queue = start(SMALL, () => {})
    queue.add(6)
    await delay(SMALL.timeoutMs * 3)
    return shown(await queue.counts())
  },
  async 'success comes after the time limit: counted during / after'() {
    const queue = start(SMALL, (done) => setTimeout(done, SMALL.timeoutMs * 4, { code: ExportResultCode.SUCCESS }))
    queue.add(6)
    await delay(SMALL.timeoutMs * 2)
    const during = shown(await queue.counts())
    await delay(SMALL.timeoutMs * 4)
    return `${during} / ${shown(await queue.counts())}`
  },
  async 'items after the shutdown'() {
    const queue = start(SMALL, (done) => done({ code: ExportResultCode.SUCCESS }))
    await queue.shutdown()
    queue.add(5)
    return shown(await queue.counts())
  },
  async 'backend hangs, 100 wait: requests at once while running'() {
    const queue = start(PATIENT, () => {})
    queue.add(110)
    await delay(100)
    return queue.atOnce()
  },
  async 'backend hangs, 100 wait: requests at once in a flush'() {
    const queue = start(PATIENT, () => {})
    queue.add(110)
    void queue.flush()
    await delay(100)
    return queue.atOnce()
  },
  async 'backend hangs, flush under way, 300 more come: items held'() {
    const queue = start(PATIENT, () => {})
    queue.add(110)
    void queue.flush()
    queue.add(300)
    await delay(50)
    const { lost } = await queue.counts()
    return 410 - Object.values(lost).reduce((sum, count) => sum + count, 0)
  },
  async 'stop with 16,384 waiting, server takes 100 ms each: sent, lost, seconds'() {
    const server = createServer((request, response) => {
      request.resume().once('end', () => setTimeout(() => response.end(), 100))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${port}`
    const queue = startWith(SERVICE_SETTINGS, (signal === 'traces' ? spanExporter('otlp') : logExporter('otlp'))!)
    // One batch is under way, and the queue behind it full.
    queue.add(SERVICE_SETTINGS.batchSize + SERVICE_SETTINGS.capacity)
    const started = performance.now()
    await queue.shutdown()
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    server.close()
    server.closeAllConnections()
    const { exported, lost } = await queue.counts()
    return `${exported}, ${Object.values(lost).reduce((sum, count) => sum + count, 0)}, ${seconds}`
  },
}

const results: Record<string, unknown> = {}
for (const [name, run] of Object.entries(cases)) {
  const before = uncaught
  const result = await Promise.race([run(), delay(15_000, 'does not end')])
  await delay(1)
  results[name] = uncaught > before ? `${result}, ${uncaught - before} uncaught` : String(result)
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0))

function start(settings: Settings, answer: (done: Done) => void) {
  let running = 0
  let most = 0
  const exporter = {
    export(_: unknown[], done: Done) {
      most = Math.max(most, ++running)
      answer((result) => {
        running--
        done(result)
      })
    },
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  return { ...startWith(settings, exporter), atOnce: () => most }
}

function startWith(settings: Settings, exporter: SpanExporter | LogRecordExporter) {
  if (signal === 'traces') {
    const queue = spanQueue(kind, exporter as SpanExporter, settings)
    const provider = new TracerProvider({ spanProcessors: [queue.processor] })
    const tracer = provider.getTracer('bench')
    return handle(queue, () => tracer.startSpan('span').end())
  }
  const queue = logQueue(kind, exporter as LogRecordExporter, settings)
  const provider = new LoggerProvider({ processors: [queue.processor] })
  const logger = provider.getLogger('bench')
  return handle(queue, () => logger.emit({ body: 'line' }))
}

function handle(
  queue: { processor: { forceFlush(): Promise<void>; shutdown(): Promise<void> }; counts(): Promise<Counts> },
  make: () => void,
) {
  return {
    counts: queue.counts,
    add(count: number) {
      for (let i = 0; i < count; i++) make()
    },
    // A flush that fails says so to its caller; here only the counts matter.
    flush: () => queue.processor.forceFlush().catch(() => {}),
    shutdown: () => queue.processor.shutdown().catch(() => {}),
  }
}

function shown({ waiting, exported, lost }: Counts): string {
  const reasons = Object.entries(lost).map(([reason, count]) => `${reason} ${count}`)
  return [`sent ${exported}`, ...reasons, ...(waiting ? [`waiting ${waiting}`] : [])].join(', ')
}
