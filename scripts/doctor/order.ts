/** One order through the gateway, and all that it must leave behind: trace, log lines, edges, exemplar. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  askFor,
  type Before,
  type Expectation,
  filled,
  readExpectations,
  sendRequest,
  sumsBefore,
  type Targets,
} from '../expectations/ask.ts'
import { readTrace } from '../trace/spans.ts'
import { askJson } from './ask.ts'
import { type Check, type Finding, fail, messageOf, pass } from './check.ts'
import { belowCaller, wishToBeKept } from './kept-order.ts'
import type { Patient } from './patient.ts'

const GROUP = 'One order'
const REQUEST = 'order'
const PAUSE_MS = 200
/** For the last question, and for what its answer says of the reason. */
const SLACK_SECONDS = 3

const file = readExpectations()
/** What the file says of the one request that is sent here, and of nothing else. */
const ofTheOrder = file.expectations.filter((expectation) => {
  const names = [...JSON.stringify(expectation).matchAll(/\{\{(\w+)\./g)].map((match) => match[1])
  return names.length > 0 && names.every((name) => name === REQUEST)
})
const edges = file.expectations
  .filter(({ promql }) => promql?.startsWith('traces_service_graph_request_total{'))
  .map((expectation): Expectation => ({ ...expectation, rises_by: 1 }))
const aboutPersons = ({ that }: Expectation) => that.includes('e-mail address')

const targetsOf = ({ urls, database = '' }: Patient): Targets => ({ ...urls, database })

const order: Check = {
  id: 'order',
  group: GROUP,
  title: 'an order is answered 200',
  without: 'no order was answered 200',
  needs: ['port-gateway', 'port-user-service', 'port-order-service', 'port-audit-service', 'port-postgres'],
  seconds: 10,
  async run(patient, signal) {
    // Without Prometheus there is nothing to count edges in: its port's check says so.
    const before = await sumsBefore(targetsOf(patient), edges).catch((): Before => new Map())
    const wish = await wishToBeKept(patient, signal)
    const headers = { ...patient.credentials, ...wish?.headers }
    const sentAt = Date.now()
    try {
      const sent = await sendRequest(targetsOf(patient), REQUEST, file.requests[REQUEST]!, headers)
      // With OTEL_PROPAGATORS=none a caller's headers are nobody's: then the trace is the gateway's own.
      const isBelowCaller = sent.trace_id === wish?.traceId
      patient.order = { ...sent, sentAt, answeredAt: Date.now(), before, isBelowCaller }
      return pass(`${Date.now() - sentAt} ms, trace ${sent.trace_id}`)
    } catch (error) {
      signal.throwIfAborted()
      return fail(messageOf(error), remedyFor(messageOf(error), patient))
    }
  },
}

function remedyFor(answer: string, { urls }: Patient): string {
  const status = /was answered (\d+)/.exec(answer)?.[1] ?? ''
  if (status === '202')
    return `The order is safe, its audit row waits: curl ${urls.auditService}/health tells how audit-service is.`
  if (status === '401') return 'The gateway has a key: export the GATEWAY_API_KEY that npm start had, then ask again.'
  if (status === '429') return 'Too much is asked for from here: wait, or raise GATEWAY_RATE_LIMIT.'
  if (status === '421' || status === '403')
    return 'Is SIGHTLINE_ALLOWED_HOSTS right? docs/errors.md says what it refuses.'
  return 'docs/errors.md says what the type in the answer means; npm start -- --verbose shows every line.'
}

/** That all of `expectations` are met within so many seconds of the first question; else what to do. */
export function meetingCheck({
  within,
  expectations,
  remedy,
  ...check
}: Omit<Check, 'run' | 'seconds'> & {
  within: number
  expectations: readonly Expectation[]
  remedy: (patient: Patient) => string | Promise<string>
}): Check {
  const run: Check['run'] = (patient, signal) => meet(patient, signal, within, expectations, remedy)
  return { ...check, seconds: within + SLACK_SECONDS, run }
}

const trace = meetingCheck({
  id: 'trace',
  group: GROUP,
  title: 'its trace is whole',
  without: "the order's trace is not whole",
  needs: ['order', 'port-otlp', 'port-tempo'],
  within: 8,
  expectations: ofTheOrder.filter((one) => one.trace),
  remedy: whatIsMissing,
})

/** Who is not in the trace, or where it is torn: the likeliest reason first. */
async function whatIsMissing({ urls, order }: Patient): Promise<string> {
  const spans = (await readTrace(urls.tempo, order!.trace_id)) ?? []
  const seen = new Set(spans.map(({ service }) => service))
  const missing = ofTheOrder.flatMap(({ services = [] }) => services).filter((name) => !seen.has(name))
  if (seen.size === 0)
    return 'No span has arrived: is OTEL_TRACES_SAMPLER, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED or TRACES_SAMPLE set where npm start was called? docs/switches.md and docs/sampling.md'
  if (missing.length > 0)
    return `Nothing of ${missing.join(', ')} is in it. Does it propagate as the others do (OTEL_PROPAGATORS), and send here (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT)? Its own words: npm start -- --verbose`
  return `A span lost its parent: the context was not handed on, or a batch is missing. npm run trace -- ${order!.trace_id} shows where.`
}

const spans = meetingCheck({
  id: 'spans',
  group: GROUP,
  title: 'each step has its span, its attributes and events',
  needs: ['trace'],
  within: 6,
  expectations: ofTheOrder.filter((one) => one.traceql && !aboutPersons(one)),
  remedy: ({ order }) =>
    `npm run trace -- ${order!.trace_id} shows what is there; observability/expectations.yaml says what should be.`,
})

const logs = meetingCheck({
  id: 'logs',
  group: GROUP,
  title: 'its log lines carry its trace id',
  without: 'its log lines are not to be found',
  needs: ['order', 'port-otlp', 'port-loki'],
  within: 8,
  expectations: ofTheOrder.filter((one) => one.logql && !aboutPersons(one)),
  remedy({ urls, order }) {
    const query = `{service_name=~".+"} | trace_id="${order!.trace_id}"`
    return `Is OTEL_LOGS_EXPORTER, LOG_LEVEL or OTEL_SDK_DISABLED set where npm start was called? What is there: curl -G ${urls.loki}/loki/api/v1/query_range --data-urlencode 'query=${query}'`
  },
})

const persons = meetingCheck({
  id: 'masking',
  group: GROUP,
  title: "the caller's e-mail address is masked",
  needs: ['spans', 'logs'],
  within: 2,
  expectations: ofTheOrder.filter(aboutPersons),
  remedy: () => 'SIGHTLINE_PII=show? Unset it where npm start is called, and start again.',
})

/** Looked at, the newest first: of those that are asked for here each leads to a trace of its own. */
const EXEMPLARS = 5
const EXEMPLAR_RANGE_MS = 15 * 60_000

const exemplar: Check = {
  id: 'exemplar',
  group: GROUP,
  title: 'exemplars of the latency lead to stored traces',
  needs: ['trace', 'port-prometheus', 'targets'],
  seconds: 14,
  async run({ urls, order, patience }, signal) {
    const query = file.expectations.find((one) => one.exemplar)!.exemplar!
    const deadline = performance.now() + 10_000 * patience
    let found: Exemplar[] = []
    // One of the order's time or later shows that they still arrive; Prometheus scrapes every five seconds.
    while (!found.some(({ timestamp }) => timestamp * 1000 >= order!.sentAt)) {
      if (performance.now() > deadline) break
      await delay(PAUSE_MS, undefined, { signal })
      found = await exemplarsOf(query, urls.prometheus, signal)
    }
    if (found.length === 0)
      return fail(
        `none of ${query}`,
        'Does Prometheus run with --enable-feature=exemplar-storage, and scrape OpenMetrics? Only sampled requests leave one: OTEL_TRACES_SAMPLER',
      )
    const ids = [...new Set(found.map(({ labels }) => labels.trace_id ?? ''))].slice(0, EXEMPLARS)
    const lost: string[] = []
    for (const id of ids) if (!(await readTrace(urls.tempo, id))) lost.push(id)
    if (lost.length === 0) return pass(`${ids.length} of ${ids.length}`)
    return fail(
      `there is no trace ${lost.join(', ')}`,
      `Who counted it did not send it, or it was not kept: OTEL_TRACES_EXPORTER, TRACES_RETENTION. Which part that is: curl -G ${urls.prometheus}/api/v1/query_exemplars --data-urlencode 'query=${query}' -d start=${Math.floor(order!.sentAt / 1000) - 900} -d end=${Math.ceil(Date.now() / 1000)}`,
    )
  },
}

interface Exemplar {
  labels: Record<string, string>
  /** Seconds since the epoch. */
  timestamp: number
}

/** Of the last quarter of an hour, the newest first. */
async function exemplarsOf(query: string, prometheus: string, signal: AbortSignal): Promise<Exemplar[]> {
  const now = Date.now()
  const range = { start: String((now - EXEMPLAR_RANGE_MS) / 1000), end: String(now / 1000 + 1) }
  const url = `${prometheus}/api/v1/query_exemplars?${new URLSearchParams({ query, ...range })}`
  const { data } = await askJson<{ data: { exemplars: Exemplar[] }[] }>(url, signal)
  return data.flatMap(({ exemplars }) => exemplars).sort((a, b) => b.timestamp - a.timestamp)
}

const map = meetingCheck({
  id: 'map',
  group: GROUP,
  title: 'the service map has every edge',
  needs: ['trace', 'port-prometheus', 'targets'],
  within: 10,
  expectations: edges,
  remedy: ({ order }) =>
    `An edge is counted where spans arrive, by the backend or Tempo's metrics generator, once both of its ends are there: npm run trace -- ${order!.trace_id} shows them.`,
})

/** Asks until all are met or time is up; a cross then names those that aren't, and what to do. */
async function meet(
  patient: Patient,
  signal: AbortSignal,
  seconds: number,
  expectations: readonly Expectation[],
  remedy: (patient: Patient) => string | Promise<string>,
): Promise<Finding> {
  const { trace_id, request_id, isBelowCaller } = patient.order!
  const within = seconds * patient.patience
  const began = performance.now()
  const wanted = isBelowCaller ? expectations.map(belowCaller) : expectations
  let open = wanted.map((one) => filled(one, { [REQUEST]: { trace_id, request_id } }))
  for (;;) {
    const reasons: string[] = []
    const tried = await Promise.all(open.map((one) => tryOnce(patient, one)))
    open = open.filter((_, index) => tried[index] !== null)
    for (const [index, reason] of tried.filter((one) => one !== null).entries())
      reasons.push(`${open[index]!.that}: ${reason}`)
    const took = (performance.now() - began) / 1000
    if (open.length === 0) return pass(`${expectations.length} of ${expectations.length}, after ${took.toFixed(1)} s`)
    if (took >= within)
      return fail(`not so within ${within} s: ${reasons[0]}${more(reasons.length - 1)}`, await remedy(patient))
    await delay(PAUSE_MS, undefined, { signal })
  }
}

const more = (count: number): string => (count > 0 ? ` (and ${count} more)` : '')

async function tryOnce(patient: Patient, expectation: Expectation): Promise<string | null> {
  const { before, sentAt } = patient.order!
  try {
    await askFor(targetsOf(patient), expectation, before, sentAt)()
    return null
  } catch (error) {
    return messageOf(error).replaceAll(/\s+/g, ' ')
  }
}

export const orderChecks: readonly Check[] = [order, trace, spans, logs, persons, exemplar, map]
/** For the check of the database's rows: those of the order in audit table and outbox. */
export const rowExpectations = ofTheOrder.filter((one) => one.sql)
