/** Names and values of what can be asked for: what editors complete with. */
import {
  SearchTagsResponseSchema,
  SearchTagsV2ResponseSchema,
  SearchTagValuesResponseSchema,
  SearchTagValuesV2ResponseSchema,
} from '@sightline/otlp-messages/tempo'
import { type ApiRequest, type ApiResponse, httpError } from '../../http.ts'
import {
  type Column,
  check,
  type Field,
  type Intrinsic,
  metricsInstant,
  parse,
  printFloat,
  type Query,
  runStages,
  type SpanSource,
  type SpanTable,
  type TimeRange,
  TraceQLError,
  type TypedValue,
} from '../traceql/index.ts'
import { answer } from './answers.ts'
import type { TempoContext } from './context.ts'
import { readCount, readSearchRange } from './params.ts'
import { attributeName } from './search.ts'

const SCOPES = ['resource', 'span', 'event', 'link', 'instrumentation'] as const
type Scope = (typeof SCOPES)[number]

/** Under every spelling that a query may use. */
const INTRINSIC_TAGS = [
  'duration',
  'event:name',
  'event:timeSinceStart',
  'instrumentation:name',
  'instrumentation:version',
  'kind',
  'link:spanID',
  'link:traceID',
  'name',
  'rootName',
  'rootServiceName',
  'span:duration',
  'span:id',
  'span:kind',
  'span:name',
  'span:parentID',
  'span:status',
  'span:statusMessage',
  'status',
  'statusMessage',
  'trace:duration',
  'trace:id',
  'trace:rootName',
  'trace:rootService',
  'traceDuration',
]

const KEYWORDS: Record<string, readonly string[]> = {
  status: ['error', 'ok', 'unset'],
  kind: ['client', 'consumer', 'internal', 'producer', 'server', 'unspecified'],
}

/** Ids and durations: endless, and of no use in a list. */
const NOT_LISTED =
  /^(duration|span:duration|traceDuration|trace:duration|event:timeSinceStart|trace:id|span:id|span:parentID|link:traceID|link:spanID|parent|nestedSet\w+|span:childCount)$/

const MAX_VALUES = 10_000

/** `search/tags`: names of attributes of all scopes, sorted; those of intrinsics where they are asked for. */
export function tagsV1({ spans }: TempoContext, request: ApiRequest): ApiResponse {
  const scopes = tagScopes(spans, request)
  const intrinsics = request.query.get('scope') === 'intrinsic'
  const wanted = scopes.filter(({ name }) => intrinsics || name !== 'intrinsic')
  const names = [...new Set(wanted.flatMap(({ tags }) => tags))].sort()
  return answer(request, SearchTagsResponseSchema, { tagNames: names, metrics: {} })
}

/** `v2/search/tags`: the same by scope, and the intrinsics; with `q`, only names that a span has which matches. */
export function tagsV2({ spans }: TempoContext, request: ApiRequest): ApiResponse {
  return answer(request, SearchTagsV2ResponseSchema, {
    scopes: tagScopes(spans, request, request.query.get('q') ?? ''),
    metrics: {},
  })
}

function tagScopes(spans: SpanSource, request: ApiRequest, q = ''): { name: string; tags: string[] }[] {
  const scope = request.query.get('scope') ?? ''
  if (!['', 'none', 'intrinsic', ...SCOPES].includes(scope)) throw httpError(400, `invalid scope: ${scope}`)
  const limit = readCount(request.query, 'limit') || Number.POSITIVE_INFINITY
  const all = scope === '' || scope === 'none'
  const wanted = SCOPES.filter((candidate) => all || candidate === scope)
  const names = new Map<Scope, Set<string>>(wanted.map((name) => [name, new Set()]))
  const filter = usableFilter(q)
  const query = filter === undefined ? undefined : check(parse(filter))
  for (const table of wanted.length === 0 ? [] : spans.tables(readSearchRange(request.query))) {
    const found = query?.kind === 'search' ? runStages(query.stages, table).mask : true
    for (const [name, tags] of names)
      for (const tag of tagNames(table, name))
        if (tags.size < limit && !tags.has(tag) && isOnAny(found, table, name, tag)) tags.add(tag)
  }
  const found = [...names].flatMap(([name, tags]) =>
    tags.size === 0 ? [] : [{ name: name as string, tags: [...tags].sort() }],
  )
  return all || scope === 'intrinsic' ? [...found, { name: 'intrinsic', tags: INTRINSIC_TAGS }] : found
}

