/** Our bytes say what the SDK's do: both are read by the generated code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { createTraceState, SpanStatusCode } from '@opentelemetry/api'
import { ProtobufLogsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { ExportLogsServiceRequestSchema, ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import fc from 'fast-check'
import { logSerializer } from './logs.ts'
import { ProtobufWriter } from './protobuf-writer.ts'
import { spanSerializer } from './spans.ts'

/** With halves of surrogate pairs, which are no characters, and texts around the lengths at which the writing changes. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom('a', 'é', '日', '\ud800').chain((one) => fc.nat(300).map((count) => one.repeat(count))),
)
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.integer({ min: 0, max: 64 }).chain((power) => fc.constantFrom(2 ** power, 2 ** power - 1, -(2 ** power))),
  fc.constantFrom(Number.NaN, -0, Number.POSITIVE_INFINITY, 2 ** 53 + 2, -(2 ** 53) - 2, 1e18, -1e18, 1e300),
)
const scalar = fc.oneof(text, number, fc.boolean(), fc.constantFrom(null, undefined), fc.uint8Array({ maxLength: 300 }))
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
    fc.constant(10n),
  ),
}))
const attributes = fc.dictionary(text, value, { maxKeys: 6 })
const dropped = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff }))
const optional = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })
const time = fc.tuple(
  fc.nat(2 ** 31 - 1).map((n) => n * 2),
  fc.nat(999_999_999),
)
const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), minLength: digits, maxLength: digits })
const spanContext = fc.record({
  traceId: hex(32),
  spanId: hex(16),
  traceFlags: fc.integer({ min: 0, max: 255 }),
  isRemote: optional(fc.boolean()),
  traceState: optional(fc.constantFrom('', 'a=1', 'vendor=x:y,other=2').map((state) => createTraceState(state))),
})
const resources = fc.array(fc.record({ attributes, schemaUrl: optional(text) }), { minLength: 1, maxLength: 3 })
const scopes = fc.array(
  fc.record({
    name: text,
    version: optional(text),
    schemaUrl: optional(text),
    attributes: optional(attributes),
    droppedAttributesCount: optional(dropped),
  }),
  { minLength: 1, maxLength: 3 },
)

/** Items of several resources and scopes, which are told apart by identity. */
function items<T extends object>(item: fc.Arbitrary<T>) {
  return fc.tuple(resources, scopes, fc.array(fc.tuple(item, fc.nat(), fc.nat()), { maxLength: 8 })).map((made) => {
    const [from, by, all] = made
    return all.map(([one, n, m]) => ({
      ...one,
      resource: from[n % from.length],
      instrumentationScope: by[m % by.length],
    }))
  })
}

const span = fc
  .record({
    context: spanContext,
    parentSpanContext: optional(spanContext),
    name: text,
    kind: fc.integer({ min: 0, max: 4 }),
    startTime: time,
    endTime: time,
    attributes,
    droppedAttributesCount: dropped,
    events: fc.array(
      fc.record({ time, name: text, attributes: optional(attributes), droppedAttributesCount: optional(dropped) }),
      { maxLength: 3 },
    ),
    droppedEventsCount: dropped,
    links: fc.array(
      fc.record({
        context: spanContext,
        attributes: optional(attributes),
        droppedAttributesCount: optional(dropped),
      }),
      { maxLength: 3 },
    ),
    droppedLinksCount: dropped,
    status: fc.record({
      code: fc.constantFrom(SpanStatusCode.UNSET, SpanStatusCode.OK, SpanStatusCode.ERROR),
      message: optional(text),
    }),
  })
  .map(({ context, ...rest }) => ({ ...rest, spanContext: () => context }))

const record = fc.record({
  hrTime: time,
  hrTimeObserved: time,
  spanContext: optional(spanContext),
  severityText: optional(text),
  severityNumber: optional(fc.integer({ min: 0, max: 24 })),
  body: value,
  eventName: optional(text),
  attributes,
  droppedAttributesCount: dropped,
})

test('spans say what the SDK’s own bytes say', () => {
  fc.assert(
    fc.property(items(span), (made) => {
      const spans = made as unknown as ReadableSpan[]
      const [ours, theirs] = [spanSerializer, ProtobufTraceSerializer].map((serializer) =>
        fromBinary(ExportTraceServiceRequestSchema, Uint8Array.from(serializer.serializeRequest(spans)!)),
      )
      assert.deepEqual(ours, theirs)
    }),
    { numRuns: 300 },
  )
})

test('log records say what the SDK’s own bytes say', () => {
  fc.assert(
    fc.property(items(record), (made) => {
      const records = made as unknown as ReadableLogRecord[]
      const [ours, theirs] = [logSerializer, ProtobufLogsSerializer].map((serializer) =>
        fromBinary(ExportLogsServiceRequestSchema, Uint8Array.from(serializer.serializeRequest(records)!)),
      )
      assert.deepEqual(ours, theirs)
    }),
    { numRuns: 300 },
  )
})

test('a message is as long as its length says, whatever room was kept for that', () => {
  for (const size of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    for (const reserved of [1, 2, 3]) {
      const writer = new ProtobufWriter(8)
      writer.uint32(7)
      const begin = writer.begin(reserved)
      writer.room(size)
      writer.bytes.fill(0x55, writer.at, writer.at + size)
      writer.at += size
      writer.end(begin, reserved)
      const expected = new ProtobufWriter(8)
      expected.uint32(7)
      expected.data(Buffer.alloc(size, 0x55))
      assert.ok(Buffer.compare(writer.written(), expected.written()) === 0, `${size} bytes after ${reserved}`)
    }
  }
})
