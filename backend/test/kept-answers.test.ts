import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { KeptAnswers } from '../query/language/kept-answers.ts'
import { check, metricsRange, parse, print, search } from '../query/traceql/index.ts'
import type { SpanSource, SpanTable, Wanted } from '../query/traceql/span-table.ts'
import { query, traces } from '../query/traceql/test/arbitraries.ts'
import { type PlainSpan, plainTable } from '../query/traceql/test/spans.ts'
import { createCache, withKeysCounted } from '../store/cache.ts'

const SECOND = 1_000_000_000n

/** The same tables, newest first, once with answers that are kept and once without. */
function sources(
  tables: readonly (readonly PlainSpan[])[],
  answers: KeptAnswers,
): { kept: SpanSource; plain: SpanSource } {
  const built = tables
    .map((spans, i) => withExtent(plainTable(moved(spans, i)), String(i)))
    .sort((a, b) => (a.maxNs < b.maxNs ? 1 : -1))
  const within = ({ startNs, endNs }: Wanted) =>
    built.filter(
      ({ minNs, maxNs }) => (endNs === undefined || minNs < endNs) && (startNs === undefined || maxNs >= startNs),
    )
  return {
    kept: { tables: within, answers },
    plain: {
      tables: (wanted) =>
        within(wanted).map((table) => ({
          ...table,
          identity: undefined,
          minNs: undefined,
          maxNs: undefined,
        })) as unknown as SpanTable[],
    },
  }
}

/** Each table some seconds after the one before, with traces of its own. */
function moved(spans: readonly PlainSpan[], table: number): PlainSpan[] {
  return spans.map((span) => ({
    ...span,
    traceId: `${table}${span.traceId.slice(1)}`,
    startNs: span.startNs + BigInt(table) * 4n * SECOND,
  }))
}

function withExtent(table: SpanTable, identity: string) {
  let [minNs, maxNs] = [2n ** 63n, 0n]
  for (let row = 0; row < table.rows; row++) {
    const startNs = table.baseNs + BigInt(table.startOffset[row]!)
    const endNs = startNs + BigInt(table.duration[row]!)
    if (startNs < minNs) minNs = startNs
    if (endNs > maxNs) maxNs = endNs
  }
  return { ...table, identity, minNs, maxNs }
}

const window = fc
  .record({ from: fc.integer({ min: 0, max: 12 }), seconds: fc.integer({ min: 1, max: 14 }) })
  .map(({ from, seconds }) => ({ startNs: BigInt(from) * SECOND, endNs: BigInt(from + seconds) * SECOND }))
const step = fc.constantFrom(250_000_000n, SECOND, 3n * SECOND, 60n * SECOND)

test('what was kept of a table is what it would answer anew, wherever the window lies', () => {
  // Little room: answers leave, and come anew.
  const answers = withKeysCounted(createCache(20_000))
  let number = 0
  fc.assert(
    fc.property(
      query,
      fc.array(traces, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(window, step, fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 0, 2)), {
        minLength: 2,
        maxLength: 4,
      }),
      (given, tables, windows) => {
        const text = print(given)
        const own = number++
        const { kept, plain } = sources(tables, {
          ...answers,
          get: (key, load) => answers.get(`${own} ${key}`, load),
          has: (key) => answers.has(`${own} ${key}`),
        })
        const parsed = check(parse(text))
        for (const [range, stepNs, limit, exemplars] of windows) {
          const ask = (source: SpanSource) =>
            outcome(() => [
              search(parsed, source, { range, limit, spansPerSpanset: 3 }),
              // How compare() ranks ids depends on the order of tables alone, which is the same here.
              parsed.kind === 'metrics' && metricsRange(parsed, source, { range, stepNs, exemplars }),
            ])
          assert.deepEqual(ask(kept), ask(plain), `${text} ${range.startNs} ${range.endNs} ${stepNs}`)
        }
      },
    ),
    { numRuns: 400 },
  )
})

