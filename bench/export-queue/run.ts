/**
 * One measurement in a process of its own: `node run.ts KIND SIGNAL EXPORTER ITEMS` makes that many spans or log records
 * as fast as the queue lets them through without a loss, and writes one JSON line: CPU per item, items per second. The otlp
 * exporter sends to OTEL_EXPORTER_OTLP_ENDPOINT.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type Context, type Logger, ROOT_CONTEXT, SeverityNumber, type Tracer } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { LoggerProvider } from '@opentelemetry/sdk-logs'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import { logExporter, spanExporter } from '../../service-kit/telemetry/exporters.ts'
import { type Counts, type Kind, logQueue, SERVICE_SETTINGS, type Signal, spanQueue } from './queues.ts'

const [kind, signal, exporter, items] = process.argv.slice(2) as [Kind, Signal, 'none' | 'otlp', string]
const ITEMS = Number(items)
const WARM_UP = 30_000
/** Made in one go before the event loop turns, as a service under load does. */
const BURST = 128
const MOST_WAITING = SERVICE_SETTINGS.capacity / 2

const { make, counts, flush } = signal === 'traces' ? traces() : logRecords()
await produce(WARM_UP)
const started = performance.now()
const cpu = process.cpuUsage()
await produce(ITEMS)
const { user, system } = process.cpuUsage(cpu)
const seconds = (performance.now() - started) / 1000
const { exported, lost } = await counts()
if (exported !== WARM_UP + ITEMS || Object.keys(lost).length > 0)
  throw new Error(`${kind} ${signal}: ${exported} exported, lost ${JSON.stringify(lost)}`)
const figures = {
  cpu_us_per_item: Math.round((100 * (user + system)) / ITEMS) / 100,
  items_per_second: Math.round(ITEMS / seconds),
  max_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
}
process.stdout.write(`${JSON.stringify(figures)}\n`)

async function produce(count: number): Promise<void> {
  for (let made = 0; made < count; ) {
    for (const end = Math.min(made + BURST, count); made < end; made++) make(made)
    await turn()
    if (made % (BURST * 16) === 0) while ((await counts()).waiting > MOST_WAITING) await turn()
  }
  await flush()
}

interface Source {
  make(i: number): void
  counts(): Promise<Counts>
  flush(): Promise<void>
}

/** Spans as a service's pg instrumentation makes them: eight attributes. */
function traces(): Source {
  const queue = spanQueue(kind, exporter === 'otlp' ? spanExporter('otlp')! : nowhere(), SERVICE_SETTINGS)
  const provider = new TracerProvider({ spanProcessors: [queue.processor] })
  const tracer: Tracer = provider.getTracer('bench')
  const parent: Context = ROOT_CONTEXT
  return {
    make(i) {
      const span = tracer.startSpan('pg.query:SELECT sightline', { attributes: attributesOf(i) }, parent)
      span.end()
    },
    counts: queue.counts,
    flush: () => provider.forceFlush(),
  }
}

function logRecords(): Source {
  const queue = logQueue(kind, exporter === 'otlp' ? logExporter('otlp')! : nowhere(), SERVICE_SETTINGS)
  const provider = new LoggerProvider({ processors: [queue.processor] })
  const logger: Logger = provider.getLogger('bench')
  return {
    make: (i) =>
      logger.emit({
        severityNumber: SeverityNumber.INFO,
        severityText: 'info',
        body: 'POST /process 200',
        attributes: attributesOf(i),
      }),
    counts: queue.counts,
    flush: () => provider.forceFlush(),
  }
}

function attributesOf(i: number) {
  return {
    'db.system.name': 'postgresql',
    'db.namespace': 'sightline',
    'db.query.text': 'select id, name, price from products where id = $1',
    'db.operation.name': 'SELECT',
    'server.address': '127.0.0.1',
    'server.port': 5432,
    'request.id': `request-${i}`,
    'order.id': String(i),
  }
}

/** Takes everything at once: what is left is the queue. */
function nowhere() {
  return {
    export: (_: unknown[], done: (result: ExportResult) => void) =>
      void setImmediate(done, { code: ExportResultCode.SUCCESS }),
    forceFlush: async () => {},
    shutdown: async () => {},
  }
}
