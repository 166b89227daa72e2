/**
 * A search as the fields of a form: what they say as TraceQL, and the fields of a query that says no more than they can. Text
 * that TraceQL would read as a number, as true or false is such a value; in double quotes it is text.
 */

/** One condition on an attribute; `tag` with its scope, or an intrinsic such as `kind`. */
export interface TagCondition {
  readonly tag: string
  readonly op: string
  readonly value: string
}

/** '' for what is not asked for. */
export interface SearchFields {
  readonly service: string
  readonly operation: string
  readonly status: string
  /** Durations of the span, `100ms`; a number alone are milliseconds. */
  readonly min: string
  readonly max: string
  readonly tags: readonly TagCondition[]
}

export const NO_FIELDS: SearchFields = { service: '', operation: '', status: '', min: '', max: '', tags: [] }
export const STATUSES = ['error', 'ok', 'unset']
export const OPERATORS = ['=', '!=', '=~', '!~', '>', '>=', '<', '<=']

const DURATION = /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/

/** A duration as TraceQL writes it; undefined when it is none. */
export function readLength(text: string): string | undefined {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return `${trimmed}ms`
  return DURATION.test(trimmed) ? trimmed : undefined
}

/** The query; conditions that aren't whole yet are left out. */
export function toQuery({ service, operation, status, min, max, tags }: SearchFields): string {
  const [least, most] = [readLength(min), readLength(max)]
  const conditions = [
    ...(service.trim() ? [`resource.service.name = ${literal('', service)}`] : []),
    ...(operation.trim() ? [`name = ${literal('', operation)}`] : []),
    ...(status ? [`status = ${status}`] : []),
    ...(least ? [`duration >= ${least}`] : []),
    ...(most ? [`duration <= ${most}`] : []),
    ...tags.flatMap(({ tag, op, value }) =>
      tag.trim() && value.trim() ? [`${fieldOf(tag.trim())} ${op} ${literal(tag.trim(), value, op)}`] : [],
    ),
  ]
  return conditions.length === 0 ? '{ }' : `{ ${conditions.join(' && ')} }`
}

const SCOPES = 'span|resource|event|link|instrumentation'
const SCOPED = new RegExp(`^(${SCOPES})\\.(.+)$`, 's')

/** Each with the words that are values of it. */
const INTRINSICS: Readonly<Record<string, RegExp>> = {
  name: /^$/,
  kind: /^(server|client|internal|producer|consumer|unspecified)$/,
  status: /^(error|ok|unset)$/,
  statusMessage: /^$/,
  duration: DURATION,
  traceDuration: DURATION,
  rootName: /^$/,
  rootServiceName: /^$/,
  nestedSetParent: /^$/,
  'trace:id': /^$/,
  'span:id': /^$/,
  'event:name': /^$/,
}

function fieldOf(tag: string): string {
  if (Object.hasOwn(INTRINSICS, tag)) return tag
  const [, scope = '', name = tag] = SCOPED.exec(tag) ?? []
  return `${scope}.${/^[A-Za-z_][\w.-]*$/.test(name) ? name : JSON.stringify(name)}`
}

const NUMBER = /^-?(\d+|\d*\.\d+)$/

/** `tag` '': the value is text, whatever it looks like. */
function literal(tag: string, text: string, op = '='): string {
  const value = text.trim()
  const unquoted = readString(value)
  if (unquoted !== undefined) return JSON.stringify(unquoted)
  const isPattern = op === '=~' || op === '!~'
  return tag !== '' && !isPattern && isWord(tag, value) ? value : JSON.stringify(value)
}

/** Whether TraceQL knows the value without quotes. */
const isWord = (tag: string, value: string): boolean =>
  NUMBER.test(value) || /^(true|false|nil)$/.test(value) || INTRINSICS[tag]?.test(value) === true

/** What stands in a literal of text, `"` or back quotes around it; undefined for any other. */
function readString(literalText: string): string | undefined {
  if (/^`[^`]*`$/.test(literalText)) return literalText.slice(1, -1)
  if (!/^"(?:[^"\\]|\\.)*"$/s.test(literalText)) return undefined
  try {
    return JSON.parse(literalText) as string
  } catch {
    // TraceQL has escapes that JSON hasn't, such as \x41: that query stays in the editor.
    return undefined
  }
}

const CONDITION = new RegExp(
  String.raw`\s*((?:(?:${SCOPES})?\.(?:"(?:[^"\\]|\\.)*"|[A-Za-z_][\w.-]*))|[A-Za-z][\w:]*)` +
    String.raw`\s*(=~|!~|!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|` +
    '`[^`]*`' +
    String.raw`|[\w.µ-]+)\s*(&&|$)`,
  'sy',
)

/** The fields of a query; undefined for one that says something that no field can. */
export function toFields(query: string): SearchFields | undefined {
  const [, inner] = /^\s*\{(.*)\}\s*$/s.exec(query) ?? []
  if (inner === undefined) return query.trim() === '' ? NO_FIELDS : undefined
  let fields = NO_FIELDS
  let at = 0
  while (inner.slice(at).trim() !== '' || (at > 0 && inner.slice(0, at).endsWith('&&'))) {
    CONDITION.lastIndex = at
    const [whole, field, op, written] = CONDITION.exec(inner) ?? []
    if (whole === undefined) return undefined
    const next = withCondition(fields, field!, op!, written!)
    if (next === undefined) return undefined
    fields = next
    at += whole.length
  }
  return fields
}

function withCondition(fields: SearchFields, field: string, op: string, written: string): SearchFields | undefined {
  const text = readString(written)
  if (op === '=' && text !== undefined && text.trim() === text && text !== '' && readString(text) === undefined) {
    if (field === 'resource.service.name' && !fields.service) return { ...fields, service: text }
    if (field === 'name' && !fields.operation) return { ...fields, operation: text }
  }
  if (op === '=' && field === 'status' && !fields.status && STATUSES.includes(written))
    return { ...fields, status: written }
  if (field === 'duration' && DURATION.test(written)) {
    if (op === '>=' && !fields.min) return { ...fields, min: written }
    if (op === '<=' && !fields.max) return { ...fields, max: written }
  }
  const tag = tagOf(field)
  if (tag === undefined) return undefined
  const shown = text ?? written
  // In quotes where the form would take it for something else.
  const plain = shown.trim() === shown && shown !== '' && literal(tag, shown, op) === normal(written, text)
  const value = plain ? shown : text === undefined ? undefined : JSON.stringify(text)
  return value === undefined ? undefined : { ...fields, tags: [...fields.tags, { tag, op, value }] }
}

const normal = (written: string, text: string | undefined): string =>
  text === undefined ? written : JSON.stringify(text)

/** What the form calls a field; undefined for one that it has no name for. */
function tagOf(field: string): string | undefined {
  const [, scope, name] = new RegExp(`^(${SCOPES})?\\.(.+)$`, 's').exec(field) ?? []
  if (name === undefined) return Object.hasOwn(INTRINSICS, field) ? field : undefined
  const plain = name.startsWith('"') ? readString(name) : name
  if (plain === undefined) return undefined
  const tag = scope ? `${scope}.${plain}` : plain
  return fieldOf(tag) === `${scope ?? ''}.${name}` ? tag : undefined
}
