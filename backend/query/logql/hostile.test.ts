import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration } from '../language/durations.ts'
import { parseBytes } from '../language/sizes.ts'
import { createBudget, LogQLError, metricsRange, parse, select } from './index.ts'
import { parseTime } from './template/go-time.ts'
import { buildLogTable, type LogLine, sourceOf } from './test/lines.ts'

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
  for (const query of refused) assert.throws(() => parse(query), LogQLError, query.slice(0, 40))
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
    (error) => error instanceof LogQLError && error.kind === 'limit',
  )
})

test('an answer of lines without measure is refused', () => {
  const tree = parse('{a="b"} | line_format `{{ repeat 1000000 "x" }}`')
  assert.ok(tree.kind === 'log')
  const lines = Array.from({ length: 100 }, (_, k) => ({ timeNs: BigInt(k), labels: { a: 'b' }, line: 'x' }))
  const few = { range: { startNs: 0n, endNs: 100n }, direction: 'forward' } as const
  const source = sourceOf(buildLogTable(lines))
  assert.equal(select(tree, source, { ...few, limit: 50 }).length, 50)
  assert.throws(() => select(tree, source, { ...few, limit: 100 }), /the lines come to more than 64 million characters/)
})

test('lists that are compared in a loop within a loop count as work; names of nested keys have a size', () => {
  const list = `[${Array.from({ length: 20_000 }, () => 1)}]`
  const loops = '{{ $l := fromJson __line__ }}{{ range $l }}{{ range $l }}{{ if eq $l $l }}{{ end }}{{ end }}{{ end }}'
  assert.equal(count(`{a="b"} | line_format \`${loops}\` | __error_details__=~".*too much work.*"`, list), 1)
  const leaves = Array.from({ length: 20_000 }, (_, index) => `"x${index}":1`)
  const nested = `${`{"${'k'.repeat(9_000)}":`.repeat(100)}{${leaves}}${'}'.repeat(100)}`
  assert.equal(count('{a="b"} | json | __error_details__=~".*names of more than.*"', nested), 1)
})

test('a label is not written without measure', () => {
  const tree = parse(`label_replace(count_over_time({a="b"}[1h]), "z", "${'$1'.repeat(1_000)}", "a", "(.*)")`)
  assert.ok(tree.kind !== 'log')
  const source = (value: string) => sourceOf(buildLogTable([{ timeNs: 1n, labels: { a: 'b', b: value }, line: 'x' }]))
  assert.equal(metricsRange(tree, source('c'), { startNs: 0n, endNs: 10n, stepNs: 10n }).length, 1)
  const long = parse(`label_replace(count_over_time({a="b"}[1h]), "z", "${'$1'.repeat(1_000)}", "b", "(.*)")`)
  assert.ok(long.kind !== 'log')
  assert.throws(
    () => metricsRange(long, source('c'.repeat(100)), { startNs: 0n, endNs: 10n, stepNs: 10n }),
    /label_replace: the result is longer than 65536 characters/,
  )
})

test('set operators take the time of their series, not of their pairs', () => {
  const lines = Array.from({ length: 3_000 }, (_, k) => ({ timeNs: 1n, labels: { a: `${k}` }, line: 'x' }))
  const tree = parse('sum(count_over_time({a=~".+"}[1s]) and on () count_over_time({a=~".+"}[1s]))')
  assert.ok(tree.kind !== 'log')
  const grid = { startNs: 0n, endNs: 1_000_000_000n, stepNs: 10_000_000n }
  const spent = process.cpuUsage()
  const [series] = metricsRange(tree, sourceOf(buildLogTable(lines)), grid)
  assert.equal(series!.points[0]!.value, 3_000)
  const { user } = process.cpuUsage(spent)
  assert.ok(user < 20_000_000, `${user} us`)
})

test('long runs of digits are read once, whatever they are taken for', () => {
  const digits = '1'.repeat(100_000)
  const before = process.cpuUsage()
  for (const text of [digits, `${digits}.${digits}`, `${digits}!`, `${digits}.${digits}!`]) {
    assert.equal(parseDuration(text), undefined)
    parseBytes(text)
    assert.equal(count('{a="b"} | logfmt | x > 5 | __error__=""', `x=${text}`), text.endsWith('!') ? 0 : 1)
  }
  assert.throws(() => parse(`{a="b"} | x > ${digits}!`), LogQLError)
  assert.ok(process.cpuUsage(before).user < 5_000_000)
})

const perSecond = (query: string, lines: readonly LogLine[], count: number) => {
  const tree = parse(query)
  assert.ok(tree.kind !== 'log')
  const grid = { startNs: 0n, endNs: BigInt(count - 1) * 1_000_000_000n, stepNs: 1_000_000_000n }
  return metricsRange(tree, sourceOf(buildLogTable(lines)), { ...grid, budget: createBudget() })
}

test('a metric query that would hold more points than memory is meant for is refused', () => {
  const lines = Array.from({ length: 2_000 }, (_, id): LogLine => ({ timeNs: 1n, labels: { a: `${id}` }, line: 'x 1' }))
  for (const query of [
    'count_over_time({a=~".+"}[1h])',
    'sum_over_time({a=~".+"} | pattern "<_> <n>" | unwrap n [1h])',
  ]) {
    const isLimit = (error: unknown) => error instanceof LogQLError && error.kind === 'limit'
    assert.throws(() => perSecond(query, lines, 11_000), isLimit, query)
    assert.throws(() => perSecond(`max(${query})`, lines, 11_000), isLimit, query)
  }
  assert.equal(perSecond('sum(count_over_time({a=~".+"}[1h]))', lines, 11_000).length, 1)
})

test('labels that every object knows and durations without end', () => {
  const lines: LogLine[] = [{ timeNs: 1n, labels: { a: 'b' }, line: 'x' }]
  const replaced = perSecond('label_replace(sum(count_over_time({a="b"}[5m])),"x","$1","constructor","(.*)")', lines, 2)
  assert.deepEqual(
    replaced.map(({ labels }) => labels),
    [{}],
  )
  const endless = `${'9'.repeat(320)}h`
  for (const query of [`count_over_time({a="b"}[${endless}])`, `count_over_time({a="b"}[5m] offset ${endless})`]) {
    assert.throws(() => parse(query), LogQLError)
  }
})

test('a layout of many parts is tried in one way', () => {
  const before = process.cpuUsage()
  assert.equal(parseTime(`${'2'.repeat(200)}x`, '1'.repeat(300)), undefined)
  assert.equal(parseTime(`${'Jan'.repeat(50)}!`, 'May'.repeat(500)), undefined)
  assert.ok(process.cpuUsage(before).user < 5_000_000)
})
