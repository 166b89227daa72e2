/** What each span meets on its way out: business context in, personal data out, and only what was sampled. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { context, propagation, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { InMemoryLogRecordExporter, LoggerProvider, type LogRecordExporter } from '@opentelemetry/sdk-logs'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  InMemorySpanExporter,
  type Sampler,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { logProcessor, spanProcessor, waysFromEnvironment } from './processors.ts'
import { telemetry } from './state.ts'

const spanWays = (exporter: SpanExporter | undefined, env: NodeJS.ProcessEnv = {}) =>
  waysFromEnvironment(exporter, 'OTEL_BSP', env)
const logWays = (exporter: LogRecordExporter, env: NodeJS.ProcessEnv = {}) =>
  waysFromEnvironment(exporter, 'OTEL_BLRP', env)

function pipeline(options: { showPersonalData?: boolean; sampler?: Sampler; env?: NodeJS.ProcessEnv } = {}) {
  const { showPersonalData = false, sampler = new AlwaysOnSampler(), env = {} } = options
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({
    sampler,
    spanProcessors: [spanProcessor(spanWays(exporter, env), env, showPersonalData)],
  })
  return {
    tracer: (scope = 'test') => provider.getTracer(scope),
    async spans() {
      await provider.forceFlush()
      return exporter.getFinishedSpans()
    },
  }
}

test('baggage of the caller: three keys become attributes, when they are short and plain', async () => {
  const { tracer, spans } = pipeline()
  const entries = {
    'request.id': { value: 'r-1' },
    'user.id': { value: '7' },
    'order.id': { value: 'x'.repeat(129) },
    'user.name': { value: 'john' },
    password: { value: 'x' },
  }
  const parent = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage(entries))
  tracer().startSpan('carried', {}, parent).end()
  const forged = propagation.createBaggage({ 'request.id': { value: 'two words' } })
  tracer().startSpan('forged', {}, propagation.setBaggage(ROOT_CONTEXT, forged)).end()
  const [carried, refused] = await spans()
  assert.deepEqual(carried!.attributes, { 'request.id': 'r-1', 'user.id': '7' })
  assert.deepEqual(refused!.attributes, {})
})

const SIGHTLINE_BAGGAGE_KEYS = 'tenant, session.id,user.name,http.route,,two words,request.id'
const CALLER = propagation.setBaggage(
  ROOT_CONTEXT,
  propagation.createBaggage({
    tenant: { value: 'Über GmbH, jane@example.com' },
    'session.id': { value: 'line\nbreak' },
    'user.name': { value: 'Jane Roe' },
    'http.route': { value: '/forged' },
    'request.id': { value: 'r-1' },
    other: { value: 'x' },
  }),
)

test('baggage of the caller whose keys are listed: masked like all else, and never in place of what a span says', async () => {
  const { tracer, spans } = pipeline({ env: { SIGHTLINE_BAGGAGE_KEYS } })
  tracer()
    .startSpan('GET', { attributes: { 'http.route': '/real' } }, CALLER)
    .end()
  assert.deepEqual((await spans())[0]!.attributes, {
    'http.route': '/real',
    'request.id': 'r-1',
    tenant: 'Über GmbH, j***@example.com',
    'user.name': 'J*** R***',
  })
  const shown = pipeline({ env: { SIGHTLINE_BAGGAGE_KEYS: 'tenant' }, showPersonalData: true })
  shown.tracer().startSpan('GET', {}, CALLER).end()
  assert.equal((await shown.spans())[0]!.attributes.tenant, 'Über GmbH, jane@example.com')
})

test('log records get the listed baggage, too, and keep what they say themselves', async () => {
  const exporter = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({ processors: [logProcessor(logWays(exporter), { SIGHTLINE_BAGGAGE_KEYS })] })
  const logger = provider.getLogger('test')
  logger.emit({ body: 'a line', attributes: { 'http.route': '/real' }, context: CALLER })
  logger.emit({ body: 'of nobody', context: ROOT_CONTEXT })
  await provider.forceFlush()
  assert.deepEqual(
    exporter.getFinishedLogRecords().map(({ attributes }) => attributes),
    [{ 'http.route': '/real', tenant: 'Über GmbH, j***@example.com', 'user.name': 'J*** R***' }, {}],
  )
  await provider.shutdown()
})

test('personal data is masked in attributes, events and status; values that PostgreSQL quotes are left out', async () => {
  const { tracer, spans } = pipeline()
  const span = tracer().startSpan('work', { attributes: { 'user.email': 'john@example.com', 'order.id': '7' } })
  span.addEvent('seen', { 'user.name': 'John Doe' })
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'no mail for john@example.com' })
  span.end()
  for (const message of [
    'invalid input syntax for type integer: "John"',
    'duplicate key: Key (email)=(john@example.com) exists',
  ]) {
    const query = tracer('@opentelemetry/instrumentation-pg').startSpan('query')
    query.setStatus({ code: SpanStatusCode.ERROR, message })
    query.end()
  }
  const [masked, ...queries] = await spans()
  assert.deepEqual(masked!.attributes, { 'user.email': 'j***@example.com', 'order.id': '7' })
  assert.deepEqual(masked!.events[0]!.attributes, { 'user.name': 'J*** D***' })
  assert.equal(masked!.status.message, 'no mail for j***@example.com')
  assert.deepEqual(
    queries.map(({ status }) => status.message),
    ['invalid input syntax for type integer: ?', 'duplicate key: Key (email)=(?) exists'],
  )
})

test('SIGHTLINE_PII=show leaves everything as it is', async () => {
  const { tracer, spans } = pipeline({ showPersonalData: true })
  tracer()
    .startSpan('work', { attributes: { 'user.email': 'john@example.com' } })
    .end()
  assert.deepEqual((await spans())[0]!.attributes, { 'user.email': 'john@example.com' })
})

test('a span that was not sampled is not queued', async () => {
  const { tracer, spans } = pipeline({ sampler: new AlwaysOffSampler() })
  const span = tracer().startSpan('dropped')
  context.with(trace.setSpan(ROOT_CONTEXT, span), () => span.end())
  assert.equal((await spans()).length, 0)
  assert.equal(telemetry.queues.get('traces')!.exported, 0)
})

test('without an exporter spans are made all the same, and flush and shutdown have nothing to do', async () => {
  telemetry.queues.delete('traces')
  const processor = spanProcessor(spanWays(undefined), {}, false)
  const provider = new TracerProvider({ spanProcessors: [processor] })
  const span = provider.getTracer('test').startSpan('work')
  assert.match(span.spanContext().traceId, /^[0-9a-f]{32}$/)
  span.end()
  await provider.forceFlush()
  await provider.shutdown()
  assert.equal(telemetry.queues.has('traces'), false)
})

test('the queues take their sizes from the standard variables, and their defaults where those make no sense', () => {
  const traces = (env: NodeJS.ProcessEnv) => {
    spanProcessor(spanWays(new InMemorySpanExporter(), env), env, false)
    return telemetry.queues.get('traces')!.capacity
  }
  assert.equal(traces({ OTEL_BSP_MAX_QUEUE_SIZE: '50' }), 50)
  for (const useless of [undefined, '', '0', '-1', '1.5', 'many']) {
    assert.equal(traces({ OTEL_BSP_MAX_QUEUE_SIZE: useless }), 16_384, useless)
  }
  logProcessor(logWays(new InMemoryLogRecordExporter(), { OTEL_BLRP_MAX_QUEUE_SIZE: '60' }), {})
  assert.equal(telemetry.queues.get('logs')!.capacity, 60)
})

test('log records are queued as they are: the appender has masked them', async () => {
  const exporter = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({ processors: [logProcessor(logWays(exporter), {})] })
  provider.getLogger('test').emit({ body: 'a line', attributes: { n: 1 } })
  await provider.forceFlush()
  assert.deepEqual(
    exporter.getFinishedLogRecords().map(({ body, attributes }) => [body, attributes]),
    [['a line', { n: 1 }]],
  )
  await provider.shutdown()
})
