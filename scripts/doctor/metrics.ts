/** Prometheus: its targets, its rules and alerts, and what its counters say was lost. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { root } from '@sightline/local/settings'
import { parse } from 'yaml'
import { askJson, promql, type Sample } from './ask.ts'
import { type Check, fail, pass, warn } from './check.ts'
import { lossFinding, periodsOf } from './incident.ts'
import type { Patient } from './patient.ts'

const GROUP = 'Metrics'
const PAUSE_MS = 250

interface Target {
  labels: { job: string; instance: string }
  health: 'up' | 'down' | 'unknown'
  lastError: string
}

/** What has been started just now may have been asked too early. */
const ANOTHER_SCRAPE_SECONDS = 7
/** A Prometheus that has been started just now looks for its targets and for Alertmanagers for five seconds. */
const LOOKS_FOR_SECONDS = 7
/** It asks each target within five more. */
const FIRST_SCRAPE_SECONDS = 14

const targets: Check = {
  id: 'targets',
  group: GROUP,
  title: 'every target is up',
  without: 'a target of Prometheus is down',
  needs: ['port-prometheus'],
  seconds: 16,
  async run(patient, signal) {
    const began = performance.now()
    for (;;) {
      const url = `${patient.urls.prometheus}/api/v1/targets?state=active`
      const { data } = await askJson<{ data: { activeTargets: Target[] } }>(url, signal)
      const bad = data.activeTargets.filter(({ health }) => health !== 'up')
      if (data.activeTargets.length > 0 && bad.length === 0) return pass(`${data.activeTargets.length}`)
      const seconds = bad.some(({ health }) => health === 'down') ? ANOTHER_SCRAPE_SECONDS : FIRST_SCRAPE_SECONDS
      if (performance.now() - began > seconds * 1000) return targetsDown(patient, bad)
      await delay(PAUSE_MS, undefined, { signal })
    }
  },
}

function targetsDown({ mode, settings: { home } }: Patient, bad: Target[]) {
  const where =
    mode === 'stack' ? 'observability/prometheus/targets/stack.json' : `${home}/prometheus/config/targets/local.json`
  if (bad.length === 0) return fail('Prometheus has no target', `${where} is its list: npm start writes it anew.`)
  const detail = bad
    .map(({ labels, lastError }) => `${labels.job} at ${labels.instance}: ${lastError || 'not asked yet'}`)
    .join('; ')
  return fail(
    detail,
    `Is that part running, and on the port that ${where} says? It is scraped every 5 s: ask again in a moment.`,
  )
}

interface RuleGroup {
  name: string
  rules: { name: string; type: 'alerting' | 'recording'; health: string; lastError?: string; state?: string }[]
}

const groupsOf = async ({ urls }: Patient, signal: AbortSignal): Promise<RuleGroup[]> =>
  (await askJson<{ data: { groups: RuleGroup[] } }>(`${urls.prometheus}/api/v1/rules`, signal)).data.groups

/** Names of the rules that observability/prometheus/rules holds. */
function rulesInFiles(): string[] {
  const folder = join(root, 'observability/prometheus/rules')
  return readdirSync(folder).flatMap((file) => {
    const { groups } = parse(readFileSync(join(folder, file), 'utf8')) as {
      groups: { rules: { alert?: string; record?: string }[] }[]
    }
    return groups.flatMap(({ rules }) => rules.flatMap(({ alert, record }) => alert ?? record ?? []))
  })
}

