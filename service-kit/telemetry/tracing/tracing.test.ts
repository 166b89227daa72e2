/** The kit's spans say what the SDK's do: the same calls on both, under one clock, leave the same bytes. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import {
  type Attributes,
  type AttributeValue,
  context,
  createTraceState,
  DiagLogLevel,
  diag,
  type Exception,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  type SpanStatus,
  type TimeInput,
  TraceFlags,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { suppressTracing } from '@opentelemetry/core'
import { defaultResource } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  TracerProvider as SdkTracerProvider,
  type SpanLimits,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import { ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import fc from 'fast-check'
import { fineStart } from '../clock.ts'
import { spanSerializer } from '../otlp/spans.ts'
import { newSpanId, newTraceId } from './ids.ts'
import { createTracerProvider, limitsFromEnvironment } from './provider.ts'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

/** Milliseconds since the process began; both clocks tell them, nobody else moves them. */
let now = 0
const pass = (ms: number) => {
  now += ms
}
const ORIGIN = Math.floor(performance.timeOrigin)
beforeEach(() => {
  now = 1000.25
  mock.getter(performance, 'timeOrigin', () => ORIGIN)
  mock.method(performance, 'now', () => now)
  mock.method(Date, 'now', () => Math.floor(ORIGIN + now))
})
afterEach(() => mock.restoreAll())

interface Pipeline {
  provider: TracerProvider
  ended: ReadableSpan[]
}

const NO_LIMITS = limitsFromEnvironment()
const resource = defaultResource()

/** The SDK's and ours, each with its own memory. */
function both(sampler: Sampler, limits: Required<SpanLimits> = NO_LIMITS): [sdk: Pipeline, own: Pipeline] {
  const [sdk, own] = [keeping(), keeping()]
  const spanProcessors = [fineStart, sdk.processor]
  return [
    { ...sdk, provider: new SdkTracerProvider({ resource, sampler, spanLimits: limits, spanProcessors }) },
    { ...own, provider: createTracerProvider({ resource, sampler, limits, processor: own.processor }) },
  ]
}

function keeping(): { ended: ReadableSpan[]; processor: SpanProcessor } {
  const ended: ReadableSpan[] = []
  const processor = {
    onStart: (span: Span) => void span.setAttribute('seen', true),
    onEnd: (span: ReadableSpan) => void ended.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  return { ended, processor }
}

/** What leaves, with ids by order of their first appearance: they are random. */
function sent(spans: ReadableSpan[]) {
  const ids = new Map<string, string>()
  const known = new Set([CALLER.traceId, CALLER.spanId])
  const named = (bytes: Uint8Array) => {
    const id = Buffer.from(bytes).toString('hex')
    if (id === '' || known.has(id)) return id
    if (!ids.has(id)) ids.set(id, `${id.length} digits, number ${ids.size}`)
    return ids.get(id)
  }
  const request = fromBinary(
    ExportTraceServiceRequestSchema,
    Uint8Array.from(spanSerializer.serializeRequest(spans) ?? []),
  )
  return request.resourceSpans.map(({ resource, scopeSpans }) => ({
    resource,
    scopeSpans: scopeSpans.map(({ scope, schemaUrl, spans }) => ({
      scope,
      schemaUrl,
      spans: spans.map(({ traceId, spanId, parentSpanId, links, ...rest }) => ({
        ...rest,
        ids: [named(traceId), named(spanId), named(parentSpanId)],
        links: links.map((link) => ({ ...link, traceId: named(link.traceId), spanId: named(link.spanId) })),
      })),
    })),
  }))
}

const CALLER = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: TraceFlags.SAMPLED,
  isRemote: true,
  traceState: createTraceState('vendor=1'),
}
const CALLERS = [
  undefined,
  CALLER,
  { ...CALLER, traceFlags: TraceFlags.NONE },
  { ...CALLER, traceId: '0'.repeat(32) },
  { ...CALLER, spanId: 'nonsense' },
]

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('', 'a', 'seen', 'http.route', 'x'.repeat(300)))
// A key that no object can have of its own by assignment; both lose it.
const key = text.filter((one) => one !== '__proto__')
const scalar = fc.oneof(text, fc.integer(), fc.double(), fc.boolean())
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { arbitrary: scalar, weight: 4 },
    fc.constantFrom(null, undefined, 10n, Symbol('no'), () => 0, new Date(0), /no/),
    fc.array(scalar, { maxLength: 3 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.uint8Array({ maxLength: 8 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }),
  ),
})) as { value: fc.Arbitrary<AttributeValue> }
const attributes: fc.Arbitrary<Attributes> = fc.dictionary(key, value, { maxKeys: 6 })
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })

