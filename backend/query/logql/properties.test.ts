import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LabelFilter, LogQuery, Matcher, MetricQuery, Query, Stage } from './ast.ts'
import { isLogQLError, metricsRange, parse, print, select } from './index.ts'
import { searchRegex } from './regex.ts'
import { buildLogTable, type LogLine, sourceOf } from './test/lines.ts'

const reserved = new Set([
  'ip',
  'and',
  'or',
  'json',
  'logfmt',
  'unwrap',
  'drop',
  'keep',
  'unpack',
  'decolorize',
  'bool',
])
const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/).filter((text) => !reserved.has(text))
const text = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('a"b', 'c\\d', 'e`f', 'ü\n', '\t"\\`'))
const matcher: fc.Arbitrary<Matcher> = fc.oneof(
  fc.record({ name, op: fc.constantFrom('=' as const, '!=' as const), value: text }),
  fc.record({
    name,
    op: fc.constantFrom('=~' as const, '!~' as const),
    value: fc.constantFrom('a.*', '(x|y)', '\\d+"`'),
  }),
)
const selector = fc
  .tuple(name, fc.array(matcher, { maxLength: 2 }))
  .map(([first, more]): Matcher[] => [{ name: first, op: '=', value: 'x' }, ...more])
const filter: fc.Arbitrary<LabelFilter> = fc.letrec<{ filter: LabelFilter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    matcher.map((one): LabelFilter => ({ kind: 'match', matcher: one })),
    fc.record({
      kind: fc.constant('compare' as const),
      name,
      op: fc.constantFrom('==' as const, '!=' as const, '>' as const, '<=' as const),
      unit: fc.constantFrom('number' as const, 'duration' as const, 'bytes' as const),
      value: fc.integer({ min: 0, max: 1e9 }),
    }),
    fc.record({
      kind: fc.constant('ip' as const),
      name,
      op: fc.constantFrom('=' as const, '!=' as const),
      value: fc.constant('10.0.0.0/8'),
    }),
    fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), left: tie('filter'), right: tie('filter') }),
  ),
})).filter
const extraction = fc.record({ label: name, expression: fc.constantFrom('a', 'a.b[0]', 'x["y z"]') })
const stage: fc.Arbitrary<Stage> = fc.oneof(
  fc.record({
    kind: fc.constant('line-filter' as const),
    op: fc.constantFrom('|=' as const, '!=' as const),
    patterns: fc.array(fc.record({ value: text, ip: fc.constant(false) }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('json' as const), extractions: fc.array(extraction, { maxLength: 2 }) }),
  fc.record({
    kind: fc.constant('logfmt' as const),
    strict: fc.boolean(),
    keepEmpty: fc.boolean(),
    extractions: fc.array(extraction, { maxLength: 2 }),
  }),
  fc.constant<Stage>({ kind: 'pattern', expression: '<a> "<b>"' }),
  fc.constant<Stage>({ kind: 'regexp', expression: '(?P<w>\\w+)' }),
  fc.constantFrom<Stage>({ kind: 'unpack' }, { kind: 'decolorize' }),
  filter.map((one): Stage => ({ kind: 'label-filter', filter: one })),
  fc.constant<Stage>({ kind: 'line-format', template: '{{.a | upper}} `"' }),
  name.map((label): Stage => ({ kind: 'label-format', formats: [{ label, source: { kind: 'label', value: 'b' } }] })),
  fc.record({
    kind: fc.constantFrom('drop' as const, 'keep' as const),
    choices: fc.array(
      name.map((one) => ({ name: one })),
      { minLength: 1, maxLength: 2 },
    ),
  }),
)
const logQuery: fc.Arbitrary<LogQuery> = fc.record({
  kind: fc.constant('log' as const),
  selector,
  // `| drop a != "b"` is one stage, never a bare name and a line filter: no text stands for the latter.
  stages: fc.array(stage, { maxLength: 4 }).filter((stages) =>
    stages.every(({ kind }, index) => {
      const next = stages[index + 1]
      return !(kind === 'drop' || kind === 'keep') || next?.kind !== 'line-filter' || next.op !== '!='
    }),
  ),
})
const grouping = fc.option(fc.record({ without: fc.boolean(), labels: fc.array(name, { maxLength: 2 }) }), {
  nil: undefined,
})
const metricQuery: fc.Arbitrary<MetricQuery> = fc.letrec<{ metric: MetricQuery }>((tie) => ({
  metric: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      kind: fc.constant('range' as const),
      op: fc.constantFrom('rate' as const, 'count_over_time' as const, 'bytes_rate' as const),
      parameter: fc.constant(undefined),
      query: logQuery,
      unwrap: fc.constant(undefined),
      rangeNs: fc.integer({ min: 1, max: 1e6 }).map((ms) => ms * 1e6),
      offsetNs: fc.constantFrom(0, 60e9, -1e9),
      grouping: fc.constant(undefined),
    }),
    fc.record({ kind: fc.constant('vector-of' as const), value: fc.integer({ min: -9, max: 9 }).map((n) => n + 0) }),
    fc.record({
      kind: fc.constant('vector' as const),
      op: fc.constantFrom('sum' as const, 'max' as const, 'count' as const),
      parameter: fc.constant(undefined),
      grouping,
      expression: tie('metric'),
    }),
    fc.record({
      kind: fc.constant('binary' as const),
      op: fc.constantFrom(
        '+' as const,
        '*' as const,
        '^' as const,
        '-' as const,
        '>' as const,
        'and' as const,
        'or' as const,
      ),
      bool: fc.constant(false),
      matching: fc.constant(undefined),
      left: tie('metric'),
      right: tie('metric'),
    }),
  ),
})).metric

