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
import { at, parseError } from './errors.ts'

const matchOps = new Set(['=', '!=', '=~', '!~'])
const lineOps = new Set(['|=', '!=', '|~', '!~', '|>', '!>'])
const compareOps = new Set(['=', '==', '!=', '>', '>=', '<', '<='])

/** `{name="value", ...}` */
export function readSelector(cursor: Cursor): Matcher[] {
  const open = cursor.peek()
  if (!cursor.accept('{'))
    cursor.refuse('"{"', 'a query starts with a stream selector such as {service_name="gateway"}')
  const matchers: Matcher[] = []
  while (!cursor.sees('}')) {
    matchers.push(readMatcher(cursor))
    if (!cursor.accept(',')) break
  }
  if (!cursor.sees('}')) cursor.refuse('"," or "}"')
  cursor.next()
  return at(matchers, open)
}

function readMatcher(cursor: Cursor): Matcher {
  const name = cursor.expectType('IDENTIFIER')
  const op = cursor.peek()
  if (op.type !== 'OPERATOR' || !matchOps.has(op.text)) {
    cursor.refuse('"=", "!=", "=~" or "!~"', op.text === '==' ? 'selectors use a single =' : undefined)
  }
  cursor.next()
  const value = cursor.peek()
  if (value.type !== 'STRING') cursor.refuse('STRING', 'quote the value')
  cursor.next()
  return at({ name: name.text, op: op.text as MatchOp, value: value.text }, name)
}

/** What follows a selector: line filters and `| stage`s, with `unwrap` apart. Stops at the first other token. */
export function readPipeline(cursor: Cursor, stages: Stage[]): Unwrap | undefined {
  while (true) {
    const token = cursor.peek()
    if (token.type !== 'OPERATOR') return undefined
    if (lineOps.has(token.text)) {
      stages.push(readLineFilter(cursor))
    } else if (token.text === '|') {
      cursor.next()
      if (cursor.seesWord('unwrap')) return readUnwrap(cursor)
      stages.push(readStage(cursor))
    } else {
      return undefined
    }
  }
}

function readLineFilter(cursor: Cursor): Stage {
  const op = cursor.next()
  const patterns = [readLinePattern(cursor)]
  while (cursor.seesWord('or')) {
    cursor.next()
    patterns.push(readLinePattern(cursor))
  }
  return at({ kind: 'line-filter', op: op.text as LineFilterOp, patterns }, op)
}

function readLinePattern(cursor: Cursor): LinePattern {
  const start = cursor.peek()
  if (cursor.seesWord('ip') && cursor.peek(1).text === '(') {
    cursor.next()
    cursor.next()
    const value = cursor.expectType('STRING').text
    cursor.expect(')')
    return at({ value, ip: true }, start)
  }
  if (start.type !== 'STRING') cursor.refuse('STRING', 'a line filter takes a quoted text, as in |= "error"')
  return at({ value: cursor.next().text, ip: false }, start)
}

function readStage(cursor: Cursor): Stage {
  const token = cursor.peek()
  // A stage's word may also be a label's name; but `| json != "x"` is a stage and a line filter.
  const next = cursor.peek(1)
  const isName = next.type === 'OPERATOR' && compareOps.has(next.text) && next.text !== '!='
  if (token.type === 'IDENTIFIER' && !isName) {
    if (Object.hasOwn(stageReaders, token.text)) {
      cursor.next()
      return at(stageReaders[token.text]!(cursor), token)
    }
  }
  if (token.type === 'STRING') cursor.refuse('a stage', 'a line filter is written |= "text" or |~ "regex"')
  if (token.type !== 'IDENTIFIER' && !cursor.sees('(')) cursor.refuse('a stage or a label filter')
  return at({ kind: 'label-filter', filter: readLabelFilter(cursor) }, token)
}

const stageReaders: Record<string, (cursor: Cursor) => Stage> = {
  json: (cursor) => ({ kind: 'json', extractions: readExtractions(cursor) }),
  logfmt(cursor) {
    let strict = false
    let keepEmpty = false
    while (cursor.peek().type === 'FLAG') {
      const option = cursor.peek().text
      if (option === '--strict') strict = true
      else if (option === '--keep-empty') keepEmpty = true
      else cursor.refuse('--strict or --keep-empty')
      cursor.next()
    }
    return { kind: 'logfmt', strict, keepEmpty, extractions: readExtractions(cursor) }
  },
  pattern: (cursor) => ({ kind: 'pattern', expression: cursor.expectType('STRING').text }),
  regexp: (cursor) => ({ kind: 'regexp', expression: cursor.expectType('STRING').text }),
  unpack: () => ({ kind: 'unpack' }),
  decolorize: () => ({ kind: 'decolorize' }),
  line_format: (cursor) => ({ kind: 'line-format', template: cursor.expectType('STRING').text }),
  label_format: (cursor) => ({ kind: 'label-format', formats: readList(cursor, readLabelFormat) }),
  drop: (cursor) => ({ kind: 'drop', choices: readList(cursor, readLabelChoice) }),
  keep: (cursor) => ({ kind: 'keep', choices: readList(cursor, readLabelChoice) }),
}

