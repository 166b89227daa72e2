import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema, ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import fc from 'fast-check'
import { traceBytes } from '../test/otlp.ts'
import { readLogs } from './logs.ts'
import { readTraces } from './traces.ts'
import { attributesToObject, isWireError, toBigInt, wantedNames } from './wire.ts'

const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const id = (size: number) => fc.uint8Array({ minLength: size, maxLength: size }).filter((bytes) => bytes.some(Boolean))
const scalar = fc.oneof(
  fc.string().map((value) => ({ case: 'stringValue' as const, value })),
  fc.boolean().map((value) => ({ case: 'boolValue' as const, value })),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((value) => ({ case: 'intValue' as const, value })),
  fc.double({ noNaN: true }).map((value) => ({ case: 'doubleValue' as const, value })),
)
const attributes = fc
  .uniqueArray(fc.tuple(fc.string({ minLength: 1, unit: 'grapheme' }), scalar), {
    selector: ([key]) => key,
    maxLength: 6,
  })
  .map((pairs) => pairs.map(([key, value]) => ({ key, value: { value } })))
const span = fc.record({
  traceId: id(16),
  spanId: id(8),
  parentSpanId: fc.option(id(8), { nil: new Uint8Array() }),
  name: fc.string({ unit: 'grapheme' }),
  kind: fc.integer({ min: 0, max: 5 }),
  startTimeUnixNano: uint64,
  endTimeUnixNano: uint64,
  attributes,
  traceState: fc.string(),
  flags: fc.integer({ min: 0, max: 0x3ff }),
  droppedAttributesCount: fc.integer({ min: 0, max: 0xffff_ffff }),
  status: fc.record({ code: fc.integer({ min: 0, max: 2 }), message: fc.string() }),
  events: fc.array(fc.record({ name: fc.string(), timeUnixNano: uint64, attributes }), { maxLength: 2 }),
  links: fc.array(fc.record({ traceId: id(16), spanId: id(8), attributes }), { maxLength: 2 }),
})

const plain = (list: { key: string; value: { value: { value: unknown } } }[]) =>
  Object.fromEntries(list.map(({ key, value }) => [key, value.value.value]))

/** The reader gives numbers for what fits; the generated code gives bigints. */
const sameNumbers = (object: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key, typeof value === 'bigint' ? Number(value) : value]),
  )

test('reads spans as the generated code wrote them', () => {
  fc.assert(
    fc.property(fc.array(span, { maxLength: 4 }), attributes, (spans, resource) => {
      const message = create(ExportTraceServiceRequestSchema, {
        resourceSpans: [{ resource: { attributes: resource }, scopeSpans: [{ spans: spans as never[] }] }],
      })
      let i = 0
      const counts = readTraces(toBinary(ExportTraceServiceRequestSchema, message), (read) => {
        const sent = spans[i++]!
        const at = (from: number, size: number) => read.bytes.subarray(from, from + size)
        assert.deepEqual([...at(read.traceIdAt, 16)], [...sent.traceId])
        assert.deepEqual([...at(read.spanIdAt, 8)], [...sent.spanId])
        assert.deepEqual(read.parentSpanIdAt < 0 ? [] : [...at(read.parentSpanIdAt, 8)], [...sent.parentSpanId])
        assert.equal(toBigInt(read.startHi, read.startLo), sent.startTimeUnixNano)
        assert.equal(toBigInt(read.endHi, read.endLo), sent.endTimeUnixNano)
        assert.deepEqual(
          [read.name, read.kind, read.status, read.statusMessage, read.traceState, read.flags, read.droppedAttributes],
          [
            sent.name,
            sent.kind,
            sent.status.code,
            sent.status.message,
            sent.traceState,
            sent.flags,
            sent.droppedAttributesCount,
          ],
        )
        assert.deepEqual(sameNumbers({ ...attributesToObject(read.attributes) }), sameNumbers(plain(sent.attributes)))
        assert.deepEqual(sameNumbers({ ...attributesToObject(read.resource.attributes) }), sameNumbers(plain(resource)))
        assert.deepEqual(
          read.events.map((event) => event.name),
          sent.events.map((event) => event.name),
        )
        assert.deepEqual(
          read.links.map((link) => link.traceId),
          sent.links.map((link) => Buffer.from(link.traceId).toString('hex')),
        )
      })
      assert.equal(counts.accepted, spans.length)
      assert.equal(i, spans.length)
    }),
    { numRuns: 150 },
  )
})

