/** OTEL_PROPAGATORS: the SDK's own reader knows no jaeger. Those that are seldom asked for are loaded when they are. */
import { diag, type TextMapPropagator } from '@opentelemetry/api'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'

const MAKERS: Record<string, () => TextMapPropagator | Promise<TextMapPropagator>> = {
  tracecontext: () => new W3CTraceContextPropagator(),
  baggage: () => new W3CBaggagePropagator(),
  b3: async () => {
    const { B3Propagator } = await import('@opentelemetry/propagator-b3')
    return new B3Propagator()
  },
  b3multi: async () => {
    const { B3InjectEncoding, B3Propagator } = await import('@opentelemetry/propagator-b3')
    return new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER })
  },
  jaeger: async () => {
    const { JaegerPropagator } = await import('@opentelemetry/propagator-jaeger')
    return new JaegerPropagator()
  },
}

/** The names that are known. */
export const PROPAGATORS: readonly string[] = Object.keys(MAKERS)

/** `list` is comma separated; `none` propagates nothing. */
export async function propagator(list: string): Promise<TextMapPropagator | null> {
  const names = [...new Set(list.split(',').map((name) => name.trim()))].filter(Boolean)
  if (names.includes('none')) return null
  const known = names.filter((name) => Object.hasOwn(MAKERS, name))
  for (const name of names) {
    if (!known.includes(name)) diag.warn(`OTEL_PROPAGATORS: ${name} is unknown; known are ${PROPAGATORS.join(', ')}`)
  }
  return new CompositePropagator({ propagators: await Promise.all(known.map((name) => MAKERS[name]!())) })
}
