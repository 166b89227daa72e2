/**
 * What differs between two groups of spans, by TraceQL's `compare()`: the values of every attribute counted on either side, and
 * ranked by how far their shares lie apart.
 */
import { type Client, getJson } from './http.ts'
import type { AnyValue } from './otlp.ts'
import type { TimeRange } from './time-range.ts'
import { compareParts, outsideStrings, splitHints } from './traceql-text.ts'
import { withParams } from './url.ts'

/** Which spans are compared: filters as they stand in braces, without them; `spans` may be a whole query with its braces. */
export interface Comparison {
  /** All that is looked at; '' is every span. */
  readonly spans: string
  /** Those of them that one wonders about. */
  readonly selection: string
  /** What they are held against; '' is the rest. */
  readonly against: string
  /** Only spans that start in there, milliseconds since 1970, are selected; the others are the rest. */
  readonly window?: TimeRange
}

/** A value of an attribute; `literal` is how TraceQL writes it, undefined for spans that lack the attribute. */
export interface DifferentValue {
  readonly text: string
  readonly literal: string | undefined
  /** Of an array: its elements as TraceQL writes them, one by one. */
  readonly elements?: readonly string[]
  /** Shares of the selected spans, and of the others, 0 to 1. */
  readonly selected: number
  readonly other: number
}

export interface Difference {
  /** As TraceQL names it: `span.http.route`, `name`. */
  readonly attribute: string
  /** The largest distance between the two shares of one value, 0 to 1. */
  readonly distance: number
  /** The value that lies furthest apart first. */
  readonly values: readonly DifferentValue[]
}

export interface Differences {
  /** Numbers of spans. */
  readonly selected: number
  readonly others: number
  /** The most telling first; attributes that say the same of both sides are left out. */
  readonly ranked: readonly Difference[]
}

interface Labelled {
  key: string
  value?: AnyValue
}
export interface CompareAnswer {
  series?: { labels?: Labelled[]; value?: number }[]
}

/** Of each attribute so many values are asked for on either side: the rest of a long list hardly tells anything. */
const VALUES = 30
/** Less than this is chance, or nobody's concern. */
const LEAST_DISTANCE = 0.02

export async function loadDifferences(client: Client, comparison: Comparison, range: TimeRange): Promise<Differences> {
  const answer = await getJson<CompareAnswer>(client, '/api/tempo/api/metrics/query', {
    q: compareQuery(comparison),
    start: String(Math.floor(range.from / 1000)),
    end: String(Math.ceil(range.to / 1000)),
  })
  return rank(answer)
}

const all = (...filters: string[]): string => {
  const given = filters.filter((filter) => filter.trim() !== '')
  return given.length > 1 ? given.map((filter) => `(${filter})`).join(' && ') : (given[0] ?? '')
}
const braces = (filter: string): string => (filter.trim() === '' ? '{ }' : `{ ${filter.trim()} }`)

