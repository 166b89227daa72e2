/**
 * Tracers whose spans are the kit's own (span.ts), in place of the SDK's. Sampler, resource, limits and processors are the
 * SDK's interfaces; SIGHTLINE_INSTRUMENTATION=official puts the SDK's provider back (start.ts).
 */
import {
  type Context,
  context,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  type Span,
  SpanKind,
  type SpanOptions,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { getNumberFromEnv, isTracingSuppressed } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import { type Sampler, SamplingDecision, type SpanLimits, type SpanProcessor } from '@opentelemetry/sdk-trace'
import { newSpanId, newTraceId } from './ids.ts'
import { RecordingSpan, type SpanSettings } from './span.ts'

interface ProviderOptions {
  readonly resource: Resource
  /** Asked with the attributes and links as they are given, before they are cleaned: OTEL_TRACES_SAMPLER knows none that reads them. */
  readonly sampler: Sampler
  readonly limits: Required<SpanLimits>
  readonly processor: SpanProcessor
}

/** A tracer is made once for each scope. */
export function createTracerProvider({ sampler, ...settings }: ProviderOptions): TracerProvider {
  const tracers = new Map<string, Tracer>()
  return {
    getTracer(name, version, options) {
      const key = `${name}@${version ?? ''}:${options?.schemaUrl ?? ''}`
      const known = tracers.get(key)
      if (known) return known
      const scope = { name, version, schemaUrl: options?.schemaUrl }
      const tracer = new RecordingTracer(sampler, { ...settings, scope })
      tracers.set(key, tracer)
      return tracer
    },
  }
}

/** The limits of the standard variables; what has none of its own takes 128 of everything, of any length. */
export function limitsFromEnvironment(): Required<SpanLimits> {
  const count = 128
  return {
    attributeCountLimit:
      getNumberFromEnv('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT') ?? getNumberFromEnv('OTEL_ATTRIBUTE_COUNT_LIMIT') ?? count,
    attributeValueLengthLimit:
      getNumberFromEnv('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT') ??
      getNumberFromEnv('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT') ??
      Number.POSITIVE_INFINITY,
    eventCountLimit: getNumberFromEnv('OTEL_SPAN_EVENT_COUNT_LIMIT') ?? count,
    linkCountLimit: getNumberFromEnv('OTEL_SPAN_LINK_COUNT_LIMIT') ?? count,
    attributePerEventCountLimit: getNumberFromEnv('OTEL_SPAN_ATTRIBUTE_PER_EVENT_COUNT_LIMIT') ?? count,
    attributePerLinkCountLimit: getNumberFromEnv('OTEL_SPAN_ATTRIBUTE_PER_LINK_COUNT_LIMIT') ?? count,
  }
}

class RecordingTracer implements Tracer {
  private readonly sampler: Sampler
  private readonly settings: SpanSettings

  constructor(sampler: Sampler, settings: SpanSettings) {
    this.sampler = sampler
    this.settings = settings
  }

  startSpan(name: string, options: SpanOptions = {}, carrier = context.active()): Span {
    const parent = options.root ? trace.deleteSpan(carrier) : carrier
    if (isTracingSuppressed(parent)) return trace.wrapSpanContext(INVALID_SPAN_CONTEXT)
    const parentSpanContext = validSpanContext(trace.getSpan(parent))
    const traceId = parentSpanContext?.traceId ?? newTraceId()
    const { kind = SpanKind.INTERNAL, attributes, links, startTime } = options
    const sampled = this.sampler.shouldSample(parent, traceId, name, kind, attributes ?? {}, links ?? [])
    const spanContext = {
      traceId,
      spanId: newSpanId(),
      traceFlags: sampled.decision === SamplingDecision.RECORD_AND_SAMPLED ? TraceFlags.SAMPLED : TraceFlags.NONE,
      traceState: sampled.traceState ?? parentSpanContext?.traceState,
    }
    if (sampled.decision === SamplingDecision.NOT_RECORD) return trace.wrapSpanContext(spanContext)
    const start = {
      name,
      kind,
      spanContext,
      parentSpanContext,
      attributes: sampled.attributes ? { ...attributes, ...sampled.attributes } : attributes,
      links,
      startTime,
    }
    const span = new RecordingSpan(start, this.settings)
    this.settings.processor.onStart(span, parent)
    return span
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, work: F): ReturnType<F>
  startActiveSpan<F extends (span: Span) => unknown>(name: string, options: SpanOptions, work: F): ReturnType<F>
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    carrier: Context,
    work: F,
  ): ReturnType<F>
  startActiveSpan<F extends (span: Span) => unknown>(name: string, ...rest: unknown[]): ReturnType<F> {
    const work = rest.pop() as F
    const [options, given] = rest as [SpanOptions?, Context?]
    const carrier = given ?? context.active()
    const span = this.startSpan(name, options, carrier)
    return context.with(trace.setSpan(carrier, span), () => work(span) as ReturnType<F>)
  }
}

function validSpanContext(span: Span | undefined) {
  const spanContext = span?.spanContext()
  return spanContext && isSpanContextValid(spanContext) ? spanContext : undefined
}
