/**
 * Whether what a player brings shows the fault: a trace, an order, an audit row, or a query in any of the three languages. A query
 * has to tell the fault from the rest, too: most of what it brings back has to show it, not only some.
 */
import { literalOf } from '@sightline/console/differs'
import type { AnyValue } from '@sightline/console/otlp'
import { isMetricsQuery, spansOfMetrics } from '@sightline/console/traceql-text'
import { type IncidentNote, recentIncidents, SETTLED_MS } from '@sightline/local/incident'
import { until } from '@sightline/service-kit/poll'
import { orphansOf, readSettledTrace, readTrace, type Span } from '../trace/spans.ts'
import type { Incident } from './incident.ts'
import { judgeMetric, type Labels, type Series } from './metric-evidence.ts'
import { askJson, away, type Place, Unanswered } from './place.ts'

/** The verdict, and what it rests on in words for the player. */
export interface Verdict {
  shows: boolean
  says: string
  /** false: there was nothing to look at, or no way to; what it shows is not known. */
  examined: boolean
}

const judged = (shows: boolean, says: string): Verdict => ({ shows, says, examined: true })
const unseen = (says: string): Verdict => ({ shows: false, says, examined: false })

/** Which part of what a query brings has to show the fault. */
const MOST = 0.8
/** How many traces of an answer are looked into. */
const TRACES = 20
/** Spans travel for a second; a trace that was named is waited for. */
const ARRIVES_WITHIN_S = 5
/** How many of the newest lines count; more where those of this run lie behind others. */
const LINES = 500
const LINES_BACK = 5_000
/** How many traces of lines are asked for, at most, until enough of this run are found. */
const LOOKUPS = 60
const SLACK_MS = 2_000

/** Evidence of any kind, as it was typed. */
export type Evidence =
  | { kind: 'trace'; id: string }
  | { kind: 'order' | 'audit'; id: number }
  | { kind: 'query'; languages: readonly Language[]; query: string }
  | { kind: 'none'; says: string }
type Language = 'TraceQL' | 'LogQL' | 'PromQL'

