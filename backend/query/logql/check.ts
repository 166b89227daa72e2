/** What the grammar allows but LogQL refuses. Runs on the tree, before anything is read. */
import type {
  LabelFilter,
  LogQuery,
  Matcher,
  MetricQuery,
  Query,
  RangeAggregation,
  RangeOp,
  Stage,
  Unwrap,
} from './ast.ts'
import { parseError, positionOf, unsupported } from './errors.ts'
import { parseIpPattern } from './ip.ts'
import { parseJsonPath } from './json-path.ts'
import { compileLinePattern, compilePattern } from './pattern.ts'
import { captureRegex, fullRegex, searchRegex } from './regex.ts'
import { parseTemplate } from './template-parse.ts'

export function check(query: Query): void {
  if (query.kind === 'log') checkLog(query)
  else checkMetric(query)
}

function checkLog(query: LogQuery): void {
  for (const matcher of query.selector) checkMatcher(matcher)
  if (!query.selector.some((matcher) => !matchesEmpty(matcher))) {
    throw parseError(
      'queries require at least one regexp or equality matcher that does not have an empty-compatible value. ' +
        'For instance, app=~".*" does not meet this requirement, but app=~".+" will',
      positionOf(query.selector),
    )
  }
  for (const stage of query.stages) checkStage(stage)
}

function checkMatcher(matcher: Matcher): void {
  if (matcher.op === '=~' || matcher.op === '!~') refusing(matcher, () => fullRegex(matcher.value))
}

function matchesEmpty({ op, value }: Matcher): boolean {
  if (op === '=') return value === ''
  if (op === '!=') return value !== ''
  return fullRegex(value).test('') === (op === '=~')
}

