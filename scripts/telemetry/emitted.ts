/** What a run has really sent, as the query APIs of Tempo, Loki and Prometheus have it: local mode, the stack and a cluster answer alike. */
import type { AnyValue, KeyValue, OtlpTrace } from '@sightline/console/otlp'
import { getJson, MOST_OF_A_TRACE, type System } from '../ask/system.ts'
import { searchTraces, traceMetric } from '../ask/tempo.ts'
import { inSeconds, type Window } from '../ask/window.ts'
import { type Labels, readSeries } from '../bill/budget.ts'
import { flatName, type Registry, type SpanType, type Use } from './registry.ts'

/** Types of values by key: string, int, double, boolean, a list of one of them (`int[]`), or `[]` of an empty one. */
export type Typed = Readonly<Record<string, string>>

export interface EmittedSpan {
  trace: string
  service: string
  /** As TraceQL names it. */
  kind: string
  name: string
  attributes: Typed
  resource: Typed
  events: readonly { name: string; attributes: Typed }[]
}

/** A log line: its labels and fields as Loki's API shows them, which are texts. */
export interface EmittedLine {
  service: string
  fields: Labels
}

export interface Emitted {
  /**
   * A few of each name and outcome, and one with each attribute and event that there is: not all of them. The namespace tells ours from those
   * of others.
   */
  spans: readonly EmittedSpan[]
  /** The newest of each service, and one with each field that was looked for. */
  lines: readonly EmittedLine[]
  series: readonly Labels[]
  /** Prometheus' type of a metric by its name. */
  types: Readonly<Record<string, string>>
}

const OURS = 'resource.service.namespace = "sightline"'
const TRACES_OF_A_NAME = 3
const LINES_OF_A_SERVICE = 500

/** Rejects with an Unanswered that says who was asked in vain. */
export async function readEmitted(system: System, registry: Registry, minutes: number): Promise<Emitted> {
  const endNs = BigInt(Date.now()) * 1_000_000n
  const window = { startNs: endNs - BigInt(minutes) * 60_000_000_000n, endNs }
  const [spans, lines, series, types] = await Promise.all([
    readSpans(system, registry, window),
    readLines(system, registry, window),
    readSeries(system, minutes),
    readTypes(system),
  ])
  return { spans, lines, series, types }
}

// --- spans

async function readSpans(system: System, registry: Registry, window: Window): Promise<EmittedSpan[]> {
  const seen = new Map<string, EmittedSpan[]>()
  const all = () => [...seen.values()].flat()
  /** Fetches the newest traces that have a span as `filter` says. */
  async function take(filter: string): Promise<void> {
    const query = `{ ${OURS} && ${filter} }`
    const found = await searchTraces(system, { query, window, limit: TRACES_OF_A_NAME, spans: 1 })
    for (const { traceID } of found) if (!seen.has(traceID)) seen.set(traceID, await fetchSpans(system, traceID))
  }

  const names = await traceMetric(
    system,
    `{ ${OURS} } | count_over_time() by (resource.service.name, name, kind, status)`,
    window,
  )
  for (const { labels } of names) {
    const [service, name, kind] = [labels['resource.service.name'], labels.name, labels.kind].map(String)
    const isSeen = (span: EmittedSpan) => span.service === service && span.name === name && span.kind === kind
    if (all().some(isSeen)) continue
    await take(`resource.service.name = ${quoted(service!)} && name = ${quoted(name!)} && kind = ${kind}`)
  }
  for (const filter of await unseenNames(system, window, all())) await take(filter)
  // What is declared and not among those may still be in others.
  for (const type of registry.spans) {
    const those = all().filter((span) => isOfType(type, span))
    if (those.length === 0) continue
    const condition = `name =~ ${quoted(type.pattern)} && kind = ${type.kind}${ofServices(type.services)}`
    for (const { attribute } of expected(type.uses)) {
      if (!those.some(({ attributes }) => attribute.name in attributes))
        await take(`${condition} && ${scoped('span', attribute.name)} != nil`)
    }
    const lacking = type.uses
      .filter(({ level }) => level === 'required')
      .map(({ attribute }) => `${scoped('span', attribute.name)} = nil`)
    if (lacking.length > 0) await take(`${condition} && (${lacking.join(' || ')})`)
  }
  return all()
}

/** Whether it is a span of that kind and name, and of a service that sends it. */
export const isOfType = ({ services, kind, pattern }: SpanType, span: EmittedSpan): boolean =>
  kind === span.kind &&
  (services.length > 0 ? services.includes(span.service) : !EDGES.has(span.service)) &&
  new RegExp(`^(?:${pattern})$`).test(span.name)

/** These are no service of the chain: a span of every service is none of theirs. */
const EDGES: ReadonlySet<string> = new Set(['gateway', 'browser', 'postgresql'])

const ofServices = (services: readonly string[]) =>
  services.length > 0 ? ` && resource.service.name =~ ${quoted(services.join('|'))}` : ''

/** What has to be seen in a run under load. */
export const expected = (uses: readonly Use[]): Use[] => uses.filter(({ level }) => level !== 'conditionally_required')

