import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parser } from '@grafana/lezer-traceql'
import { durationFilter, isMetricsQuery, spansOfMetrics, withCount, withErrors, withStatus } from './traceql-text.ts'

test('a stage that makes series is told from its name in a string', () => {
  const makesSeries = ['{ } | rate()', '{ }|compare ({ status = error })', '{ } | quantile_over_time(duration, .9)']
  for (const query of makesSeries) assert.equal(isMetricsQuery(query), true, query)
  const makesNone = ['{ name = "| rate()" }', '{ name = `| rate()` }', '{ } | count() > 2', '{ name = "\\"| rate()" }']
  for (const query of makesNone) assert.equal(isMetricsQuery(query), false, query)
})

test('what a metrics query counts is the part before the stage that counts', () => {
  const pairs = [
    ['{ kind = server } | rate() by (name)', '{ kind = server }'],
    ['{ name = "| rate()" } | { status = error } |count_over_time()', '{ name = "| rate()" } | { status = error }'],
    ['{ name = "a" }', '{ name = "a" }'],
  ] as const
  for (const [query, spans] of pairs) assert.equal(spansOfMetrics(query), spans)
})

test('a search is asked for more, whatever it ends in, and stays a query', () => {
  assert.equal(withStatus('{ }'), '{ }\n| select(status) with(most_recent=true)')
  const own = '{ name = "with(x=1)" } with (most_recent=false)'
  assert.equal(withStatus(own), '{ name = "with(x=1)" }\n| select(status) with (most_recent=false)')
  const commented = '{ } with(most_recent=false) // with(y=2)'
  assert.equal(withStatus(commented), '{ }\n| select(status) with(most_recent=false) // with(y=2)')
  const queries = [
    '{ }',
    own,
    commented,
    '{ } | count() > 2 // all',
    '{ } >> { .a = `"` } | select(name) /* with(z=1) */',
  ]
  for (const query of queries)
    for (const asked of [withStatus, withErrors])
      assert.doesNotMatch(String(parser.parse(asked(query))), /⚠/, asked(query))
})

test('spans are counted for a search that has no pipeline', () => {
  assert.equal(withCount('{ .a = "|" || .b = 1 } // a | b'), '{ .a = "|" || .b = 1 } // a | b\n| count_over_time()')
  assert.equal(withCount('{ } >> { } with(most_recent=true)'), '{ } >> { }\n| count_over_time()')
  for (const query of ['{ } | count() > 2', '{ }|select(name)']) assert.equal(withCount(query), undefined)
})

test('bounds of a length are written as TraceQL does, and one that bounds nothing is left out', () => {
  assert.equal(durationFilter({ longer: 0.0025, upTo: 1 }), 'duration > 2.5ms && duration <= 1s')
  assert.equal(durationFilter({ longer: 0, upTo: 0.00025 }), 'duration <= 250us')
  assert.equal(durationFilter({ longer: 0, upTo: Number.POSITIVE_INFINITY }), '')
})