function tagNames(table: SpanTable, scope: Scope): readonly string[] {
  if (scope === 'event') return table.events.columnNames()
  if (scope === 'link') return table.links.columnNames()
  return table.columnNames(scope)
}

/** Whether one of these spans has the attribute. */
function isOnAny(found: Uint8Array | boolean, table: SpanTable, scope: Scope, name: string): boolean {
  if (typeof found === 'boolean') return found
  const children = scope === 'event' ? table.events : scope === 'link' ? table.links : undefined
  const column = scope === 'event' || scope === 'link' ? children!.column(name) : table.column(scope, name)
  const codes = column?.codes ?? []
  for (let i = 0; i < codes.length; i++)
    if (codes[i]! > 0 && found[children === undefined ? i : children.span[i]!] === 1) return true
  return false
}

/** v1: plain texts, sorted. A bare name is looked for in a span, its resource and its instrumentation scope. */
export function tagValuesV1({ spans }: TempoContext, request: ApiRequest, tag: string): ApiResponse {
  const scoped = /^(resource|span|event|link|instrumentation|parent)\.|^\.|:/.test(tag) || INTRINSIC_TAGS.includes(tag)
  const name = attributeName(tag)
  const fields = scoped ? [tag] : [`.${name}`, `instrumentation.${name}`]
  const values = fields.flatMap((field) => tagValues(spans, field, request))
  const texts = [...new Set(values.map(({ value }) => value))].sort().slice(0, valueLimit(request))
  return answer(request, SearchTagValuesResponseSchema, { tagValues: texts, metrics: {} })
}

/** v2: typed values of an identifier as TraceQL writes it; with `q`, only those of the spans that match. */
export function tagValuesV2({ spans }: TempoContext, request: ApiRequest, tag: string): ApiResponse {
  return answer(request, SearchTagValuesV2ResponseSchema, { tagValues: tagValues(spans, tag, request), metrics: {} })
}

const valueLimit = ({ query }: ApiRequest) => Math.min(readCount(query, 'limit') || MAX_VALUES, MAX_VALUES)

interface TagValue {
  readonly type: string
  readonly value: string
}

function tagValues(spans: SpanSource, tag: string, request: ApiRequest): TagValue[] {
  const limit = valueLimit(request)
  const keyword = tag.replace(/^span:/, '')
  if (Object.hasOwn(KEYWORDS, keyword))
    return KEYWORDS[keyword]!.slice(0, limit).map((value) => ({ type: 'keyword', value }))
  const { query: grouped, field } = groupBy(tag)
  if (NOT_LISTED.test(tag)) return []
  const range = readSearchRange(request.query)
  const filter = usableFilter(request.query.get('q') ?? '')
  if (filter !== undefined) return filteredValues(spans, filter, tag, range, limit)
  const column = columnReader(field)
  return column === undefined ? valuesOf(grouped, spans, range, limit) : distinct(spans, range, column, limit)
}

/** A query that finds values of any kind of field, and the field. Proves that the tag is an identifier. */
function groupBy(tag: string): { query: Query; field: Field | undefined } {
  try {
    const proof = check(parse(`{ } | count_over_time() by (${tag})`))
    const by = proof.kind === 'metrics' && proof.expression.kind === 'metrics' ? proof.expression.by : []
    return { query: check(parse(`{ } ${countedBy(tag)}`)), field: by[0] }
  } catch (error) {
    if (!(error instanceof TraceQLError)) throw error
    throw httpError(400, `please provide a valid tagName: failed to parse identifier ${tag}: ${error.message}`)
  }
}

/** That a span has no value is none. */
const countedBy = (tag: string) => `| { ${tag} != nil } | count_over_time() by (${tag})`

/** Editors send what is typed so far: a query that doesn't parse filters nothing. */
function usableFilter(text: string): string | undefined {
  if (text.trim() === '' || /^\{\s*\}$/.test(text.trim())) return undefined
  try {
    return check(parse(text)).kind === 'search' ? text : undefined
  } catch (error) {
    if (error instanceof TraceQLError) return undefined
    throw error
  }
}

