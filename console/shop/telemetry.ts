/**
 * What this page tells of a browser, by the OpenTelemetry web SDK: its loading, what it asks for, clicks, web vitals and errors. Spans
 * go to the gateway that gave the page. None carries what contracts/telemetry-names.ts does not list.
 */
import { type Context, context, propagation, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { globalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load'
import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, type ReadableSpan, StackContextManager, TracerProvider } from '@opentelemetry/sdk-trace'
import { BROWSER } from '@sightline/contracts/telemetry-names'
import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals'
import { familyOf, restrict } from './restrict.ts'

const OTLP = `${location.origin}/otlp/v1/traces`
const tracer = trace.getTracer('shop')
/** The trace in which the gateway gave this page: its loading, vitals and errors belong there. */
const ofPage = traceOfPage()

/** Call it once, before anything is fetched. */
export function startTelemetry(): void {
  const exporter = new OTLPTraceExporter({ url: OTLP })
  // 25 spans with their events are well below what the gateway takes.
  const batches = new BatchSpanProcessor({
    exporter,
    scheduledDelayMillis: 1000,
    maxExportBatchSize: 25,
    // It would send before the last vitals are known, which is at the same moment.
    disableAutoFlushOnDocumentHide: true,
  })
  const processor = {
    onStart: () => {},
    onEnd(span: ReadableSpan) {
      restrict(span)
      batches.onEnd(span)
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  }
  const resource = resourceFromAttributes({ 'service.name': BROWSER.service })
  trace.setGlobalTracerProvider(new TracerProvider({ resource, spanProcessors: [processor] }))
  context.setGlobalContextManager(new StackContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())

  new FetchInstrumentation({ ignoreUrls: [OTLP] })
  const nameBrowser = (span: Span) => span.setAttribute('user_agent.name', familyOf(navigator.userAgent))
  new DocumentLoadInstrumentation({ applyCustomAttributesOnSpan: { documentLoad: nameBrowser } })
  for (const observe of [onCLS, onFCP, onINP, onLCP, onTTFB]) observe(tellVital)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') batches.forceFlush().catch(globalErrorHandler)
  })
  addEventListener('error', ({ error, message }) => tellError(error ?? new Error(message)))
  addEventListener('unhandledrejection', ({ reason }) => tellError(reason))
}

/** From now on a click on `element` begins a trace, and its span lasts until `act` is done. `act` gets the error that it threw. */
export function onClick(element: HTMLElement, act: () => Promise<void>, failed: (error: unknown) => void): void {
  element.addEventListener('click', async () => {
    const span = tracer.startSpan('click', { attributes: { 'browser.element': element.id } }, ROOT_CONTEXT)
    try {
      await context.with(trace.setSpan(ROOT_CONTEXT, span), act)
    } catch (error) {
      fail(span, error)
      failed(error)
    } finally {
      span.end()
    }
  })
}

/** Id of the trace that is going on; '' where there is none. */
export const currentTraceId = (): string => trace.getActiveSpan()?.spanContext().traceId ?? ''

function tellVital({ name, value, rating }: Metric): void {
  const attributes = {
    'browser.web_vital.name': name,
    'browser.web_vital.value': value,
    'browser.web_vital.rating': rating,
  }
  tracer.startSpan('browser.web_vital', { attributes }, ofPage).end()
}

function tellError(error: unknown): void {
  const span = tracer.startSpan('exception', {}, ofPage)
  fail(span, error)
  span.end()
}

function fail(span: Span, error: unknown): void {
  const exception = error instanceof Error ? error : new Error(String(error))
  span.recordException(exception)
  span.setAttribute('error.type', exception.name)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/**
 * The gateway says it in Server-Timing. The instrumentation reads it from a meta element, which a file that is the same for everybody
 * can't have.
 */
function traceOfPage(): Context {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  const traceparent = navigation?.serverTiming.find(({ name }) => name === 'traceparent')?.description ?? ''
  const meta = document.createElement('meta')
  meta.name = 'traceparent'
  meta.content = traceparent
  document.head.append(meta)
  return new W3CTraceContextPropagator().extract(
    ROOT_CONTEXT,
    { traceparent },
    { get: (carrier, key) => carrier[key as 'traceparent'], keys: Object.keys },
  )
}