/** Times of every kind that the API takes, and some that it does not. */
const time = fc.oneof(
  fc.nat(2000).map((ms) => ms + 0.375),
  fc.integer({ min: ORIGIN, max: ORIGIN + 3000 }),
  fc.integer({ min: ORIGIN, max: ORIGIN + 3000 }).map((ms) => new Date(ms)),
  fc.tuple(
    fc.integer({ min: Math.floor(ORIGIN / 1000), max: Math.floor(ORIGIN / 1000) + 2 }),
    fc.integer({ min: 1, max: 999_999_999 }),
  ),
) as fc.Arbitrary<TimeInput>
/** The SDK's start is refined where it is cut to the millisecond: a given one must not look like that. */
const startTime = time.filter((one) => {
  const [, nanoseconds] = Array.isArray(one) ? one : [0, ((one as number) % 1) * 1e6]
  return nanoseconds % 1e6 > 1 && !(one instanceof Date)
})

const spanContext = fc.constantFrom(CALLER, { ...CALLER, isRemote: false, traceFlags: TraceFlags.NONE })
const link: fc.Arbitrary<Link> = fc.record(
  { context: spanContext, attributes },
  { requiredKeys: ['context'] },
) as fc.Arbitrary<Link>
const status = fc.record(
  { code: fc.constantFrom(...[0, 1, 2]), message: fc.oneof(text, fc.constant(7 as never)) },
  { requiredKeys: ['code'] },
) as fc.Arbitrary<SpanStatus>
const exception = fc.oneof(
  text,
  fc.constantFrom(new TypeError('bad'), Object.assign(new Error('no'), { code: 'ECONNRESET' }), { code: 42 }, {}),
  fc.constantFrom(undefined, null),
) as fc.Arbitrary<Exception>

type Step = (span: Span) => unknown
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(key, value).map(
    ([name, one]): Step =>
      (span) =>
        span.setAttribute(name, one),
  ),
  attributes.map(
    (all): Step =>
      (span) =>
        span.setAttributes(all),
  ),
  fc.tuple(text, maybe(fc.oneof(attributes, time)), maybe(time)).map(
    ([name, second, third]): Step =>
      (span) =>
        span.addEvent(name, second, third),
  ),
  link.map(
    (one): Step =>
      (span) =>
        span.addLink(one),
  ),
  fc.array(link, { maxLength: 3 }).map(
    (all): Step =>
      (span) =>
        span.addLinks(all),
  ),
  status.map(
    (one): Step =>
      (span) =>
        span.setStatus(one),
  ),
  text.map(
    (name): Step =>
      (span) =>
        span.updateName(name),
  ),
  fc.tuple(exception, maybe(time)).map(
    ([one, at]): Step =>
      (span) =>
        span.recordException(one, at),
  ),
  fc.nat(50).map(
    (ms): Step =>
      () =>
        pass(ms),
  ),
  maybe(time).map(
    (at): Step =>
      (span) =>
        span.end(at),
  ),
)

interface Made {
  name: string
  scope: [string, string?, { schemaUrl: string }?]
  options: SpanOptions | undefined
  steps: Step[]
  /** The earlier span that it is below, by number; the caller's context otherwise. */
  below: number | undefined
  active: boolean
}
const made: fc.Arbitrary<Made> = fc.record({
  name: text,
  scope: fc.constantFrom<Made['scope']>(['a'], ['b', '1.0.0'], ['b', '1.0.0', { schemaUrl: 'https://x' }]),
  options: maybe(
    fc.record(
      {
        kind: fc.integer({ min: 0, max: 4 }),
        attributes: fc.oneof(attributes, fc.constant(undefined)),
        links: fc.array(link, { maxLength: 4 }),
        startTime,
        root: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  ) as fc.Arbitrary<SpanOptions | undefined>,
  steps: fc.array(step, { maxLength: 8 }),
  below: maybe(fc.nat(3)),
  active: fc.boolean(),
})

/** Runs the calls and returns what can be seen of each span meanwhile. */
function play({ provider }: Pipeline, caller: (typeof CALLERS)[number], all: readonly Made[]): unknown[] {
  now = 1000.25
  const root = caller ? trace.setSpanContext(ROOT_CONTEXT, caller) : ROOT_CONTEXT
  const spans: Span[] = []
  return all.map(({ name, scope, options, steps, below, active }) => {
    const parent = below === undefined ? undefined : spans[below]
    const carrier = parent ? trace.setSpan(root, parent) : root
    const tracer = provider.getTracer(...scope)
    assert.equal(provider.getTracer(...scope), tracer)
    const run = (span: Span) => {
      spans.push(span)
      const recording = [span.isRecording()]
      for (const one of steps) {
        const result = one(span)
        assert.ok(typeof result !== 'object' || result === span)
        recording.push(span.isRecording())
      }
      const { traceFlags, traceState } = span.spanContext()
      return { recording, traceFlags, traceState: traceState?.serialize(), active: trace.getActiveSpan() === span }
    }
    return active
      ? tracer.startActiveSpan(name, options ?? {}, carrier, run)
      : run(tracer.startSpan(name, options, carrier))
  })
}

const samplers: Record<string, Sampler> = {
  on: new AlwaysOnSampler(),
  off: new AlwaysOffSampler(),
  parentbased: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  'parentbased off': new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  'with a state and attributes of its own': {
    shouldSample: () => ({
      decision: SamplingDecision.RECORD_AND_SAMPLED,
      traceState: createTraceState('sampled=1'),
      attributes: { 'sampler.rule': 'all' },
    }),
    toString: () => 'own',
  },
}
const limit = fc.constantFrom(0, 1, 2, 3, 128)
const limits = fc.record({
  attributeCountLimit: limit,
  attributeValueLengthLimit: fc.constantFrom(0, 1, 5, Number.POSITIVE_INFINITY),
  eventCountLimit: limit,
  linkCountLimit: limit,
  attributePerEventCountLimit: limit,
  attributePerLinkCountLimit: limit,
})

for (const [name, sampler] of Object.entries(samplers)) {
  test(`the same calls leave the same spans: sampler ${name}`, () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constant(NO_LIMITS), limits),
        fc.constantFrom(...CALLERS),
        fc.array(made, { minLength: 1, maxLength: 4 }),
        (within, caller, all) => {
          const [sdk, own] = both(sampler, within)
          const [theirs, ours] = [play(sdk, caller, all), play(own, caller, all)]
          assert.deepEqual(ours, theirs)
          assert.deepEqual(sent(own.ended), sent(sdk.ended))
          assert.deepEqual(
            own.ended.map(({ ended, duration }) => [ended, duration]),
            sdk.ended.map(({ ended, duration }) => [ended, duration]),
          )
        },
      ),
      { numRuns: 300 },
    )
  })
}