const rules: Check = {
  id: 'rules',
  group: GROUP,
  title: 'recording and alert rules are loaded, and can be computed',
  needs: ['port-prometheus'],
  async run(patient, signal) {
    const loaded = (await groupsOf(patient, signal)).flatMap((group) => group.rules)
    const names = new Set(loaded.map(({ name }) => name))
    const absent = [...new Set(rulesInFiles().filter((name) => !names.has(name)))]
    if (absent.length > 0) {
      const where =
        patient.mode === 'stack' ? 'the prometheus container' : `${patient.settings.home}/prometheus/config/rules`
      return fail(
        `not loaded: ${absent.slice(0, 4).join(', ')}${absent.length > 4 ? ` and ${absent.length - 4} more` : ''}`,
        `observability/prometheus/rules holds them; Prometheus reads its copy in ${where} when it starts: npm start writes it anew.`,
      )
    }
    const ill = loaded.filter(({ health }) => health === 'err')
    if (ill.length > 0)
      return fail(
        ill.map(({ name, lastError }) => `${name}: ${lastError}`).join('; '),
        'Correct the expression in observability/prometheus/rules, and start again. npm test -- unit --only observability/prometheus/rules.test.ts tries them.',
      )
    return pass(
      `${loaded.filter(({ type }) => type === 'alerting').length} alerts, ${loaded.filter(({ type }) => type === 'recording').length} recorded`,
    )
  },
}

const alerts: Check = {
  id: 'alerts',
  group: GROUP,
  title: 'no alert fires',
  needs: ['rules'],
  looksBack: 3600,
  async run(patient, signal) {
    const { data } = await askJson<{
      data: { alerts: { labels: Record<string, string>; state: string; annotations: Record<string, string> }[] }
    }>(`${patient.urls.prometheus}/api/v1/alerts`, signal)
    const firing = data.alerts.filter(({ state }) => state === 'firing')
    if (firing.length === 0) return pass()
    return warn(
      firing.map(({ labels, annotations }) => `${labels.alertname} (${annotations.summary})`).join(', '),
      `${firing[0]!.annotations.description ?? 'Each says what to do'}  All of them: ${patient.urls.prometheus}/alerts`,
    )
  },
}

const versions: Check = {
  id: 'versions',
  group: GROUP,
  title: 'the services are of one version, on one Node',
  needs: ['targets'],
  async run(patient, signal) {
    const infos = (await promql(patient, 'service_build_info', signal)).map(({ labels }) => labels)
    if (infos.length === 0)
      return fail(
        'no service tells its version',
        'service_build_info is what they tell: is this Prometheus that of the services?',
      )
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const told = new Set(
      infos.map((labels) => `${labels.service_version} on Node ${labels.node_version?.replace(/^v/, '')}`),
    )
    if (told.size > 1)
      return fail(
        infos
          .map((labels) => `${labels.service_name} ${labels.service_version} on Node ${labels.node_version}`)
          .join('; '),
        'Some run since before an update: start them again.',
      )
    if (infos[0]!.service_version !== version)
      return fail(`${[...told][0]}, the sources are ${version}`, 'They run since before an update: start again.')
    return pass([...told][0])
  },
}

const receiver: Check = {
  id: 'alertmanager',
  group: GROUP,
  title: 'Prometheus tells Alertmanager of alerts',
  needs: ['port-prometheus', 'port-alertmanager'],
  seconds: 10,
  async run({ urls }, signal) {
    const deadline = performance.now() + LOOKS_FOR_SECONDS * 1000
    for (;;) {
      const url = `${urls.prometheus}/api/v1/alertmanagers`
      const { data } = await askJson<{ data: { activeAlertmanagers: { url: string }[] } }>(url, signal)
      if (data.activeAlertmanagers.length > 0) return pass(`${data.activeAlertmanagers.length}`)
      if (performance.now() > deadline)
        return fail(
          'Prometheus knows none',
          'observability/prometheus/prometheus.yml says where it looks; npm start writes the list anew.',
        )
      await delay(PAUSE_MS, undefined, { signal })
    }
  },
}

