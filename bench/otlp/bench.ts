/**
 * What a span and a log record cost until they are bytes: `node bench/otlp/bench.ts`. Our encoder and the SDK's take turns with the
 * same batch of 512; ratios are taken within a turn. Medians, quartiles in brackets; the last line is one JSON object.
 */
import { type Logger, SpanKind, type Tracer } from '@opentelemetry/api'
import { ProtobufLogsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { logSerializer } from '../../service-kit/telemetry/otlp/logs.ts'
import { spanSerializer } from '../../service-kit/telemetry/otlp/spans.ts'

const BATCH = 512
const [WARM_UP, TURNS] = [60, 100]

const spans = new InMemorySpanExporter()
const tracers = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] })
const records = new InMemoryLogRecordExporter()
const loggers = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: records })] })
for (let n = 0; n < BATCH; n++) {
  if (n % 2) statement(tracers.getTracer('statements', '1.0.0'), n)
  else step(tracers.getTracer('steps', '1.0.0'), n)
  line(loggers.getLogger('lines'), n)
}
await Promise.all([tracers.forceFlush(), loggers.forceFlush()])

const result = {
  span: compare(spans.getFinishedSpans(), spanSerializer, ProtobufTraceSerializer),
  log_record: compare(records.getFinishedLogRecords(), logSerializer, ProtobufLogsSerializer),
}
console.log('| | us, ours | us, the SDK’s | ratio |\n|---|---|---|---|')
for (const [name, { ours, theirs, ratio }] of Object.entries(result))
  console.log(`| ${name} | ${text(ours)} | ${text(theirs)} | ${text(ratio)} |`)
console.log(JSON.stringify(result))

/** As pg's instrumentation leaves it. */
function statement(tracer: Tracer, n: number): void {
  const attributes = {
    'db.system.name': 'postgresql',
    'db.namespace': 'sightline',
    'server.address': '127.0.0.1',
    'server.port': 5432,
    'db.query.text': 'INSERT INTO orders (user_id, total, status) VALUES ($1, $2, $3) RETURNING id, status, created_at',
    'peer.service': 'postgresql',
    'user.id': String(1001 + n),
  }
  tracer.startSpan('pg.query:insert_order sightline', { kind: SpanKind.CLIENT, attributes }).end()
}

function step(tracer: Tracer, n: number): void {
  const attributes = { 'order.id': String(n), 'order.items': n % 7, 'order.total': n / 8, 'fallback.used': false }
  const span = tracer.startSpan('check_inventory', { attributes })
  span.addEvent('stock.checked', { 'product.id': 'phone-001', available: n })
  span.end()
}

function line(logger: Logger, n: number): void {
  const attributes = { logger: 'order-service', request_id: `request-${n}`, order_id: n, duration_ms: n / 4 }
  logger.emit({ body: 'order committed', severityNumber: 9, severityText: 'info', attributes })
}

interface Spread {
  median: number
  quartiles: [number, number]
}

/** Microseconds an item. */
function compare<Item>(
  items: Item[],
  our: { serializeRequest(items: Item[]): unknown },
  their: { serializeRequest(items: Item[]): unknown },
): { ours: Spread; theirs: Spread; ratio: Spread } {
  const took = (encoder: typeof our) => {
    const started = performance.now()
    encoder.serializeRequest(items)
    return ((performance.now() - started) * 1000) / items.length
  }
  const turns: { ours: number; theirs: number }[] = []
  for (let turn = 0; turn < WARM_UP + TURNS; turn++) turns.push({ ours: took(our), theirs: took(their) })
  const measured = turns.slice(WARM_UP)
  return {
    ours: spread(measured.map(({ ours }) => ours)),
    theirs: spread(measured.map(({ theirs }) => theirs)),
    ratio: spread(measured.map(({ ours, theirs }) => ours / theirs)),
  }
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (q: number) => Number(sorted[Math.floor(sorted.length * q)]!.toPrecision(3))
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)] }
}

function text({ median, quartiles }: Spread): string {
  return `${median} (${quartiles.join('-')})`
}