/** The query behind the page. */
export function compareQuery({ spans, selection, against, window }: Comparison): string {
  const sides = against.trim() === '' ? '' : `(${selection}) || (${against})`
  const times = window ? `, ${VALUES}, ${nanos(window.from)}, ${nanos(window.to)}` : `, ${VALUES}`
  return `${filtered(spans, sides)} | compare(${braces(selection)}${times})`
}
/** `spans`, and of them those that all filters hold for. */
function filtered(spans: string, ...filters: string[]): string {
  if (!/^[{(]/.test(spans.trim())) return braces(all(spans, ...filters))
  const more = all(...filters)
  return more === '' ? spans.trim() : `${spans.trim()} | ${braces(more)}`
}
const nanos = (ms: number): string => `${Math.round(ms)}000000`

/** The selected spans that have this value: what one looks at next. */
export const narrowed = (
  { spans, selection }: Comparison,
  attribute: string,
  { literal, elements }: DifferentValue,
): string => filtered(spans, selection, ...(elements ?? [literal ?? 'nil']).map((one) => `${attribute} = ${one}`))

/** The selected spans, and the others. */
export const sidesOf = ({ spans, selection, against }: Comparison): { selected: string; others: string } => ({
  selected: filtered(spans, selection),
  others: filtered(spans, against.trim() === '' ? (selection.trim() === '' ? '' : `!(${selection})`) : against),
})

/** The spans that a search finds, as a comparison takes them: its filter where it is no more than that. */
export function spansOf(query: string): { spans: string; filter: string | undefined } {
  const search = splitHints(query).stages.trim()
  const [, filter] = /^\{((?:[^{}"`]|"(?:[^"\\]|\\.)*"|`[^`]*`)*)\}$/.exec(search) ?? []
  return { spans: (filter ?? search).trim(), filter }
}

/** What a query with `compare()` compares; undefined for all others. */
export function comparisonOf(query: string): Comparison | undefined {
  const parts = compareParts(query)
  if (!parts) return undefined
  const { spans, selection, window } = parts
  const ms = (nanos: string) => Number(nanos) / 1e6
  return {
    spans: spansOf(spans).spans,
    selection,
    against: '',
    ...(window && { window: { from: ms(window.from), to: ms(window.to) } }),
  }
}

/** What a search leads on to: how its spans differ from all others, and how those of them that failed do. */
export function comparisonsOf(query: string): readonly { title: string; comparison: Comparison }[] {
  const { spans, filter } = spansOf(query)
  const rest =
    filter?.trim() &&
    ({
      title: 'What differs from all others',
      comparison: { spans: '', selection: filter.trim(), against: '' },
    } as const)
  const errors = !isNamedIn(query, 'status') && {
    title: 'What differs where they failed',
    comparison: { spans, selection: 'status = error', against: '' },
  }
  return [rest, errors].filter((one) => typeof one === 'object')
}

/** The page's address; times as the other pages have them. */
export const differsHref = (
  { spans, selection, against, window }: Comparison,
  range: { from: string; to: string },
): string =>
  withParams('/differs', {
    spans: spans || null,
    selection,
    against: against || null,
    window: window ? `${Math.round(window.from)}-${Math.round(window.to)}` : null,
    from: range.from,
    to: range.to,
  })

/** Undefined when the address asks for no comparison yet. */
export function comparisonIn(params: URLSearchParams): Comparison | undefined {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(params.get('window') ?? '') ?? []
  const selection = params.get('selection') ?? ''
  if (selection.trim() === '' && !from) return undefined
  return {
    spans: params.get('spans') ?? '',
    selection,
    against: params.get('against') ?? '',
    ...(from && { window: { from: Number(from), to: Number(to) } }),
  }
}

const IN_EVERY_SPAN = ['name', 'kind', 'status']

type Counted = Pick<DifferentValue, 'text' | 'elements'> & { count: number }

interface Side {
  /** By attribute, then by the value's literal. */
  readonly counts: Map<string, Map<string, Counted>>
  readonly totals: Map<string, number>
}

/** What `compare()` counted: how many spans `of` a side have an attribute at all, or one value of it. */
export function* countsIn({ series = [] }: CompareAnswer) {
  for (const { labels = [], value: count = 0 } of series) {
    const type = labels.find(({ key }) => key === '__meta_type')?.value?.stringValue ?? ''
    const label = labels.find(({ key }) => key !== '__meta_type')
    if (label) yield { of: type.replace(/_total$/, ''), isTotal: type.endsWith('_total'), label, count }
  }
}

/**
 * Shares of all spans of a side. Every span has a name, a kind and a status; Tempo 3.0 counts twice those of them that the filter
 * before `compare()` names, so the least of the three is right.
 */
export function rank({ series = [] }: CompareAnswer): Differences {
  const sides: Record<string, Side> = {
    selection: { counts: new Map(), totals: new Map() },
    baseline: { counts: new Map(), totals: new Map() },
  }
  for (const { of, isTotal, label, count } of countsIn({ series })) {
    const side = sides[of]
    if (!side) continue
    if (isTotal) {
      side.totals.set(label.key, count)
      continue
    }
    const values = side.counts.get(label.key) ?? new Map()
    side.counts.set(label.key, values.set(literalOf(label.key, label.value), { ...readLabel(label), count }))
  }
  const { selection, baseline } = sides as { selection: Side; baseline: Side }
  const sizeOf = ({ totals }: Side) =>
    Math.min(...IN_EVERY_SPAN.map((name) => totals.get(name) ?? Number.POSITIVE_INFINITY))
  const [selected, others] = [selection, baseline].map((side) => (side.totals.size === 0 ? 0 : sizeOf(side))) as [
    number,
    number,
  ]
  const attributes = new Set([...selection.counts.keys(), ...baseline.counts.keys()])
  const ranked = [...attributes].flatMap((attribute): Difference[] => {
    const share = (side: Side, of: number, literal: string) =>
      of === 0 ? 0 : (side.counts.get(attribute)?.get(literal)?.count ?? 0) / of
    const lack = (side: Side, of: number) => (of === 0 ? 0 : 1 - (side.totals.get(attribute) ?? 0) / of)
    const known = new Map([...(baseline.counts.get(attribute) ?? []), ...(selection.counts.get(attribute) ?? [])])
    const values: DifferentValue[] = [...known].map(([literal, { text, elements }]) => ({
      text,
      ...(elements && { elements }),
      literal,
      selected: share(selection, selected, literal),
      other: share(baseline, others, literal),
    }))
    const absent = { selected: lack(selection, selected), other: lack(baseline, others) }
    if (absent.selected > 0 || absent.other > 0) values.push({ text: 'not there', literal: undefined, ...absent })
    values.sort((a, b) => distance(b) - distance(a) || b.selected - a.selected)
    return [{ attribute, distance: values[0] ? distance(values[0]) : 0, values }]
  })
  return {
    selected,
    others,
    ranked: ranked
      .filter((one) => one.distance >= LEAST_DISTANCE)
      .sort((a, b) => b.distance - a.distance || a.attribute.localeCompare(b.attribute)),
  }
}

const gain = ({ selected, other }: DifferentValue): number => selected - other
const distance = ({ selected, other }: DifferentValue): number => Math.abs(selected - other)

const textOf = ({ arrayValue, ...value }: AnyValue): string =>
  arrayValue ? (arrayValue.values ?? []).map(textOf).join(', ') : String(Object.values(value)[0] ?? '')

function readLabel({ key, value = {} }: Labelled): Pick<DifferentValue, 'text' | 'elements'> {
  const elements = value.arrayValue?.values?.map((one) => literalOf(key, one))
  return { text: textOf(value), ...(elements?.length && { elements }) }
}

/** Words of the language, which stand without quotes. */
const BARE: readonly string[] = ['kind', 'status']

/** As TraceQL writes a value of that attribute. */
export function literalOf(key: string, value: AnyValue = {}): string {
  if (value.arrayValue) return `[${(value.arrayValue.values ?? []).map((one) => literalOf(key, one)).join(', ')}]`
  if (value.stringValue === undefined) return textOf(value)
  return BARE.includes(key) ? value.stringValue : JSON.stringify(value.stringValue)
}

const OF_FAILURES: readonly string[] = ['span.error.type', 'statusMessage']
/** A smaller difference between the shares is not one that explains anything. */
const CLEAR = 0.2

/** The value that the selected spans have most more often than the others: what they have says more than what they lack. */
export function mostTelling(
  { ranked }: Differences,
  { selection }: Comparison,
): { attribute: string; value: DifferentValue } | undefined {
  // What the selection itself names, or what every failed span has, is no news.
  const told = isNamedIn(selection, 'status') ? OF_FAILURES : []
  const news = ranked.filter(({ attribute }) => !isNamedIn(selection, attribute) && !told.includes(attribute))
  const [most] = news
    .flatMap(({ attribute, values }) => values.map((value) => ({ attribute, value })))
    .toSorted((a, b) => gain(b.value) - gain(a.value))
  return most
}

/** Whether a look at those spans alone would tell anything. */
export const isClear = (value: DifferentValue): boolean => gain(value) >= CLEAR

/** The same in words; undefined when nothing differs. */
export function sentence(differences: Differences, comparison: Comparison): string | undefined {
  const most = mostTelling(differences, comparison)
  if (!most) return undefined
  const { attribute, value } = most
  const has = value.literal === undefined ? `lack ${attribute}` : `have ${attribute} = ${value.literal}`
  const clear = isClear(value) ? '' : 'Nothing differs clearly. At most: '
  return `${clear}${percent(value.selected)} of the selected spans ${has}, of the others ${percent(value.other)}.`
}

/** Whether a filter speaks of an attribute. */
export const isNamedIn = (filter: string, attribute: string): boolean =>
  outsideStrings(filter)
    .split(/[^\w.:]+/)
    .some((word) => word === attribute || word === attribute.replace(/^(span|resource|instrumentation)(?=\.)/, ''))

/** `93 %`; what is there is never 0, what is missing never 100. */
export function percent(share: number): string {
  const hundredths = share * 100
  if (hundredths > 0 && hundredths < 1) return '<1 %'
  if (hundredths > 99 && hundredths < 100) return '>99 %'
  return `${Math.round(hundredths)} %`
}
