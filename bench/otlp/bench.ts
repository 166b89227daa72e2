/**
 * What a span and a log record cost until they are bytes: `node bench/otlp/bench.ts`. Our encoder and the SDK's take turns with the
 * same batch of 512, then our spans and the SDK's with the same calls, from their starts to bytes of our encoder; ratios are taken
 * within a turn. CPU time; medians, quartiles in brackets; the last line is one JSON object.
 */
import { type Logger, SpanKind, type Tracer, type TracerProvider } from '@opentelemetry/api'
import { ProtobufLogsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { defaultResource } from '@opentelemetry/resources'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import {
  AlwaysOnSampler,
  ParentBasedSampler,
  type ReadableSpan,
  TracerProvider as SdkTracerProvider,
} from '@opentelemetry/sdk-trace'
import { fineStart } from '../../service-kit/telemetry/clock.ts'
import { logSerializer } from '../../service-kit/telemetry/otlp/logs.ts'
import { spanSerializer } from '../../service-kit/telemetry/otlp/spans.ts'
import { createTracerProvider, limitsFromEnvironment } from '../../service-kit/telemetry/tracing/provider.ts'

const BATCH = 512
const [WARM_UP, TURNS] = [60, 100]

let ended: ReadableSpan[] = []
const keeping = {
  onStart() {},
  onEnd: (span: ReadableSpan) => void ended.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
}
const sampler = new ParentBasedSampler({ root: new AlwaysOnSampler() })
const resource = defaultResource()
const sdk = new SdkTracerProvider({ resource, sampler, spanProcessors: [fineStart, keeping] })
const own = createTracerProvider({ resource, sampler, limits: limitsFromEnvironment(), processor: keeping })
const records = new InMemoryLogRecordExporter()
const loggers = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: records })] })
for (let n = 0; n < BATCH; n++) line(loggers.getLogger('lines'), n)
await loggers.forceFlush()
const [spans, lines] = [made(sdk), records.getFinishedLogRecords()]

const result = {
  span: compare(
    () => spanSerializer.serializeRequest(spans),
    () => ProtobufTraceSerializer.serializeRequest(spans),
  ),
  log_record: compare(
    () => logSerializer.serializeRequest(lines),
    () => ProtobufLogsSerializer.serializeRequest(lines),
  ),
  span_from_its_start: compare(
    () => spanSerializer.serializeRequest(made(own)),
    () => spanSerializer.serializeRequest(made(sdk)),
  ),
}
console.log('| | us, ours | us, the SDK’s | ratio |\n|---|---|---|---|')
for (const [name, { ours, theirs, ratio }] of Object.entries(result))
  console.log(`| ${name} | ${text(ours)} | ${text(theirs)} | ${text(ratio)} |`)
console.log(JSON.stringify(result))

/** A batch of spans that have ended. */
function made(provider: TracerProvider): ReadableSpan[] {
  ended = []
  for (let n = 0; n < BATCH; n++) {
    if (n % 2) statement(provider.getTracer('statements', '1.0.0'), n)
    else step(provider.getTracer('steps', '1.0.0'), n)
  }
  return ended
}

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

/** Microseconds of CPU an item; each does a batch. */
function compare(our: () => void, their: () => void): { ours: Spread; theirs: Spread; ratio: Spread } {
  const took = (work: () => void) => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / BATCH
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
