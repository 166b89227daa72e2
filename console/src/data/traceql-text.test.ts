import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMetricsQuery } from './traceql-text.ts'

test('a stage that makes series is told from its name in a string', () => {
  const makesSeries = ['{ } | rate()', '{ }|compare ({ status = error })', '{ } | quantile_over_time(duration, .9)']
  for (const query of makesSeries) assert.equal(isMetricsQuery(query), true, query)
  const makesNone = ['{ name = "| rate()" }', '{ name = `| rate()` }', '{ } | count() > 2', '{ name = "\\"| rate()" }']
  for (const query of makesNone) assert.equal(isMetricsQuery(query), false, query)
})
