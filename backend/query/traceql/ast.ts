/**
 * The syntax tree of a TraceQL query. `at` is a node's offset in the query text; it serves error messages only and is
 * no part of a query's meaning.
 */

export type LiteralType = 'string' | 'int' | 'float' | 'bool' | 'duration' | 'status' | 'kind' | 'nil'

/** `duration` values are nanoseconds; `status` and `kind` are OTLP numbers; an int is bigint only beyond 2^53. */
export interface Literal {
  readonly kind: 'literal'
  readonly type: LiteralType
  readonly value: string | number | bigint | boolean | null
  readonly at: number
}

export type AttributeScopeName = 'any' | 'resource' | 'span' | 'event' | 'link' | 'instrumentation'

/** `any` is the unscoped form `.name`; `parent` asks the parent span instead. */
export interface Attribute {
  readonly kind: 'attribute'
  readonly scope: AttributeScopeName
  readonly parent: boolean
  readonly name: string
  readonly at: number
}

/** Every intrinsic under the name it is printed with. Other spellings are resolved by the lexer. */
export const INTRINSICS = {
  duration: 'duration',
  name: 'string',
  status: 'status',
  statusMessage: 'string',
  kind: 'kind',
  rootName: 'string',
  rootServiceName: 'string',
  traceDuration: 'duration',
  nestedSetLeft: 'int',
  nestedSetRight: 'int',
  nestedSetParent: 'int',
  parent: 'nil',
  'trace:id': 'string',
  'span:childCount': 'int',
  'span:id': 'string',
  'span:parentID': 'string',
  'event:name': 'string',
  'event:timeSinceStart': 'duration',
  'link:traceID': 'string',
  'link:spanID': 'string',
  'instrumentation:name': 'string',
  'instrumentation:version': 'string',
} as const satisfies Record<string, LiteralType>

export type IntrinsicName = keyof typeof INTRINSICS

export interface Intrinsic {
  readonly kind: 'intrinsic'
  readonly name: IntrinsicName
  readonly at: number
}

export type Field = Attribute | Intrinsic

export type ComparisonOperator = '=' | '!=' | '>' | '>=' | '<' | '<=' | '=~' | '!~'
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '^'
export type LogicalOperator = '&&' | '||'
export type FieldOperator = ComparisonOperator | ArithmeticOperator | LogicalOperator

export interface Unary {
  readonly kind: 'unary'
  readonly op: '-' | '!'
  readonly of: FieldExpression
  readonly at: number
}

export interface Binary {
  readonly kind: 'binary'
  readonly op: FieldOperator
  readonly left: FieldExpression
  readonly right: FieldExpression
  readonly at: number
}

/** What stands between the braces of a filter, in `by(...)` and in an aggregate. */
export type FieldExpression = Literal | Field | Unary | Binary

export type Relation = '>' | '>>' | '<' | '<<' | '~'
export type StructuralOperator = Relation | `!${Relation}` | `&${Relation}`
export type SpansetOperator = LogicalOperator | StructuralOperator

export interface Filter {
  readonly kind: 'filter'
  /** null is `{}`: every span. */
  readonly where: FieldExpression | null
  readonly at: number
}

export interface Combine {
  readonly kind: 'combine'
  readonly op: SpansetOperator
  readonly left: SpansetExpression
  readonly right: SpansetExpression
  readonly at: number
}

/** A parenthesised pipeline used as an operand: `({...} | count() > 1) && ({...} | by(name))`. */
export interface Wrapped {
  readonly kind: 'wrapped'
  readonly stages: readonly Stage[]
  readonly at: number
}

export type SpansetExpression = Filter | Combine | Wrapped

export type AggregateFunction = 'count' | 'avg' | 'min' | 'max' | 'sum'

export interface Aggregate {
  readonly kind: 'aggregate'
  readonly fn: AggregateFunction
  /** null for `count()` only. */
  readonly of: FieldExpression | null
  readonly at: number
}