test('equal short texts of different messages are not mixed up', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { minLength: 1, maxLength: 40 }), (names) => {
      const bytes = traceBytes(names.map((name, i) => ({ trace: 'a', id: String(i + 1), name })))
      const read: string[] = []
      readTraces(bytes, (span) => read.push(span.name))
      assert.deepEqual(read, names)
    }),
  )
})

test('any bytes are a message or a WireError, never anything else', () => {
  const good = traceBytes([{ trace: 'a', id: '1', attributes: { k: 'v', n: 1 }, events: [{ name: 'e' }] }])
  const flipped = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(good)
    bytes[at] = byte
    return bytes
  })
  const cut = fc.nat(good.length - 1).map((length) => good.subarray(0, length))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), flipped, cut), (bytes) => {
      for (const read of [readTraces, readLogs]) {
        try {
          read(bytes, () => {})
        } catch (error) {
          assert.ok(isWireError(error), String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('spans without usable ids are counted as rejected, with a reason', () => {
  const message = create(ExportTraceServiceRequestSchema, {
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: [
              { traceId: new Uint8Array(16), spanId: new Uint8Array(8).fill(1) },
              { traceId: new Uint8Array(16).fill(1), spanId: new Uint8Array(8).fill(1) },
            ],
          },
        ],
      },
    ],
  })
  const counts = readTraces(toBinary(ExportTraceServiceRequestSchema, message), () => {})
  assert.deepEqual([counts.accepted, counts.rejected], [1, 1])
  assert.match(counts.reason, /trace_id/)
})

test('only wanted attributes are kept, all are counted', () => {
  const bytes = traceBytes([{ trace: 'a', id: '1', attributes: { keep: 'x', drop: 'y', keeq: 'z' } }])
  readTraces(
    bytes,
    ({ attributes }) => {
      assert.deepEqual({ ...attributesToObject(attributes) }, { keep: 'x' })
      assert.equal(attributes.seen, 3)
    },
    { wanted: wantedNames(new Set(['keep'])) },
  )
})

test('values nested without end are refused', () => {
  const deep = (levels: number) => {
    let bytes: Buffer = Buffer.from([0x0a, 0x01, 0x61])
    for (let i = 0; i < levels; i++) bytes = field(0x2a, field(0x0a, bytes))
    return field(0x0a, field(0x12, field(0x12, field(0x2a, bytes))))
  }
  assert.equal(readLogs(deep(20), () => {}).accepted, 1)
  assert.throws(() => readLogs(deep(200), () => {}), /nested deeper/)
})

function field(tag: number, body: Buffer): Buffer {
  const length: number[] = []
  let rest = body.length
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([tag, ...length, rest]), body])
}

test('maps and lists of maps become JSON, lists of scalars stay lists', () => {
  const list = { case: 'arrayValue' as const, value: { values: [{ value: { case: 'intValue' as const, value: 1n } }] } }
  const map = { case: 'kvlistValue' as const, value: { values: [{ key: 'a', value: { value: list } }] } }
  const message = create(ExportLogsServiceRequestSchema, {
    resourceLogs: [
      {
        scopeLogs: [
          {
            logRecords: [
              {
                body: { value: map },
                attributes: [
                  { key: 'l', value: { value: list } },
                  { key: 'm', value: { value: map } },
                ],
              },
            ],
          },
        ],
      },
    ],
  })
  readLogs(toBinary(ExportLogsServiceRequestSchema, message), (record) => {
    assert.equal(record.body, '{"a":[1]}')
    assert.deepEqual({ ...attributesToObject(record.attributes) }, { l: [1], m: { a: [1] } })
  })
})

test('a span is kept without a link that leads nowhere', () => {
  const traceId = new Uint8Array(16).fill(1)
  const spanId = new Uint8Array(8).fill(1)
  const links = [
    { traceId: new Uint8Array(16), spanId: new Uint8Array(8) },
    { traceId, spanId },
  ]
  const message = create(ExportTraceServiceRequestSchema, {
    resourceSpans: [{ scopeSpans: [{ spans: [{ traceId, spanId, links, droppedLinksCount: 2 }] }] }],
  })
  const counts = readTraces(toBinary(ExportTraceServiceRequestSchema, message), (span) => {
    assert.deepEqual([span.links.length, span.droppedLinks], [1, 3])
  })
  assert.deepEqual([counts.accepted, counts.rejected], [1, 0])
})
