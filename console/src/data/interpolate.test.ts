import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInVariables, interpolate, single, type VariableValue } from './interpolate.ts'

const several: VariableValue = { values: ['order-service', 'a.b'], text: 'order-service + a.b', multi: true }
const one: VariableValue = { values: ['a.b'], text: 'a.b', multi: true }
const all: VariableValue = { values: ['x', 'y'], text: 'All', multi: true, verbatim: '.+' }
const variables = new Map([
  ['service', several],
  ['one', one],
  ['all', all],
  ['id', single("O'Brien")],
])

test('several values become a regular expression, escaped for a string of the language', () => {
  assert.equal(interpolate('{job=~"$service"}', variables, 'promql'), '{job=~"(order-service|a\\\\.b)"}')
  assert.equal(interpolate('{job=~"$one"}', variables, 'promql'), '{job=~"a\\\\.b"}')
  assert.equal(
    interpolate('{ .service =~ "${service}" }', variables, 'traceql'),
    '{ .service =~ "order-service|a\\\\.b" }',
  )
})

test('"All" gives what the dashboard says, or all values', () => {
  assert.equal(interpolate('{job=~"gateway|$all"}', variables, 'promql'), '{job=~"gateway|.+"}')
  assert.equal(interpolate('Calls of $all', variables, 'text'), 'Calls of All')
  assert.equal(interpolate('${all:queryparam}', variables, 'url'), 'var-all=%24__all')
})

test('formats', () => {
  assert.equal(interpolate('${service:pipe}', variables, 'promql'), 'order-service|a.b')
  assert.equal(
    interpolate('${service:csv} ${service:json}', variables, 'text'),
    'order-service,a.b ["order-service","a.b"]',
  )
  assert.equal(interpolate('${id:sqlstring}', variables, 'sql'), "'O''Brien'")
  assert.equal(interpolate('${service:queryparam}', variables, 'url'), 'var-service=order-service&var-service=a.b')
})

test('what is no variable stays: groups of regular expressions, macros, dollars', () => {
  const text = 'label_replace(x, "a", "$1", "b", "(.*)") $__timeFilter(at) costs $5'
  assert.equal(interpolate(text, variables, 'sql'), text)
})

test('built-in intervals for a range of an hour', () => {
  const built = new Map(builtInVariables({ from: 0, to: 3_600_000 }, 15_000))
  assert.equal(
    interpolate('[$__rate_interval] [$__interval] [$__range] $__interval_ms', built, 'promql'),
    '[20s] [15s] [3600s] 15000',
  )
})