/** Which kind of evidence a text is. Braces are TraceQL or LogQL, whichever takes them; other queries PromQL, or LogQL that counts. */
export function readEvidence(text: string): Evidence {
  const given = text.trim()
  const [, traceparent] = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/i.exec(given) ?? []
  const [, prefix = '', id = traceparent ?? given] = /^(trace|order|audit):\s*(.*)$/is.exec(given) ?? []
  // Tempo's search leaves out leading zeros.
  if (/^[0-9a-f]{24,32}$/i.test(id) && !/order|audit/i.test(prefix))
    return { kind: 'trace', id: id.toLowerCase().padStart(32, '0') }
  if (/^\d{1,15}$/.test(id) && !/trace/i.test(prefix))
    return { kind: /audit/i.test(prefix) ? 'audit' : 'order', id: Number(id) }
  if (/order|audit/i.test(prefix))
    return { kind: 'none', says: `"${id}" is no id of a row: ${prefix}:712 has a number of up to 15 digits` }
  if (prefix || /^[0-9a-f]*\d[0-9a-f]*$/i.test(id))
    return {
      kind: 'none',
      says: `"${id}" is no trace id: it has ${id.length} characters, a trace id has 32 hexadecimal digits`,
    }
  if (/^(select|with|table)\s/i.test(given))
    return { kind: 'none', says: 'SQL is not asked here: name a row that it finds, as order:ID or audit:ID' }
  const [, named, query = given] = /^(traceql|logql|promql):\s*(.*)$/is.exec(given) ?? []
  if (query === '') return { kind: 'none', says: 'there is nothing in it' }
  const language = (['TraceQL', 'LogQL', 'PromQL'] as const).find((one) => one.toLowerCase() === named?.toLowerCase())
  if (language) return { kind: 'query', languages: [language], query }
  const isBraced = /^[(\s]*\{/.test(query)
  return {
    kind: 'query',
    languages: isBraced ? ['TraceQL', 'LogQL'] : query.includes('{') ? ['PromQL', 'LogQL'] : ['PromQL'],
    query,
  }
}

/**
 * `text` is a trace id, `order:ID` or a plain order id, `audit:ID`, or a query; `traceql:`, `logql:`, `promql:` may say which. What
 * can't be looked at is no error: the verdict says why, in the words of who was asked, and what to do.
 */
export async function checkEvidence(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  text: string,
): Promise<Verdict> {
  const evidence = readEvidence(text)
  try {
    if (evidence.kind === 'none') return unseen(evidence.says)
    if (evidence.kind === 'trace') return await checkTrace(place, incident, note, evidence.id)
    if (evidence.kind !== 'query') return await checkRow(place, incident, note, evidence.kind, evidence.id)
    return await checkQuery(place, incident, note, evidence)
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    const isOfRow = evidence.kind !== 'query' && error.isRefused
    return unseen(isOfRow ? `the gateway answered ${error.status}: ${error.message}` : error.message)
  }
}

const CHECKS = { TraceQL: checkTraceql, LogQL: checkLogql, PromQL: checkPromql }
const PAGES = { TraceQL: 'docs/traceql.md', LogQL: 'docs/logql.md', PromQL: 'docs/incidents/README.md#evidence' }

/** By the first language that takes it. Rejects with an Unanswered that has every refusal, or who is away. */
async function checkQuery(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  { languages, query }: Extract<Evidence, { kind: 'query' }>,
): Promise<Verdict> {
  const failures: Unanswered[] = []
  for (const language of languages) {
    try {
      const verdict = await CHECKS[language](place, incident, note, query)
      const isGuessed = languages.length > 1 && !verdict.shows
      return isGuessed ? { ...verdict, says: `${verdict.says} (read as ${language})` } : verdict
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
      failures.push(error)
    }
  }
  const absent = failures.find(({ isRefused }) => !isRefused)
  if (absent) throw absent
  const refusals = failures.map(
    ({ message }, n) => `as ${languages[n]} it is refused: ${message.replaceAll(/\s+/g, ' ')}`,
  )
  const pages = languages.map((language) => PAGES[language]).join(', ')
  throw new Unanswered(`${refusals.join('; ')}. Correct it (${pages}) and try it in Explore first`, 400)
}

async function checkTrace(place: Place, incident: Incident, note: IncidentNote, traceId: string): Promise<Verdict> {
  const trace = await readWhole(place, traceId)
  if (trace === null)
    return unseen(
      `there is no trace ${traceId}: is the id whole, and was the request sampled? npm run trace -- ID shows one`,
    )
  if (!isOfThisRun(trace, note)) return judged(false, `trace ${traceId} is from before the incident`)
  const spans = trace.filter((span) => incident.shows(span, trace))
  if (spans.length === 0) return judged(false, `trace ${traceId} does not show the fault`)
  return judged(true, `trace ${traceId} shows it in ${spans[0]!.service}, ${spans[0]!.name}`)
}

/** By the clocks of most of its services: one of them may be what is wrong. */
function isOfThisRun(trace: readonly Span[], note: IncidentNote): boolean {
  const services = Map.groupBy(trace, ({ service }) => service)
  const during = [...services.values()].filter((spans) =>
    spans.some(({ start }) => Number(start / 1_000_000n) >= note.startedAt - SLACK_MS),
  )
  return during.length * 2 > services.size
}

/** One that is on its way is waited for; null when none comes. */
async function readWhole({ tempo }: Place, traceId: string): Promise<Span[] | null> {
  try {
    return await until(`trace ${traceId}`, ARRIVES_WITHIN_S, () => readSettledTrace(tempo, traceId))
  } catch (error) {
    const { cause } = error as Error
    if (cause === undefined) return null
    throw away('Tempo', tempo, cause)
  }
}

/** By the trace that the row was written in. */
async function checkRow(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  kind: 'order' | 'audit',
  id: number,
): Promise<Verdict> {
  const row = await readRow(place, kind, id)
  const name = kind === 'order' ? `order ${id}` : `audit row ${id}`
  if (row === null) return unseen(`there is no ${name}: npm run audit shows the newest audit rows and their orders`)
  if (!row.trace_id) return judged(false, `${name} has no trace`)
  return checkTrace(place, incident, note, row.trace_id)
}

interface Row {
  id: number
  trace_id: string | null
}

async function readRow({ gateway, credentials }: Place, kind: 'order' | 'audit', id: number): Promise<Row | null> {
  const api = `${gateway}/api/v1`
  if (kind === 'audit') {
    const url = `${api}/audit?limit=1&cursor=${id + 1}`
    const { items } = await askJson<{ items: Row[] }>('The gateway', url, credentials)
    return items.find((found) => found.id === id) ?? null
  }
  try {
    return await askJson<Row>('The gateway', `${api}/orders/${id}`, credentials)
  } catch (error) {
    if (error instanceof Unanswered && error.status === 404) return null
    throw error
  }
}

async function checkTraceql(place: Place, incident: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  if (!isMetricsQuery(query)) return checkSpans(place, incident, note, query)
  const highest = await highestSeries(place, query, seconds(incident, note))
  if (highest === undefined) return unseen(nothingOf('series'))
  const verdict = await checkSpans(place, incident, note, spansOfSeries(query, highest.labels))
  return { ...verdict, says: `${verdict.says}, of its highest series` }
}

interface TraceqlSeries {
  labels?: { key: string; value: AnyValue }[]
  value?: number
}

/** As with PromQL, what counts is the series that stands out. Rejects with an Unanswered when the query is refused. */
async function highestSeries(place: Place, q: string, times: { start: string; end: string }) {
  const url = `${place.tempo}/api/metrics/query?${new URLSearchParams({ q, ...times })}`
  const { series = [] } = await askJson<{ series?: TraceqlSeries[] }>('Tempo', url)
  const [highest] = series.toSorted((a, b) => (b.value ?? 0) - (a.value ?? 0))
  return highest && { labels: highest.labels ?? [] }
}

/** The spans that a TraceQL metrics query counts in the series with these labels. */
export function spansOfSeries(query: string, labels: NonNullable<TraceqlSeries['labels']>): string {
  // `__name__`, `__bucket` of histograms and `p` of quantiles are no fields of spans.
  const fields = labels.filter(({ key }) => !/^(__|p$)/.test(key))
  // The series of spans without a field has the text nil for it.
  const conditions = fields.map(
    ({ key, value }) => `${key} = ${value.stringValue === 'nil' ? 'nil' : literalOf(key, value)}`,
  )
  const spans = spansOfMetrics(query)
  return conditions.length === 0 ? spans : `${spans} | { ${conditions.join(' && ')} }`
}

async function checkSpans(place: Place, incident: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  const found = await countSpans(place, incident, note, query, cannotShow)
  const verdict = judgeSpans(found)
  if (!verdict.shows) return verdict
  // Where most of all that goes on shows it, a query has to find more than anything finds.
  const any = await countSpans(place, incident, note, '{ }', (counted, left) => mustStandOut(found, counted, left))
  if (standsOut(found, any)) return verdict
  return judged(false, `${verdict.says}, which is no more than of all spans: select what sets them apart`)
}

/** Of the spans of one trace that a query brings, how many show the fault. */
interface Counted {
  brought: number
  showing: number
}

/** Each trace counts once: of a few with hundreds of spans that show it and many with few that don't, most don't. */
export function judgeSpans(traces: readonly Counted[]): Verdict {
  const brought = traces.reduce((sum, trace) => sum + trace.brought, 0)
  if (brought === 0) return unseen(nothingOf('span'))
  const showing = traces.reduce((sum, trace) => sum + trace.showing, 0)
  const share = showingOf(traces)
  const counted = `in the mean of ${plural(traces.length, 'trace')} ${percent(share)} of the spans that the query brings show the fault`
  if (share >= MOST) return judged(true, counted)
  return judged(
    false,
    `${counted}, and ${percent(MOST)} have to. Each trace counts once, however many of its spans are found (of all, ${showing} of ${brought} show it)`,
  )
}

const percent = (share: number) => `${Math.round(share * 100)} %`
const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
/** Where nothing can be looked at, a mistake in writing is likelier than a wrong idea. */
const nothingOf = (what: string) =>
  `the query brings no ${what} of this incident. Is every name and value in it written as it is stored? Try it in Explore first`

/** Whether of what a query brings at most half as much does not show the fault as of anything. */
export const standsOut = (found: readonly Counted[], any: readonly Counted[]): boolean =>
  1 - showingOf(found) <= (1 - showingOf(any)) / 2
/** Whether it does whatever `left` more traces of anything show: where all that was found shows the fault, none has to be looked at. */
export const mustStandOut = (found: readonly Counted[], any: readonly Counted[], left: number): boolean =>
  standsOut(found, [...any, ...Array<Counted>(left).fill({ brought: 1, showing: 1 })])
/** Whether too little of these traces shows the fault, whatever `left` more of them show. */
export const cannotShow = (traces: readonly Counted[], left: number): boolean =>
  showingOf(traces) * traces.length + left < MOST * (traces.length + left)
/** The mean share of a trace; 0 of none. */
const showingOf = (traces: readonly Counted[]): number =>
  traces.reduce((sum, { brought, showing }) => sum + showing / brought, 0) / Math.max(1, traces.length)

/** Of the first traces that the query brings, until `isEnough` of them, with so many left to look into. */
async function countSpans(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  query: string,
  isEnough: (counted: readonly Counted[], left: number) => boolean = () => false,
): Promise<Counted[]> {
  const { traces = [] } = await askJson<{
    traces?: { traceID: string; spanSets?: { spans: { spanID: string }[] }[] }[]
  }>(
    'Tempo',
    `${place.tempo}/api/search?${new URLSearchParams({ q: query, limit: '20', spss: '20', ...seconds(incident, note) })}`,
  )
  const counted: Counted[] = []
  const looked = traces.slice(0, TRACES)
  for (const [n, { traceID, spanSets = [] }] of looked.entries()) {
    if (isEnough(counted, looked.length - n)) break
    const trace = await readTrace(place.tempo, traceID.padStart(32, '0')).catch((error) => {
      throw away('Tempo', place.tempo, error)
    })
    if (trace === null || !isOfThisRun(trace, note)) continue
    const ids = new Set(spanSets.flatMap(({ spans }) => spans.map(({ spanID }) => spanID.padStart(16, '0'))))
    const found = trace.filter(({ id }) => ids.has(id))
    if (found.length === 0) continue
    const one = { brought: found.length, showing: found.filter((span) => incident.shows(span, trace)).length }
    if (counts(incident, one, trace)) counted.push(one)
  }
  return counted
}

/**
 * Whether a trace can be judged. Where clocks are wrong its age does not tell whether all of it is there: of one that shows nothing and
 * misses a parent, what is still on its way may be what shows the fault.
 */
export const counts = (
  { lookBackSeconds }: Pick<Incident, 'lookBackSeconds'>,
  { showing }: Counted,
  trace: readonly Pick<Span, 'id' | 'parentId'>[],
): boolean => showing > 0 || lookBackSeconds === undefined || orphansOf(trace).length === 0

async function checkLogql(place: Place, incident: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  const from = note.startedAt - (incident.lookBackSeconds ?? 0) * 1000
  const range = {
    start: `${from}000000`,
    end: `${Date.now()}000000`,
    limit: String(incident.lookBackSeconds ? LINES_BACK : LINES),
  }
  const { data } = await askJson<{
    data: { resultType: string; result: { stream: Record<string, string>; values: [string, string][] }[] }
  }>('Loki', `${place.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, ...range })}`)
  if (data.resultType !== 'streams')
    return unseen('LogQL that counts brings no lines: give the query inside, {...} |= ...')
  const lines = data.result.flatMap(({ stream, values }) => values.map(([, line]) => ({ line, labels: stream })))
  if (incident.line !== undefined)
    return judge('line', lines.length, lines.filter(({ line, labels }) => incident.line!(line, labels)).length)
  return judgeByTraces(place, incident, note, lines)
}

/**
 * Lines of a span that shows it, and of the service that causes it in traces that do. Of many traces some are looked into, and their
 * lines count.
 */
async function judgeByTraces(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  lines: { labels: Labels }[],
): Promise<Verdict> {
  const byTrace = Map.groupBy(lines, ({ labels }) => labels.trace_id ?? '')
  // Those of no trace don't show it.
  let [brought, showing, traces] = [byTrace.get('')?.length ?? 0, 0, 0]
  byTrace.delete('')
  const longest = [...byTrace.values()].reduce((most, { length }) => Math.max(most, length), 0)
  for (const id of spread([...byTrace.keys()], LOOKUPS)) {
    const left = (TRACES - traces) * longest
    if (left === 0 || showing + left < MOST * (brought + left)) break
    const spans = await spansThatShow(place, incident, note, id)
    if (spans === null) continue
    traces++
    for (const { labels } of byTrace.get(id)!) {
      brought++
      const isOfCause = spans.size > 0 && labels.service_name === incident.cause.service
      if (isOfCause || spans.has(labels.span_id ?? '')) showing++
    }
  }
  return judge('line', brought, showing)
}

/** So many of them at most, from the first to the last: the newest alone need not be like the rest. */
const spread = <T>(all: readonly T[], most: number): T[] => {
  const step = Math.max(1, all.length / most)
  const chosen = Array.from({ length: Math.min(all.length, most) }, (_, n) => all[Math.floor(n * step)]!)
  // Every seventh first, so that some of each part are among the first few.
  return Array.from({ length: 7 }, (_, n) => chosen.filter((_, index) => index % 7 === n)).flat()
}

/** Their ids; null of a trace that is not of this run. */
async function spansThatShow(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  id: string,
): Promise<Set<string> | null> {
  const trace = await readWhole(place, id)
  if (trace === null) return new Set()
  if (!isOfThisRun(trace, note)) return null
  return new Set(trace.filter((span) => incident.shows(span, trace)).map((span) => span.id))
}

async function checkPromql(place: Place, { metric }: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  const others = recentIncidents(place.home).filter(({ startedAt }) => startedAt !== note.startedAt)
  const times = {
    since: (note.startedAt - SLACK_MS) / 1000,
    until: (note.endedAt ?? Date.now()) / 1000,
    isQuiet: (at: number) =>
      !others.some(({ startedAt, endedAt = startedAt }) => at * 1000 >= startedAt && at * 1000 < endedAt + SETTLED_MS),
  }
  const isAtFault = (labels: Labels) => metric?.names.test(labels.__name__ ?? '') === true && metric.series(labels)
  // Asked before anything is said, so that a query that is none is told so whatever the incident.
  const { shows, says, brings } = await judgeMetric(query, isAtFault, times, (asked, at) =>
    askMetrics(place, asked, at),
  )
  if (!brings) return unseen(says)
  if (metric === undefined) return judged(false, 'no metric tells this fault from others; bring a trace or lines')
  return judged(shows, says)
}

async function askMetrics({ prometheus }: Place, query: string, at: number): Promise<Series[]> {
  const url = `${prometheus}/api/v1/query?${new URLSearchParams({ query, time: String(at) })}`
  const { data } = await askJson<{ data: Vector | Single<'scalar'> | Single<'string'> }>('Prometheus', url)
  if (data.resultType === 'scalar' || data.resultType === 'string')
    return [{ labels: {}, values: [numbers(data.result)] }]
  return data.result.map(({ metric, value, values = [value!] }) => ({ labels: metric, values: values.map(numbers) }))
}

type Value = [time: number, value: string]
interface Vector {
  resultType: 'vector' | 'matrix'
  result: { metric: Labels; value?: Value; values?: Value[] }[]
}
interface Single<Type> {
  resultType: Type
  result: Value
}

const numbers = ([time, value]: Value) => [time, Number(value)] as const

/** Of a younger trace some spans are still on their way: in what is there, the fault may not be seen yet. */
const WHOLE_AFTER_S = 2

/** Tempo's search takes whole seconds. */
const seconds = ({ lookBackSeconds = 0 }: Incident, note: IncidentNote) => {
  const start = Math.floor(note.startedAt / 1000) - lookBackSeconds
  return { start: String(start), end: String(Math.max(start + 1, Math.floor(Date.now() / 1000) - WHOLE_AFTER_S)) }
}

function judge(what: string, brought: number, showing: number): Verdict {
  if (brought === 0) return unseen(nothingOf(what))
  const counted = `${showing} of ${plural(brought, what)} that the query brings show the fault`
  return showing / brought >= MOST
    ? judged(true, counted)
    : judged(false, `only ${counted}, and ${percent(MOST)} have to`)
}
