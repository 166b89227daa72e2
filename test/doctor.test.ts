/**
 * `npm run doctor` on a system that is broken in one place at a time: the check that must notice does, and says what to do,
 * and those beside it don't complain. One running system; each test mends what it broke,
 * those of Prometheus and the last one excepted.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { freePorts } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { writePidFile } from '../local/process-identity.mjs'
import { examine, type Result } from '../scripts/doctor/check.ts'
import { checksFor, chosen } from '../scripts/doctor/index.ts'
import { findPatient, type Wishes } from '../scripts/doctor/patient.ts'
import { startSystem, type TestSystem } from './system.ts'

const root = resolve(import.meta.dirname, '..')
const ORDER = { user_id: 1001, action: 'purchase' }
const BOARDS = join(root, 'observability/grafana/dashboards')
/** What arrives at all is there after a second; what doesn't need not be waited for as long as a user would. */
const PATIENCE = 0.3

let system: TestSystem
let folder: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sightline-doctor-'))
  system = await startSystem()
})
after(async () => {
  await system?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

interface Told {
  results: readonly Result[]
  /** The check crossed this out, with these words; its remedy has those. */
  crossed(id: string, detail: RegExp, remedy: RegExp): void
  /** None of these, nor of those whose ids begin so, was crossed out. */
  well(...ids: string[]): void
  /** Not made, for that reason. */
  skipped(id: string, reason: RegExp): void
}

/** These checks, and what they need, of the running system. */
async function doctor(ids: readonly string[], wishes: Wishes = {}): Promise<Told> {
  const asked = { home: system.home, ports: system.ports, env: { ...process.env } }
  const patient = findPatient({ asked, patience: PATIENCE, ...wishes })
  return told(await examine(chosen(checksFor(patient, true), ids), patient))
}

function told(results: readonly Result[]): Told {
  const all = JSON.stringify(results, null, 2)
  const find = (id: string) => results.find((result) => result.id === id) ?? assert.fail(`no check ${id}: ${all}`)
  return {
    results,
    crossed(id, detail, remedy) {
      const found = find(id)
      assert.equal(found.status, 'fail', all)
      assert.match(found.detail, detail)
      assert.match(found.remedy ?? '', remedy)
    },
    well(...ids) {
      for (const id of ids) {
        const those = results.filter((result) => result.id === id || (id.endsWith('-') && result.id.startsWith(id)))
        assert.ok(those.length > 0, `no check ${id}: ${all}`)
        for (const { status } of those) assert.ok(status === 'pass' || status === 'warn', all)
      }
    },
    skipped(id, reason) {
      assert.equal(find(id).status, 'skip', all)
      assert.match(find(id).detail, reason)
    },
  }
}

/** The command itself, as a user calls it. */
function command(args: readonly string[], env: NodeJS.ProcessEnv) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/doctor.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** Alertmanager is the one part that a machine may be without. */
const isUnwell = ({ status, detail }: Result) =>
  status === 'fail' || (status === 'skip' && !detail.startsWith('there is none on this machine'))

const portsAsText = (ports: Record<string, number>) =>
  Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `${port}`]))

const PORT_IDS = [
  'port-gateway',
  'port-user-service',
  'port-order-service',
  'port-audit-service',
  'port-postgres',
  'port-otlp',
  'port-otlp-grpc',
  'port-tempo',
  'port-loki',
  'port-prometheus',
  'port-alertmanager',
  'port-console',
]

