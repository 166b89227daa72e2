import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hexId, readTrace } from './otlp.ts'

const span = { startTimeUnixNano: '1700000000000000000', endTimeUnixNano: '1700000000005000000', name: 'POST' }
const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'gateway' } }] }

test('hex ids with enum numbers and base64 ids with enum names read alike', () => {
  const hex = readTrace({
    resourceSpans: [
      {
        resource,
        scopeSpans: [
          {
            spans: [
              {
                ...span,
                traceId: '0102030405060708090a0b0c0d0e0f10',
                spanId: '0102030405060708',
                kind: 2,
                status: { code: 2 },
              },
            ],
          },
        ],
      },
    ],
  })
  const base64 = readTrace({
    batches: [
      {
        resource,
        scopeSpans: [
          {
            spans: [
              {
                ...span,
                traceId: 'AQIDBAUGBwgJCgsMDQ4PEA==',
                spanId: 'AQIDBAUGBwg=',
                kind: 'SPAN_KIND_SERVER',
                status: { code: 'STATUS_CODE_ERROR' },
              },
            ],
          },
        ],
      },
    ],
  })
  assert.deepEqual(base64, hex)
  assert.equal(hex?.spans[0]?.kind, 'server')
  assert.equal(hex?.spans[0]?.status, 'error')
  assert.equal(hex?.spans[0]?.duration, 5_000_000)
})

test('starts count from the first span, whatever the order', () => {
  const later = { ...span, startTimeUnixNano: '1700000000002000000', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }
  const first = { ...span, traceId: 'a'.repeat(32), spanId: 'c'.repeat(16) }
  const trace = readTrace({ resourceSpans: [{ scopeSpans: [{ spans: [later, first] }] }] })
  assert.deepEqual(
    trace?.spans.map((one) => one.start),
    [2_000_000, 0],
  )
  assert.equal(trace?.duration, 5_000_000)
})

test('attribute values of every kind', () => {
  const attributes = [
    { key: 's', value: { stringValue: '<script>alert(1)</script>' } },
    { key: 'i', value: { intValue: '42' } },
    { key: 'long', value: { intValue: '9007199254740993' } },
    { key: 'd', value: { doubleValue: 0.5 } },
    { key: 'b', value: { boolValue: false } },
    { key: 'a', value: { arrayValue: { values: [{ intValue: 1 }, { stringValue: 'x' }] } } },
    { key: 'none' },
  ]
  const trace = readTrace({
    resourceSpans: [
      { scopeSpans: [{ spans: [{ ...span, traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes }] }] },
    ],
  })
  assert.deepEqual(trace?.spans[0]?.attributes, {
    s: '<script>alert(1)</script>',
    i: 42,
    long: '9007199254740993',
    d: 0.5,
    b: false,
    a: [1, 'x'],
    none: '',
  })
})

test('no spans is no trace, and zero ids are none', () => {
  assert.equal(readTrace({ resourceSpans: [] }), undefined)
  assert.equal(hexId('0000000000000000'), '')
  assert.equal(hexId('AAAAAAAAAAA='), '')
})
