/** Random queries that type-check, and random small traces for them to be asked about. */
import fc from 'fast-check'
import type {
  AggregateFunction,
  Field,
  FieldExpression,
  FieldOperator,
  Filter,
  IntrinsicName,
  Literal,
  LiteralType,
  MetricsExpression,
  MetricsFunction,
  Query,
  SpansetExpression,
  SpansetOperator,
  Stage,
} from '../ast.ts'
import { type PlainSpan, type PlainValue, SPAN_KINDS, STATUSES } from './spans.ts'

const at = 0
const of = <T extends string>(words: string): fc.Arbitrary<T> => fc.constantFrom(...(words.split(' ') as T[]))

const literal = (type: LiteralType, value: Literal['value']): Literal => ({ kind: 'literal', type, value, at })
const int = fc.integer({ min: -3, max: 3 }).map((value) => literal('int', value))
const float = fc.constantFrom(-0.5, 0.5, 1.5, 2).map((value) => literal('float', value))
const duration = fc.constantFrom(0, 1, 2, 3, 1_000_000).map((value) => literal('duration', value))
const string = fc.constantFrom('', 'x', 'y', 'xy', 'with "quotes"\n').map((value) => literal('string', value))
const bool = fc.boolean().map((value) => literal('bool', value))
const status = fc.nat(2).map((value) => literal('status', value))
const kind = fc.nat(5).map((value) => literal('kind', value))
const nil = fc.constant(literal('nil', null))

const scope = of<Extract<Field, { kind: 'attribute' }>['scope']>('any resource span event link instrumentation')
const attribute: fc.Arbitrary<Field> = fc
  .record({ scope, parent: fc.boolean(), name: fc.constantFrom('a', 'b', 'c d', 'e.f') })
  .map((given) => ({
    ...given,
    parent: given.parent && given.scope !== 'event' && given.scope !== 'link',
    kind: 'attribute',
    at,
  }))
const intrinsic = (names: string): fc.Arbitrary<Field> =>
  of<IntrinsicName>(names).map((name) => ({ kind: 'intrinsic', name, at }))
const text = intrinsic('name statusMessage rootName rootServiceName span:id span:parentID event:name link:spanID')
const quantity = intrinsic('duration span:childCount traceDuration event:timeSinceStart')

const binary = (
  op: fc.Arbitrary<FieldOperator>,
  left: fc.Arbitrary<FieldExpression>,
  right: fc.Arbitrary<FieldExpression>,
) => fc.record({ op, left, right }).map((parts): FieldExpression => ({ kind: 'binary', ...parts, at }))

const order = of<FieldOperator>('= != > >= < <=')
const equality = of<FieldOperator>('= !=')

const { condition } = fc.letrec<{ number: FieldExpression; condition: FieldExpression }>((tie) => ({
  number: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    { arbitrary: fc.oneof(int, float, duration, attribute, quantity), weight: 4 },
    { arbitrary: binary(of<FieldOperator>('+ - * / %'), tie('number'), tie('number')), weight: 1 },
    {
      arbitrary: fc
        .oneof(attribute, quantity)
        .map((field): FieldExpression => ({ kind: 'unary', op: '-', of: field, at })),
      weight: 1,
    },
  ),
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { arbitrary: binary(order, attribute, fc.oneof(int, float, string, duration)), weight: 3 },
    { arbitrary: binary(equality, attribute, fc.oneof(bool, nil, status)), weight: 2 },
    { arbitrary: binary(order, tie('number'), tie('number')), weight: 2 },
    { arbitrary: binary(order, attribute, attribute), weight: 1 },
    { arbitrary: binary(order, text, fc.oneof(string, attribute)), weight: 1 },
    { arbitrary: binary(equality, intrinsic('status'), status), weight: 1 },
    { arbitrary: binary(equality, intrinsic('kind'), kind), weight: 1 },
    {
      arbitrary: binary(
        of<FieldOperator>('=~ !~'),
        fc.oneof(attribute, text),
        fc.constantFrom('x', 'x|y', '.*y', 'x.*', '[xy]+').map((value) => literal('string', value)),
      ),
      weight: 1,
    },
    { arbitrary: fc.oneof(attribute, bool), weight: 1 },
    { arbitrary: binary(of<FieldOperator>('&& ||'), tie('condition'), tie('condition')), weight: 4 },
    {
      arbitrary: tie('condition').map((inner): FieldExpression => ({ kind: 'unary', op: '!', of: inner, at })),
      weight: 1,
    },
  ),
}))

