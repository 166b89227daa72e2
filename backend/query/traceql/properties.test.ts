import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { meaning } from '../language/test/meaning.ts'
import type { Query } from './ast.ts'
import { check, metricsInstant, parse, print, search } from './index.ts'
import { query, stages, traces } from './test/arbitraries.ts'
import { referenceSearch } from './test/reference.ts'
import { plainSource } from './test/spans.ts'

test('a printed query parses to the same query', () => {
  fc.assert(
    fc.property(query, (given) => {
      assert.deepEqual(meaning(parse(print(given))), meaning(given))
    }),
    { numRuns: 1_000 },
  )
})

test('generated queries type-check', () => {
  fc.assert(
    fc.property(query, (given) => {
      check(parse(print(given)))
    }),
    { numRuns: 300 },
  )
})

test('search answers as the naive reference does', () => {
  let answered = 0
  fc.assert(
    fc.property(stages, traces, (given, spans) => {
      const text = print({ kind: 'search', stages: given, hints: [], text: '' })
      const found = search(check(parse(text)), plainSource(spans), { limit: 100, spansPerSpanset: 0 })
      const expected = referenceSearch(given, spans)
      if (expected.size > 0) answered++
      assert.deepEqual(
        new Map(
          found.map(({ traceId, spanSets }) => [
            traceId,
            sorted(spanSets.map((set) => set.spans.map((own) => own.spanId))),
          ]),
        ),
        new Map([...expected].map(([traceId, sets]) => [traceId, sorted(sets)])),
        text,
      )
    }),
    { numRuns: 3_000 },
  )
  assert.ok(answered > 500, `only ${answered} of the random queries found anything`)
})

test('count_over_time counts the spans that search finds', () => {
  fc.assert(
    fc.property(stages, traces, (given, spans) => {
      const source = plainSource(spans)
      const text = print({ kind: 'search', stages: given, hints: [], text: '' })
      const found = search(check(parse(text)), source, { limit: 100, spansPerSpanset: 0 })
      const counted = metricsInstant(check(parse(`${text} | count_over_time()`)) as Query, source, {
        range: { startNs: 0n, endNs: 2_000_000_000n },
      })
      const spansFound = found.flatMap(({ spanSets }) => spanSets).reduce((sum, { matched }) => sum + matched, 0)
      assert.equal(counted[0]!.value, spansFound, text)
    }),
    { numRuns: 500 },
  )
})

function sorted(sets: readonly (readonly string[])[]): string[] {
  return sets.map((set) => set.toSorted().join(' ')).sort()
}