function readExtractions(cursor: Cursor): Extraction[] {
  return cursor.peek().type === 'IDENTIFIER' ? readList(cursor, readExtraction) : []
}

function readExtraction(cursor: Cursor): Extraction {
  const label = cursor.expectType('IDENTIFIER')
  const expression = cursor.accept('=') ? cursor.expectType('STRING').text : label.text
  return at({ label: label.text, expression }, label)
}

function readLabelFormat(cursor: Cursor): LabelFormat {
  const label = cursor.expectType('IDENTIFIER')
  cursor.expect('=')
  const source = cursor.peek()
  if (source.type !== 'IDENTIFIER' && source.type !== 'STRING') cursor.refuse('IDENTIFIER or STRING')
  cursor.next()
  const kind = source.type === 'STRING' ? 'template' : 'label'
  return at({ label: label.text, source: { kind, value: source.text } }, label)
}

function readLabelChoice(cursor: Cursor): LabelChoice {
  const name = cursor.peek()
  const next = cursor.peek(1)
  if (name.type === 'IDENTIFIER' && next.type === 'OPERATOR' && matchOps.has(next.text)) {
    return { name: name.text, matcher: readMatcher(cursor) }
  }
  return { name: cursor.expectType('IDENTIFIER').text }
}

function readList<T>(cursor: Cursor, readItem: (cursor: Cursor) => T): T[] {
  const items = [readItem(cursor)]
  while (cursor.accept(',')) items.push(readItem(cursor))
  return items
}

/** `or` binds weaker than `and`, a comma or plain juxtaposition, which all mean "and". */
export function readLabelFilter(cursor: Cursor): LabelFilter {
  let left = readConjunction(cursor)
  while (cursor.acceptWord('or')) {
    cursor.countOperator()
    left = { kind: 'or', left, right: readConjunction(cursor) }
  }
  return left
}

function readConjunction(cursor: Cursor): LabelFilter {
  let left = readFilterTerm(cursor)
  while (true) {
    const joined = cursor.accept(',') || cursor.acceptWord('and')
    const follows = cursor.peek().type === 'IDENTIFIER' && !cursor.seesWord('or')
    if (!joined && !follows && !cursor.sees('(')) return left
    cursor.countOperator()
    left = { kind: 'and', left, right: readFilterTerm(cursor) }
  }
}

function readFilterTerm(cursor: Cursor): LabelFilter {
  if (cursor.accept('(')) {
    const inner = cursor.nested(() => readLabelFilter(cursor))
    cursor.expect(')')
    return inner
  }
  const name = cursor.expectType('IDENTIFIER')
  const op = cursor.peek()
  if (op.type !== 'OPERATOR' || !(compareOps.has(op.text) || matchOps.has(op.text))) {
    cursor.refuse('a comparison operator')
  }
  cursor.next()
  return at(readFilterValue(cursor, name.text, op.text), name)
}

function readFilterValue(cursor: Cursor, name: string, op: string): LabelFilter {
  const start = cursor.peek()
  if (cursor.seesWord('ip') && (op === '=' || op === '!=')) {
    cursor.next()
    cursor.expect('(')
    const value = cursor.expectType('STRING').text
    cursor.expect(')')
    return { kind: 'ip', name, op, value }
  }
  if (start.type === 'STRING') {
    if (!matchOps.has(op)) {
      throw parseError(
        `syntax error: unexpected STRING, expecting NUMBER, DURATION or BYTES`,
        start,
        op === '==' ? 'compare texts with a single =' : 'numbers, durations and sizes are written without quotes',
      )
    }
    cursor.next()
    return { kind: 'match', matcher: { name, op: op as MatchOp, value: start.text } }
  }
  if (!compareOps.has(op)) cursor.refuse('STRING')
  const sign = cursor.sign()
  const quantity = cursor.peek()
  const unit = filterUnits[quantity.type]
  if (!unit) cursor.refuse('STRING, NUMBER, DURATION or BYTES', 'quote the value')
  cursor.next()
  return { kind: 'compare', name, op: (op === '=' ? '==' : op) as CompareOp, unit, value: sign * quantity.value }
}

const filterUnits: Record<string, 'number' | 'duration' | 'bytes'> = {
  NUMBER: 'number',
  DURATION: 'duration',
  BYTES: 'bytes',
}

function readUnwrap(cursor: Cursor): Unwrap {
  const start = cursor.next()
  const first = cursor.expectType('IDENTIFIER')
  let label = first.text
  let conversion: Unwrap['conversion']
  if (cursor.accept('(')) {
    if (!isConversion(first.text)) {
      throw parseError(`unknown conversion ${first.text}`, first, 'use duration, duration_seconds or bytes')
    }
    conversion = first.text
    label = cursor.expectType('IDENTIFIER').text
    cursor.expect(')')
  }
  const filters: LabelFilter[] = []
  while (cursor.accept('|')) filters.push(readLabelFilter(cursor))
  return at({ label, conversion, filters }, start)
}

const isConversion = (name: string): name is NonNullable<Unwrap['conversion']> =>
  name === 'duration' || name === 'duration_seconds' || name === 'bytes'