function checkStage(stage: Stage): void {
  switch (stage.kind) {
    case 'line-filter':
      for (const pattern of stage.patterns) {
        refusing(pattern, () => {
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
      for (const extraction of stage.extractions) refusing(extraction, () => parseJsonPath(extraction.expression))
      return
    case 'pattern':
      refusing(stage, () => compilePattern(stage.expression))
      return
    case 'regexp':
      refusing(stage, () => checkCaptures(stage.expression))
      return
    case 'label-filter':
      checkFilter(stage.filter)
      return
    case 'line-format':
      refusing(stage, () => parseTemplate(stage.template))
      return
    case 'label-format': {
      const seen = new Set<string>()
      for (const format of stage.formats) {
        refusing(format, () => {
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
      for (const choice of stage.choices) if (choice.matcher) checkMatcher(choice.matcher)
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

function checkFilter(filter: LabelFilter): void {
  if (filter.kind === 'and' || filter.kind === 'or') {
    checkFilter(filter.left)
    checkFilter(filter.right)
  } else if (filter.kind === 'match') {
    refusing(filter, () => checkMatcher(filter.matcher))
  } else if (filter.kind === 'ip') {
    refusing(filter, () => parseIpPattern(filter.value))
  }
}

function checkMetric(query: MetricQuery): void {
  switch (query.kind) {
    case 'range':
      checkRange(query)
      return
    case 'vector':
      checkVector(query)
      checkMetric(query.expression)
      return
    case 'binary':
      checkBinary(query)
      checkMetric(query.left)
      checkMetric(query.right)
      return
    case 'label-replace':
      refusing(query, () => {
        fullRegex(query.regex)
        if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(query.target)) throw new Error(`invalid label name ${query.target}`)
      })
      checkMetric(query.expression)
      return
    default:
      return
  }
}

const groupable: ReadonlySet<RangeOp> = new Set([
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'stddev_over_time',
  'stdvar_over_time',
  'quantile_over_time',
  'first_over_time',
  'last_over_time',
] as const)
const unwrapOnly: ReadonlySet<RangeOp> = new Set([...groupable, 'sum_over_time', 'rate_counter'] as const)
const neverUnwrap: ReadonlySet<RangeOp> = new Set(['count_over_time', 'bytes_rate', 'bytes_over_time'] as const)

function checkRange(query: RangeAggregation): void {
  const place = positionOf(query)
  checkLog(query.query)
  if (query.rangeNs <= 0) throw parseError('the range must be longer than 0', place)
  if (query.unwrap) checkUnwrap(query.unwrap)
  if (query.unwrap && neverUnwrap.has(query.op)) throw parseError(`invalid aggregation ${query.op} with unwrap`, place)
  if (!query.unwrap && unwrapOnly.has(query.op)) {
    throw parseError(
      `invalid aggregation ${query.op} without unwrap`,
      place,
      `name the label that holds the number: ${query.op}({...} | json | unwrap duration_ms [5m])`,
    )
  }
  if (query.op === 'quantile_over_time' && query.parameter === undefined) {
    throw parseError('parameter required for operation quantile_over_time', place, 'quantile_over_time(0.95, ...)')
  }
  if (query.op !== 'quantile_over_time' && query.parameter !== undefined) {
    throw parseError(`parameter ${query.parameter} not supported for operation ${query.op}`, place)
  }
  if (query.grouping && !groupable.has(query.op)) {
    throw parseError(
      `grouping not allowed for ${query.op} aggregation`,
      place,
      `sum by (${query.grouping.labels.join(', ')}) (${query.op}(...)) groups it`,
    )
  }
}

function checkUnwrap(unwrap: Unwrap): void {
  for (const filter of unwrap.filters) checkFilter(filter)
}

const parameterized = new Set(['topk', 'bottomk', 'approx_topk'])

function checkVector(query: MetricQuery & { kind: 'vector' }): void {
  const place = positionOf(query)
  if (parameterized.has(query.op)) {
    if (query.parameter === undefined) throw parseError(`parameter required for operation ${query.op}`, place)
    if (!Number.isInteger(query.parameter) || query.parameter <= 0) {
      throw parseError(`invalid parameter (must be an integer greater than 0) ${query.op}(${query.parameter}`, place)
    }
  } else if (query.parameter !== undefined) {
    throw parseError(`unsupported parameter for operation ${query.op}(${query.parameter},`, place)
  }
  if (query.op.startsWith('sort') && query.grouping) throw parseError(`grouping not allowed for ${query.op}`, place)
  if (query.op === 'approx_topk') throw unsupported('approx_topk', place, 'topk gives the exact answer')
}

const setOps = new Set(['or', 'and', 'unless'])
const comparisons = new Set(['==', '!=', '>', '>=', '<', '<='])

function checkBinary(query: MetricQuery & { kind: 'binary' }): void {
  const place = positionOf(query)
  if (query.bool && !comparisons.has(query.op)) {
    throw parseError(`bool modifier can only be used on comparison operators, not ${query.op}`, place)
  }
  if (setOps.has(query.op)) {
    if (query.matching?.group) throw parseError(`no grouping allowed for "${query.op}" operation`, place)
    for (const [side, leg] of [
      ['left', query.left],
      ['right', query.right],
    ] as const) {
      if (isScalar(leg)) {
        const value = leg.kind === 'number' ? `: ${leg.value}` : ''
        throw parseError(
          `unexpected literal for ${side} leg of logical/set binary operation (${query.op})${value}`,
          place,
          'vector(1) makes a series of a number',
        )
      }
    }
  }
  if (query.matching && (isScalar(query.left) || isScalar(query.right))) {
    throw parseError('vector matching only allowed between instant vectors', place)
  }
  const shared = query.matching?.on && query.matching.group?.include.find((l) => query.matching!.labels.includes(l))
  if (shared) throw parseError(`label "${shared}" must not occur in ON and GROUP clause at once`, place)
}

/** A number, or arithmetic of nothing but numbers: it has no labels to match. */
function isScalar(query: MetricQuery): boolean {
  return query.kind === 'number' || (query.kind === 'binary' && isScalar(query.left) && isScalar(query.right))
}

/** Gives what a compiler of patterns complains about the place of `node`. */
function refusing(node: object, compile: () => unknown): void {
  try {
    compile()
  } catch (error) {
    if (error instanceof Error && error.name !== 'LogQLError') throw parseError(error.message, positionOf(node))
    throw error
  }
}