export interface ScalarArithmetic {
  readonly kind: 'arithmetic'
  readonly op: ArithmeticOperator
  readonly left: Scalar
  readonly right: Scalar
  readonly at: number
}

/** `({...} | ... | avg(duration))` as a number of its own. */
export interface ScalarPipeline {
  readonly kind: 'scalarPipeline'
  readonly stages: readonly Stage[]
  readonly aggregate: Aggregate
  readonly at: number
}

export type Scalar = Literal | Aggregate | ScalarArithmetic | ScalarPipeline

export interface ScalarFilter {
  readonly kind: 'scalarFilter'
  readonly op: Exclude<ComparisonOperator, '=~' | '!~'>
  readonly left: Scalar
  readonly right: Scalar
  readonly at: number
}

export interface GroupBy {
  readonly kind: 'by'
  readonly of: FieldExpression
  readonly at: number
}

export interface Coalesce {
  readonly kind: 'coalesce'
  readonly at: number
}

export interface Select {
  readonly kind: 'select'
  readonly fields: readonly Field[]
  readonly at: number
}

export type Stage = SpansetExpression | ScalarFilter | GroupBy | Coalesce | Select

export type MetricsFunction =
  | 'rate'
  | 'count_over_time'
  | 'min_over_time'
  | 'max_over_time'
  | 'avg_over_time'
  | 'sum_over_time'
  | 'quantile_over_time'
  | 'histogram_over_time'

export interface MetricsAggregate {
  readonly kind: 'metrics'
  readonly stages: readonly Stage[]
  readonly fn: MetricsFunction
  /** The measured field; null for `rate` and `count_over_time`. */
  readonly of: Field | null
  /** Only for `quantile_over_time`. */
  readonly quantiles: readonly number[]
  readonly by: readonly Field[]
  readonly at: number
}

/** The values of every attribute, counted apart for the spans that `selection` holds for and for the rest. */
export interface MetricsCompare {
  readonly kind: 'compare'
  readonly stages: readonly Stage[]
  readonly selection: Filter
  /** Values per attribute and side that are answered. */
  readonly limit: number
  /** Spans that don't start in `(startNs, endNs]`, nanoseconds since the epoch, are not selected. null: all times. */
  readonly window: { readonly startNs: bigint; readonly endNs: bigint } | null
  readonly at: number
}

export interface MetricsRank {
  readonly kind: 'rank'
  readonly fn: 'topk' | 'bottomk'
  readonly limit: number
  readonly of: MetricsExpression
  readonly at: number
}

/** Keeps the samples for which the comparison holds. */
export interface MetricsThreshold {
  readonly kind: 'threshold'
  readonly op: Exclude<ComparisonOperator, '=~' | '!~'>
  readonly of: MetricsExpression
  readonly value: number
  readonly at: number
}

export interface MetricsArithmetic {
  readonly kind: 'metricsArithmetic'
  readonly op: '+' | '-' | '*' | '/'
  readonly left: MetricsExpression
  readonly right: MetricsExpression
  readonly at: number
}

/** A number that stands beside series: `({...} | rate()) * 100`. */
export interface MetricsNumber {
  readonly kind: 'number'
  readonly value: number
  readonly at: number
}

export type MetricsExpression =
  | MetricsAggregate
  | MetricsCompare
  | MetricsRank
  | MetricsThreshold
  | MetricsArithmetic
  | MetricsNumber

export interface Hint {
  readonly name: string
  readonly value: Literal
}

/** What follows `|`s at the top: spansets to search for, or series to compute. */
export type Query =
  | {
      readonly kind: 'search'
      readonly stages: readonly Stage[]
      readonly hints: readonly Hint[]
      readonly text: string
    }
  | {
      readonly kind: 'metrics'
      readonly expression: MetricsExpression
      readonly hints: readonly Hint[]
      readonly text: string
    }

/** Whether an expression is an attribute or an intrinsic, no calculation. */
export function isField(expression: FieldExpression): expression is Field {
  return expression.kind === 'attribute' || expression.kind === 'intrinsic'
}
