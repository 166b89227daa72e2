import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTraceState, ROOT_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api'
import { adjustedCount, isKept, shareFrom, thresholdOf, withOt, withThreshold } from './consistent-sampling.ts'
import { samplerFromEnvironment } from './sampler.ts'

test('a threshold is written without the zeros at its end', () => {
  assert.deepEqual([1, 0.5, 0.25, 0.1, 1e-9, 0].map(thresholdOf), ['0', '8', 'c', 'e6666666', 'fffffffb', undefined])
})

test('a share is read as the backend reads it: what is empty is none, and no 0', () => {
  const read = [undefined, '', ' ', '1', '10%', '0', ' 0.5 '].map(shareFrom)
  assert.deepEqual(read, [undefined, undefined, undefined, undefined, undefined, 0, 0.5])
})

test('for how many spans one stands', () => {
  const counts = {
    '': 1,
    'a=b': 1,
    'ot=rv:0123456789abcd': 1,
    'ot=th:0': 1,
    'ot=th:8': 2,
    'a=th:c,ot=rv:0123456789abcd;th:c': 4,
    'a=b, ot=th:c;x:1 ,c=d': 4,
    'ot=th:ffffffffffffff': 2 ** 16,
    // No threshold: too long, no digits, another vendor's.
    'ot=th:000000000000000': 1,
    'ot=th:': 1,
    'ot=th:8g': 1,
    'hot=th:8': 1,
  }
  for (const [state, count] of Object.entries(counts)) assert.equal(adjustedCount(state), count, state)
  assert.ok(Math.abs(adjustedCount(`ot=th:${thresholdOf(0.1)}`) / 10 - 1) < 1e-8)
})

test('what a share keeps is kept by every greater one, by the random bits that count', () => {
  const [low, high] = ['0123456789abcdef0100000000000000', '0123456789abcdef01f0000000000000']
  assert.deepEqual([isKept(low, 0.1), isKept(high, 0.1), isKept(high, 0.05)], [false, true, false])
  assert.deepEqual([isKept(low, 0.1, 'th:8;rv:f0000000000000'), isKept(high, 0.1, 'rv:00000000000000')], [true, false])
  // What is no rv is left alone.
  assert.equal(isKept(high, 0.1, 'rv:0'), true)
})

test('one threshold at a time; all else stays', () => {
  assert.equal(withThreshold(undefined, '8'), 'th:8')
  assert.equal(withThreshold('rv:0123456789abcd;th:c;x:1', '8'), 'th:8;rv:0123456789abcd;x:1')
  assert.equal(withThreshold('th:c', undefined), '')
  assert.equal(withOt(createTraceState('a=b,ot=th:c'), '').serialize(), 'a=b')
})

test('a service that decides by itself writes its threshold, one that follows passes on what it was told', (t) => {
  t.after(() => {
    delete process.env.OTEL_TRACES_SAMPLER
    delete process.env.OTEL_TRACES_SAMPLER_ARG
  })
  const traceId = '0123456789abcdef01f0000000000000'
  const caller = (traceFlags: TraceFlags) =>
    trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId: 'b7ad6b7169203331',
      traceFlags,
      isRemote: true,
      traceState: createTraceState('a=b,ot=th:8'),
    })
  const said = (sampler: string, ratio: string, parent = ROOT_CONTEXT) => {
    Object.assign(process.env, { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio })
    return samplerFromEnvironment()
      .shouldSample(parent, traceId, 'GET', SpanKind.SERVER, {}, [])
      .traceState?.serialize()
  }
  assert.equal(said('traceidratio', '0.25'), 'ot=th:c')
  assert.equal(said('traceidratio', '0.25', caller(TraceFlags.NONE)), 'ot=th:c,a=b')
  assert.equal(said('traceidratio', '0', caller(TraceFlags.SAMPLED)), 'a=b')
  assert.equal(said('traceidratio', '0'), undefined)
  assert.equal(said('parentbased_traceidratio', '0.25', caller(TraceFlags.SAMPLED)), undefined)
  assert.equal(said('parentbased_traceidratio', '0.25'), 'ot=th:c')
})
