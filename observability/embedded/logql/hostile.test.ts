import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBudget, isLogQLError, parse, select } from './index.ts'
import { buildLogTable, sourceOf } from './testing.ts'

const range = { startNs: 0n, endNs: 10n }

function count(query: string, line: string): number {
  const tree = parse(query)
  assert.ok(tree.kind === 'log')
  const source = sourceOf(buildLogTable([{ timeNs: 1n, labels: { a: 'b' }, line }]))
  return select(tree, source, { range, limit: 10, direction: 'forward', budget: createBudget(10_000) }).length
}

test('patterns that make backtracking engines hang are answered', { timeout: 10_000 }, () => {
  const line = `${'a'.repeat(30_000)}!`
  for (const pattern of ['(a+)+$', '^(a|a)*$', '^(a|aa)+$', 'a*a*a*a*a*b', '(.*)(.*)(.*)(.*)x', '(a?){30}b']) {
    assert.equal(count(`{a="b"} |~ "${pattern}"`, line), 0, pattern)
  }
})

test('oversized and overlong queries are refused, not run', () => {
  const refused = [
    '('.repeat(100_000),
    `{a="b"} | ${'('.repeat(50_000)}`,
    `{a="b"} | ${Array(5_000).fill('x="y"').join(' or ')}`,
    Array(50_000).fill('1').join('+'),
    `{a="b"} |= "${'x'.repeat(200_000)}"`,
    '{a="b"} |~ "(x{1000}){1000}"',
    `{a=~"${'(x'.repeat(3_000)}"}`,
    `{a="b"} | line_format "${'{{ ('.repeat(2_000)}"`,
    `{a="b"} | line_format "${'{{ if .a }}'.repeat(2_000)}"`,
  ]
  for (const query of refused) assert.throws(() => parse(query), isLogQLError, query.slice(0, 40))
})

test('deeply nested JSON and endless keys are read in bounded time', { timeout: 10_000 }, () => {
  assert.equal(count('{a="b"} | json | __error__!=""', '{"a":'.repeat(100_000)), 1)
  assert.equal(count('{a="b"} | json x="y" | x=""', '{"a":'.repeat(100_000)), 1)
  assert.equal(count('{a="b"} | json', `{"a":${'['.repeat(100_000)}`), 1)
  const many = `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":${index}`).join(',')}}`
  assert.equal(count('{a="b"} | json | k49999="49999"', many), 1)
})

test('a query that takes too long is stopped', () => {
  const tree = parse('{a="b"} |~ "x.*y.*z"')
  assert.ok(tree.kind === 'log')
  const source = sourceOf(buildLogTable([{ timeNs: 1n, labels: { a: 'b' }, line: 'x' }]))
  assert.throws(
    () => select(tree, source, { range, limit: 1, direction: 'forward', budget: createBudget(-1) }),
    (error) => isLogQLError(error) && error.reason === 'limit',
  )
})