describe('nothing runs', () => {
  test('a port taken by another program: who has it, exit code 2, and npm start as the remedy', async (t) => {
    const ports = await freePorts()
    const stranger = createServer((_, answer) => answer.end('a stranger'))
    await new Promise<void>((listening) => stranger.listen(ports.LOKI_PORT, '127.0.0.1', listening))
    t.after(() => stranger.close())
    const home = join(folder, 'none')
    // Not spawnSync: the stranger lives in this process.
    const patient = findPatient({ asked: { home, ports } })
    const seen = told(await examine(checksFor(patient, false), patient))
    seen.crossed(
      'port-loki',
      new RegExp(`LOKI_PORT=${ports.LOKI_PORT} is held by .*\\(process ${process.pid}\\)`),
      /LOKI_PORT=\d+ npm start/,
    )
    seen.well(...PORT_IDS.filter((id) => id !== 'port-loki'), 'node', 'programs', 'disk', 'state-folder')
    seen.crossed('parts', /nothing runs in/, /^npm start$/)
    const { status, stdout } = command([], { ...portsAsText(ports), SIGHTLINE_HOME: home })
    assert.equal(status, 2, stdout)
    assert.match(stdout, /✖ all parts run.*\n +→ npm start\n/)
  })

  test('parts of an earlier start', async (t) => {
    const home = join(folder, 'left')
    const left = spawn('sleep', ['60'])
    t.after(() => left.kill())
    writePidFile(join(home, 'run/order-service.pid'), left.pid!)
    const patient = findPatient({ asked: { home, ports: await freePorts() } })
    const seen = told(await examine(chosen(checksFor(patient, true), ['parts', 'state-folder']), patient))
    seen.crossed('parts', /^order-service of an earlier start still run/, /npm start stops them first/)
    seen.well('state-folder')
  })

  test('passwords that are damaged', async () => {
    const home = join(folder, 'damaged')
    mkdirSync(home, { mode: 0o700 })
    writeFileSync(join(home, 'passwords.json'), '{ "sightline": ', { mode: 0o600 })
    const patient = findPatient({ asked: { home, ports: await freePorts() } })
    const seen = told(await examine(chosen(checksFor(patient, false), ['state-folder', 'disk']), patient))
    seen.crossed('state-folder', /passwords\.json is damaged/, /npm run reset/)
    seen.well('disk')
  })

  test('called wrongly: exit code 2', () => {
    assert.equal(command(['--min-free', 'much'], {}).status, 2)
    const { status, stderr } = command(['--only', 'no-such-check'], { SIGHTLINE_HOME: join(folder, 'none') })
    assert.equal(status, 2)
    assert.match(stderr, /There is no check "no-such-check"\. There are: node, /)
  })
})

describe('all is well', () => {
  test('every check passes, in JSON as in words, and the exit code is 0', async () => {
    await until('the pages are built', 90, async () => (await fetch(`${system.urls.console}/ready`)).ok)
    const { status, stdout, stderr } = command(['--json'], {
      ...portsAsText(system.ports),
      SIGHTLINE_HOME: system.home,
    })
    const answer = JSON.parse(stdout || '{}') as { running: boolean; well: boolean; seconds: number; checks: Result[] }
    assert.deepEqual(answer.checks?.filter(isUnwell), [], stderr)
    assert.deepEqual([status, answer.running, answer.well], [0, true, true])
    assert.ok(answer.checks.length > 30)
    assert.ok(answer.checks.every(({ id, group, title, duration }) => id && group && title && duration >= 0))
  })
})