test('parse(print(tree)) is the tree', () => {
  fc.assert(
    fc.property(fc.oneof<fc.Arbitrary<Query>[]>(logQuery, metricQuery), (made) => {
      // fast-check's records have no prototype; the parser's nodes do.
      const tree = structuredClone(made)
      assert.deepEqual(parse(print(tree)), tree)
    }),
    { numRuns: 400 },
  )
})

test('any text is parsed or refused with a LogQLError', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    'a="b"',
    '|',
    '|=',
    'json',
    '(',
    ')',
    '[5m]',
    'sum',
    'rate',
    '"x"',
    'by',
    ',',
    '5',
    '`',
    '\\',
    '\n',
    '.',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((all) => all.join(' ')),
      ),
      (input) => {
        try {
          parse(input)
        } catch (error) {
          assert.ok(isLogQLError(error), String(error))
        }
      },
    ),
    { numRuns: 1000 },
  )
})

test('a pattern finds the same by V8, by RE2JS and by the shortcuts', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\.', 'ab')
  const pattern = fc
    .array(fc.tuple(atom, fc.constantFrom('', '*', '+', '?')), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.flat().join(''))
  fc.assert(
    fc.property(pattern, fc.stringMatching(/^[ab.1\n]{0,12}$/), (source, input) => {
      const wanted = new RegExp(source.replaceAll(/(?<!\\)\./g, '[^\\n]'), 'u').test(input)
      assert.equal(searchRegex(source).test(input), wanted)
      // A group around it keeps the pattern from the shortcuts; repeating it, from V8.
      assert.equal(searchRegex(`(?:${source}){1}`).test(input), wanted)
    }),
    { numRuns: 500 },
  )
})

const baseNs = 1_700_000_000_000_000_000n
const line: fc.Arbitrary<LogLine> = fc.record({
  timeNs: fc.integer({ min: 0, max: 120 }).map((s) => baseNs + BigInt(s) * 1_000_000_000n),
  labels: fc.record({ app: fc.constantFrom('x', 'y'), level: fc.constantFrom('info', 'error') }),
  line: fc.constantFrom(
    '{"id":"t1","n":2}',
    '{"id":"t2","n":5}',
    'plain t1',
    'über t2',
    '{"id":"t\\u0031"}',
    '',
    '{"id":"tttt1111","n":1}',
  ),
  metadata: fc.option(fc.record({ id: fc.constantFrom('t1', 'tttt1111') }), { nil: undefined }),
})
const tables = fc.array(fc.array(line, { maxLength: 12 }), { minLength: 1, maxLength: 4 })