/** Spans by a condition of their own, one of five without any. */
export const filter: fc.Arbitrary<Filter> = fc
  .option(condition, { freq: 5 })
  .map((where) => ({ kind: 'filter', where, at }))

const spansetOperator = of<SpansetOperator>('&& || > >> < << ~ !> !>> !< !<< !~ &> &>> &< &<< &~')
const { spansets } = fc.letrec<{ spansets: SpansetExpression }>((tie) => ({
  spansets: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    { arbitrary: filter, weight: 2 },
    {
      arbitrary: fc
        .record({ op: spansetOperator, left: tie('spansets'), right: tie('spansets') })
        .map((parts): SpansetExpression => ({ kind: 'combine', ...parts, at })),
      weight: 2,
    },
  ),
}))

const aggregate = fc
  .record({
    fn: of<AggregateFunction>('count avg min max sum'),
    field: fc.oneof(attribute, intrinsic('duration span:childCount')),
  })
  .map(({ fn, field }) => ({ kind: 'aggregate' as const, fn, of: fn === 'count' ? null : field, at }))
const later: fc.Arbitrary<Stage> = fc.oneof(
  spansets,
  fc
    .record({
      op: of<'=' | '!=' | '>' | '>=' | '<' | '<='>('= != > >= < <='),
      left: aggregate,
      right: fc.oneof(int, float),
    })
    .map((parts): Stage => ({ kind: 'scalarFilter', ...parts, at })),
  fc.oneof(attribute, intrinsic('name kind duration status')).map((field): Stage => ({ kind: 'by', of: field, at })),
  fc.constant<Stage>({ kind: 'coalesce', at }),
  fc
    .array(fc.oneof(attribute, text), { minLength: 1, maxLength: 3 })
    .map((fields): Stage => ({ kind: 'select', fields, at })),
)

/** A pipeline that searches. */
export const stages: fc.Arbitrary<Stage[]> = fc
  .record({ first: spansets, rest: fc.array(later, { maxLength: 3 }) })
  .map(({ first, rest }) => [first, ...rest])

const field = fc.oneof(attribute, text, quantity)
const metricsAggregate: fc.Arbitrary<MetricsExpression> = fc
  .record({
    stages,
    fn: of<MetricsFunction>(
      'rate count_over_time min_over_time max_over_time avg_over_time sum_over_time quantile_over_time histogram_over_time',
    ),
    of: fc.oneof(attribute, quantity),
    quantiles: fc.array(fc.constantFrom(0, 0.5, 0.95, 1), { minLength: 1, maxLength: 3 }),
    by: fc.array(field, { maxLength: 3 }),
  })
  .map((given) => ({
    ...given,
    kind: 'metrics' as const,
    of: given.fn === 'rate' || given.fn === 'count_over_time' ? null : given.of,
    quantiles: given.fn === 'quantile_over_time' ? given.quantiles : [],
    at,
  }))
/** Nothing may follow it, so it stands in no other expression. */
const metricsCompare: fc.Arbitrary<MetricsExpression> = fc
  .record({
    stages,
    selection: filter,
    limit: fc.integer({ min: 1, max: 1000 }),
    window: fc.constantFrom(null, { startNs: 0n, endNs: 1n }, { startNs: 5n, endNs: 1_760_000_000_000_000_000n }),
  })
  .map((given) => ({ ...given, kind: 'compare' as const, at }))
