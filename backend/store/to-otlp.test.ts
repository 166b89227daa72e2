import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import { readTraces } from '../otlp/traces.ts'
import { traceBytes } from '../test/otlp.ts'
import { SpanBuilder } from './span-builder.ts'
import type { StoredSpans } from './stored-spans.ts'
import { toOtlp } from './to-otlp.ts'

const T0 = 1_700_000_000_000

function tableOf(bytes: Uint8Array): StoredSpans {
  const builder = new SpanBuilder(BigInt(T0) * 1_000_000n)
  readTraces(bytes, (span) => builder.append(span, 1, T0))
  return builder.freeze()
}

test('a trace is given back without looking at all of its events for each span', () => {
  const events = Array.from({ length: 10 }, (_, i) => ({ name: `e${i}` }))
  const spans = Array.from({ length: 50 }, (_, i) => ({
    trace: 'a',
    id: (i + 1).toString(16),
    startMs: T0 - i,
    events,
  }))
  const table = tableOf(traceBytes(spans))
  let reads = 0
  const span = new Proxy(table.events.span, {
    get(target, key) {
      reads++
      return Reflect.get(target, key)
    },
  })
  const trace = toOtlp({ ...table, events: { ...table.events, span } })
  for (const own of trace.resourceSpans[0]!.scopeSpans[0]!.spans) {
    assert.deepEqual(
      own.events.map(({ name }) => name),
      events.map(({ name }) => name),
    )
  }
  assert.ok(reads <= 1000, String(reads))
})

test('integers in maps keep all their digits', () => {
  const int = (value: bigint) => ({ value: { case: 'intValue' as const, value } })
  const double = (value: number) => ({ value: { case: 'doubleValue' as const, value } })
  const values = [
    { key: 'n', value: int(9_007_199_254_740_993n) },
    { key: 'least', value: int(-(1n << 63n)) },
    { key: 'huge', value: double(1e20) },
  ]
  const attributes = [{ key: 'map', value: { value: { case: 'kvlistValue' as const, value: { values } } } }]
  const span = { traceId: new Uint8Array(16).fill(1), spanId: new Uint8Array(8).fill(1), attributes }
  const request = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
  const [own] = toOtlp(tableOf(toBinary(ExportTraceServiceRequestSchema, request))).resourceSpans[0]!.scopeSpans[0]!
    .spans
  const map = own!.attributes[0]!.value!.value as { value: { values: { value: { value: { value: unknown } } }[] } }
  assert.deepEqual(
    map.value.values.map(({ value }) => value.value.value),
    [9_007_199_254_740_993n, -(1n << 63n), 1e20],
  )
})
