/** A field of a line put into the query that found it, without a parser: selector and plain filters are read, the rest stays as it is. */

export interface LogField {
  readonly name: string
  readonly value: string
  /** A label of the stream, so that a matcher finds it; else a filter behind a pipe does. */
  readonly isLabel: boolean
}

/** `=`: only lines that have it; `!=`: only lines that don't. */
export type FieldSign = '=' | '!='

interface Token {
  readonly text: string
  readonly from: number
  readonly to: number
}

interface Condition {
  readonly name: string
  readonly op: string
  readonly value: string
  /** As it is written. */
  readonly text: string
}

/** Whether LogQL can name it. */
export const isFieldName = (name: string): boolean => /^[a-z_]\w*$/i.test(name)

/** As LogQL writes a string. */
const quoted = (value: string): string => JSON.stringify(value)

/** A stream by all of its labels. */
export const streamSelector = (labels: Readonly<Record<string, string>>): string =>
  `{${Object.entries(labels)
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(', ')}}`

/**
 * The query with the condition in it once: it takes the place of what says the same or the contrary of that field. A query without a
 * selector comes back unchanged.
 */
export function withField(query: string, field: LogField, sign: FieldSign): string {
  const tokens = tokensOf(query)
  const open = tokens.findIndex(({ text }) => text === '{')
  const close = tokens.findIndex(({ text }, i) => i > open && text === '}')
  if (open < 0 || close < 0) return query
  return field.isLabel
    ? withMatcher(query, tokens.slice(open, close + 1), field, sign)
    : withFilter(query, tokens.slice(close + 1), field, sign)
}

const TOKEN = /"(?:[^"\\]|\\.)*"|`[^`]*`|#[^\n]*|[{}(),|]|[!=~<>]+|[\w.]+|\S/g

/** Comments are none. */
const tokensOf = (query: string): Token[] =>
  [...query.matchAll(TOKEN)]
    .filter(([text]) => !text.startsWith('#'))
    .map(({ 0: text, index }) => ({ text, from: index, to: index + text.length }))

/** `tokens` from the brace that opens the selector to the one that closes it. */
function withMatcher(query: string, tokens: readonly Token[], { name, value }: LogField, sign: FieldSign): string {
  const matchers = tokens.flatMap((_token, i) => conditionAt(tokens, i) ?? [])
  const wanted: Condition = { name, op: sign, value, text: `${name}${sign}${quoted(value)}` }
  // One value says all there is to say of a label; "not that one" goes together with anything but "that one".
  const kept = matchers.filter((one) => one.name !== name || (sign === '!=' && !isSame(one, '=', value)))
  const next = kept.some((one) => one.name === name && isSame(one, sign, value)) ? kept : [...kept, wanted]
  // A selector must ask for something that is there.
  const asks = next.some(({ op, value: asked }) => (op === '=' && asked !== '') || (op === '=~' && asked !== '.*'))
  const texts = next.map(({ text }) => text)
  if (!asks) texts.unshift(`${name}=~".+"`)
  return `${query.slice(0, tokens[0]!.from)}{${texts.join(', ')}}${query.slice(tokens.at(-1)!.to)}`
}

/** `tokens` behind the selector. */
function withFilter(query: string, tokens: readonly Token[], { name, value }: LogField, sign: FieldSign): string {
  let text = query
  let there = false
  // From the end, so that places before stay what they are.
  for (let i = tokens.length - 1; i >= 0; i--) {
    if (tokens[i]!.text !== '|') continue
    const filter = conditionAt(tokens, i + 1)
    const after = tokens[i + 4]?.text
    const alone = after === undefined || after === '|' || after.startsWith('!')
    if (filter?.name !== name || !alone) continue
    if (isSame(filter, sign, value)) there = true
    else if (isSame(filter, '=', value) || isSame(filter, '!=', value) || (sign === '=' && filter.op === '='))
      text = `${text.slice(0, tokens[i]!.from).trimEnd()} ${text.slice(tokens[i + 3]!.to).trimStart()}`.trimEnd()
  }
  if (there) return text
  // A comment reaches to the end of its line.
  const gap = /#[^\n]*$/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '')) ? '\n' : ' '
  return `${text.trimEnd()}${gap}| ${name}${sign}${quoted(value)}`
}

const isSame = (condition: Condition, op: string, value: string): boolean =>
  condition.op === op && condition.value === value

/** A name, an operator and a string, if those are the three tokens from `at` on. */
function conditionAt(tokens: readonly Token[], at: number): Condition | undefined {
  const [name, op, literal] = tokens.slice(at, at + 3)
  if (!literal || !isFieldName(name!.text) || !/^(=|!=|=~|!~)$/.test(op!.text)) return undefined
  const value = valueIn(literal.text)
  return value === undefined
    ? undefined
    : { name: name!.text, op: op!.text, value, text: `${name!.text}${op!.text}${literal.text}` }
}

/** Of a string as it is written; undefined for what is none. */
function valueIn(literal: string): string | undefined {
  if (literal.startsWith('`')) return literal.slice(1, -1)
  if (!literal.startsWith('"')) return undefined
  try {
    return JSON.parse(literal) as string
  } catch {
    // LogQL knows escapes that JSON doesn't: such a value is compared as it is written.
    return literal.slice(1, -1)
  }
}
