import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import {
  ExportLogsServiceRequestSchema,
  ExportMetricsServiceRequestSchema,
  ExportTraceServiceRequestSchema,
} from '@sightline/otlp-messages'
import { isHttpError } from '../http.ts'
import { jsonToProtobuf } from './otlp-json.ts'

const ID = '0af7651916cd43dd8448eb211c80319c'

/** A request of one span, with `field` as it is written in JSON. */
const spanText = (field: string) =>
  `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${ID}","spanId":"b7ad6b7169203331",${field}}]}]}]}`

const traces = (text: string) =>
  fromBinary(ExportTraceServiceRequestSchema, jsonToProtobuf(Buffer.from(text), ExportTraceServiceRequestSchema))

const spanOf = (field: string) => traces(spanText(field)).resourceSpans[0]!.scopeSpans[0]!.spans[0]!

/** The AnyValue that is written so. */
const anyValueOf = (value: string) => spanOf(`"attributes":[{"key":"k","value":${value}}]`).attributes[0]!.value!.value

/** Why it is refused. */
function refusal(text: string): string {
  try {
    jsonToProtobuf(Buffer.from(text), ExportTraceServiceRequestSchema)
  } catch (error) {
    assert.ok(isHttpError(error) && error.status === 400, String(error))
    return error.message
  }
  return assert.fail(`taken: ${text}`)
}

test('integers are exact, as numbers and as decimal text', () => {
  const cases: [string, bigint][] = [
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['"9223372036854775807"', 2n ** 63n - 1n],
    ['"+5"', 5n],
    ['"007"', 7n],
    ['12', 12n],
  ]
  for (const [written, value] of cases) assert.equal(anyValueOf(`{"intValue":${written}}`).value, value, written)
  const times = spanOf('"startTimeUnixNano":1700000000000000001,"end_time_unix_nano":"1700000000000000003"')
  assert.deepEqual(
    [times.startTimeUnixNano, times.endTimeUnixNano],
    [1_700_000_000_000_000_001n, 1_700_000_000_000_000_003n],
  )
})

test('what is no integer is refused by its place', () => {
  const place = 'resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.intValue'
  for (const written of [
    '"0x10"',
    '""',
    '" 5"',
    '"1e3"',
    '1.5',
    '1e30',
    '9223372036854775808',
    'null',
    'true',
    '"5n"',
  ]) {
    const message = refusal(spanText(`"attributes":[{"key":"k","value":{"intValue":${written}}}]`))
    assert.ok(message.includes(`${place} should be a whole number`), `${written}: ${message}`)
  }
  for (const field of ['"flags":"0x10"', '"droppedEventsCount":-1', '"startTimeUnixNano":"-1"', '"flags":4294967296'])
    assert.match(refusal(spanText(field)), /spans\[0\]\.\w+ should be a whole number from 0 to \d+ /)
})

test('doubles are numbers or their text; null is refused, not left out', () => {
  const cases: [string, number][] = [
    ['1.5', 1.5],
    ['1e300', 1e300],
    ['9223372036854775808', 2 ** 63],
    ['"2.5"', 2.5],
    ['"NaN"', Number.NaN],
    ['"Infinity"', Number.POSITIVE_INFINITY],
    ['"-inf"', Number.NEGATIVE_INFINITY],
    ['-0', -0],
  ]
  for (const [written, value] of cases)
    assert.ok(Object.is(anyValueOf(`{"doubleValue":${written}}`).value, value), written)
  for (const written of ['null', '1e999', '"1e999"', '"0x10"', '""', 'true', '"one"']) {
    const message = refusal(spanText(`"attributes":[{"key":"k","value":{"doubleValue":${written}}}]`))
    assert.match(message, /value\.doubleValue should be a number or its text, "NaN", "Infinity" or "-Infinity", not /)
  }
  const nested =
    '{"arrayValue":{"values":[{"intValue":"1"},{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":null}}]}}]}}'
  assert.match(
    refusal(spanText(`"attributes":[{"key":"k","value":${nested}}]`)),
    /value\.arrayValue\.values\[1\]\.kvlistValue\.values\[0\]\.value\.doubleValue should be/,
  )
})

test('half a character pair is U+FFFD, wherever a string stands', () => {
  assert.equal(spanOf('"name":"cut \\ud83d"').name, 'cut \ufffd')
  assert.equal(spanOf('"name":"\\ude00\\ud83d\\ude00"').name, '\ufffd\u{1f600}')
  assert.equal(anyValueOf('{"stringValue":"\\ud83d"}').value, '\ufffd')
  assert.equal(spanOf('"attributes":[{"key":"\\udc00","value":{}}]').attributes[0]!.key, '\ufffd')
})

