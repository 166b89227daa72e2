/** Reads stream selectors and the pipeline behind them. */
import type {
  CompareOp,
  Extraction,
  LabelChoice,
  LabelFilter,
  LabelFormat,
  LineFilterOp,
  LinePattern,
  Matcher,
  MatchOp,
  Stage,
  Unwrap,
} from './ast.ts'
import type { Cursor } from './cursor.ts'
import type { Token } from './lexer.ts'

const MATCH_OPS = new Set(['=', '!=', '=~', '!~'])
const LINE_OPS = new Set(['|=', '!=', '|~', '!~', '|>', '!>'])
const COMPARE_OPS = new Set(['=', '==', '!=', '>', '>=', '<', '<='])

/** `{name="value", ...}` */
export function parseSelector(cursor: Cursor): Matcher[] {
  if (!cursor.accept('{'))
    throw cursor.unexpected(
      cursor.peek(),
      '"{"',
      'a query starts with a stream selector such as {service_name="gateway"}',
    )
  const matchers = cursor.at('}') ? [] : parseList(cursor, parseMatcher)
  if (!cursor.at('}')) throw cursor.unexpected(cursor.peek(), '"," or "}"')
  cursor.next()
  return matchers
}

function parseMatcher(cursor: Cursor): Matcher {
  const name = cursor.expectKind('word')
  const op = cursor.peek()
  if (op.kind !== 'operator' || !MATCH_OPS.has(op.text)) {
    throw cursor.unexpected(
      cursor.peek(),
      '"=", "!=", "=~" or "!~"',
      op.text === '==' ? 'selectors use a single =' : undefined,
    )
  }
  cursor.next()
  const value = cursor.peek()
  if (value.kind !== 'string') throw cursor.unexpected(value, 'STRING', 'quote the value')
  cursor.next()
  return { name: name.text, op: op.text as MatchOp, value: value.text, at: name.at }
}

/** What follows a selector: line filters and `| stage`s, with `unwrap` apart. Stops at the first other token. */
export function parsePipeline(cursor: Cursor, stages: Stage[]): Unwrap | undefined {
  while (true) {
    const token = cursor.peek()
    if (token.kind !== 'operator') return undefined
    if (LINE_OPS.has(token.text)) {
      stages.push(parseLineFilter(cursor))
    } else if (token.text === '|') {
      cursor.next()
      if (cursor.at('unwrap')) return parseUnwrap(cursor)
      stages.push(parseStage(cursor))
    } else {
      return undefined
    }
  }
}

function parseLineFilter(cursor: Cursor): Stage {
  const op = cursor.next()
  const patterns = [parseLinePattern(cursor)]
  while (cursor.at('or')) {
    cursor.next()
    patterns.push(parseLinePattern(cursor))
  }
  return { kind: 'line-filter', op: op.text as LineFilterOp, patterns, at: op.at }
}

function parseLinePattern(cursor: Cursor): LinePattern {
  const start = cursor.peek()
  if (cursor.acceptFunction('ip')) {
    cursor.next()
    const value = cursor.expectKind('string').text
    cursor.expect(')')
    return { value, ip: true, at: start.at }
  }
  if (start.kind !== 'string')
    throw cursor.unexpected(start, 'STRING', 'a line filter takes a quoted text, as in |= "error"')
  return { value: cursor.next().text, ip: false, at: start.at }
}

function parseStage(cursor: Cursor): Stage {
  const token = cursor.peek()
  if (token.kind === 'keyword' && Object.hasOwn(STAGE_PARSERS, token.text)) {
    cursor.next()
    return STAGE_PARSERS[token.text]!(cursor, token.at)
  }
  if (token.kind === 'string')
    throw cursor.unexpected(cursor.peek(), 'a stage', 'a line filter is written |= "text" or |~ "regex"')
  if (token.kind !== 'word' && !cursor.at('(')) throw cursor.unexpected(cursor.peek(), 'a stage or a label filter')
  return { kind: 'label-filter', filter: parseLabelFilter(cursor), at: token.at }
}

const STAGE_PARSERS: Readonly<Record<string, (cursor: Cursor, at: number) => Stage>> = {
  json: (cursor, at) => ({ kind: 'json', extractions: parseExtractions(cursor), at }),
  logfmt(cursor, at) {
    let strict = false
    let keepEmpty = false
    while (cursor.peek().kind === 'flag') {
      const option = cursor.peek().text
      if (option === '--strict') strict = true
      else if (option === '--keep-empty') keepEmpty = true
      else throw cursor.unexpected(cursor.peek(), '--strict or --keep-empty')
      cursor.next()
    }
    return { kind: 'logfmt', strict, keepEmpty, extractions: parseExtractions(cursor), at }
  },
  pattern: (cursor, at) => ({ kind: 'pattern', expression: cursor.expectKind('string').text, at }),
  regexp: (cursor, at) => ({ kind: 'regexp', expression: cursor.expectKind('string').text, at }),
  unpack: (_, at) => ({ kind: 'unpack', at }),
  decolorize: (_, at) => ({ kind: 'decolorize', at }),
  line_format: (cursor, at) => ({ kind: 'line-format', template: cursor.expectKind('string').text, at }),
  label_format: (cursor, at) => ({ kind: 'label-format', formats: parseList(cursor, parseLabelFormat), at }),
  drop: (cursor, at) => ({ kind: 'drop', choices: parseList(cursor, parseLabelChoice), at }),
  keep: (cursor, at) => ({ kind: 'keep', choices: parseList(cursor, parseLabelChoice), at }),
}

