/**
 * Whether what a player brings shows the fault: a trace, an order, or a query in any of the three languages. A query has to tell
 * the fault from the rest, too: most of what it brings back has to show it, not only some.
 */
import type { IncidentNote } from '@sightline/local/incident'
import { until } from '@sightline/service-kit/poll'
import { readSettledTrace, readTrace, type Span } from '../trace/spans.ts'
import type { Incident } from './incident.ts'
import { askJson, type Place } from './place.ts'

/** The verdict, and what it rests on in words for the player. */
export interface Verdict {
  shows: boolean
  says: string
}

/** Which part of what a query brings has to show the fault. */
const MOST = 0.8
/** How many traces of an answer are looked into. */
const TRACES = 10
/** Spans travel for a second; a trace that was named is waited for. */
const ARRIVES_WITHIN_S = 5
const SLACK_MS = 2_000

/** `text` is a trace id, `order:ID` or a plain order id, `audit:ID`, or a query; `traceql:`, `logql:`, `promql:` may say which. */
export async function checkEvidence(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  text: string,
): Promise<Verdict> {
  const given = text.trim()
  const [, row, id] = /^(order:|audit:|)(\d{1,18})$/.exec(given) ?? []
  const [, language, query = given] = /^(traceql|logql|promql):(.*)$/s.exec(given) ?? []
  try {
    if (/^[0-9a-f]{32}$/i.test(given)) return await checkTrace(place, incident, note, given.toLowerCase())
    if (id !== undefined) return await checkRow(place, incident, note, row === 'audit:' ? 'audit' : 'order', Number(id))
    if (language === 'traceql') return await checkTraceql(place, incident, note, query)
    if (language === 'logql') return await checkLogql(place, incident, note, query)
    if (language === 'promql' || !query.startsWith('{')) return await checkPromql(place, incident, note, query)
    // Only one of the two languages takes a given pair of braces.
    return await checkTraceql(place, incident, note, query).catch(() => checkLogql(place, incident, note, query))
  } catch (error) {
    return { shows: false, says: `it could not be looked at: ${(error as Error).message}` }
  }
}

async function checkTrace(place: Place, incident: Incident, note: IncidentNote, traceId: string): Promise<Verdict> {
  const trace = await readWhole(place, traceId)
  if (trace === null) return { shows: false, says: `there is no trace ${traceId}` }
  if (!isOfThisRun(trace, note)) return { shows: false, says: `trace ${traceId} is from before the incident` }
  const spans = trace.filter((span) => incident.shows(span, trace))
  if (spans.length === 0) return { shows: false, says: `trace ${traceId} does not show the fault` }
  return { shows: true, says: `trace ${traceId} shows it in ${spans[0]!.service}, ${spans[0]!.name}` }
}

/** By the clocks of most of its services: one of them may be what is wrong. */
function isOfThisRun(trace: readonly Span[], note: IncidentNote): boolean {
  const services = Map.groupBy(trace, ({ service }) => service)
  const during = [...services.values()].filter((spans) =>
    spans.some(({ start }) => Number(start / 1_000_000n) >= note.startedAt - SLACK_MS),
  )
  return during.length * 2 > services.size
}

/** One that is on its way is waited for. */
const readWhole = (place: Place, traceId: string): Promise<Span[] | null> =>
  until(`trace ${traceId}`, ARRIVES_WITHIN_S, () => readSettledTrace(place.tempo, traceId)).catch(() => null)

async function checkRow(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  kind: 'order' | 'audit',
  id: number,
): Promise<Verdict> {
  const api = `${place.gateway}/api/v1`
  const traceId =
    kind === 'order'
      ? (await askJson<{ trace_id: string | null }>(`${api}/orders/${id}`, place.credentials)).trace_id
      : (
          await askJson<{ items: { id: number; trace_id: string | null }[] }>(
            `${api}/audit?limit=1&cursor=${id + 1}`,
            place.credentials,
          )
        ).items.find((found) => found.id === id)?.trace_id
  if (!traceId) return { shows: false, says: `${kind} ${id} has no trace` }
  return checkTrace(place, incident, note, traceId)
}

async function checkTraceql(place: Place, incident: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  const { traces = [] } = await askJson<{
    traces?: { traceID: string; spanSets?: { spans: { spanID: string }[] }[] }[]
  }>(
    `${place.tempo}/api/search?${new URLSearchParams({ q: query, limit: '20', spss: '20', ...seconds(incident, note) })}`,
  )
  let matched = 0
  let showing = 0
  for (const { traceID, spanSets = [] } of traces.slice(0, TRACES)) {
    const trace = await readTrace(place.tempo, traceID.padStart(32, '0'))
    if (trace === null || !isOfThisRun(trace, note)) continue
    const ids = new Set(spanSets.flatMap(({ spans }) => spans.map(({ spanID }) => spanID.padStart(16, '0'))))
    const found = trace.filter(({ id }) => ids.has(id))
    matched += found.length
    showing += found.filter((span) => incident.shows(span, trace)).length
  }
  return judge('span', matched, showing)
}

