/** OTEL_PROPAGATORS: the SDK's own reader knows no jaeger. */
import { diag, type TextMapPropagator } from '@opentelemetry/api'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3'
import { JaegerPropagator } from '@opentelemetry/propagator-jaeger'

const MAKERS: Record<string, () => TextMapPropagator> = {
  tracecontext: () => new W3CTraceContextPropagator(),
  baggage: () => new W3CBaggagePropagator(),
  b3: () => new B3Propagator(),
  b3multi: () => new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
  jaeger: () => new JaegerPropagator(),
}

/** `list` is comma separated; `none` propagates nothing. */
export function propagator(list: string): TextMapPropagator | null {
  const names = [...new Set(list.split(',').map((name) => name.trim()))].filter(Boolean)
  if (names.includes('none')) return null
  const known = names.filter((name) => Object.hasOwn(MAKERS, name))
  for (const name of names) {
    if (!known.includes(name))
      diag.warn(`OTEL_PROPAGATORS: ${name} is unknown; known are ${Object.keys(MAKERS).join(', ')}`)
  }
  return new CompositePropagator({ propagators: known.map((name) => MAKERS[name]!()) })
}
