/** The boards: every panel is asked as the console asks it, and has data, or says why it has none. */
import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type AskedPanel, loadEntries, openBoard } from '@sightline/console/ask-board'
import { createConsoleServer } from '@sightline/console/server'
import { METRICS } from '@sightline/contracts'
import { FOREIGN_METRICS } from '@sightline/dashboards/known-metrics'
import { metricNames } from '@sightline/dashboards/promql'
import { root } from '@sightline/local/settings'
import { ask, askJson, promql } from './ask.ts'
import { type Check, type Finding, fail, pass, skip, warn } from './check.ts'
import type { Patient } from './patient.ts'

const GROUP = 'Boards'
const OWN_BOARDS = join(root, 'observability/grafana/dashboards')
const RANGE_MS = 15 * 60_000
/** A rate needs two scrapes, five seconds apart, after the order. */
const WITHIN_SECONDS = 12
/** What isn't there by then comes later: that is said instead. */
const YOUNG_WITHIN_SECONDS = 8
const PAUSE_MS = 500

const boardsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()

/** Built in the background of a start; without them the port answers all the same. */
export const pagesCheck: Check = {
  id: 'pages',
  group: GROUP,
  title: "the console's pages are built",
  needs: ['port-console'],
  async run({ mode, urls }, signal) {
    if (mode === 'stack') return skip('Grafana brings its own')
    const { status } = await ask(`${urls.console}/ready`, signal)
    if (status === 200) return pass()
    return fail(
      `GET ${urls.console}/ready answered ${status}`,
      'The first start of a version builds them for some seconds: ask again. Else build them (node console/build.ts), and let the user that runs the parts read console/dist.',
    )
  },
}

type Where = Pick<Patient, 'mode' | 'boards'>

export const boardChecks = ({ mode, boards }: Where): readonly Check[] =>
  boardsIn(boards ?? OWN_BOARDS).map((file) => ({
    id: `board-${file.replace('.json', '')}`,
    group: GROUP,
    title: `every panel of ${file.replace('.json', '')} has data, or says why not`,
    needs: ['trace', 'targets', 'port-loki', ...(asksConsole(mode, boards) ? ['port-console'] : [])],
    seconds: WITHIN_SECONDS + 4,
    run: (patient, signal) => withConsole(patient, (base) => examineBoard(file, base, patient, signal)),
  }))

async function examineBoard(file: string, base: string, patient: Patient, signal: AbortSignal): Promise<Finding> {
  const entry = (await loadEntries(signal, base)).find((one) => one.file === file)
  if (!entry) return fail(`the console has no ${file}`, 'Is the console of another version? npm start again.')
  const board = await openBoard(entry, base, signal)
  const young = await whyYoung(patient, signal)
  const within = young === undefined ? WITHIN_SECONDS : YOUNG_WITHIN_SECONDS
  const deadline = performance.now() + within * 1000 * patient.patience
  const asked = new Map<number, AskedPanel>()
  let open = board.panels
  for (;;) {
    const now = Date.now()
    const answers = await board.ask(open, { base, signal, range: { from: now - RANGE_MS, to: now } })
    open.forEach((panel, index) => void asked.set(panel.id, answers[index]!))
    open = open.filter((_, index) => isUnwell(answers[index]!))
    // A query that is wrong is not right a moment later.
    const broken = answers.some(({ instead }) => instead?.kind === 'error')
    if (open.length === 0 || broken || performance.now() > deadline) break
    await delay(PAUSE_MS, undefined, { signal })
  }
  const exported = await exportedMetrics(patient, signal)
  return verdict([...asked.values()], entry.file, exported, young)
}

/** Nothing is well where the board itself has words for it. */
const isUnwell = ({ instead, mayBeEmpty }: AskedPanel): boolean =>
  instead !== undefined && (instead.kind === 'error' || mayBeEmpty === undefined)

