/** Tree -> text that parses to the same tree. */
import { printDuration } from '../language/durations.ts'
import { printBytes } from '../language/sizes.ts'
import {
  type Extraction,
  type Grouping,
  type LabelChoice,
  type LabelFilter,
  type LogQuery,
  type Matcher,
  type MetricQuery,
  PRECEDENCE,
  type Query,
  type RangeAggregation,
  type Stage,
} from './ast.ts'

/**
 * One line, with one spelling for each meaning: ranges in the largest units, texts in quotes or, where that spares
 * escapes, backticks.
 */
export function print(query: Query): string {
  return query.kind === 'log' ? printLog(query) : printMetric(query)
}

function printLog(query: LogQuery): string {
  return [printSelector(query.selector), ...query.stages.map(printStage)].join(' ')
}

function printSelector(selector: readonly Matcher[]): string {
  return `{${selector.map(printMatcher).join(', ')}}`
}

const printMatcher = ({ name, op, value }: Matcher): string => `${name}${op}${quote(value)}`

/** Backticks when that spares escapes, as in regular expressions. */
function quote(text: string): string {
  if (/[\\"]/.test(text) && !/[`\r]/.test(text) && !hasControl(text)) return `\`${text}\``
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped.
  return `"${text.replace(/[\\"]|[\0-\x1f\x7f]/g, (char) => QUOTE_ESCAPES[char] ?? hexEscape(char))}"`
}

const QUOTE_ESCAPES: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const hexEscape = (char: string): string => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
const hasControl = (text: string): boolean => [...text].some((char) => char < ' ' || char === '\x7f')

function printStage(stage: Stage): string {
  switch (stage.kind) {
    case 'line-filter': {
      const patterns = stage.patterns.map(({ value, ip }) => (ip ? `ip(${quote(value)})` : quote(value)))
      return `${stage.op} ${patterns.join(' or ')}`
    }
    case 'json':
      return joined('| json', printExtractions(stage.extractions))
    case 'logfmt': {
      const flags = `${stage.strict ? ' --strict' : ''}${stage.keepEmpty ? ' --keep-empty' : ''}`
      return joined(`| logfmt${flags}`, printExtractions(stage.extractions))
    }
    case 'pattern':
    case 'regexp':
      return `| ${stage.kind} ${quote(stage.expression)}`
    case 'unpack':
    case 'decolorize':
      return `| ${stage.kind}`
    case 'label-filter':
      return `| ${printFilter(stage.filter)}`
    case 'line-format':
      return `| line_format ${quote(stage.template)}`
    case 'label-format': {
      const formats = stage.formats.map(
        ({ label, source }) => `${label}=${source.kind === 'template' ? quote(source.value) : source.value}`,
      )
      return `| label_format ${formats.join(', ')}`
    }
    case 'drop':
    case 'keep':
      return `| ${stage.kind} ${stage.choices.map(printChoice).join(', ')}`
  }
}

const joined = (head: string, rest: string): string => (rest ? `${head} ${rest}` : head)

const printExtractions = (extractions: readonly Extraction[]): string =>
  extractions.map(({ label, expression }) => `${label}=${quote(expression)}`).join(', ')

const printChoice = ({ name, matcher }: LabelChoice): string => (matcher ? printMatcher(matcher) : name)

/** `or` binds weaker than `and`; both group to the left. */
function printFilter(filter: LabelFilter): string {
  switch (filter.kind) {
    case 'match':
      return printMatcher(filter.matcher)
    case 'ip':
      return `${filter.name}${filter.op}ip(${quote(filter.value)})`
    case 'compare': {
      const units = { number: printNumber, duration: printDuration, bytes: printBytes }
      return `${filter.name}${filter.op}${units[filter.unit](filter.value)}`
    }
    default: {
      const wrap = (side: LabelFilter, brackets: boolean): string =>
        brackets ? `(${printFilter(side)})` : printFilter(side)
      const left = wrap(filter.left, filter.kind === 'and' && filter.left.kind === 'or')
      const right = wrap(filter.right, filter.right.kind === 'or' || filter.right.kind === filter.kind)
      return `${left} ${filter.kind} ${right}`
    }
  }
}

function printNumber(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function printMetric(query: MetricQuery): string {
  switch (query.kind) {
    case 'number':
      return printNumber(query.value)
    case 'vector-of':
      return `vector(${printNumber(query.value)})`
    case 'label-replace': {
      const texts = [query.target, query.replacement, query.source, query.regex].map(quote)
      return `label_replace(${[printMetric(query.expression), ...texts].join(', ')})`
    }
    case 'range':
      return printRange(query)
    case 'vector': {
      const parameter = query.parameter === undefined ? '' : `${printNumber(query.parameter)}, `
      return `${query.op}${printGrouping(query.grouping)}(${parameter}${printMetric(query.expression)})`
    }
    case 'binary':
      return printBinary(query)
  }
}

function printRange(query: RangeAggregation): string {
  const parameter = query.parameter === undefined ? '' : `${printNumber(query.parameter)}, `
  const unwrap = query.unwrap
  const label = unwrap && (unwrap.conversion ? `${unwrap.conversion}(${unwrap.label})` : unwrap.label)
  const filters = unwrap?.filters.map((filter) => ` | ${printFilter(filter)}`).join('') ?? ''
  const tail = unwrap ? ` | unwrap ${label}${filters}` : ''
  const offset = query.offsetNs === 0 ? '' : ` offset ${printDuration(query.offsetNs)}`
  const body = `${parameter}${printLog(query.query)}${tail}[${printDuration(query.rangeNs)}]${offset}`
  return `${query.op}(${body})${printGrouping(query.grouping)}`
}

function printGrouping(grouping: Grouping | undefined): string {
  if (!grouping) return ''
  return ` ${grouping.without ? 'without' : 'by'} (${grouping.labels.join(', ')})`
}

function printBinary(query: MetricQuery & { kind: 'binary' }): string {
  const level = PRECEDENCE[query.op]
  const toRight = query.op === '^'
  const side = (inner: MetricQuery, right: boolean): string => {
    const weaker =
      inner.kind === 'binary' && (PRECEDENCE[inner.op] < level || (PRECEDENCE[inner.op] === level && right !== toRight))
    return weaker ? `(${printMetric(inner)})` : printMetric(inner)
  }
  const { matching } = query
  const bool = query.bool ? ' bool' : ''
  const on = matching ? ` ${matching.on ? 'on' : 'ignoring'} (${matching.labels.join(', ')})` : ''
  const group = matching?.group ? ` group_${matching.group.side} (${matching.group.include.join(', ')})` : ''
  return `${side(query.left, false)} ${query.op}${bool}${on}${group} ${side(query.right, true)}`
}
