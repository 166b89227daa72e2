import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check, metricsInstant, metricsRange, parse, TraceQLError } from './index.ts'
import type { MetricsOptions, Series } from './result.ts'
import { exampleSpans, exampleTraceId } from './test/data.ts'
import { type PlainSpan, plainSource } from './test/spans.ts'

const BASE = 1_760_000_000_000_000_000n
const SECOND = 1_000_000_000n
const examples = plainSource(exampleSpans(BASE))
const range = { startNs: BASE - 10n * SECOND, endNs: BASE + 20n * SECOND }

function ask(query: string, options: Partial<MetricsOptions> = {}): Series[] {
  return metricsRange(check(parse(query)), examples, { range, stepNs: 5n * SECOND, ...options })
}

test('an interval includes its end and not its start', () => {
  const one = (offsetNs: bigint): PlainSpan => {
    return {
      traceId: '1'.padStart(32, '0'),
      spanId: String(offsetNs).padStart(16, '0'),
      name: 'x',
      startNs: BASE + offsetNs,
      durationNs: 1,
    }
  }
  const source = plainSource([one(0n), one(1n), one(SECOND), one(SECOND + 1n)])
  const [series] = metricsRange(check(parse('{ } | count_over_time()')), source, {
    range: { startNs: BASE, endNs: BASE + 2n * SECOND },
    stepNs: SECOND,
  })
  const base = Number(BASE / 1_000_000n)
  assert.deepEqual(series!.samples, [
    { timestampMs: base, value: 1 },
    { timestampMs: base + 1000, value: 2 },
    { timestampMs: base + 2000, value: 1 },
  ])
})

test('seconds are those that the nanoseconds say', () => {
  const span = { traceId: '1'.padStart(32, '0'), spanId: '1'.padStart(16, '0'), name: 'x', startNs: BASE }
  const [longest] = metricsInstant(
    check(parse('{ } | max_over_time(duration)')),
    plainSource([{ ...span, durationNs: 2_500_000_777 }]),
    { range: { startNs: BASE - SECOND, endNs: BASE } },
  )
  assert.equal(longest!.value, 2.500000777)
})

test('values of at most 1 have no bucket: quantiles of nothing else are no series', () => {
  const lasting = (durationNs: number, id: string): PlainSpan => ({
    ...{ traceId: id.padStart(32, '0'), spanId: id.padStart(16, '0'), name: 'x', startNs: BASE, durationNs },
  })
  const quantiles = (...spans: PlainSpan[]) =>
    metricsRange(check(parse('{ } | quantile_over_time(duration, .5)')), plainSource(spans), {
      range: { startNs: BASE - SECOND, endNs: BASE },
      stepNs: SECOND,
    }).map(({ samples }) => samples.at(-1)!.value)
  assert.deepEqual(quantiles(lasting(0, '1')), [])
  assert.deepEqual(quantiles(lasting(0, '1'), lasting(4, '2')), [4e-9])
})

test('what JSON has no number for is a label of its own', () => {
  const spans = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((double, i): PlainSpan => {
    const id = String(i + 1)
    return {
      ...{ traceId: id.padStart(32, '0'), spanId: id.padStart(16, '0'), name: 'x', startNs: BASE, durationNs: 1 },
      attributes: { ratio: { double } },
    }
  })
  const found = metricsInstant(check(parse('{ } | count_over_time() by(span.ratio)')), plainSource(spans), {
    range: { startNs: BASE - SECOND, endNs: BASE + SECOND },
  })
  assert.deepEqual(found.map(({ labels, value }) => [labels[0]!.value.value, value]).sort(), [
    [Number.NEGATIVE_INFINITY, 1],
    [Number.POSITIVE_INFINITY, 1],
    [Number.NaN, 1],
  ])
})

test('without a step a range has 240 intervals of at least a second', () => {
  const points = (seconds: bigint) =>
    metricsRange(check(parse('{ } | rate()')), examples, {
      range: { startNs: BASE, endNs: BASE + seconds * SECOND },
    })[0]!.samples.length
  assert.equal(points(60n), 61)
  assert.equal(points(4800n), 241)
})