function verdict(
  panels: readonly AskedPanel[],
  file: string,
  exported: ReadonlySet<string>,
  young: string | undefined,
): Finding {
  const failed = panels.filter(({ instead }) => instead?.kind === 'error')
  if (failed.length > 0)
    return fail(
      failed.map(({ title, instead }) => `${title}: ${instead!.says}`).join('; '),
      `Correct the query: observability/grafana/src writes ${file}; the panel's menu, Inspect, shows it as it was asked.`,
    )
  // `or vector(0)` shows 0 for a metric that nobody exports.
  const strangers = panels.flatMap(({ title, promql }) =>
    [...new Set(promql.flatMap(metricNames))]
      .filter((name) => !isKnown(name, exported))
      .map((name) => `${title} asks for ${name}`),
  )
  if (strangers.length > 0)
    return fail(
      `${strangers.join('; ')}: nobody exports that`,
      `contracts/telemetry-names.ts has the names of ours; correct observability/grafana/src, then: node observability/grafana/src/write.ts`,
    )
  const empty = panels.filter(isUnwell)
  const without = `no data: ${empty.map(({ title }) => title).join(', ')}`
  if (empty.length > 0 && young !== undefined)
    return warn(`${without}; ${young}`, 'npm run load -- --minutes 1, then ask again.')
  if (empty.length > 0)
    return fail(
      without,
      "The panel's menu, Inspect, shows its query as it was asked; Explore shows what it finds without its conditions. A panel that may be empty says so by noValue.",
    )
  const silent = panels.filter(({ instead }) => instead !== undefined)
  const reasons = silent.map(({ title, instead }) => ` ${title}: ${instead!.says}`).join('')
  return pass(`${panels.length} panels.${reasons}`)
}

const OWN_METRICS = new Set(
  Object.entries(METRICS).flatMap(([name, { type }]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
)

const isKnown = (name: string, exported: ReadonlySet<string>): boolean =>
  exported.has(name) || OWN_METRICS.has(name) || FOREIGN_METRICS.some((pattern) => pattern.test(name))

async function exportedMetrics({ urls }: Patient, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const { data } = await askJson<{ data: string[] }>(`${urls.prometheus}/api/v1/label/__name__/values`, signal)
  return new Set(data)
}

/** Rules of every half minute have been computed twice by then. */
const GROWN_SECONDS = 75

/** Why panels may be empty on a system that is well: it has just been started, or nobody has asked it anything. */
async function whyYoung(patient: Patient, signal: AbortSignal): Promise<string | undefined> {
  const grown = await promql(patient, `up offset ${GROWN_SECONDS}s`, signal)
  if (grown.length === 0) return `metrics are there for less than ${GROWN_SECONDS} s`
  const requests = 'increase(http_server_request_duration_seconds_count{http_route!~"/metrics|/health|/ready"}[15m])'
  const [busy] = await promql(patient, `sum(${requests}) > 0`, signal)
  return busy ? undefined : 'nobody else asked for anything in the last quarter of an hour'
}

/** Whether the running console has the boards that are meant. */
const asksConsole = (mode: Patient['mode'], boards: string | undefined): boolean =>
  mode === 'local' && boards === undefined

/**
 * The running console; one of our own, on a free port and over the same engines, for boards of another folder and for the stack,
 * whose port 3000 is Grafana's.
 */
async function withConsole<T>(patient: Patient, work: (base: string) => Promise<T>): Promise<T> {
  const { mode, boards, urls, database } = patient
  if (asksConsole(mode, boards)) return work(urls.console)
  const connection = database === undefined ? undefined : new URL(database)
  const server = createConsoleServer({
    dist: join(root, 'console/dist'),
    dashboards: boards ?? OWN_BOARDS,
    tempoUrl: urls.tempo,
    lokiUrl: urls.loki,
    prometheusUrl: urls.prometheus,
    auditUrl: urls.auditService,
    database: connection && {
      host: connection.hostname,
      port: Number(connection.port),
      database: connection.pathname.slice(1),
      user: connection.username,
      password: decodeURIComponent(connection.password),
    },
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(0, '127.0.0.1', listening)
  })
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
}