test('sums that doubles do not hold exactly are added span by span, in their order', () => {
  const large = Number.MAX_SAFE_INTEGER + 1
  const spans = (values: readonly (number | { double: number })[]): PlainSpan[] =>
    values.map((value, i) => ({
      traceId: `0${i}`.padStart(32, '1'),
      spanId: `${i}`.padStart(16, '1'),
      name: 'a',
      startNs: SECOND + BigInt(i),
      durationNs: 1,
      attributes: { n: value },
    }))
  const range = { startNs: 0n, endNs: 20n * SECOND }
  for (const [tables, sum] of [
    // One after the other both are lost, together they are not.
    [[spans([1, 1]), spans([large])], large],
    [[spans([0.1, 0.2]), spans([0.3])], 0.3 + 0.1 + 0.2],
    [[spans([{ double: 4 }, 2]), spans([5])], 11],
    // The newest comes first, and has the exemplar where one is wanted.
    [[spans([1, 1]), spans([large, 0])], large],
    [[spans([1, 1, 1]), spans([0.1, 0.2])], 0.1 + 0.2 + 1 + 1 + 1],
  ] as const) {
    const { kept } = sources(tables, withKeysCounted(createCache(20_000)))
    for (const exemplars of [0, 0, 1]) {
      const options = { range, stepNs: 60n * SECOND, exemplars }
      const [series] = metricsRange(check(parse('{ } | sum_over_time(span.n)')), kept, options)
      assert.equal(series!.samples.at(-1)!.value, sum)
    }
  }
})

test('sums that turn out to need each span by itself may be of as many series as others', () => {
  const spans = (table: number, value: number | { double: number }): PlainSpan[] =>
    Array.from({ length: 1_500 }, (_, i) => ({
      traceId: `${table}${i}`.padStart(32, '1'),
      spanId: `${i}`.padStart(16, '1'),
      name: 'a',
      startNs: SECOND + BigInt(i),
      durationNs: 1,
      attributes: { n: value, of: i },
    }))
  const { kept } = sources([spans(0, { double: 0.5 }), spans(1, 2)], withKeysCounted(createCache(20_000)))
  // Parts of so many series are not kept, but made.
  const source = { tables: kept.tables }
  const [range, stepNs] = [{ startNs: 0n, endNs: 1_000n * SECOND }, SECOND]
  const series = metricsRange(check(parse('{ } | sum_over_time(span.n) by (span.of)')), source, { range, stepNs })
  assert.equal(series.length, 1_500)
  for (const { samples } of series)
    assert.equal(
      samples.reduce((sum, { value }) => sum + (value || 0), 0),
      2.5,
    )
})

test('compare() counts attributes with thousands of values as it does without what was kept', () => {
  const rows = 2_700
  const manyValues = (table: number): PlainSpan[] =>
    Array.from({ length: rows }, (_, i) => {
      const id = `${table}/${i}`
      return {
        traceId: `0${(i / 3) | 0}`.padStart(32, '1'),
        spanId: `${i}`.padStart(16, '1'),
        name: i % 3 === 0 ? 'a' : 'b',
        status: i % 40 === table || i % 7 === 0 ? 'error' : 'ok',
        startNs: SECOND + BigInt(i) * 1_000_000n,
        durationNs: 1,
        attributes: {
          id,
          // The same ones in every table, as many as a table has rows; some of them; with one that stands out, with a hundred.
          port: 30_000 + i,
          user: (i * 7) % 500,
          skewed: i % 2 === 0 ? 'often' : id,
          mixed: i % 3 === 0 ? id : i % 100,
          // Tells most of its values in one table only.
          ...(table % 2 === 0 && { now: i % 5 === 0 ? (i % 1_000) * 3 : `${i % 1_300}` }),
        },
      }
    })
  const cache = createCache(4 << 20)
  const { kept, plain } = sources([0, 1, 2, 3, 4].map(manyValues), withKeysCounted(cache))
  for (const text of ['{ } | compare({ status = error })', '{ name = "b" } | compare({ span.user < 20 }, 3)']) {
    for (const [from, seconds] of [
      [0n, 40n],
      [0n, 40n],
      [6n, 14n],
    ] as const) {
      const range = { startNs: from * SECOND, endNs: (from + seconds) * SECOND }
      for (const stepNs of [2n * SECOND, 60n * SECOND]) {
        const ask = (source: SpanSource) => metricsRange(check(parse(text)), source, { range, stepNs })
        assert.deepEqual(ask(kept), ask(plain), `${text} ${from} ${stepNs}`)
      }
    }
  }
  assert.ok([...'01234'].every((table) => cache.has(`${table}|values|span.id`)))
})

test('answers that hold next to nothing are bounded by their keys', () => {
  const cache = createCache(10_000)
  const answers = withKeysCounted(cache)
  const key = (n: number) => `${'k'.repeat(800)}${n}`
  for (let n = 0; n < 100; n++) answers.get(key(n), () => undefined)
  const kept = Array.from({ length: 100 }, (_, n) => cache.has(key(n))).filter(Boolean).length
  assert.ok(kept > 0 && kept <= 12, `${kept} of them`)
})

function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return String(error)
  }
}
