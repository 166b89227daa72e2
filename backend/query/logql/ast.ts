/**
 * The syntax tree of LogQL. `at` is a node's offset in the query text; it serves error messages only and is no part of a
 * query's meaning.
 */
export type MatchOp = '=' | '!=' | '=~' | '!~'

export interface Matcher {
  readonly name: string
  readonly op: MatchOp
  readonly value: string
  readonly at: number
}

export type LineFilterOp = '|=' | '!=' | '|~' | '!~' | '|>' | '!>'

/** One alternative of `|= "a" or "b"`; `ip` for `|= ip("10.0.0.0/8")`. */
export interface LinePattern {
  readonly value: string
  readonly ip: boolean
  readonly at: number
}

export type CompareOp = '==' | '!=' | '>' | '>=' | '<' | '<='

/** `value` is a number as written, nanoseconds, or bytes. */
export type LabelFilter =
  | { readonly kind: 'match'; readonly matcher: Matcher }
  | {
      readonly kind: 'compare'
      readonly name: string
      readonly op: CompareOp
      readonly unit: 'number' | 'duration' | 'bytes'
      readonly value: number
    }
  | {
      readonly kind: 'ip'
      readonly name: string
      readonly op: '=' | '!='
      readonly value: string
      readonly at: number
    }
  | { readonly kind: 'and' | 'or'; readonly left: LabelFilter; readonly right: LabelFilter }

/** `label="expression"`, as in `| json first="servers[0]"`. */
export interface Extraction {
  readonly label: string
  readonly expression: string
  readonly at: number
}

/** `dst=src` renames, `dst="template"` formats. */
export interface LabelFormat {
  readonly label: string
  readonly source: { readonly kind: 'label' | 'template'; readonly value: string }
  readonly at: number
}

/** One item of `drop` and `keep`: a name, or a name whose value must match. */
export interface LabelChoice {
  readonly name: string
  readonly matcher?: Matcher | undefined
}

export type Stage = { readonly at: number } & (
  | { readonly kind: 'line-filter'; readonly op: LineFilterOp; readonly patterns: readonly LinePattern[] }
  | { readonly kind: 'json'; readonly extractions: readonly Extraction[] }
  | {
      readonly kind: 'logfmt'
      readonly strict: boolean
      readonly keepEmpty: boolean
      readonly extractions: readonly Extraction[]
    }
  | { readonly kind: 'pattern' | 'regexp'; readonly expression: string }
  | { readonly kind: 'unpack' | 'decolorize' }
  | { readonly kind: 'label-filter'; readonly filter: LabelFilter }
  | { readonly kind: 'line-format'; readonly template: string }
  | { readonly kind: 'label-format'; readonly formats: readonly LabelFormat[] }
  | { readonly kind: 'drop' | 'keep'; readonly choices: readonly LabelChoice[] }
)

export interface LogQuery {
  readonly kind: 'log'
  readonly selector: readonly Matcher[]
  readonly stages: readonly Stage[]
  /** Of the selector. */
  readonly at: number
}

export type Conversion = 'duration' | 'duration_seconds' | 'bytes'

export interface Unwrap {
  readonly label: string
  readonly conversion?: Conversion | undefined
  /** Label filters written after `unwrap`. */
  readonly filters: readonly LabelFilter[]
}

export interface Grouping {
  readonly without: boolean
  readonly labels: readonly string[]
}

/** Functions of a range of lines, as in `rate({...}[5m])`. */
export const RANGE_OPS = [
  'rate',
  'rate_counter',
  'count_over_time',
  'bytes_rate',
  'bytes_over_time',
  'absent_over_time',
  'sum_over_time',
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'stddev_over_time',
  'stdvar_over_time',
  'quantile_over_time',
  'first_over_time',
  'last_over_time',
] as const
export type RangeOp = (typeof RANGE_OPS)[number]

/** Functions of series, as in `sum by (level) (...)`. */
export const VECTOR_OPS = [
  'sum',
  'avg',
  'min',
  'max',
  'count',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'approx_topk',
  'sort',
  'sort_desc',
] as const
export type VectorOp = (typeof VECTOR_OPS)[number]

export type BinaryOp = 'or' | 'and' | 'unless' | CompareOp | '+' | '-' | '*' | '/' | '%' | '^'

/** Higher binds closer. */
export const PRECEDENCE: Record<BinaryOp, number> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '>': 3,
  '>=': 3,
  '<': 3,
  '<=': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  '^': 6,
}

export interface Matching {
  /** `on` keeps only these labels for matching, `ignoring` all but these. */
  readonly on: boolean
  readonly labels: readonly string[]
  /** The side that may have several series per match, and what to copy from the other side. */
  readonly group?: { readonly side: 'left' | 'right'; readonly include: readonly string[] } | undefined
}

export interface RangeAggregation {
  readonly kind: 'range'
  readonly op: RangeOp
  /** Only `quantile_over_time` has one. */
  readonly parameter?: number | undefined
  readonly query: LogQuery
  readonly unwrap?: Unwrap | undefined
  readonly rangeNs: number
  readonly offsetNs: number
  readonly grouping?: Grouping | undefined
  readonly at: number
}

export type MetricQuery = { readonly at: number } & (
  | RangeAggregation
  | {
      readonly kind: 'vector'
      readonly op: VectorOp
      readonly parameter?: number | undefined
      readonly grouping?: Grouping | undefined
      readonly expression: MetricQuery
    }
  | {
      readonly kind: 'binary'
      readonly op: BinaryOp
      readonly bool: boolean
      readonly matching?: Matching | undefined
      readonly left: MetricQuery
      readonly right: MetricQuery
    }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'vector-of'; readonly value: number }
  | {
      readonly kind: 'label-replace'
      readonly expression: MetricQuery
      readonly target: string
      readonly replacement: string
      readonly source: string
      readonly regex: string
    }
)

export type Query = LogQuery | MetricQuery
