import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propagation, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { propagator } from './propagators.ts'

test('propagators: each writes what each other system reads, and they add up', async () => {
  const spanContext = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: TraceFlags.SAMPLED,
  }
  const outgoing = trace.setSpanContext(ROOT_CONTEXT, spanContext)
  const headers: Record<string, string[]> = {
    tracecontext: ['traceparent'],
    b3: ['b3'],
    b3multi: ['x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled'],
    jaeger: ['uber-trace-id'],
    'tracecontext,baggage,b3,b3multi,jaeger': [
      'traceparent',
      'b3',
      'x-b3-traceid',
      'x-b3-spanid',
      'x-b3-sampled',
      'uber-trace-id',
    ],
  }
  for (const [names, expected] of Object.entries(headers)) {
    const subject = (await propagator(names))!
    const carrier: Record<string, string> = {}
    subject.inject(outgoing, carrier, {
      set: (target, key, value) => ((target as Record<string, string>)[key] = value),
    })
    assert.deepEqual(
      Object.keys(carrier)
        .map((key) => key.toLowerCase())
        .sort(),
      expected.sort(),
      names,
    )
    const incoming = subject.extract(
      ROOT_CONTEXT,
      Object.fromEntries(Object.entries(carrier).map(([key, value]) => [key.toLowerCase(), value])),
      {
        get: (source, key) => (source as Record<string, string>)[key.toLowerCase()],
        keys: (source) => Object.keys(source as object),
      },
    )
    assert.equal(trace.getSpanContext(incoming)?.traceId, spanContext.traceId, names)
  }
  assert.equal(await propagator('none'), null)
  assert.equal(propagation.getBaggage(ROOT_CONTEXT), undefined)
})
