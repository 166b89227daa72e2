/**
 * OpenTelemetry as its own guide has it: the SDK with all its default instrumentations, in place of the kit's
 * (`@sightline/service-kit/register`). The kit makes a server span of its own for each request; here the HTTP instrumentation's
 * stands in for it, so that nothing is counted twice.
 */
import { register } from 'node:module'
import { SpanKind, trace } from '@opentelemetry/api'
import { getNodeAutoInstrumentations } from '@opentelemetry/auto-instrumentations-node'
import { NodeSDK } from '@opentelemetry/sdk-node'

register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)
const sdk = new NodeSDK({ instrumentations: getNodeAutoInstrumentations() })
sdk.start()

const provider = trace.getTracerProvider()
const getTracer = provider.getTracer.bind(provider)
provider.getTracer = (name, ...rest) => {
  const tracer = getTracer(name, ...rest)
  if (name !== '@sightline/service-kit') return tracer
  return {
    startSpan: (title, options, parent) =>
      options?.kind === SpanKind.SERVER
        ? (runningSpan() ?? tracer.startSpan(title, options, parent))
        : tracer.startSpan(title, options, parent),
    startActiveSpan: tracer.startActiveSpan.bind(tracer),
  }
}

/** The server span of the HTTP instrumentation, which ends it itself. */
function runningSpan() {
  const span = trace.getActiveSpan()
  return span && new Proxy(span, { get: (target, key) => (key === 'end' ? () => undefined : bound(target, key)) })
}

function bound(target, key) {
  const value = Reflect.get(target, key)
  return typeof value === 'function' ? value.bind(target) : value
}
