/** What the grammar allows but LogQL refuses. Runs on the tree, before anything is read. */
import { QueryError } from '../language/errors.ts'
import { captureRegex, fullMatcher, searchRegex } from '../language/regex.ts'
import type { LabelFilter, LogQuery, Matcher, MetricQuery, Query, RangeAggregation, RangeOp, Stage } from './ast.ts'
import { isComparison } from './comparisons.ts'
import { parseError, unsupported } from './errors.ts'
import { parseIpPattern } from './ip.ts'
import { parseJsonPath } from './parsers/json-path.ts'
import { compileLinePattern, compilePattern } from './parsers/pattern.ts'
import { parseTemplate } from './template/parse.ts'

/** Throws a `LogQLError` of kind `syntax` or `unsupported`; `text` is what the query was parsed from. */
export function check(query: Query, text: string): void {
  if (query.kind === 'log') checkLog(query, text)
  else checkMetric(query, text)
}

function checkLog(query: LogQuery, text: string): void {
  for (const matcher of query.selector) checkMatcher(matcher, text)
  if (!query.selector.some((matcher) => !matchesEmpty(matcher))) {
    throw parseError(
      text,
      query.at,
      'queries require at least one regexp or equality matcher that does not have an empty-compatible value. ' +
        'For instance, app=~".*" does not meet this requirement, but app=~".+" will',
    )
  }
  for (const stage of query.stages) checkStage(stage, text)
}

function checkMatcher(matcher: Matcher, text: string): void {
  if (matcher.op === '=~' || matcher.op === '!~') refusing(matcher.at, text, () => fullMatcher(matcher.value))
}

function matchesEmpty({ op, value }: Matcher): boolean {
  if (op === '=') return value === ''
  if (op === '!=') return value !== ''
  return fullMatcher(value)('') === (op === '=~')
}

function checkStage(stage: Stage, text: string): void {
  switch (stage.kind) {
    case 'line-filter':
      for (const pattern of stage.patterns) {
        refusing(pattern.at, text, () => {
          if (pattern.ip) {
            if (stage.op !== '|=' && stage.op !== '!=') throw new Error('ip() goes with |= and != only')
            parseIpPattern(pattern.value)
          } else if (stage.op === '|~' || stage.op === '!~') searchRegex(pattern.value)
          else if (stage.op === '|>' || stage.op === '!>') compileLinePattern(pattern.value)
        })
      }
      return
    case 'json':
    case 'logfmt':
      for (const extraction of stage.extractions)
        refusing(extraction.at, text, () => parseJsonPath(extraction.expression))
      return
    case 'pattern':
      refusing(stage.at, text, () => compilePattern(stage.expression))
      return
    case 'regexp':
      refusing(stage.at, text, () => checkCaptures(stage.expression))
      return
    case 'label-filter':
      checkFilter(stage.filter, text)
      return
    case 'line-format':
      refusing(stage.at, text, () => parseTemplate(stage.template))
      return
    case 'label-format': {
      const seen = new Set<string>()
      for (const format of stage.formats) {
        refusing(format.at, text, () => {
          if (seen.has(format.label)) {
            throw new Error(`multiple label name '${format.label}' not allowed in a single format operation`)
          }
          seen.add(format.label)
          if (format.label === '__error__') throw new Error('__error__ cannot be formatted')
          if (format.source.kind === 'template') parseTemplate(format.source.value)
        })
      }
      return
    }
    case 'drop':
    case 'keep':
      for (const choice of stage.choices) if (choice.matcher) checkMatcher(choice.matcher, text)
      return
    default:
      return
  }
}

function checkCaptures(expression: string): void {
  const { names } = captureRegex(expression)
  if (names.length === 0) throw new Error('at least one named capture must be supplied, as in (?P<name>\\w+)')
  // RE2JS itself refuses a name that is given twice.
}

function checkFilter(filter: LabelFilter, text: string): void {
  if (filter.kind === 'and' || filter.kind === 'or') {
    checkFilter(filter.left, text)
    checkFilter(filter.right, text)
  } else if (filter.kind === 'match') {
    checkMatcher(filter.matcher, text)
  } else if (filter.kind === 'ip') {
    refusing(filter.at, text, () => parseIpPattern(filter.value))
  }
}

function checkMetric(query: MetricQuery, text: string): void {
  switch (query.kind) {
    case 'range':
      checkRange(query, text)
      return
    case 'vector':
      checkVector(query, text)
      checkMetric(query.expression, text)
      return
    case 'binary':
      checkBinary(query, text)
      checkMetric(query.left, text)
      checkMetric(query.right, text)
      return
    case 'label-replace':
      refusing(query.at, text, () => {
        fullMatcher(query.regex)
        if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(query.target)) throw new Error(`invalid label name ${query.target}`)
      })
      checkMetric(query.expression, text)
      return
    default:
      return
  }
}

