/** Which libraries make spans, and what stays out of them. Server spans are the kit's own: server-span.ts. */
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { ATTR_SERVICE_PEER_NAME } from './semconv.ts'

/** Called once: instrumentations switch themselves on when they are made. */
export function instrumentations(): Instrumentation[] {
  return [
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
