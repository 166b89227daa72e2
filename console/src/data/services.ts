/** Rate, errors and duration of every operation of every service: from the span metrics that Tempo (or the embedded backend) derives. */
import { exploreHref } from './explore-address.ts'
import type { Client } from './http.ts'
import { instantQuery, rangeQuery } from './prometheus.ts'
import { quantilesOf } from './quantiles.ts'
import type { Labels, Series } from './series.ts'
import { durationText, queryStep, rateInterval } from './step.ts'
import type { RawRange, TimeRange } from './time-range.ts'
import { withParams } from './url.ts'
import { lastValue, measuredOf, scaleOf, windowOf } from './whole-range.ts'

/** What was counted of a group of spans. Rates are spans per second, ratios 0 to 1. */
export interface Red {
  readonly rate: number
  readonly errorRatio: number
  /** Answered 4xx: the caller's doing. */
  readonly refusedRatio: number
  /** Seconds; null where nothing was measured. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  /** Rates over time, for a small picture. */
  readonly past: readonly (number | null)[]
}

export interface ServiceOperation extends Red {
  readonly service: string
  readonly name: string
  /** As TraceQL names it: `server`, `client`, `internal`. */
  readonly kind: string
}

export interface ServiceSummary extends Red {
  readonly service: string
}

export interface Services {
  /** Of each service what it was asked for. */
  readonly services: readonly ServiceSummary[]
  /** By service, the most called first. */
  readonly operations: readonly ServiceOperation[]
}

const CALLS = 'traces_spanmetrics_calls_total'
const BUCKETS = 'traces_spanmetrics_latency_bucket'
/** A span of these kinds is something that a service was asked to do. */
const ENTRIES = ['server', 'consumer']
const BY = 'service, span_name, span_kind'
const POINTS = 40

export interface MeasuredServices extends Services {
  /** Milliseconds since 1970: where in the range numbers begin; later than its begin for a system that is younger. */
  readonly since: number
}

/** Over the whole range (milliseconds), or over as much of it as was measured. `all`: also what services do within a request. */
export async function loadServices(client: Client, range: TimeRange, all: boolean): Promise<MeasuredServices> {
  const window = windowOf(range)
  const step = queryStep(range.to - range.from, POINTS)
  const kinds = all ? '' : `span_kind=~"${ENTRIES.map(kindLabel).join('|')}"`
  const counted = (more = '', within = window) =>
    `sum by (${BY}) (rate(${CALLS}{${[kinds, more].filter(Boolean)}}[${within}]))`
  const ask = (query: string) => instantQuery(client, query, range.to)
  const over = (shown: TimeRange, step: number) =>
    rangeQuery(client, counted('', durationText(rateInterval(step))), shown, step)
  const [totals, failures, refusals, buckets, samples, past] = await Promise.all([
    ask(counted()),
    ask(counted('status_code="STATUS_CODE_ERROR"')),
    ask(counted('http_response_status_code=~"4.."')),
    ask(`sum by (${BY}, le) (rate(${BUCKETS}{${kinds}}[${window}]))`),
    ask(`max(count_over_time(${CALLS}[${window}]))`),
    over(range, step),
  ])
  const since = beginOf(past, range, step, samples)
  // Of a few minutes of an hour there are hardly two points: the picture is of those minutes, in steps of their own.
  const isYoung = since - range.from > (range.to - range.from) / 2
  const shown = isYoung ? await over({ from: since, to: range.to }, queryStep(range.to - since, POINTS)) : past
  return { ...buildServices({ totals, failures, refusals, buckets, past: shown }, scaleOf(range, samples)), since }
}

/**
 * A point counts what was before it: the first value is of the step before, or of less when there are too few samples for that. Where
 * nothing was measured at all the range is as it was chosen.
 */
function beginOf(past: readonly Series[], range: TimeRange, step: number, samples: readonly Series[]): number {
  const firsts = past.flatMap(({ times, values }) => times[values.findIndex((value) => value !== null)] ?? [])
  const measured = range.to - measuredOf(samples)
  if (measured === range.to && firsts.length === 0) return range.from
  const first = Math.min(...firsts, range.to)
  return Math.max(range.from, first - step, Math.min(measured, first))
}

/** What the numbers are over, in words. */
export function rangeText(since: number, { from, to }: TimeRange): string {
  const minute = 60_000
  if (since - from < minute) return 'Over the chosen range'
  return `Over the last ${durationText(Math.ceil((to - since) / minute) * minute)} of the chosen range, as nothing was measured before`
}

/** Rates with the labels `service`, `span_name` and `span_kind`. */
interface SpanRates {
  readonly totals: readonly Series[]
  readonly failures: readonly Series[]
  readonly refusals: readonly Series[]
  /** With the label `le`, counting cumulatively. */
  readonly buckets: readonly Series[]
  /** On one grid of times. */
  readonly past: readonly Series[]
}

