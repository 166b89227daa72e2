/** Business spans, and the one place that records an exception. */
import {
  type Attributes,
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  INVALID_SPAN_CONTEXT,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { getRPCMetadata, W3CTraceContextPropagator } from '@opentelemetry/core'
import { errorType, ProblemError } from './problems.ts'
import { telemetry } from './telemetry/state.ts'

/** Takes everything and keeps nothing. */
export const NO_SPAN: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT)

const tracer = trace.getTracer('@sightline/service-kit')
const recorded = new WeakSet<object>()

/**
 * Runs `work` in a span. When it fails, the innermost span gets the exception, all spans on the way out get the error
 * status and `error.type`.
 */
export async function inSpan<T>(
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<T> | T,
  links: Link[] = [],
): Promise<T> {
  if (telemetry.onlyPassesOn) return work(NO_SPAN)
  return tracer.startActiveSpan(name, { attributes, links }, async (span) => {
    try {
      return await work(span)
    } catch (error) {
      failSpan(span, error)
      throw error
    } finally {
      span.end()
    }
  })
}

/** Stored and linked contexts are always W3C, whatever OTEL_PROPAGATORS says about the wire. */
const w3c = new W3CTraceContextPropagator()

/** The active span as it is stored with an event that will be delivered later; empty without a span. */
export function storedContext(): { traceparent?: string; tracestate?: string } {
  const carrier: { traceparent?: string; tracestate?: string } = {}
  w3c.inject(context.active(), carrier, defaultTextMapSetter)
  return carrier
}

/** A link to the span of a stored context; none when there is no valid one. */
export function linkTo(traceparent: string | null, tracestate: string | null): Link[] {
  const carrier = { ...(traceparent ? { traceparent } : {}), ...(tracestate ? { tracestate } : {}) }
  const linked = trace.getSpanContext(w3c.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter))
  return linked ? [{ context: linked }] : []
}

/** Marks the span as failed and records the exception unless an inner span has done so. */
export function failSpan(span: Span, error: unknown): void {
  const message =
    error instanceof ProblemError ? error.details.title : error instanceof Error ? error.message : String(error)
  span.setStatus({ code: SpanStatusCode.ERROR, message })
  span.setAttribute('error.type', errorType(error))
  if (typeof error !== 'object' || error === null || recorded.has(error)) return
  recorded.add(error)
  span.recordException(error as Error)
}

/** Adds business context that travels on: to the server span now, to spans made from here on, and to the next hops. */
export function withBaggage<T>(entries: Record<string, string | number>, work: () => T): T {
  let baggage = propagation.getBaggage(context.active()) ?? propagation.createBaggage()
  const server = getRPCMetadata(context.active())?.span ?? trace.getActiveSpan()
  for (const [key, value] of Object.entries(entries)) {
    baggage = baggage.setEntry(key, { value: String(value) })
    server?.setAttribute(key, String(value))
  }
  return context.with(propagation.setBaggage(context.active(), baggage), work)
}
