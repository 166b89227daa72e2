import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMetricsQuery, spansOfMetrics } from './traceql-text.ts'

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