const { metrics } = fc.letrec<{ metrics: MetricsExpression }>((tie) => ({
  metrics: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    { arbitrary: metricsAggregate, weight: 4 },
    {
      arbitrary: fc
        .record({
          fn: of<'topk' | 'bottomk'>('topk bottomk'),
          limit: fc.integer({ min: 1, max: 5 }),
          of: tie('metrics'),
        })
        .map((parts): MetricsExpression => ({ kind: 'rank', ...parts, at })),
      weight: 1,
    },
    {
      arbitrary: fc
        .record({ op: of<'>' | '=' | '<='>('> = <='), of: tie('metrics'), value: fc.constantFrom(-1.5, 0, 2) })
        .map((parts): MetricsExpression => ({ kind: 'threshold', ...parts, at })),
      weight: 1,
    },
    {
      arbitrary: fc
        .record({
          op: of<'+' | '-' | '*' | '/'>('+ - * /'),
          left: tie('metrics'),
          right: fc.oneof(tie('metrics'), fc.constant<MetricsExpression>({ kind: 'number', value: -2, at })),
        })
        .map((parts): MetricsExpression => ({ kind: 'metricsArithmetic', ...parts, at })),
      weight: 1,
    },
  ),
}))

const hints = fc.array(
  fc.record({ name: of('most_recent sample x'), value: fc.oneof(bool, int, float, string, duration) }),
  { maxLength: 2 },
)
/** A search or a metrics query. */
export const query: fc.Arbitrary<Query> = fc.oneof(
  fc.record({ stages, hints }).map((given): Query => ({ kind: 'search', ...given, text: '' })),
  fc
    .record({ expression: fc.oneof(metrics, metricsCompare), hints })
    .map((given): Query => ({ kind: 'metrics', ...given, text: '' })),
)

const value: fc.Arbitrary<PlainValue> = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(-0.5, 0.5, 1.5),
  fc.constant({ double: 2 }),
  fc.constantFrom('', 'x', 'y', 'xy'),
  fc.boolean(),
  fc.constantFrom(['x', 'y'], [1, 2], [0.5], [true, false], []),
)
const attributes = fc.dictionary(fc.constantFrom('a', 'b', 'c d', 'e.f'), value, { maxKeys: 3 })
const words = fc.constantFrom('', 'x', 'y', 'xy')
const child = {
  attributes,
  name: words,
  timeSinceStartNs: fc.nat(3),
  traceId: fc.constant('0'.repeat(32)),
  spanId: words,
}

const span = fc.record({
  /** How many spans back the parent stands; 0 is a root, beyond the first span it was never received. */
  back: fc.nat(4),
  name: words,
  kind: fc.constantFrom(...SPAN_KINDS),
  status: fc.constantFrom(...STATUSES),
  statusMessage: words,
  offset: fc.nat(3),
  durationNs: fc.nat(3),
  resource: attributes,
  service: words,
  attributes,
  instrumentation: fc.record({ attributes }),
  events: fc.array(fc.record(child), { maxLength: 3 }),
  links: fc.array(fc.record(child), { maxLength: 2 }),
})

/** One to four traces of one to seven spans. */
export const traces: fc.Arbitrary<PlainSpan[]> = fc
  .array(fc.array(span, { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 4 })
  .map((all) =>
    all.flatMap((spans, t) =>
      spans.map(({ back, offset, service, ...given }, i) => ({
        ...given,
        traceId: String(t + 1).padStart(32, '0'),
        spanId: idOf(t, i),
        parentSpanId: back === 0 ? '' : idOf(t, i - back),
        startNs: BigInt(1_000_000_000 + offset),
        resource: { ...given.resource, 'service.name': service },
      })),
    ),
  )

function idOf(trace: number, index: number): string {
  return ((trace + 1) * 100 + index).toString(16).padStart(16, '0')
}