/** Rates are multiplied by `scale`. What was not called in the range is left out. */
export function buildServices(rates: SpanRates, scale = 1): Services {
  const called = { ...rates, totals: rates.totals.filter((one) => (lastValue(one) ?? 0) > 0) }
  const operations = measured(called, scale, operationOf)
    .map(({ labels, ...red }) => ({
      ...red,
      service: labels.service ?? '',
      name: labels.span_name ?? '',
      kind: kindName(labels.span_kind),
    }))
    .sort((a, b) => (a.service === b.service ? b.rate - a.rate : a.service < b.service ? -1 : 1))
  const asked = (series: readonly Series[]) =>
    series.filter(({ labels }) => ENTRIES.includes(kindName(labels.span_kind)))
  const entries = {
    totals: asked(called.totals),
    failures: asked(rates.failures),
    refusals: asked(rates.refusals),
    buckets: asked(rates.buckets),
    past: asked(rates.past),
  }
  const services = measured(entries, scale, ({ service = '' }) => service)
    .map(({ labels, ...red }) => ({ ...red, service: labels.service ?? '' }))
    .sort((a, b) => (a.service < b.service ? -1 : 1))
  return { services, operations }
}

/** A row for every group that `groupOf` makes of the totals, with the labels of its first series. */
function measured(
  { totals, failures, refusals, buckets, past }: SpanRates,
  scale: number,
  groupOf: (labels: Labels) => string,
): (Red & { readonly labels: Labels })[] {
  const sums = (series: readonly Series[]) => {
    const byGroup = new Map<string, number>()
    for (const one of series) {
      const group = groupOf(one.labels)
      byGroup.set(group, (byGroup.get(group) ?? 0) + (lastValue(one) ?? 0))
    }
    return byGroup
  }
  const [failed, refused, rates] = [sums(failures), sums(refusals), sums(totals)]
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantilesOf(q, buckets, groupOf))
  const pasts = Map.groupBy(past, ({ labels }) => groupOf(labels))
  return [...Map.groupBy(totals, ({ labels }) => groupOf(labels))].map(([group, [first]]) => {
    const rate = rates.get(group)!
    return {
      labels: first!.labels,
      rate: rate * scale,
      errorRatio: (failed.get(group) ?? 0) / rate,
      refusedRatio: (refused.get(group) ?? 0) / rate,
      p50: lastValue(p50!.get(group)),
      p95: lastValue(p95!.get(group)),
      p99: lastValue(p99!.get(group)),
      past: summed(pasts.get(group) ?? []),
    }
  })
}

/** Point by point; null where no series has a value. */
function summed(series: readonly Series[]): (number | null)[] {
  return (series[0]?.values ?? []).map((_value, i) => {
    const known = series.flatMap(({ values }) => values[i] ?? [])
    return known.length ? known.reduce((sum, value) => sum + value) : null
  })
}

const operationOf = ({ service, span_name, span_kind }: Labels): string =>
  JSON.stringify([service, span_name, span_kind])
const kindLabel = (kind: string): string => `SPAN_KIND_${kind.toUpperCase()}`
const kindName = (label = ''): string => label.replace('SPAN_KIND_', '').toLowerCase()

/** What of an operation's spans is looked for. */
export type Among = 'all' | 'failed' | 'refused' | { readonly slowerThan: number }

/** Explore with the traces behind a number: of a service, or of one operation of it. */
export const spansHref = (
  { service, name, kind }: { readonly service: string; readonly name?: string; readonly kind?: string },
  among: Among,
  range: RawRange,
): string => {
  const conditions = [
    `resource.service.name = ${JSON.stringify(service)}`,
    ...(name === undefined ? [] : [`name = ${JSON.stringify(name)}`]),
    ...(kind ? [`kind = ${kind}`] : []),
    ...amongCondition(among),
  ]
  return exploreHref('tempo', `{ ${conditions.join(' && ')} }`, range)
}

function amongCondition(among: Among): string[] {
  if (among === 'all') return []
  if (among === 'failed') return ['status = error']
  if (among === 'refused') return ['span.http.response.status_code >= 400', 'span.http.response.status_code < 500']
  return [`duration > ${durationLiteral(among.slowerThan)}`]
}

/** Whole milliseconds, as TraceQL writes a duration: 2 seconds are `2s`. */
const durationLiteral = (seconds: number): string =>
  Number.isInteger(seconds) ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`

/** Upper bounds of the buckets that durations are counted in, seconds: as observability/tempo.yaml and the backend have them. */
const BOUNDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * What a search for the spans beyond a quantile begins at. A quantile is guessed within its bucket and may lie above every span; from
 * the lower bound of that bucket on there is one.
 */
export const surelyExceeded = (quantile: number): number => BOUNDS.findLast((bound) => bound < quantile) ?? 0

/** The map with the service marked on it. */
export const mapHref = (service: string, { from, to }: RawRange): string => withParams('/map', { service, from, to })