const WINDOW_SECONDS = 15 * 60
const WINDOW = '15m'
/** That counters of losses stood still, and if not, whether an incident did it. */
function lossCheck({
  counters,
  remedy,
  ...check
}: Pick<Check, 'id' | 'title'> & { counters: readonly string[]; remedy: string }): Check {
  const query = (seconds: number) => lossQuery(counters, seconds)
  return {
    ...check,
    group: GROUP,
    needs: ['targets'],
    looksBack: WINDOW_SECONDS,
    async run(patient, signal) {
      const found = await promql(patient, query(WINDOW_SECONDS), signal)
      if (found.length === 0) return pass(`in the last ${WINDOW}`)
      const now = Date.now()
      const periods = periodsOf(patient.incidents, now - WINDOW_SECONDS * 1000, now)
      const losses = await Promise.all(
        periods.map(async ({ from, to, incident }) => {
          const samples = await promql(patient, query((to - from) / 1000), signal, to)
          const lost = samples.reduce((sum, { value }) => sum + value, 0)
          return { lost, ...(incident ? { incident } : {}) }
        }),
      )
      return lossFinding(`in the last ${WINDOW}: ${listed(found)}`, remedy, losses)
    },
  }
}

/** Each by itself: `increase` takes the names away, and Prometheus refuses two counters with the same labels then. */
export const lossQuery = (counters: readonly string[], seconds: number): string => {
  const grown = (name: string) =>
    `label_replace(increase(${name}[${Math.ceil(seconds)}s]), "counter", "${name}", "", "")`
  return `sum by (job, signal, reason) (${counters.map(grown).join(' or ')}) > 0`
}

const dropped = lossCheck({
  id: 'dropped',
  title: 'no service dropped telemetry',
  counters: ['telemetry_dropped_total'],
  remedy:
    'export_failed: the backend was away, or OTEL_EXPORTER_OTLP_ENDPOINT points elsewhere. queue_full: more than it takes; raise OTEL_BSP_MAX_QUEUE_SIZE or OTEL_BLRP_MAX_QUEUE_SIZE. docs/reliability.md',
})

/** The embedded backend's; the Collector's; those of Tempo and Loki, what came too late among them. */
export const REFUSALS = [
  'embedded_rejected_items_total',
  ...['receiver_refused', 'receiver_failed', 'exporter_send_failed', 'exporter_enqueue_failed'].flatMap((lost) =>
    ['spans', 'log_records', 'spans_total', 'log_records_total'].map((items) => `otelcol_${lost}_${items}`),
  ),
  'tempo_discarded_spans_total',
  'tempo_metrics_generator_spans_discarded_total',
  'loki_discarded_samples_total',
]

const refused = lossCheck({
  id: 'refused',
  title: 'nothing that was sent was refused',
  counters: REFUSALS,
  remedy:
    "Spans without an id, too old, or over a limit, metrics with delta temporality: the backend's (the Collector's, Tempo's, Loki's) log says which and why.",
})

const listed = (samples: Sample[]): string =>
  samples.map(({ labels, value }) => `${Math.ceil(value)} (${Object.values(labels).join(', ')})`).join('; ')

const restarts: Check = {
  id: 'restarts',
  group: GROUP,
  title: 'telemetry is stored without a break',
  needs: ['targets'],
  looksBack: WINDOW_SECONDS,
  async run(patient, signal) {
    const damaged = await promql(patient, 'sum(embedded_damaged_blocks) > 0', signal)
    if (damaged[0])
      return fail(
        `${damaged[0].value} blocks of traces or logs were damaged and set aside`,
        `A disk that lies, or was full? They lie as *.damaged in ${patient.settings.home}/telemetry; the rest is served.`,
      )
    const [changed] = await promql(
      patient,
      `max(changes(process_start_time_seconds{job=~"telemetry-backend|tempo|loki"}[${WINDOW}])) > 0`,
      signal,
    )
    if (changed)
      return warn(
        `the backend was started anew ${changed.value} times in the last ${WINDOW}`,
        `What it had taken is on disk, what was on its way is sent again. Why it ended: ${patient.settings.home}/logs/telemetry-backend/output.log`,
      )
    return pass(`in the last ${WINDOW}`)
  },
}

export const metricChecks: readonly Check[] = [targets, versions, rules, alerts, receiver, dropped, refused, restarts]