test('enums are numbers or names; what is neither is refused', () => {
  assert.equal(spanOf('"kind":2').kind, 2)
  assert.equal(spanOf('"kind":"SPAN_KIND_CLIENT"').kind, 3)
  assert.equal(spanOf('"kind":77').kind, 77)
  for (const written of ['"server"', '"2"', 'null', '1.5', '[]'])
    assert.match(
      refusal(spanText(`"kind":${written}`)),
      /spans\[0\]\.kind should be a number or a name of SpanKind, not /,
    )
})

test('null is the empty string, list or message, and a value of that type', () => {
  assert.deepEqual(anyValueOf('{"stringValue":null}'), { case: 'stringValue', value: '' })
  assert.equal(anyValueOf('{"arrayValue":null}').case, 'arrayValue')
  const span = spanOf('"parentSpanId":null,"events":null,"status":null,"attributes":[]')
  assert.deepEqual([span.parentSpanId.length, span.events.length], [0, 0])
})

test('strings, booleans, lists and objects of another type are refused by their place', () => {
  const cases: [string, RegExp][] = [
    ['"name":5', /spans\[0\]\.name should be a string, not 5/],
    ['"name":12345678901234567890', /spans\[0\]\.name should be a string, not 12345678901234567890/],
    ['"attributes":[{"key":"k","value":{"boolValue":"true"}}]', /boolValue should be true or false, not "true"/],
    ['"attributes":{}', /spans\[0\]\.attributes should be a list, not an object/],
    ['"status":[]', /spans\[0\]\.status should be an object, not a list/],
    ['"parentSpanId":"xyz"', /spans\[0\]\.parentSpanId is an id and must be hex, not "xyz"/],
  ]
  for (const [field, message] of cases) assert.match(refusal(spanText(field)), message)
  assert.match(refusal('[]'), /the request should be an object, not a list/)
  assert.match(refusal('12345678901234567890'), /the request should be an object/)
})

test('ids are hex in spans, links and records; both spellings of names are read, unknown ones passed over', () => {
  const span = spanOf(
    '"unknown":{"a":[1]},"parent_span_id":"00F067AA0BA902B7","links":[{"trace_id":"0a","spanId":"0b"}]',
  )
  assert.equal(Buffer.from(span.traceId).toString('hex'), ID)
  assert.equal(Buffer.from(span.parentSpanId).toString('hex'), '00f067aa0ba902b7')
  assert.deepEqual([...span.links[0]!.traceId, ...span.links[0]!.spanId], [10, 11])
  const text = `{"resource_logs":[{"scope_logs":[{"log_records":[{"time_unix_nano":1700000000000000001,"traceId":"${ID}","body":{"bytesValue":"AQI="}}]}]}]}`
  const logs = fromBinary(
    ExportLogsServiceRequestSchema,
    jsonToProtobuf(Buffer.from(text), ExportLogsServiceRequestSchema),
  )
  const [record] = logs.resourceLogs[0]!.scopeLogs[0]!.logRecords
  assert.equal(record!.timeUnixNano, 1_700_000_000_000_000_001n)
  assert.equal(Buffer.from(record!.traceId).toString('hex'), ID)
  assert.deepEqual(record!.body!.value, { case: 'bytesValue', value: new Uint8Array([1, 2]) })
})

test('lists of numbers are read one by one: the buckets of a histogram', () => {
  const request = (counts: string) =>
    `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":${counts},` +
    '"explicitBounds":[0.5,"1e3"]}]}}]}]}]}'
  const bytes = (counts: string) => jsonToProtobuf(Buffer.from(request(counts)), ExportMetricsServiceRequestSchema)
  const { data } = fromBinary(ExportMetricsServiceRequestSchema, bytes('["9007199254740993",2]')).resourceMetrics[0]!
    .scopeMetrics[0]!.metrics[0]!
  assert.ok(data.case === 'histogram')
  const [point] = data.value.dataPoints
  assert.deepEqual(
    [point!.bucketCounts, point!.explicitBounds],
    [
      [9_007_199_254_740_993n, 2n],
      [0.5, 1000],
    ],
  )
  assert.throws(() => bytes('[1,-1]'), /bucketCounts\[1\] should be a whole number from 0/)
})

test('a body of a million empty objects is refused before any is made', () => {
  const body = Buffer.from(`{"resourceSpans":[${Array(1_000_000).fill('{}').join()}]}`)
  assert.throws(
    () => jsonToProtobuf(body, ExportTraceServiceRequestSchema),
    (error) => isHttpError(error) && error.status === 413 && /more than 1000000 objects/.test(error.message),
  )
})