describe('the stack', () => {
  // Its ports are those of docker-compose.yaml unless told; only Grafana's own health differs from what runs here.
  test('is found at its ports, and its boards are asked without Grafana', () => {
    const { user, password, host, port, database } = system.postgres
    const ids =
      'spans,logs,exemplar,map,sealed,audit-chain,dead-letters,rules,clock-servers,board-audit,board-database,docs-logql'
    const { status, stdout, stderr } = command(['--stack', '--json', '--only', ids], {
      ...portsAsText(system.ports),
      DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/${database}`,
    })
    const answer = JSON.parse(stdout || '{}') as { checks: Result[] }
    const unwell = answer.checks?.filter(isUnwell)
    assert.deepEqual([status, unwell], [0, []], stderr)
    assert.ok(answer.checks.length > 20)
  })

  test('when it is not there: exit code 2', async () => {
    const { status, stdout } = command(['--stack', '--only', 'port-gateway,port-tempo'], {
      ...portsAsText(await freePorts()),
      DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
    })
    assert.equal(status, 2, stdout)
    assert.match(stdout, /→ .*npm run stack:up/)
  })
})

describe('this machine', () => {
  test('a state folder that others may enter', async () => {
    const { mode } = statSync(system.home)
    chmodSync(system.home, 0o755)
    try {
      const seen = await doctor(['state-folder', 'disk', 'parts'])
      seen.crossed('state-folder', /others may enter/, /^chmod -R go= /)
      seen.well('disk', 'parts')
    } finally {
      chmodSync(system.home, mode & 0o777)
    }
  })

  test('a disk that is nearly full', async () => {
    const seen = await doctor(['state-folder', 'disk'], { minFreeMegabytes: 1e9 })
    seen.crossed('disk', /^only \d+ MB free/, /SIGHTLINE_HOME=/)
    seen.well('state-folder')
  })
})

describe('switches', () => {
  // One after the other on the last hop: each has that one alone, and starting a service takes its time.
  const VICTIM = 'audit-service'
  let last: NodeJS.ProcessEnv = {}
  async function switchedTo(env: NodeJS.ProcessEnv): Promise<void> {
    const unset = Object.fromEntries(Object.keys(last).map((name) => [name, undefined]))
    await system.replaceService(VICTIM, { ...unset, ...env })
    last = env
  }
  after(() => switchedTo({}))

  const switched = async (env: NodeJS.ProcessEnv, ids: readonly string[]): Promise<Told> => {
    await switchedTo(env)
    return doctor(ids)
  }

  test('propagators none on one hop: a torn trace', async () => {
    const seen = await switched({ OTEL_PROPAGATORS: 'none' }, ['trace', 'logs', 'switches', 'map'])
    seen.crossed('trace', /the trace of an order is whole/, /OTEL_PROPAGATORS|lost its parent/)
    seen.crossed('switches', /OTEL_PROPAGATORS=none.*\(audit-service\)/, /unset OTEL_PROPAGATORS/)
    seen.skipped('map', /the order's trace is not whole/)
    seen.well('order', 'port-')
  })

  test('another propagator on one hop than on the others', async () => {
    const seen = await switched({ OTEL_PROPAGATORS: 'b3' }, ['trace', 'switches'])
    seen.crossed('switches', /propagate differently: .*b3/, /the same OTEL_PROPAGATORS/)
    seen.crossed('trace', /whole/, /audit-service|lost its parent/)
  })

  test('a sampler of 0', async () => {
    const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }
    const seen = await switched(env, ['trace', 'logs', 'switches'])
    seen.crossed('trace', /audit-service|whole/, /Nothing of audit-service/)
    seen.crossed('switches', /OTEL_TRACES_SAMPLER_ARG=0: no trace is kept \(audit-service\)/, /a ratio above 0/)
    seen.well('logs')
  })

  test('the exporter of traces is none', async () => {
    const seen = await switched({ OTEL_TRACES_EXPORTER: 'none' }, ['trace', 'logs', 'switches'])
    seen.crossed('trace', /audit-service/, /Nothing of audit-service is in it.*OTEL_TRACES_EXPORTER/)
    seen.crossed(
      'switches',
      /OTEL_TRACES_EXPORTER=none: no span is sent \(audit-service\)/,
      /OTEL_TRACES_EXPORTER=otlp/,
    )
    seen.well('logs')
  })

  test('the exporter of logs is none', async () => {
    const seen = await switched({ OTEL_LOGS_EXPORTER: 'none' }, ['trace', 'logs', 'switches', 'docs-logql'])
    seen.crossed('logs', /audit/, /OTEL_LOGS_EXPORTER/)
    seen.crossed('switches', /OTEL_LOGS_EXPORTER=none/, /OTEL_LOGS_EXPORTER=otlp/)
    seen.skipped('docs-logql', /its log lines are not to be found/)
    seen.well('trace')
  })

  test('telemetry goes elsewhere', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }
    const seen = await switched(env, ['trace', 'logs', 'switches'])
    seen.crossed('trace', /./, /Nothing of audit-service is in it.*OTEL_EXPORTER_OTLP_ENDPOINT/)
    seen.crossed('logs', /./, /./)
    seen.crossed('switches', /OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:9: telemetry goes there/, /unset/)
    seen.well('order', 'port-')
  })

  test('a variable of this shell, which the next start would have', async () => {
    const { stdout, status } = command(['--only', 'shell'], {
      ...portsAsText(system.ports),
      SIGHTLINE_HOME: system.home,
      OTEL_SDK_DISABLED: 'true',
    })
    assert.match(
      stdout,
      /! no OpenTelemetry variable of this shell.*OTEL_SDK_DISABLED=true: no span, no log line is sent\n +→ unset OTEL_SDK_DISABLED\n/,
    )
    assert.equal(status, 0)
  })

  test('its clock is an hour ahead', async () => {
    const preload = pathToFileURL(join(root, 'scripts/drills/clock-shift.mjs')).href
    await switchedTo({ NODE_OPTIONS: `--import ${preload}`, DRILL_CLOCK_SERVICE: VICTIM })
    system.killComponent(VICTIM, 'SIGUSR2')
    const seen = await doctor(['clock-telemetry', 'clock-servers'])
    seen.crossed('clock-telemetry', /^audit-service is 3\d{3}\.\d s ahead$/, /NTP/)
    seen.well('clock-servers', 'trace')
  })
})

describe('audit trail', () => {
  test('sealing is held up: by whom', async () => {
    const holder = new pg.Client(system.postgres)
    await holder.connect()
    await holder.query('begin; select from audit_sealing for update')
    const seen = await doctor(['sealed', 'audit-row', 'outbox'])
    await holder.query('rollback')
    const { rows } = await holder.query('select pg_backend_pid() as pid')
    await holder.end()
    seen.crossed('sealed', /\d rows? without seal/, new RegExp(`Session ${rows[0].pid} holds the lock`))
    seen.well('audit-row', 'outbox')
  })

  test('a dead letter', async () => {
    await sql(`insert into outbox (event_id, order_id, payload, attempts, last_error, next_attempt_at, dead_at)
      select gen_random_uuid(), max(id), '{}', 20, '422 refused', now(), now() from orders`)
    const seen = await doctor(['dead-letters', 'outbox', 'audit-row'])
    await sql('delete from outbox where dead_at is not null')
    seen.crossed('dead-letters', /1 dead letter; the newest: 422 refused/, /npm run audit:replay/)
    seen.well('outbox', 'audit-row')
  })
})

/** A copy of all boards, of which some are changed as text. */
function boardsWith(name: string, changes: Record<string, [from: string, to: string]>): string {
  const copy = join(folder, name)
  cpSync(BOARDS, copy, { recursive: true })
  for (const [file, [from, to]] of Object.entries(changes)) {
    const text = readFileSync(join(copy, file), 'utf8')
    assert.ok(text.includes(from), `${file} has no ${from}`)
    writeFileSync(join(copy, file), text.replaceAll(from, to))
  }
  return copy
}

describe('boards', () => {
  const all = ['board-audit', 'board-chain', 'board-database', 'board-telemetry']

  test('a renamed metric, PromQL and TraceQL that are wrong', async () => {
    const boards = boardsWith('wrong', {
      'audit.json': ['sum(outbox_pending)', 'sum(outbox_waiting)'],
      'chain.json': ['| select(name, span.http.response.status_code)', '| select(name,'],
      'telemetry.json': ['count(up == 0) or vector(0)', 'count(up == 0) or'],
    })
    const seen = await doctor(all, { boards })
    seen.crossed(
      'board-audit',
      /In the outbox asks for outbox_waiting.*nobody exports that/,
      /contracts\/telemetry-names\.ts/,
    )
    seen.crossed('board-chain', /^Error traces: Tempo answered 400/, /Inspect/)
    seen.crossed('board-telemetry', /^Targets down: Prometheus answered 400: .*parse error/, /Inspect/)
    seen.well('board-database')
  })

  test('SQL and LogQL that are wrong, and a query that finds nothing', async () => {
    await until(
      'the system has been running for a while',
      90,
      async () => (await system.prometheusQuery('up offset 75s')).length > 0,
    )
    const boards = boardsWith('empty', {
      'audit.json': ['FROM audit_logs', 'FROM audit_rows'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: as Grafana writes variables
      'chain.json': ['trace_id=~\\"${trace_id:raw}.*\\" [$__interval]', 'trace_id=~ [$__interval]'],
      'database.json': ['max(pg_locks_waiting)', 'max(pg_locks_waiting{job=\\"nobody\\"})'],
    })
    const seen = await doctor(all, { boards })
    seen.crossed('board-audit', /^Audit table: Postgres answered 400: .*audit_rows/, /Inspect/)
    seen.crossed('board-chain', /^Log lines by level: Loki answered 400/, /Inspect/)
    seen.crossed('board-database', /^no data: Waiting for locks/, /Explore/)
    seen.well('board-telemetry')
  })
})

describe('queries of the docs', () => {
  test('one that is wrong', async () => {
    const docs = join(folder, 'docs')
    cpSync(join(root, 'docs'), docs, { recursive: true })
    const page = join(docs, 'traceql.md')
    writeFileSync(page, readFileSync(page, 'utf8').replace('{ status = error }', '{ status = wrong }'))
    const seen = await doctor(['docs-traceql', 'docs-logql'], { docs })
    seen.crossed('docs-traceql', /\{ status = wrong \} was answered 400/, /Correct the query in .*traceql\.md/)
    seen.well('docs-logql')
  })
})

describe('parts that are gone', () => {
  test('the gateway was killed: no order, and nobody else is blamed', async () => {
    system.killComponent('gateway', 'SIGKILL')
    await until('its port is free', 10, async () => !(await fetch(system.urls.gateway).catch(() => null)))
    const seen = await doctor(['trace', ...PORT_IDS, 'parts'])
    await system.startComponent('gateway')
    seen.crossed(
      'port-gateway',
      /gateway does not run on GATEWAY_PORT/,
      /npm start starts a part anew.*gateway\/output\.log/,
    )
    seen.well(...PORT_IDS.filter((id) => id !== 'port-gateway'))
    seen.crossed('parts', /not running: gateway/, /output\.log/)
    seen.skipped('order', /the gateway does not answer/)
    seen.skipped('trace', /the gateway does not answer/)
  })

  test('audit-service is stopped: its port, and the event that waits in the outbox', async () => {
    await system.stopComponent('audit-service')
    const { status } = await system.api('POST', '/api/v1/process', ORDER)
    assert.equal(status, 202)
    await until('it waits for a while', 15, () => waitingInOutbox())
    const seen = await doctor(['outbox', 'dead-letters', 'order', 'port-order-service'])
    await system.startComponent('audit-service')
    seen.crossed('outbox', /1 wait, the oldest for/, /Does audit-service answer\?/)
    seen.crossed('port-audit-service', /audit-service does not run/, /audit-service\/output\.log/)
    seen.well('dead-letters', 'port-order-service')
  })

  test('PostgreSQL is stopped', async () => {
    await system.stopComponent('postgres')
    const seen = await doctor(['order', 'outbox', 'port-tempo'])
    await system.startComponent('postgres')
    seen.crossed('port-postgres', /postgres does not run/, /postgres\/output\.log/)
    seen.skipped('outbox', /PostgreSQL does not answer/)
    seen.well('port-tempo')
    await until(
      'orders are taken again',
      30,
      async () => (await system.api('POST', '/api/v1/process', ORDER)).status === 200,
    )
  })

  test('the backend is stopped: said once', async () => {
    await system.stopComponent('telemetry-backend')
    const seen = await doctor(['trace', 'logs', 'targets', ...PORT_IDS])
    await system.startComponent('telemetry-backend')
    seen.crossed('port-otlp', /telemetry-backend does not run/, /telemetry-backend\/output\.log/)
    for (const id of [
      'port-otlp-grpc',
      'port-tempo',
      'port-loki',
      'port-console',
      'port-alertmanager',
      'trace',
      'logs',
    ])
      seen.skipped(id, /the telemetry backend does not answer/)
    seen.well('port-gateway', 'port-postgres', 'order')
    assert.equal(seen.results.filter(({ status }) => status === 'fail').length, 1)
  })
})

describe('metrics', () => {
  const config = (path: string) => join(system.home, 'prometheus/config', path)

  // The backend was away before: exporters that have failed pause, and what they hold back makes no whole trace.
  before(() =>
    until(
      'a whole trace',
      60,
      () => doctor(['trace']),
      (seen) => seen.well('trace'),
    ),
  )

  test('Prometheus is stopped', async () => {
    await system.stopComponent('prometheus')
    const seen = await doctor(['targets', 'rules', 'trace', 'board-audit'])
    seen.crossed('port-prometheus', /Prometheus does not answer/, /prometheus\/output\.log/)
    for (const id of ['targets', 'rules', 'board-audit']) seen.skipped(id, /Prometheus does not answer/)
    seen.well('trace', 'port-tempo')
  })

  // Nobody needs it any more after that.
  test('Prometheus without its rules, with a wrong target, and with exemplars that lead nowhere', async () => {
    const lost = createServer((_, answer) => {
      answer.setHeader('content-type', 'application/openmetrics-text; version=1.0.0; charset=utf-8')
      answer.end(exemplarOf('dead'.repeat(8)))
    })
    await new Promise<void>((listening) => lost.listen(0, '127.0.0.1', listening))
    lost.unref()
    const targets = readFileSync(config('targets/local.json'), 'utf8')
    rmSync(config('rules/telemetry.yml'))
    const strange = { targets: [`127.0.0.1:${(lost.address() as AddressInfo).port}`], labels: { job: 'user-service' } }
    writeFileSync(config('targets/local.json'), JSON.stringify([...JSON.parse(targets), strange]))
    await system.startComponent('prometheus')
    const seen = await doctor(['rules', 'exemplar', 'targets'])
    seen.crossed('rules', /^not loaded: TargetDown, ServiceDropsTelemetry.* and \d more/, /npm start writes it anew/)
    seen.crossed('exemplar', /there is no trace (dead){8}/, /query_exemplars/)
    seen.well('targets')
    lost.closeAllConnections()
    await new Promise((closed) => lost.close(closed))
    await until(
      'the target is noticed to be gone',
      30,
      async () => (await system.prometheusQuery('up == 0')).length > 0,
    )
    ;(await doctor(['targets'])).crossed(
      'targets',
      /user-service at 127\.0\.0\.1:\d+: .*refused/,
      /targets\/local\.json/,
    )
  })
})

const exemplarOf = (traceId: string) => `# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_route="/process",le="+Inf"} 1 # {trace_id="${traceId}"} 0.5 ${Date.now() / 1000}
http_server_request_duration_seconds_sum{http_route="/process"} 0.5
http_server_request_duration_seconds_count{http_route="/process"} 1
# EOF
`

// The last: what was tampered with stays so.
test('an audit row that was changed behind its service', async () => {
  await until(
    'all rows are sealed',
    15,
    async () => (await sql('select count(*)::int as count from audit_unsealed'))[0]!.count === 0,
  )
  ;(await doctor(['audit-chain'])).well('audit-chain')
  await sql(`alter table audit_logs disable trigger user; update audit_logs set action = 'refund' where id = (select min(id) from audit_logs);
    alter table audit_logs enable trigger user`)
  const seen = await doctor(['audit-chain', 'audit-row', 'sealed'])
  seen.crossed('audit-chain', /^audit row \d+, position 1: /, /npm run audit:verify/)
  seen.well('audit-row', 'sealed')
})

async function waitingInOutbox(): Promise<boolean> {
  const [row] = await sql("select count(*)::int as count from outbox where created_at < now() - interval '2 seconds'")
  return row!.count! > 0
}

async function sql(statement: string): Promise<Record<string, number>[]> {
  const client = new pg.Client(system.postgres)
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}