/** Filters for attributes and events of which none is among `spans`. */
async function unseenNames(system: System, window: Window, spans: readonly EmittedSpan[]): Promise<string[]> {
  const query = { q: `{ ${OURS} }`, limit: '5000', ...inSeconds(window) }
  const { scopes = [] } = await getJson<{ scopes?: { name: string; tags: string[] }[] }>('Tempo', system.tempo, {
    path: '/api/v2/search/tags',
    query,
  })
  const { tagValues = [] } = await getJson<{ tagValues?: { value: string }[] }>('Tempo', system.tempo, {
    path: '/api/v2/search/tag/event:name/values',
    query,
  })
  const seen = {
    span: new Set(spans.flatMap(({ attributes }) => Object.keys(attributes))),
    resource: new Set(spans.flatMap(({ resource }) => Object.keys(resource))),
    event: new Set(spans.flatMap(({ events }) => events.flatMap(({ attributes }) => Object.keys(attributes)))),
  }
  const seenEvents = new Set(spans.flatMap(({ events }) => events.map(({ name }) => name)))
  return [
    ...Object.entries(seen).flatMap(([scope, known]) =>
      (scopes.find(({ name }) => name === scope)?.tags ?? [])
        .filter((tag) => !known.has(tag))
        .map((tag) => `${scoped(scope, tag)} != nil`),
    ),
    ...tagValues.filter(({ value }) => !seenEvents.has(value)).map(({ value }) => `event:name = ${quoted(value)}`),
  ]
}

const quoted = (text: string) => JSON.stringify(text)
const scoped = (scope: string, name: string) => `${scope}.${/^[\w.]+$/.test(name) ? name : quoted(name)}`

/** Those of the trace that are ours. */
async function fetchSpans({ tempo }: System, trace: string): Promise<EmittedSpan[]> {
  const { resourceSpans, batches } = await getJson<OtlpTrace>('Tempo', tempo, {
    path: `/api/traces/${trace}`,
    most: MOST_OF_A_TRACE,
  })
  return (resourceSpans ?? batches ?? []).flatMap(({ resource, scopeSpans = [] }) => {
    const text = (key: string) => resource?.attributes?.find((one) => one.key === key)?.value?.stringValue ?? ''
    if (text('service.namespace') !== 'sightline') return []
    const [service, common] = [text('service.name'), typesOf(resource?.attributes)]
    return scopeSpans.flatMap(({ spans = [] }) =>
      spans.map(({ name = '', kind = 0, attributes, events = [] }) => ({
        trace,
        service,
        kind: KINDS[Number(kind)] ?? String(kind).replace('SPAN_KIND_', '').toLowerCase(),
        name,
        attributes: typesOf(attributes),
        resource: common,
        events: events.map((event) => ({ name: event.name ?? '', attributes: typesOf(event.attributes) })),
      })),
    )
  })
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']

const typesOf = (attributes: readonly KeyValue[] = []): Typed =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, typeOf(value ?? {})]))

function typeOf({ arrayValue, stringValue, intValue, doubleValue, boolValue }: AnyValue): string {
  if (arrayValue) return `${arrayValue.values?.[0] ? typeOf(arrayValue.values[0]) : ''}[]`
  if (stringValue !== undefined) return 'string'
  if (intValue !== undefined) return 'int'
  if (doubleValue !== undefined) return 'double'
  return boolValue === undefined ? 'map or bytes' : 'boolean'
}

// --- log lines

async function readLines(system: System, { logs }: Registry, window: Window): Promise<EmittedLine[]> {
  const lines: EmittedLine[] = []
  const take = async (query: string, limit: number) => {
    const { data } = await getJson<{ data: { result: { stream: Labels; values: unknown[] }[] } }>('Loki', system.loki, {
      path: '/loki/api/v1/query_range',
      query: { query, limit: String(limit), start: String(window.startNs), end: String(window.endNs) },
    })
    for (const { stream } of data.result) lines.push({ service: stream.service_name ?? '', fields: stream })
  }
  for (const service of new Set(logs.flatMap(({ services }) => services)))
    await take(`{service_name="${service}"}`, LINES_OF_A_SERVICE)
  for (const { services, uses, when } of logs) {
    if (when !== undefined) continue
    const of = services.length > 0 ? services.join('|') : '.+'
    for (const { attribute } of expected(uses)) {
      const field = flatName(attribute.name)
      if (lines.some(({ service, fields }) => isOf(services, service) && field in fields)) continue
      await take(`{service_name=~"${of}"} | ${field} != ""`, 1)
    }
  }
  return lines
}

export const isOf = (services: readonly string[], service: string): boolean =>
  services.length === 0 || services.includes(service)

// --- metrics

async function readTypes({ prometheus }: System): Promise<Record<string, string>> {
  const { data } = await getJson<{ data: Record<string, { type: string }[]> }>('Prometheus', prometheus, {
    path: '/api/v1/metadata',
  })
  return Object.fromEntries(Object.entries(data).map(([name, [first]]) => [name, first?.type ?? 'unknown']))
}
