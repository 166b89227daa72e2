/** Which libraries make spans, and what stays out of them. Server spans are the kit's own: server-span.ts. */
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { ATTR_SERVICE_PEER_NAME } from './semconv.ts'

/**
 * What instrumentations measure beside their spans, by the names of their methods. Metrics are prom-client's: there is no meter
 * provider, and their numbers would be made for every statement and call and go nowhere.
 */
export const UNUSED_METRICS = {
  pg: ['recordOperationDuration', '_setPoolConnectEventListeners'],
  undici: ['recordRequestDuration'],
}

/** Called once: instrumentations switch themselves on when they are made. */
export function instrumentations(): Instrumentation[] {
  return [
    without(UNUSED_METRICS.undici, new UndiciInstrumentation({ requireParentforSpans: true })),
    // The router's span stays: it brings http.route. One span for every middleware would be noise.
    new KoaInstrumentation({ ignoreLayersType: [KoaLayerType.MIDDLEWARE] }),
    without(
      UNUSED_METRICS.pg,
      new PgInstrumentation({
        requireParentSpan: true,
        ignoreConnectSpans: true,
        // Service maps name a database node by this; else all of them are called localhost.
        requestHook: (span) => span.setAttribute(ATTR_SERVICE_PEER_NAME, 'postgresql'),
      }),
    ),
  ]
}

function without(methods: readonly string[], instrumentation: Instrumentation): Instrumentation {
  return Object.assign(instrumentation, Object.fromEntries(methods.map((name) => [name, () => {}])))
}
