/** Which libraries make spans, and what stays out of them. */
import type { IncomingMessage } from 'node:http'
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { ATTR_SERVICE_PEER_NAME } from './semconv.ts'
import { telemetry } from './state.ts'

/** Called once: instrumentations switch themselves on when they are made. */
export function instrumentations(): Instrumentation[] {
  return [
    new HttpInstrumentation({
      // Outgoing calls are undici's; http.request only carries the exporters.
      disableOutgoingRequestInstrumentation: true,
      ignoreIncomingRequestHook: isProbe,
    }),
    new UndiciInstrumentation({ requireParentforSpans: true }),
    // The router's span stays: it brings http.route. One span for every middleware would be noise.
    new KoaInstrumentation({ ignoreLayersType: [KoaLayerType.MIDDLEWARE] }),
    new PgInstrumentation({
      requireParentSpan: true,
      ignoreConnectSpans: true,
      // Service maps name a database node by this; else all of them are called localhost.
      requestHook: (span) => span.setAttribute(ATTR_SERVICE_PEER_NAME, 'postgresql'),
    }),
  ]
}

/** Scrapes and probes would bury the traces of real requests; one whose trace is recorded is somebody's question. */
function isProbe(request: IncomingMessage): boolean {
  const isRecorded = /^[^-]{2}-[^-]{32}-[^-]{16}-.[13579bdf]/.test(String(request.headers.traceparent))
  return !isRecorded && telemetry.probes.has(request.url ?? '')
}
