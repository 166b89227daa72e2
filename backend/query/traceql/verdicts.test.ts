import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readVerdicts } from '../language/test/verdicts.ts'
import { check, metricsInstant, metricsRange, parse, print, search, TraceQLError } from './index.ts'
import { exampleSpans } from './test/data.ts'
import { shortSeries, shortTraces } from './test/short-answer.ts'
import { plainSource } from './test/spans.ts'

const BASE = 1_760_000_000_000_000_000n
const SECOND = 1_000_000_000n
const source = plainSource(exampleSpans(BASE))

const verdicts = (name: string) => readVerdicts(new URL(`test/verdicts/${name}.txt`, import.meta.url))

for (const name of ['search', 'search-differs']) {
  test(`answers of ${name}.txt`, () => {
    for (const { query, answer } of verdicts(name)) {
      const found = search(check(parse(query)), source, { limit: 100, spansPerSpanset: 0 })
      assert.deepEqual([shortTraces(found)], answer, query)
    }
  })
}

for (const name of ['metrics', 'metrics-differs', 'metrics-math']) {
  test(`series of ${name}.txt`, () => {
    const range = { startNs: BASE - 10n * SECOND, endNs: BASE + 20n * SECOND }
    for (const { query, answer } of verdicts(name)) {
      const parsed = check(parse(query.replace(/^instant /, '')))
      const series = query.startsWith('instant ')
        ? metricsInstant(parsed, source, { range })
        : metricsRange(parsed, source, { range, stepNs: 5n * SECOND })
      const short = shortSeries(series, BASE)
      assert.deepEqual(short.length === 0 ? ['(none)'] : short.sort(), answer, query)
    }
  })
}

const OTHERWISE_IN_TEMPO = new Set(
  [
    'http.method http.request.method http.route http.status_code http.url server.address url.path url.route',
    'arr1 batch.sizes bools flags floats ints none order.items tags "quo\\"te"',
  ].flatMap((names) => names.split(' ').map((name) => `span.${name}`)),
)

test('series of compare.txt', () => {
  const range = { startNs: BASE - 10n * SECOND, endNs: BASE + 20n * SECOND }
  for (const { query, answer } of verdicts('compare')) {
    const parsed = check(parse(query.replace(/^instant /, '')))
    const series = query.startsWith('instant ')
      ? metricsInstant(parsed, source, { range })
      : metricsRange(parsed, source, { range, stepNs: 5n * SECOND })
    const named = query.split('| compare')[0]!.split(/[^\w.]+/)
    const alike = series.filter(({ labels }) => {
      const { key } = labels[1]!
      return !named.includes(key) && !OTHERWISE_IN_TEMPO.has(key)
    })
    const short = shortSeries(alike, BASE).map((line) => line.replace(/ -?[\d.]+:0(?= |$)/g, ''))
    assert.deepEqual(short.length === 0 ? ['(none)'] : short, answer, query)
  }
})

for (const kind of ['syntax', 'type', 'unsupported']) {
  test(`refusals of ${kind}-errors.txt`, () => {
    for (const { query, answer } of verdicts(`${kind}-errors`)) {
      assert.throws(
        () => check(parse(query)),
        (error) => {
          assert.ok(error instanceof TraceQLError, query)
          const hint = error.hint === undefined ? '' : ` (${error.hint})`
          assert.equal(error.kind, kind, query)
          assert.deepEqual([`${error.line}:${error.column} ${error.reason}${hint}`], answer, query)
          return true
        },
        query,
      )
    }
  })
}

test('printing a query keeps its meaning', () => {
  for (const name of ['search', 'search-differs', 'metrics', 'metrics-differs', 'metrics-math', 'compare']) {
    for (const { query } of verdicts(name)) {
      const printed = print(parse(query.replace(/^instant /, '')))
      assert.equal(print(parse(printed)), printed, query)
    }
  }
})
