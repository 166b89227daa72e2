/** Alert rules as Prometheus judges them, and what Alertmanager does with those that fire. */
import { exploreHref } from './explore-address.ts'
import { type Client, getJson } from './http.ts'
import { rangeQuery } from './prometheus.ts'
import type { Labels, Series } from './series.ts'
import { spansOfMetric } from './spans-of-metric.ts'
import { queryStep } from './step.ts'
import type { RawRange, TimeRange } from './time-range.ts'

export type AlertState = 'firing' | 'pending' | 'inactive'
/** Worst first. */
export const ALERT_STATES: readonly AlertState[] = ['firing', 'pending', 'inactive']

/** What an alert rule says of one group of series. */
export interface ActiveAlert {
  readonly state: AlertState
  /** Since when its expression holds, milliseconds since 1970. */
  readonly since: number
  readonly labels: Labels
  readonly annotations: Labels
  readonly value: number
}

export interface AlertRule {
  readonly name: string
  readonly group: string
  readonly state: AlertState
  readonly expression: string
  /** How long the expression must hold before the alert fires, seconds. */
  readonly forSeconds: number
  readonly labels: Labels
  /** As written: with templates in them. */
  readonly annotations: Labels
  /** Oldest first. */
  readonly alerts: readonly ActiveAlert[]
  /** Why Prometheus can't judge it. */
  readonly problem?: string
}

interface RulesAnswer {
  data: {
    groups: {
      name: string
      rules: {
        type: string
        name: string
        query: string
        state?: AlertState
        duration?: number
        labels?: Labels
        annotations?: Labels
        health?: string
        lastError?: string
        alerts?: { state: AlertState; activeAt: string; labels: Labels; annotations: Labels; value: string }[]
      }[]
    }[]
  }
}

/** Worst first, then those that hold for longest, then as Prometheus has them. */
export async function alertRules(client: Client): Promise<AlertRule[]> {
  const { data } = await getJson<RulesAnswer>(client, '/api/prometheus/api/v1/rules', { type: 'alert' })
  const rules = data.groups.flatMap(({ name: group, rules }) =>
    rules.map(
      (rule): AlertRule => ({
        name: rule.name,
        group,
        state: rule.state ?? 'inactive',
        expression: rule.query,
        forSeconds: rule.duration ?? 0,
        labels: rule.labels ?? {},
        annotations: rule.annotations ?? {},
        alerts: (rule.alerts ?? [])
          .map(({ activeAt, value, ...alert }) => ({ ...alert, since: Date.parse(activeAt), value: Number(value) }))
          .sort((a, b) => a.since - b.since),
        ...(rule.lastError && { problem: rule.lastError }),
      }),
    ),
  )
  const since = ({ alerts }: AlertRule) => alerts[0]?.since ?? Number.POSITIVE_INFINITY
  const rank = ({ state }: AlertRule) => ALERT_STATES.indexOf(state)
  return rules.sort((a, b) => rank(a) - rank(b) || (since(a) === since(b) ? 0 : since(a) - since(b)))
}

/** How many rules fire now. */
export async function firingCount(client: Client): Promise<number> {
  const { data } = await getJson<{ data: { alerts: { state: string; labels: Labels }[] } }>(
    client,
    '/api/prometheus/api/v1/alerts',
  )
  return new Set(data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname)).size
}

export interface Silence {
  readonly id: string
  readonly matchers: string
  readonly comment: string
  readonly by: string
  /** Milliseconds since 1970. */
  readonly endsAt: number
}

/** An alert in Alertmanager's hands. */
export interface ReceivedAlert {
  readonly labels: Labels
  readonly receivers: readonly string[]
  readonly silencedBy: readonly string[]
  readonly inhibited: boolean
}

export interface Alertmanager {
  readonly alerts: readonly ReceivedAlert[]
  /** In force now. */
  readonly silences: readonly Silence[]
  /** Whom it may tell. */
  readonly receivers: readonly string[]
}

interface AlertAnswer {
  labels: Labels
  receivers: { name: string }[]
  status: { silencedBy: string[]; inhibitedBy: string[] }
}

interface SilenceAnswer {
  id: string
  matchers: MatcherAnswer[]
  comment: string
  createdBy: string
  endsAt: string
  status: { state: string }
}

interface MatcherAnswer {
  name: string
  value: string
  isRegex: boolean
  isEqual?: boolean
}