test('below suppressed tracing, and where the sampler keeps nothing, spans record nothing; recorded but not sampled ones do', () => {
  const record = { shouldSample: () => ({ decision: SamplingDecision.RECORD }), toString: () => 'record' }
  for (const [sampler, carrier, recording, valid] of [
    [new AlwaysOnSampler(), suppressTracing(ROOT_CONTEXT), false, false],
    [new AlwaysOffSampler(), ROOT_CONTEXT, false, true],
    [record, ROOT_CONTEXT, true, true],
  ] as const) {
    for (const { provider, ended } of both(sampler)) {
      const span = provider.getTracer('test').startSpan('work', { attributes: { 'order.id': 1 } }, carrier)
      assert.deepEqual(
        [span.isRecording(), trace.isSpanContextValid(span.spanContext()), span.spanContext().traceFlags],
        [recording, valid, TraceFlags.NONE],
      )
      span.end()
      assert.deepEqual(
        ended.map(({ name, attributes }) => [name, attributes]),
        recording ? [['work', { 'order.id': 1, seen: true }]] : [],
      )
    }
  }
})

test('what comes after the end, and what is beyond a limit, is lost with a warning', () => {
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  diag.setLogger({ error: warn, warn, info() {}, debug() {}, verbose() {} }, { logLevel: DiagLogLevel.WARN })
  const [, { provider, ended }] = both(new AlwaysOnSampler(), { ...NO_LIMITS, attributeCountLimit: 1 })
  const span = provider.getTracer('test').startSpan('work', { attributes: { a: 1, b: 2 } })
  span.end()
  const late = [
    () => span.end(),
    () => span.setAttribute('a', 3),
    () => span.addEvent('late'),
    () => span.updateName('x'),
  ]
  for (const call of late) call()
  diag.disable()
  assert.deepEqual(
    ended.map(({ name, attributes, events }) => [name, attributes, events]),
    [['work', { a: 1 }, []]],
  )
  const lost = `work (span ${span.spanContext().spanId}) has ended: what is added is lost`
  const dropped = 'work: dropped 2 attributes, 0 events and 0 links (OTEL_*_LIMIT)'
  assert.deepEqual(warnings, [dropped, ...late.map(() => lost)])
})

test('limits come from the standard variables: those of spans, before those of all attributes', (t) => {
  const set = (variables: Record<string, string>) => {
    Object.assign(process.env, variables)
    t.after(() => {
      for (const name of Object.keys(variables)) delete process.env[name]
    })
  }
  set({ OTEL_ATTRIBUTE_COUNT_LIMIT: '10', OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '20', OTEL_SPAN_EVENT_COUNT_LIMIT: '0' })
  const general = limitsFromEnvironment()
  assert.deepEqual(
    [general.attributeCountLimit, general.attributeValueLengthLimit, general.eventCountLimit],
    [10, 20, 0],
  )
  assert.deepEqual([general.linkCountLimit, general.attributePerEventCountLimit], [128, 128])
  set({ OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '5', OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '6' })
  const own = limitsFromEnvironment()
  assert.deepEqual([own.attributeCountLimit, own.attributeValueLengthLimit], [5, 6])
})

test('ids are as long as they must be, none comes twice, and none is all zeros', () => {
  const all = Array.from({ length: 300 }, () => [newTraceId(), newSpanId()] as const)
  assert.equal(new Set(all.flat()).size, 600)
  assert.ok(all.every(([traceId, spanId]) => /^[0-9a-f]{32}$/.test(traceId) && /^[0-9a-f]{16}$/.test(spanId)))
  let zeros = 300
  mock.method(Math, 'random', () => (zeros-- > 0 ? 0 : 0.5))
  const ids = Array.from({ length: 100 }, () => [newTraceId(), newSpanId()]).flat()
  assert.ok(zeros < 0 && !ids.some((id) => /^0+$/.test(id)))
})