const idOf = ({ labels: _, line: body, metadata }: LogLine): string => {
  if (metadata?.id !== undefined) return metadata.id
  try {
    return String(JSON.parse(body).id ?? '')
  } catch {
    return ''
  }
}

test('finds the lines that a plain loop finds, in order, whatever the tables', () => {
  const cases: [string, (one: LogLine) => boolean][] = [
    ['{app="x"}', ({ labels }) => labels.app === 'x'],
    ['{app=~".+"} |= "t1"', ({ line: body }) => body.includes('t1')],
    ['{app=~".+"} != "t1" |~ "t[12]"', ({ line: body }) => !body.includes('t1') && /t[12]/.test(body)],
    ['{app=~".+"} | id="t1"', ({ metadata }) => metadata?.id === 't1'],
    ['{app=~".+"} | json | id="t1"', (one) => idOf(one) === 't1'],
    ['{app=~".+"} | json | id="tttt1111"', (one) => idOf(one) === 'tttt1111'],
    [
      '{app=~".+"} | level="error" or id="t1"',
      ({ labels, metadata }) => labels.level === 'error' || metadata?.id === 't1',
    ],
  ]
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 8 }), fc.boolean(), (batches, limit, forward) => {
      const source = sourceOf(...batches.map(buildLogTable))
      const range = { startNs: baseNs + 10_000_000_000n, endNs: baseNs + 100_000_000_000n }
      for (const [query, matches] of cases) {
        const tree = parse(query)
        assert.ok(tree.kind === 'log')
        const found = select(tree, source, { range, limit, direction: forward ? 'forward' : 'backward' })
        const wanted = batches
          .flat()
          .filter((one) => one.timeNs >= range.startNs && one.timeNs < range.endNs && matches(one))
          .map(({ timeNs }) => timeNs)
          .sort((a, b) => (a < b === forward ? -1 : a === b ? 0 : 1))
        assert.deepEqual(
          found.map(({ timeNs }) => timeNs),
          wanted.slice(0, limit),
          query,
        )
      }
    }),
    { numRuns: 150 },
  )
})

test('counts per window what a plain loop counts', () => {
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (batches, rangeS, stepS) => {
      const source = sourceOf(...batches.map(buildLogTable))
      const [startNs, endNs, stepNs] = [baseNs, baseNs + 120_000_000_000n, BigInt(stepS) * 1_000_000_000n]
      for (const query of [
        `sum by (level) (count_over_time({app=~".+"}[${rangeS}s]))`,
        `sum by (level) (sum_over_time({app=~".+"} | label_format one="1" | unwrap one [${rangeS}s]))`,
      ]) {
        const tree = parse(query)
        assert.ok(tree.kind !== 'log')
        const found = new Map(
          metricsRange(tree, source, { startNs, endNs, stepNs }).flatMap(({ labels, points }) =>
            points.map(({ timeNs, value }): [string, number] => [`${labels.level} ${timeNs}`, value]),
          ),
        )
        const wanted = new Map<string, number>()
        for (let timeNs = startNs; timeNs <= endNs; timeNs += stepNs) {
          for (const { timeNs: at, labels } of batches.flat()) {
            if (at > timeNs || at <= timeNs - BigInt(rangeS) * 1_000_000_000n) continue
            const key = `${labels.level} ${timeNs}`
            wanted.set(key, (wanted.get(key) ?? 0) + 1)
          }
        }
        assert.deepEqual(new Map([...found].sort()), new Map([...wanted].sort()))
      }
    }),
    { numRuns: 100 },
  )
})