function filteredValues(spans: SpanSource, filter: string, tag: string, range: TimeRange, limit: number): TagValue[] {
  let query: Query
  try {
    // The filter may end in a comment.
    query = check(parse(`${filter}\n${countedBy(tag)}`))
  } catch (error) {
    // Not every pipeline can be counted (e.g. one that ends in select): then the filter is left out.
    if (!(error instanceof TraceQLError)) throw error
    query = groupBy(tag).query
  }
  return valuesOf(query, spans, range, limit)
}

function valuesOf(query: Query, spans: SpanSource, range: TimeRange, limit: number): TagValue[] {
  const bounded = { startNs: range.startNs ?? 1n, endNs: range.endNs ?? BigInt(Date.now() + 86_400_000) * 1_000_000n }
  if (bounded.startNs >= bounded.endNs) return []
  const values = valueList(limit)
  for (const { labels } of metricsInstant(query, spans, { range: bounded, maxSeries: limit })) {
    const value = labels[0]?.value
    if (value !== undefined) values.add(value)
  }
  return values.found()
}

/** Distinct values, at most `limit`; of an array each element. */
function valueList(limit: number): { add(value: TypedValue): void; full(): boolean; found(): TagValue[] } {
  const found = new Map<string, TagValue>()
  const full = () => found.size >= limit
  return {
    add(value) {
      for (const one of elementsOf(value)) if (!full()) found.set(`${one.type}:${one.value}`, one)
    },
    full,
    found: () => [...found.values()],
  }
}

function elementsOf({ type, value }: TypedValue): TagValue[] {
  if (!Array.isArray(value)) return [{ type: TAG_TYPES[type] ?? type, value: textOf(value, type === 'float') }]
  return value.filter((one: unknown) => one !== null).map((one: unknown) => elementOf(one, type === 'floats'))
}

function elementOf(value: unknown, isFloat: boolean): TagValue {
  const float = isFloat || (typeof value === 'number' && !Number.isInteger(value))
  return { type: float ? 'float' : (ELEMENT_TYPES[typeof value] ?? 'string'), value: textOf(value, float) }
}

/** A value as it is written in a query: one of `2` would find no 2.0. */
const textOf = (value: unknown, isFloat: boolean) =>
  isFloat && Number.isFinite(value) ? printFloat(value as number) : String(value)

const TAG_TYPES: Partial<Record<TypedValue['type'], string>> = { status: 'keyword', kind: 'keyword' }
const ELEMENT_TYPES: Partial<Record<string, string>> = { bigint: 'int', number: 'int', boolean: 'bool' }

type ReadColumns = (table: SpanTable) => readonly (Column | undefined)[]

/** Attributes and texts stand in dictionaries: their values need no look at any row. */
function columnReader(field: Field | undefined): ReadColumns | undefined {
  if (field?.kind === 'intrinsic') return intrinsicReader(field)
  if (field === undefined || field.parent) return undefined
  const { scope, name } = field
  switch (scope) {
    case 'event':
      return (table) => [table.events.column(name)]
    case 'link':
      return (table) => [table.links.column(name)]
    case 'any':
      return (table) => [table.column('span', name), table.column('resource', name)]
    default:
      return (table) => [table.column(scope, name)]
  }
}

function intrinsicReader({ name }: Intrinsic): ReadColumns | undefined {
  if (name === 'name') return (table) => [table.name]
  if (name === 'statusMessage')
    return (table) => [table.statusMessage, table.statusMessage.codes.includes(0) ? EMPTY : undefined]
  return name === 'event:name' ? (table) => [table.events.rows > 0 ? table.events.name : undefined] : undefined
}

/** A span without a message has an empty one. */
const EMPTY: Column = { codes: new Uint8Array(), values: [undefined, ''], types: ['string', 'string'] }

function distinct(spans: SpanSource, range: TimeRange, columns: ReadColumns, limit: number): TagValue[] {
  const values = valueList(limit)
  for (const table of spans.tables(range)) {
    for (const column of columns(table)) {
      for (let code = 1; code < (column?.values.length ?? 0); code++) {
        if (values.full()) return values.found()
        values.add({ type: column!.types[code]!, value: column!.values[code]! })
      }
    }
  }
  return values.found()
}
