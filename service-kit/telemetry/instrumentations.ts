/** Which libraries make spans, and what stays out of them. Server spans are the kit's own: server-span.ts. */
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { makeClientSpans } from './client-spans.ts'
import { ATTR_SERVICE_PEER_NAME } from './semconv.ts'
import { telemetry } from './state.ts'

/** Called once: instrumentations switch themselves on when they are made. `own`: client spans are the kit's, too. */
export async function instrumentations(own: boolean): Promise<Instrumentation[]> {
  if (own) makeClientSpans()
  return [
    ...(own ? [] : [await undiciInstrumentation()]),
    // The router's span stays: it brings http.route. One span for every middleware would be noise.
    new KoaInstrumentation({ ignoreLayersType: [KoaLayerType.MIDDLEWARE] }),
    new StatementInstrumentation({
      requireParentSpan: true,
      ignoreConnectSpans: true,
      requestHook(span) {
        // Service maps name a database node by this; else all of them are called localhost.
        span.setAttribute(ATTR_SERVICE_PEER_NAME, 'postgresql')
        if (telemetry.statement) telemetry.statement.span = span
      },
    }),
  ]
}

async function undiciInstrumentation(): Promise<Instrumentation> {
  const { UndiciInstrumentation } = await import('@opentelemetry/instrumentation-undici')
  return new UndiciInstrumentation({ requireParentforSpans: true })
}

/** Without pg-pool: its spans are not wanted, and prom-client has its metrics, which the patch would count at each use of a connection. */
class StatementInstrumentation extends PgInstrumentation {
  protected override init() {
    return super.init().filter(({ name }) => name === 'pg')
  }
}