test('exemplars name the trace, the labels and what was measured, within the number asked for', () => {
  const [series] = ask(
    '{ status = error && name = "reserve_inventory" } | max_over_time(duration) by (resource.service.name)',
    { exemplars: 5 },
  )
  assert.deepEqual(series!.exemplars, [
    {
      labels: [
        { key: 'trace:id', value: { type: 'string', value: exampleTraceId(2) } },
        { key: 'resource.service.name', value: { type: 'string', value: 'order-service' } },
        { key: 'duration', value: { type: 'duration', value: 20_000_000 } },
      ],
      timestampMs: Number((BASE + 1_010_000_000n) / 1_000_000n),
      value: 0.02,
    },
  ])
  const exemplars = (query: string, count: number) =>
    ask(query, { exemplars: count }).flatMap((own) => own.exemplars).length
  assert.equal(exemplars('{ } | rate()', 0), 0)
  assert.equal(exemplars('{ } | rate() by (name)', 1), 1)
  assert.ok(exemplars('{ } | quantile_over_time(duration, .5, .9)', 100) > 3)
  assert.equal(exemplars('{ } | rate() with(exemplars=false)', 100), 0)
  assert.equal(exemplars('{ } | rate() with(exemplars=1)', 0), 1)
})

test('an exemplar of a count carries the sample of its interval', () => {
  const [series] = ask('{ status = error } | count_over_time()', { exemplars: 1 })
  assert.deepEqual(
    series!.exemplars.map(({ value }) => value),
    [3],
  )
})

test('series are told apart by their labels in Prometheus notation', () => {
  assert.deepEqual(
    ask('{ status = error } | rate() by (resource.service.name, status)').map(({ promLabels }) => promLabels),
    [
      '{"resource.service.name"="audit-service", status="error"}',
      '{"resource.service.name"="order-service", status="error"}',
      '{"resource.service.name"="user-service", status="error"}',
    ],
  )
  assert.deepEqual(
    ask('{ } | quantile_over_time(duration, .5)').map(({ promLabels }) => promLabels),
    ['{p="0.5"}'],
  )
})

test('too many points or series are refused', () => {
  const refused = (action: () => unknown, pattern: RegExp) =>
    assert.throws(
      action,
      (error) => error instanceof TraceQLError && error.kind === 'limit' && pattern.test(error.message),
    )
  refused(() => ask('{ } | rate()', { stepNs: 1_000_000n }), /longer step/)
  const spans = Array.from({ length: 500 }, (_, i): PlainSpan => {
    return {
      traceId: '1'.padStart(32, '0'),
      spanId: String(i).padStart(16, '0'),
      name: `n${i}`,
      startNs: BASE + BigInt(i),
      durationNs: 1,
    }
  })
  const options = { range: { startNs: BASE, endNs: BASE + 10_000n * SECOND }, stepNs: SECOND }
  refused(() => metricsRange(check(parse('{ } | rate() by (name)')), plainSource(spans), options), /too many series/)
})

test('a search is no metrics query', () => {
  assert.throws(() => metricsInstant(check(parse('{ status = error }')), examples, { range }), /not a metrics query/)
})

test('spans are counted under their own labels, however many combinations there could be', () => {
  const names = Array.from({ length: 8 }, (_, i) => `l${i}`)
  // 200 values of each label, and then spans that differ in the last one only.
  const spans = Array.from({ length: 399 }, (_, i): PlainSpan => {
    return {
      traceId: '1'.padStart(32, '0'),
      spanId: String(i).padStart(16, '0'),
      name: 'x',
      startNs: BASE + BigInt(i),
      durationNs: 1,
      attributes: Object.fromEntries(names.map((name) => [name, i < 200 ? i : name === 'l7' ? i - 200 : 199])),
    }
  })
  const by = names.map((name) => `span.${name}`).join(', ')
  const series = metricsInstant(check(parse(`{ } | count_over_time() by (${by})`)), plainSource(spans), { range })
  assert.deepEqual([series.length, new Set(series.map(({ value }) => value))], [399, new Set([1])])
})

test('a number of exemplars below zero is none', () => {
  assert.equal(ask('{ } | rate() with(exemplars=-1)', { exemplars: 5 }).flatMap((own) => own.exemplars).length, 0)
})