async function checkLogql(place: Place, incident: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  const from = note.startedAt - (incident.lookBackSeconds ?? 0) * 1000
  const range = { start: `${from}000000`, end: `${Date.now()}000000`, limit: '100' }
  const { data } = await askJson<{
    data: { resultType: string; result: { stream: Record<string, string>; values: [string, string][] }[] }
  }>(`${place.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, ...range })}`)
  if (data.resultType !== 'streams')
    return { shows: false, says: 'a metric query brings no lines; give the query inside' }
  const lines = data.result.flatMap(({ stream, values }) => values.map(([, line]) => ({ line, labels: stream })))
  if (incident.line !== undefined)
    return judge('line', lines.length, lines.filter(({ line, labels }) => incident.line!(line, labels)).length)
  return judgeByTraces(place, incident, note, lines)
}

/** Lines of the service that causes it, in traces that show it. Of many traces some are looked into, and their lines count. */
async function judgeByTraces(
  place: Place,
  incident: Incident,
  note: IncidentNote,
  lines: { labels: Record<string, string> }[],
): Promise<Verdict> {
  const ids = [...new Set(lines.map(({ labels }) => labels.trace_id ?? ''))].slice(0, TRACES)
  const showing = new Map<string, boolean>([['', false]])
  for (const id of ids) if (id !== '') showing.set(id, (await checkTrace(place, incident, note, id)).shows)
  const looked = lines.filter(({ labels }) => showing.has(labels.trace_id ?? ''))
  const good = looked.filter(
    ({ labels }) => labels.service_name === incident.cause.service && showing.get(labels.trace_id ?? ''),
  )
  return judge('line', looked.length, good.length)
}

async function checkPromql(place: Place, incident: Incident, note: IncidentNote, query: string): Promise<Verdict> {
  const { metric } = incident
  if (metric === undefined)
    return { shows: false, says: 'no metric tells this fault from others; bring a trace or lines' }
  if (!metric.names.test(query)) return { shows: false, says: 'this metric does not show the fault' }
  const now = await vector(place, query, note.endedAt ?? Date.now())
  const top = now[0]
  if (top === undefined) return { shows: false, says: 'the query brings nothing' }
  const others = now.filter((one) => !metric.series(one.labels))
  if (!metric.series(top.labels) && !names(query, incident))
    return { shows: false, says: `its highest series is ${JSON.stringify(top.labels)}, which is not at fault` }
  const before = (await vector(place, query, note.startedAt - SLACK_MS)).find(
    ({ labels }) => JSON.stringify(labels) === JSON.stringify(top.labels),
  )
  if (before !== undefined && top.value < before.value * 1.5 && others.length === 0)
    return { shows: false, says: `it was ${before.value} before and is ${top.value} now: that shows no fault` }
  return { shows: true, says: `its highest series is ${JSON.stringify(top.labels)} with ${top.value}` }
}

/** A query that selects the series itself, and whose answer therefore has no labels left. */
function names(query: string, { cause, metric }: Incident): boolean {
  const selected = Object.fromEntries(
    [...query.matchAll(/([a-z_]+)\s*=~?\s*"([^"]*)"/g)].map(([, label, value]) => [label!, value!]),
  )
  return (
    metric!.series(selected) ||
    (Object.values(selected).includes(cause.service) && metric!.series({ job: cause.service, ...selected }))
  )
}

/** Highest first; what is no number is left out. */
async function vector(place: Place, query: string, at: number) {
  const { data } = await askJson<{
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }>(`${place.prometheus}/api/v1/query?${new URLSearchParams({ query, time: String(at / 1000) })}`)
  return data.result
    .map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => b.value - a.value)
}

/** Tempo's search takes whole seconds. */
const seconds = ({ lookBackSeconds = 0 }: Incident, note: IncidentNote) => ({
  start: String(Math.floor(note.startedAt / 1000) - lookBackSeconds),
  end: String(Math.ceil(Date.now() / 1000) + 1),
})

function judge(what: string, brought: number, showing: number): Verdict {
  if (brought === 0) return { shows: false, says: `the query brings no ${what} of this incident` }
  const counted = `${showing} of ${brought} ${what}s that the query brings show the fault`
  return { shows: showing / brought >= MOST, says: showing / brought >= MOST ? counted : `only ${counted}` }
}