function parseExtractions(cursor: Cursor): Extraction[] {
  return cursor.peek().kind === 'word' ? parseList(cursor, parseExtraction) : []
}

function parseExtraction(cursor: Cursor): Extraction {
  const label = cursor.expectKind('word')
  const expression = cursor.accept('=') ? cursor.expectKind('string').text : label.text
  return { label: label.text, expression, at: label.at }
}

function parseLabelFormat(cursor: Cursor): LabelFormat {
  const label = cursor.expectKind('word')
  cursor.expect('=')
  const source = cursor.peek()
  if (source.kind !== 'word' && source.kind !== 'string') throw cursor.unexpected(source, 'IDENTIFIER or STRING')
  cursor.next()
  const kind = source.kind === 'string' ? 'template' : 'label'
  return { label: label.text, source: { kind, value: source.text }, at: label.at }
}

function parseLabelChoice(cursor: Cursor): LabelChoice {
  const name = cursor.peek()
  const next = cursor.peek(1)
  if (name.kind === 'word' && next.kind === 'operator' && MATCH_OPS.has(next.text)) {
    return { name: name.text, matcher: parseMatcher(cursor) }
  }
  return { name: cursor.expectKind('word').text }
}

export function parseList<T>(cursor: Cursor, parseItem: (cursor: Cursor) => T): T[] {
  const items = [parseItem(cursor)]
  while (cursor.accept(',')) items.push(parseItem(cursor))
  return items
}

/** `or` binds weaker than `and`, a comma or plain juxtaposition, which all mean "and". */
export function parseLabelFilter(cursor: Cursor): LabelFilter {
  let left = parseConjunction(cursor)
  while (cursor.accept('or')) {
    cursor.countOperator()
    left = { kind: 'or', left, right: parseConjunction(cursor) }
  }
  return left
}

function parseConjunction(cursor: Cursor): LabelFilter {
  let left = parseFilterTerm(cursor)
  while (true) {
    const joined = cursor.accept(',') || cursor.accept('and')
    const follows = cursor.peek().kind === 'word' && !cursor.at('or')
    if (!joined && !follows && !cursor.at('(')) return left
    cursor.countOperator()
    left = { kind: 'and', left, right: parseFilterTerm(cursor) }
  }
}

function parseFilterTerm(cursor: Cursor): LabelFilter {
  if (cursor.accept('(')) {
    const inner = cursor.nested(() => parseLabelFilter(cursor))
    cursor.expect(')')
    return inner
  }
  const name = cursor.expectKind('word')
  const op = cursor.peek()
  if (op.kind !== 'operator' || !(COMPARE_OPS.has(op.text) || MATCH_OPS.has(op.text))) {
    throw cursor.unexpected(cursor.peek(), 'a comparison operator')
  }
  cursor.next()
  return parseFilterValue(cursor, name, op.text)
}

function parseFilterValue(cursor: Cursor, { text: name, at }: Token, op: string): LabelFilter {
  const start = cursor.peek()
  if ((op === '=' || op === '!=') && cursor.acceptFunction('ip')) {
    cursor.expect('(')
    const value = cursor.expectKind('string').text
    cursor.expect(')')
    return { kind: 'ip', name, op, value, at }
  }
  if (start.kind === 'string') {
    if (!MATCH_OPS.has(op)) {
      throw cursor.error(
        start,
        `syntax error: unexpected STRING, expecting NUMBER, DURATION or BYTES`,
        op === '==' ? 'compare texts with a single =' : 'numbers, durations and sizes are written without quotes',
      )
    }
    cursor.next()
    return { kind: 'match', matcher: { name, op: op as MatchOp, value: start.text, at } }
  }
  if (!COMPARE_OPS.has(op)) throw cursor.unexpected(cursor.peek(), 'STRING')
  const signed = cursor.at('-') || cursor.at('+')
  const sign = cursor.peek(1).kind === 'duration' ? parseMinus(cursor) : cursor.sign()
  const quantity = cursor.peek()
  const unit = FILTER_UNITS[quantity.kind]
  if (!unit || (signed && unit === 'bytes'))
    throw cursor.unexpected(cursor.peek(), 'STRING, NUMBER, DURATION or BYTES', 'quote the value')
  cursor.next()
  return { kind: 'compare', name, op: (op === '=' ? '==' : op) as CompareOp, unit, value: sign * quantity.value }
}

/** A duration's own sign, which stands right before it; -1 if it is there. Days and longer have none. */
export function parseMinus(cursor: Cursor): 1 | -1 {
  const duration = cursor.peek(1)
  if (!cursor.at('-') || duration.at > cursor.peek().end || /[dwy]/.test(duration.text)) return 1
  cursor.next()
  return -1
}

const FILTER_UNITS: Record<string, 'number' | 'duration' | 'bytes'> = {
  number: 'number',
  duration: 'duration',
  bytes: 'bytes',
}

function parseUnwrap(cursor: Cursor): Unwrap {
  cursor.next()
  const first = cursor.expectKind('word')
  let label = first.text
  let conversion: Unwrap['conversion']
  if (cursor.accept('(')) {
    const name = first.text.toLowerCase()
    if (!isConversion(name)) {
      throw cursor.error(first, `unknown conversion ${first.text}`, 'use duration, duration_seconds or bytes')
    }
    conversion = name
    label = cursor.expectKind('word').text
    cursor.expect(')')
  }
  const filters: LabelFilter[] = []
  while (cursor.accept('|')) filters.push(parseLabelFilter(cursor))
  return { label, conversion, filters }
}

const isConversion = (name: string): name is NonNullable<Unwrap['conversion']> =>
  name === 'duration' || name === 'duration_seconds' || name === 'bytes'