/** Undefined where the system runs without one; rejects when there is one that doesn't answer. */
export async function alertmanager(client: Client): Promise<Alertmanager | undefined> {
  const root = '/api/alertmanager/api/v2'
  const ask = <T>(what: string) => getJson<T>(client, `${root}/${what}`)
  let receivers: { name: string }[]
  try {
    receivers = await ask('receivers')
  } catch (cause) {
    // The console has no such data source: that is no fault.
    if (client.records.at(-1)?.status === 404) return undefined
    throw cause
  }
  const [alerts, silences] = await Promise.all([ask<AlertAnswer[]>('alerts'), ask<SilenceAnswer[]>('silences')])
  return {
    alerts: alerts.map(({ labels, receivers: told, status }) => ({
      labels,
      receivers: told.map(({ name }) => name),
      silencedBy: status.silencedBy,
      inhibited: status.inhibitedBy.length > 0,
    })),
    silences: silences
      .filter(({ status }) => status.state === 'active')
      .map(({ id, matchers, comment, createdBy, endsAt }) => ({
        id,
        matchers: matchers.map(matcherText).join(', '),
        comment,
        by: createdBy,
        endsAt: Date.parse(endsAt),
      })),
    receivers: receivers.map(({ name }) => name),
  }
}

const matcherText = ({ name, value, isRegex, isEqual = true }: MatcherAnswer): string =>
  `${name}${isEqual ? '=' : '!'}${isRegex ? '~' : isEqual ? '' : '='}${JSON.stringify(value)}`

/** The same alert at Alertmanager, which may have taken labels off or put some on. */
export const receivedAs = (alert: ActiveAlert, received: readonly ReceivedAlert[]): ReceivedAlert | undefined =>
  received.find(
    ({ labels }) =>
      labels.alertname === alert.labels.alertname &&
      Object.entries(labels).every(([name, value]) => (alert.labels[name] ?? value) === value) &&
      Object.keys(alert.labels).every((name) => name in labels),
  )

/** When a rule was pending and when it fired, milliseconds since 1970. */
export interface Spell {
  readonly state: 'firing' | 'pending'
  readonly from: number
  readonly to: number
}

const SLOTS = 180

/** By the name of the rule, over the range (milliseconds). */
export async function alertHistory(client: Client, range: TimeRange): Promise<Map<string, Spell[]>> {
  const step = queryStep(range.to - range.from, SLOTS)
  const series = await rangeQuery(client, 'max by (alertname, alertstate) (ALERTS)', range, step)
  return spellsOf(series, step)
}

/** `series` with the labels `alertname` and `alertstate`, a point every `step` milliseconds. */
export function spellsOf(series: readonly Series[], step: number): Map<string, Spell[]> {
  const byName = new Map<string, Spell[]>()
  // What fires is drawn over what was pending in the same moment.
  for (const { labels, times, values } of series.toSorted((a, b) =>
    (b.labels.alertstate ?? '').localeCompare(a.labels.alertstate ?? ''),
  )) {
    const spells = byName.get(labels.alertname ?? '') ?? []
    const state = labels.alertstate === 'firing' ? 'firing' : 'pending'
    let open: { state: Spell['state']; from: number; to: number } | undefined
    times.forEach((time, i) => {
      if (!values[i]) open = undefined
      else if (open) open.to = time + step
      else {
        open = { state, from: time, to: time + step }
        spells.push(open)
      }
    })
    byName.set(labels.alertname ?? '', spells)
  }
  return byName
}

/** A text of a rule that nothing filled in: what would stand there is an ellipsis. */
export const withoutTemplates = (text: string): string => text.replaceAll(/\{\{.*?\}\}/g, '…')

export interface AlertLink {
  readonly title: string
  readonly href: string
}

/** Annotations that are links, as they are called here. */
const LINKS: readonly (readonly [annotation: string, title: string])[] = [
  ['traces', 'Traces behind it'],
  ['runbook_url', 'What to do'],
  ['dashboard', 'Dashboard'],
]
const OWN = /^\{\{\s*\$externalLabels\.console\s*\}\}(?=\/)/

/**
 * Where an alert leads. Links to the console lead to the one that is open, by whatever name; traces that no annotation names are those that
 * the expression counts.
 */
export function alertLinks(rule: AlertRule, range: RawRange): AlertLink[] {
  const filled = rule.alerts[0]?.annotations ?? {}
  const links = LINKS.flatMap(([annotation, title]) => {
    const written = rule.annotations[annotation]
    if (written === undefined) return []
    const own = written.replace(OWN, '')
    const href = own.includes('{{') ? filled[annotation] : own
    return href === undefined ? [] : [{ title, href }]
  })
  const counted = spansOfMetric(rule.expression)
  if (counted && !links.some(({ title }) => title === LINKS[0]![1]))
    links.unshift({ title: LINKS[0]![1], href: exploreHref('tempo', `{ ${counted} }`, range) })
  return links
}