const GROUPABLE: ReadonlySet<RangeOp> = new Set([
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'stddev_over_time',
  'stdvar_over_time',
  'quantile_over_time',
  'first_over_time',
  'last_over_time',
] as const)
const UNWRAP_ONLY: ReadonlySet<RangeOp> = new Set([...GROUPABLE, 'sum_over_time', 'rate_counter'] as const)
const NEVER_UNWRAP: ReadonlySet<RangeOp> = new Set(['count_over_time', 'bytes_rate', 'bytes_over_time'] as const)

function checkRange(query: RangeAggregation, text: string): void {
  const { at } = query
  checkLog(query.query, text)
  if (query.rangeNs <= 0) throw parseError(text, at, 'the range must be longer than 0')
  for (const filter of query.unwrap?.filters ?? []) checkFilter(filter, text)
  if (query.unwrap && NEVER_UNWRAP.has(query.op))
    throw parseError(text, at, `invalid aggregation ${query.op} with unwrap`)
  if (!query.unwrap && UNWRAP_ONLY.has(query.op)) {
    throw parseError(
      text,
      at,
      `invalid aggregation ${query.op} without unwrap`,
      `name the label that holds the number: ${query.op}({...} | json | unwrap duration_ms [5m])`,
    )
  }
  if (query.op === 'quantile_over_time' && query.parameter === undefined) {
    throw parseError(text, at, 'parameter required for operation quantile_over_time', 'quantile_over_time(0.95, ...)')
  }
  if (query.op !== 'quantile_over_time' && query.parameter !== undefined) {
    throw parseError(text, at, `parameter ${query.parameter} not supported for operation ${query.op}`)
  }
  if (query.grouping && !GROUPABLE.has(query.op)) {
    throw parseError(
      text,
      at,
      `grouping not allowed for ${query.op} aggregation`,
      `sum by (${query.grouping.labels.join(', ')}) (${query.op}(...)) groups it`,
    )
  }
}

const WITH_PARAMETER = new Set(['topk', 'bottomk', 'approx_topk'])

function checkVector(query: MetricQuery & { kind: 'vector' }, text: string): void {
  const { at } = query
  if (WITH_PARAMETER.has(query.op)) {
    if (query.parameter === undefined) throw parseError(text, at, `parameter required for operation ${query.op}`)
    if (!Number.isInteger(query.parameter) || query.parameter <= 0) {
      throw parseError(text, at, `invalid parameter (must be an integer greater than 0) ${query.op}(${query.parameter}`)
    }
  } else if (query.parameter !== undefined) {
    throw parseError(text, at, `unsupported parameter for operation ${query.op}(${query.parameter},`)
  }
  if (query.op.startsWith('sort') && query.grouping) throw parseError(text, at, `grouping not allowed for ${query.op}`)
  if (query.op === 'approx_topk') throw unsupported(text, at, 'approx_topk', 'topk gives the exact answer')
}

const SET_OPS = new Set(['or', 'and', 'unless'])

function checkBinary(query: MetricQuery & { kind: 'binary' }, text: string): void {
  const { at } = query
  if (query.bool && !isComparison(query.op)) {
    throw parseError(text, at, `bool modifier can only be used on comparison operators, not ${query.op}`)
  }
  if (SET_OPS.has(query.op)) {
    if (query.matching?.group) throw parseError(text, at, `no grouping allowed for "${query.op}" operation`)
    for (const [side, leg] of [
      ['left', query.left],
      ['right', query.right],
    ] as const) {
      if (isScalar(leg)) {
        const value = leg.kind === 'number' ? `: ${leg.value}` : ''
        throw parseError(
          text,
          at,
          `unexpected literal for ${side} leg of logical/set binary operation (${query.op})${value}`,
          'vector(1) makes a series of a number',
        )
      }
    }
  }
  if (query.matching && (isScalar(query.left) || isScalar(query.right))) {
    throw parseError(text, at, 'vector matching only allowed between instant vectors')
  }
}

/** A number, or arithmetic of nothing but numbers: it has no labels to match. */
function isScalar(query: MetricQuery): boolean {
  return query.kind === 'number' || (query.kind === 'binary' && isScalar(query.left) && isScalar(query.right))
}

/** Gives what a compiler of patterns complains about a place in the query. */
function refusing(at: number, text: string, compile: () => unknown): void {
  try {
    compile()
  } catch (error) {
    if (error instanceof Error && !(error instanceof QueryError)) throw parseError(text, at, error.message)
    throw error
  }
}
