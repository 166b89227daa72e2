/** The rows of the table in docs/traceql.md about names and values of tags. */
import type { Confirmation, Kind, Place } from './kind.ts'
import { condition, conditionText, type Node } from './rewrite.ts'

/** A question for names, or for values: the field that is asked for, and the filter. */
function asked(question: string): { field: string; filter: string | undefined } {
  const [, name = '', filter] = /tag(?:s|\/([^/]+)\/values)(?:\?q=\{ (.*) \})?$/s.exec(question) ?? []
  return { field: decodeURIComponent(name), filter }
}

/** Those with a column of their own in Tempo's blocks. */
const OWN_COLUMN = /^(name|statusMessage|span\.http\.\w+)$/
const NEVER = /^(event:timeSinceStart|span:id|trace:id)$/
const isField = ({ kind }: Node) => kind === 'attribute' || kind === 'intrinsic'

/** What of a filter counts there; undefined where none of it does. */
function counted(where: Node, field: string): Node | undefined {
  const { left, right, op } = where as unknown as { left: Node; right: Node; op: string }
  if (where.kind === 'unary') return counted(where.of as Node, field)
  if (where.kind !== 'binary') return undefined
  if (op === '&&' || op === '||') {
    const [a, b] = [counted(left, field), counted(right, field)]
    if (a && b) return { ...where, left: a, right: b }
    return op === '&&' ? (a ?? b) : undefined
  }
  if (!isField(left) || right.kind !== 'literal') return undefined
  const name = conditionText(left)
  const isOwn = name === field && OWN_COLUMN.test(name) && op !== '='
  return isOwn || NEVER.test(name) || (right.type === 'nil' && op === '!=') ? undefined : where
}

/** The same question, with the filter as it counts there. */
function asCounted(question: string): string {
  const { field, filter } = asked(question)
  if (filter === undefined) return question
  const where = condition(filter)
  const kept = /(?<![\w"'\])])\.[a-z]/.test(filter.replace(/"(?:[^"\\]|\\.)*"/g, '""'))
    ? undefined
    : counted(where, field)
  if (kept === where) return question
  const before = question.slice(0, question.indexOf('?q='))
  return kept === undefined ? before : `${before}?q={ ${conditionText(kept)} }`
}

/** The type and the value of a place. */
function valueAt(key: string): { type: string; value: string } {
  if (!key.startsWith('[[')) return { type: '', value: key }
  return { type: '', value: '', ...Object.fromEntries(JSON.parse(key) as [string, string][]) }
}

function literal(key: string): string {
  const { type, value } = valueAt(key)
  if (type === 'string') return JSON.stringify(value)
  return type === 'float' && !value.includes('.') ? `${value}.0` : value
}

/** A span with the value is among those that the filter finds there, too. */
const isFoundBySearch = ({ askedHere, key }: Place): Confirmation => {
  const { field, filter = '' } = asked(askedHere)
  const name = field.includes(' ') ? field.replace(/[^.]* .*/, '"$&"') : field
  return { way: 'search', query: `{ ${filter} } | { ${name} = ${literal(key)} }`, has: () => true }
}

const isOnlyHere = ({ there }: Place) => there === undefined
const SEVERAL = /^(span\.(tags|sizes|weights|flags|mixed)|event|link)\b/
/** Fields of a trace, of its events, links and scopes: together with fields of spans they find too little there. */
const OF_OTHERS = /\b(rootName|rootServiceName|traceDuration|nestedSet\w+|event|link|instrumentation)\b/

export const TAG_KINDS: readonly Kind[] = [
  { name: 'values of a tag are those of the spans that the filter finds', ways: ['tags'], asThere: asCounted },
  {
    name: 'values of a tag are those of the spans that the filter finds, where a span has several',
    ways: ['tags'],
    query: /\?q=/,
    ignores: (place) => SEVERAL.test(asked(place.query).field) && isOnlyHere(place),
    confirmed: isFoundBySearch,
  },
  {
    name: 'values of a tag are those of the spans that the filter finds, where it asks for more than spans',
    ways: ['tags'],
    query: OF_OTHERS,
    ignores: (place) => OF_OTHERS.test(asked(place.query).filter ?? '') && isOnlyHere(place),
    confirmed: isFoundBySearch,
  },
  {
    name: 'values of a tag are those of the spans that the filter finds, and no names of attributes',
    ways: ['tags'],
    query: /\?q=/,
    // One is of no type and empty.
    ignores: ({ query, key, here }) =>
      here === undefined && (key === '[["value",""]]' || key.includes(`"${asked(query).field.replace(/^\w*\./, '')}"`)),
  },
  {
    name: 'names of tags are those of the spans that the filter finds',
    ways: ['tags'],
    query: /^v2\/search\/tags\?q=/,
    ignores: ({ key, here }) => here === undefined && /^(span http\.|resource (k8s\.pod|service)\.name$)/.test(key),
  },
  {
    name: 'the first version of the routes takes what TraceQL writes, too',
    ways: ['tags'],
    query: /^search\/tag\/(\w+%3A|event\.|link\.|instrumentation\.|statusMessage|status\/|kind\/)/,
    ignores: isOnlyHere,
    // The other version has the value there.
    confirmed: ({ query, key }) => ({
      way: 'tags',
      query: `v2/${query}`,
      has: (other) => valueAt(other).value === valueAt(key).value,
    }),
  },
  {
    name: 'ids and durations are no values to choose from',
    ways: ['tags'],
    query: /\/event%3AtimeSinceStart\//,
    ignores: ({ here }) => here === undefined,
  },
]
