/** Random queries that check, as trees. */
import fc from 'fast-check'
import type { LabelFilter, LogQuery, Matcher, MetricQuery, Stage } from '../ast.ts'

const at = fc.constant(0)
const reserved = new Set(
  'and bool by drop group_left group_right ignoring ip json keep logfmt of offset on or pattern regexp unless unpack unwrap without'.split(
    ' ',
  ),
)
const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/).filter((text) => !reserved.has(text))
const text = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('a"b', 'c\\d', 'e`f', 'ü\n', '\t"\\`'))
const matcher: fc.Arbitrary<Matcher> = fc.oneof(
  fc.record({ name, op: fc.constantFrom('=' as const, '!=' as const), value: text, at }),
  fc.record({
    name,
    op: fc.constantFrom('=~' as const, '!~' as const),
    value: fc.constantFrom('a.*', '(x|y)', '\\d+"`'),
    at,
  }),
)
const selector = fc
  .tuple(name, fc.array(matcher, { maxLength: 2 }))
  .map(([first, more]): Matcher[] => [{ name: first, op: '=', value: 'x', at: 0 }, ...more])
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
      at,
    }),
    fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), left: tie('filter'), right: tie('filter') }),
  ),
})).filter
const extraction = fc.record({ label: name, expression: fc.constantFrom('a', 'a.b[0]', 'x["y z"]'), at })
const stage: fc.Arbitrary<Stage> = fc.oneof(
  fc.record({
    kind: fc.constant('line-filter' as const),
    op: fc.constantFrom('|=' as const, '!=' as const),
    patterns: fc.array(fc.record({ value: text, ip: fc.constant(false), at }), { minLength: 1, maxLength: 3 }),
    at,
  }),
  fc.record({ kind: fc.constant('json' as const), extractions: fc.array(extraction, { maxLength: 2 }), at }),
  fc.record({
    kind: fc.constant('logfmt' as const),
    strict: fc.boolean(),
    keepEmpty: fc.boolean(),
    extractions: fc.array(extraction, { maxLength: 2 }),
    at,
  }),
  fc.constant<Stage>({ kind: 'pattern', expression: '<a> "<b>"', at: 0 }),
  fc.constant<Stage>({ kind: 'regexp', expression: '(?P<w>\\w+)', at: 0 }),
  fc.constantFrom<Stage>({ kind: 'unpack', at: 0 }, { kind: 'decolorize', at: 0 }),
  filter.map((one): Stage => ({ kind: 'label-filter', filter: one, at: 0 })),
  fc.constant<Stage>({ kind: 'line-format', template: '{{.a | upper}} `"', at: 0 }),
  name.map(
    (label): Stage => ({
      kind: 'label-format',
      formats: [{ label, source: { kind: 'label', value: 'b' }, at: 0 }],
      at: 0,
    }),
  ),
  fc.record({
    kind: fc.constantFrom('drop' as const, 'keep' as const),
    choices: fc.array(
      name.map((one) => ({ name: one })),
      { minLength: 1, maxLength: 2 },
    ),
    at,
  }),
)
/** Positions are 0. */
export const logQuery: fc.Arbitrary<LogQuery> = fc.record({
  kind: fc.constant('log' as const),
  selector,
  // `| drop a != "b"` is one stage, never a bare name and a line filter: no text stands for the latter.
  stages: fc.array(stage, { maxLength: 4 }).filter((stages) =>
    stages.every(({ kind }, index) => {
      const next = stages[index + 1]
      return !(kind === 'drop' || kind === 'keep') || next?.kind !== 'line-filter' || next.op !== '!='
    }),
  ),
  at,
})
const grouping = fc.option(fc.record({ without: fc.boolean(), labels: fc.array(name, { maxLength: 2 }) }), {
  nil: undefined,
})
/** Of the range functions, those that count lines. */
export const metricQuery: fc.Arbitrary<MetricQuery> = fc.letrec<{ metric: MetricQuery }>((tie) => ({
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
      at,
    }),
    fc.record({
      kind: fc.constant('vector-of' as const),
      value: fc.integer({ min: 0, max: 9 }),
      at,
    }),
    fc.record({
      kind: fc.constant('vector' as const),
      op: fc.constantFrom('sum' as const, 'max' as const, 'count' as const),
      parameter: fc.constant(undefined),
      grouping,
      expression: tie('metric'),
      at,
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
      at,
    }),
  ),
})).metric
