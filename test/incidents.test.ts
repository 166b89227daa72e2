/**
 * Each incident of `npm run incident`, one after the other on one system: what it says is there to be found, by the queries that
 * its page names; the right answer passes and plausible wrong ones don't; after stop everything is as it was.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { flagsFileOf, incidentPidOf } from '@sightline/local/incident'
import { livingProcess } from '@sightline/local/process-identity'
import { readSettings, root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { examine } from '../scripts/doctor/check.ts'
import { attributed } from '../scripts/doctor/incident.ts'
import { checksFor, chosen } from '../scripts/doctor/index.ts'
import { findPatient } from '../scripts/doctor/patient.ts'
import { checkEvidence } from '../scripts/incident/evidence.ts'
import { answerIncident, nextHint } from '../scripts/incident/grade.ts'
import type { Incident } from '../scripts/incident/incident.ts'
import { incidents } from '../scripts/incident/incidents/index.ts'
import type { Mechanism } from '../scripts/incident/mechanisms.ts'
import { type Place, placeOf } from '../scripts/incident/place.ts'
import { incidentCalled, startIncident, stopIncident } from '../scripts/incident/run.ts'
import { startSystem, type TestSystem } from './system.ts'

/** What proves an incident, and a mechanism that somebody might name who has only looked at the symptom. */
interface Proof {
  evidence: readonly string[]
  mistaken: Mechanism
  /** Queries that find much and prove nothing. */
  vague: readonly string[]
  /** Requests a second, default 12. */
  rate?: number
  /** What is the same and costs less, where other tests want the processor, too. */
  flags?: Incident['flags']
}

const proofs: Record<string, Proof> = {
  'slow-tuesday': {
    evidence: [
      '{ resource.service.name = "audit-service" && name = "record_audit" && duration > 300ms }',
      'max by (job) (max_over_time(http_server_request_duration_seconds_sum{job="audit-service", http_route="/process"}[5m]))',
      '{service_name="audit-service"} | duration_ms > 300',
      'histogram_quantile(0.9, sum by (le) (rate(http_server_request_duration_seconds_bucket{job="audit-service"}[1m])))',
    ],
    mistaken: 'missing-index',
    vague: ['{ duration > 300ms }', '{service_name="user-service"}', 'http_server_active_requests'],
  },
  'lunch-hour': {
    evidence: [
      '{ resource.service.name = "order-service" && event.exception.type = "TypeError" }',
      '{service_name="order-service"} |= "Cannot read properties"',
      'rate(http_server_request_duration_seconds_count{job="order-service", http_response_status_code="500"}[1m])',
    ],
    mistaken: 'bad-answer',
    vague: ['{ status = error && resource.service.name = "user-service" }', '{service_name=~".+"}'],
  },
  'long-aisle': {
    evidence: [
      '{ name =~ "pg.query:find_products_priced.*" && duration > 40ms }',
      'sum by (db_query_summary) (db_client_operation_duration_seconds_sum{db_query_summary="find_products_priced"})',
    ],
    mistaken: 'lock-contention',
    vague: ['{ duration > 40ms }', '{service_name="order-service"}'],
  },
  'long-history': {
    evidence: [
      '{ resource.service.name = "order-service" && name =~ "pg.query:find_history_order.*" }',
      'topk(3, sum by (db_query_summary) (rate(db_client_operation_duration_seconds_count{db_query_summary!=""}[30s])))',
      '{service_name="order-service"} |= "GET /orders 200"',
    ],
    mistaken: 'missing-index',
    vague: ['{ name =~ "pg.query:.*" }', '{service_name="order-service"}'],
  },
  'empty-shelf': {
    evidence: [
      '{ resource.service.name = "order-service" && span.http.route = "/inventory/{product_id}/reserve" && span.http.response.status_code = 200 }',
      'inventory_reserved{product_id="headphones-001"}',
      '{ span.user_agent.original = "partner-portal" }',
      '{service_name="order-service"} |= "on hand"',
    ],
    mistaken: 'stock-sold',
    vague: ['{ span.http.response.status_code = 409 }', '{service_name="order-service"} |= "409"'],
  },
  'stuck-checkout': {
    evidence: [
      '{ name =~ "pg.query:lock_inventory.*" && duration > 250ms }',
      'max_over_time(pg_locks_waiting[1m])',
      '{service_name="order-service"} | duration_ms > 400',
    ],
    mistaken: 'missing-index',
    vague: ['{ name =~ "pg.query:.*" }', '{service_name="order-service"}'],
  },
  'half-receipts': {
    evidence: [
      '{ resource.service.name = "audit-service" && status = error }',
      '{service_name="audit-service"} |= "read-only transaction"',
      '{service_name="postgresql"} |= "read-only"',
      'rate(http_client_request_duration_seconds_count{peer_service="audit-service", http_response_status_code=~"5.."}[30s])',
    ],
    mistaken: 'failing-code',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="audit-service"}'],
  },
  'morning-freeze': {
    evidence: [
      // The metrics come late from a service whose pool is empty, or not at all.
      '{service_name="order-service"} |= "timeout exceeded when trying to connect"',
      'db_client_connection_count{job="order-service", state="used"}',
    ],
    mistaken: 'lock-contention',
    vague: ['{ status = error && resource.service.name != "order-service" }', '{service_name="user-service"}'],
  },
  'warm-database': {
    evidence: [
      '{ name = "product_cache" && span.cache.hit = false }',
      'topk(2, sum by (db_query_summary) (rate(db_client_operation_duration_seconds_count{db_query_summary=~".*product.*"}[30s])))',
    ],
    mistaken: 'n-plus-one',
    vague: ['{ name =~ "pg.query:.*" }', '{service_name="user-service"}'],
  },
  'late-letters': {
    evidence: [
      '{ resource.service.name = "audit-service" && span.http.response.status_code = 422 }',
      '{ name = "relay_audit_event" && status = error }',
      '{service_name="audit-service"} |= "422"',
      'rate(outbox_deliveries_total{outcome="failed"}[30s])',
    ],
    mistaken: 'retry-storm',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="audit-service"}'],
  },
  avalanche: {
    evidence: [
      '{ resource.service.name = "order-service" && kind = client && name = "POST" } | count() > 3',
      'sum by (job, peer_service, http_response_status_code) (http_client_request_duration_seconds_count{http_response_status_code="429"})',
      '{ resource.service.name="order-service" && kind=client && span.http.response.status_code=429 }',
      '{ resource.service.name="audit-service" && name="record_audit" && status=error }',
      '{service_name="audit-service"} |= "429"',
      '{service_name="audit-service"} |= "connection guard lets no more"',
      '{service_name="audit-service", level="warn"}',
      'sum by (job) (rate(http_server_request_duration_seconds_count{http_route="/process"}[30s]))',
    ],
    mistaken: 'failing-code',
    vague: [
      '{ resource.service.name = "user-service" }',
      '{service_name="user-service"}',
      '{service_name="audit-service"}',
    ],
  },
  'broken-trail': {
    evidence: [
      '{ resource.service.name = "order-service" && rootServiceName = "order-service" && name = "POST /process" }',
    ],
    mistaken: 'telemetry-loss',
    vague: ['{ resource.service.name = "user-service" }', '{service_name="order-service"}'],
  },
  'strange-answers': {
    evidence: [
      '{ name = "deliver_audit_event" && status = error }',
      '{service_name="order-service"} | exception_message =~ ".*unexpected body.*"',
      'rate(audit_events_total{outcome="duplicate"}[30s])',
    ],
    mistaken: 'failing-code',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="audit-service"}'],
  },
  'growing-heavy': {
    evidence: [
      'nodejs_external_memory_bytes{job=~".*-service"}',
      '{ event.feature_flag.key = "users.session-cache" }',
      'delta(process_resident_memory_bytes{job=~".*-service"}[30s])',
    ],
    mistaken: 'traffic-growth',
    vague: ['{ resource.service.name = "order-service" }', 'http_server_active_requests'],
  },
  'everyone-waits': {
    evidence: [
      '{ span.user.id = "2007" && resource.service.name = "user-service" }',
      'sum by (db_query_summary) (rate(db_client_operation_duration_seconds_sum{job="user-service"}[30s]))',
    ],
    mistaken: 'traffic-growth',
    flags: { 'users.loyalty-points': { on: { days: 150_000 }, users: [2007] } },
    vague: ['{ resource.service.name = "order-service" }', '{service_name="user-service"}'],
  },
  'impossible-timeline': {
    evidence: [
      '{ resource.service.name = "order-service" && traceDuration > 1m }',
      '{service_name="order-service"} |= "order committed"',
    ],
    mistaken: 'slow-code',
    vague: ['{ traceDuration > 1m }', '{service_name="user-service"}'],
  },
  'gaps-in-the-record': {
    evidence: [
      'telemetry_dropped_total{reason="queue_full"}',
      'sum by (job) (rate({reason="queue_full"}[1m]))',
      'sum(rate(telemetry_dropped_total[1m]))',
    ],
    mistaken: 'lost-context',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="user-service"}'],
  },
  'invisible-errors': {
    evidence: [
      '{ resource.service.name = "gateway" && span.http.response.status_code = 500 }',
      '{service_name="order-service"} |= "/inventory/{product_id} 500"',
    ],
    mistaken: 'failing-code',
    vague: ['{ resource.service.name = "gateway" }', '{service_name="order-service"}'],
  },
}

/** Whatever is wrong, these don't show it: one after the other, each of several incidents. */
const ALWAYS_VAGUE = [
  '{ }',
  '{service_name=~".+"}',
  'up',
  'sum({job=~".+-service"})',
  'sum(rate(http_server_request_duration_seconds_count[1m]))',
]

let system: TestSystem
let place: Place
let owner: pg.Pool
let quiet: string

before(async () => {
  // A fresh event is left alone for 15 s in earnest; here the relay may come sooner, and twice is as good as once.
  system = await startSystem({ env: { ...process.env, OUTBOX_GRACE_MS: '1000' } })
  await scrapeEverySecond()
  place = placeOf(readSettings({ home: system.home, ports: system.ports }))
  owner = new pg.Pool(system.postgres)
  // The last test stops the server under it.
  owner.on('error', () => undefined)
  quiet = await order('quiet-1')
})
// One that failed leaves the next ones a quiet system.
afterEach(() => stopIncident(place))
after(async () => {
  await owner?.end()
  await system?.[Symbol.asyncDispose]()
})

test('every incident is proved here', () => {
  assert.deepEqual(Object.keys(proofs).sort(), incidents.map(({ name }) => name).sort())
})

for (const [index, { name, seed, hints, cause }] of incidents.entries()) {
  test(name, async () => {
    const { evidence, mistaken, vague, rate = 12, flags } = proofs[name]!
    const incident = { ...incidentCalled(name), ...(flags && { flags }) }
    const earlier = await stateOfSystem()
    const note = await startIncident(place, incident, rate)
    // All at once: what one waits for, the next scrape say, the others wait for too, and the load goes on only as long as the longest.
    await Promise.all(
      evidence.map((text) =>
        until(`${name}: ${text}`, 45, async () => {
          const { shows, says } = await checkEvidence(place, incident, note, text)
          assert.ok(shows, says)
          return true
        }),
      ),
    )
    // The very first request may be one that is hit: what is vague finds the others, too, as soon as there are some.
    await Promise.all(
      [...vague, ALWAYS_VAGUE[index % ALWAYS_VAGUE.length]!].map((text) =>
        until(`${name}: ${text} is too vague`, 20, async () => {
          const { shows, says } = await checkEvidence(place, incident, note, text)
          assert.ok(!shows, says)
          return true
        }),
      ),
    )
    const right = {
      service: cause.service,
      operation: cause.operations[0]!,
      mechanism: cause.mechanism,
      evidence: evidence[0]!,
    }
    const wrong = [
      { ...right, service: cause.service === 'user-service' ? 'order-service' : 'user-service' },
      { ...right, mechanism: mistaken },
      { ...right, evidence: quiet },
    ]
    for (const answer of wrong) assert.equal((await answerIncident(place, answer)).right, false, JSON.stringify(answer))
    assert.equal(nextHint(place)?.hint, hints[0])
    const grade = await answerIncident(place, right)
    assert.ok(grade.right, JSON.stringify(grade))
    assert.equal(grade.score, 100 - 3 * 15 - 10)

    await stopIncident(place)
    assert.deepEqual(
      await until('all is as before', 20, stateOfSystem, (now) => assert.deepEqual(now, earlier)),
      earlier,
    )
    // The very requests that were hit are hit no more.
    const traces = await Promise.all(Array.from({ length: 12 }, (_, n) => order(`${seed}-${n}`)))
    for (const trace of traces) {
      const { shows, says } = await checkEvidence(place, incident, note, trace)
      assert.ok(!shows && /does not show/.test(says), says)
    }
  })
}

/** In place of every five: a rate is there after two of them, and the load of an incident goes on until it is. */
async function scrapeEverySecond(): Promise<void> {
  const file = join(system.home, 'prometheus/config/prometheus.yml')
  const text = readFileSync(file, 'utf8')
  const faster = text.replace(/^( *scrape_interval: ).*/m, '$11s').replace(/^( *scrape_timeout: ).*/m, '$11s')
  assert.notEqual(faster, text)
  writeFileSync(file, faster)
  await system.stopComponent('prometheus')
  await system.startComponent('prometheus')
  await until('the first scrapes', 20, async () => (await system.prometheusQuery('up')).length > 0)
}

/** What an incident may not leave changed. */
async function stateOfSystem() {
  const { rows: schemas } = await owner.query(`select nspname from pg_namespace where nspname !~ '^pg_' order by 1`)
  const { rows: stock } = await owner.query(`select product_id, reserved from inventory order by 1`)
  const { rows: missing } = await owner.query(
    `select count(*)::int as orders from orders o where (select count(*) from audit_logs a where a.order_id = o.id) <> 1`,
  )
  const sessions = await owner.query(
    `select count(*)::int as held from pg_stat_activity where application_name in ('incident', 'nightly-stocktake')`,
  )
  return {
    schemas,
    stock,
    missing,
    sessions: sessions.rows,
    flags: existsSync(flagsFileOf(system.home)),
    runner: livingProcess(incidentPidOf(system.home)),
  }
}

/** One order that is answered well; resolves to its trace id. */
async function order(requestId: string): Promise<string> {
  return until(`order ${requestId}`, 10, async () => {
    const body = { user_id: 2001, action: 'purchase' }
    const { status, headers, text } = await system.api('POST', '/api/v1/process', body, { 'x-request-id': requestId })
    assert.equal(status, 200, text)
    return headers.get('x-trace-id')!
  })
}

const run = (...args: string[]) =>
  spawnSync(process.execPath, ['scripts/incident.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...place.settings.env, NO_COLOR: '1' } as NodeJS.ProcessEnv,
  })

/** What `npm run doctor` says of these checks. */
async function doctor(...ids: string[]) {
  const patient = findPatient({ asked: { home: system.home, ports: system.ports, env: { ...process.env } } })
  const results = await examine(chosen(checksFor(patient, true), ids), patient, attributed)
  return (id: string) => results.find((result) => result.id === id)!
}

test('telemetry that an incident dropped is a remark of the doctor, with its name', async () => {
  // Prometheus asks every five seconds.
  const said = await until('the doctor has seen it', 20, async () => {
    const seen = (await doctor('dropped', 'incident'))('dropped')
    // Others may have dropped some too, on a machine with much to do.
    assert.equal(seen.status, 'warn', JSON.stringify(seen))
    assert.ok(seen.incidents?.includes('gaps-in-the-record'), JSON.stringify(seen))
    return seen
  })
  assert.match(
    said.detail,
    /user-service, queue_full, .*all of it while the incidents? .*gaps-in-the-record.* under way/,
  )
})

test('a person and a program are told the same, and exit codes say how it went', async () => {
  assert.match(run('list').stdout, /slow-tuesday/)
  assert.equal(run('start').status, 2)
  assert.equal(run('start', 'no-such').status, 2)
  assert.equal(run('hint').status, 1)
  const started = JSON.parse(run('start', 'slow-tuesday', '--json').stdout)
  assert.equal(started.started, 'slow-tuesday')
  assert.ok(Array.isArray(started.fired_before), JSON.stringify(started))
  assert.doesNotMatch(JSON.stringify(started), /audit|batch|linger/)
  const underWay = (await doctor('incident'))('incident')
  assert.deepEqual([underWay.status, underWay.remedy], ['warn', 'npm run incident -- stop puts all back.'])
  assert.match(underWay.detail, /^slow-tuesday was started \d+ s ago/)
  assert.doesNotMatch(underWay.detail, /audit|batch|linger/)
  assert.equal(run('start', 'lunch-hour').status, 1)
  assert.equal(run('answer', '--service', 'audit-service').status, 2)
  const wrong = run(
    'answer',
    '--json',
    '--service',
    'a',
    '--operation',
    'b',
    '--mechanism',
    'deadlock',
    '--evidence',
    'up',
  )
  assert.equal(wrong.status, 1)
  assert.equal(JSON.parse(wrong.stdout).score, 85, wrong.stdout)
  assert.match(JSON.parse(wrong.stdout).evidence.says, /does not show the fault/)
  await costsNothing()
  assert.match(run('stop').stdout, /slow-tuesday is over/)
  assert.match(run('stop').stdout, /No incident was running/)
})

/** Evidence that can't be looked at: the reason is that of who was asked, and nothing of the answer is graded. */
async function costsNothing() {
  const nowhere = { ...place, tempo: 'http://127.0.0.1:9', prometheus: 'http://127.0.0.1:9' }
  const cases: [place: Place, evidence: string, reason: RegExp][] = [
    [
      place,
      '{ status = wrong }',
      /as TraceQL it is refused: .*unknown identifier: wrong.*as LogQL it is refused: .*docs\/traceql\.md/,
    ],
    [place, '{service_name="x"', /as LogQL it is refused: parse error at line 1, col 18/],
    [place, 'sum((', /as PromQL it is refused: .*unclosed left parenthesis/],
    [place, 'sum(count_over_time({service_name="user-service"}[1m]', /as PromQL .*as LogQL/],
    [place, 'sum(count_over_time({service_name="user-service"} |= "a" [1m]))', /give the query inside/],
    [place, 'f'.repeat(32), /there is no trace f{32}/],
    [place, 'c', /there is no metric c, and it is no id/],
    [place, 'rate(requests_totl[1m])', /brings nothing: there is no metric requests_totl$/],
    [place, '{ name = "record_audti" }', /brings no span of this incident\. Is every name .*\(read as TraceQL\)$/],
    [place, '{ name = "record_audti" } | rate()', /brings no (series|span) of this incident/],
    [place, '{service_name="audti-service"} |= "x"', /brings no line of this incident.*\(read as LogQL\)$/],
    [place, 'audit:99999999', /there is no audit row 99999999: npm run audit/],
    [place, 'order:99999999', /there is no order 99999999/],
    [nowhere, quiet, /Tempo does not answer at http:\/\/127\.0\.0\.1:9 \(.*npm run doctor/],
    [nowhere, '{ status = error }', /Tempo does not answer/],
    [nowhere, 'up', /Prometheus does not answer/],
  ]
  for (const [where, evidence, reason] of cases) {
    const answer = { service: 'audit-service', operation: 'record_audit', mechanism: 'slow-code', evidence }
    const grade = await answerIncident(where, answer)
    assert.match(grade.evidence.says, reason)
    assert.deepEqual([grade.right, grade.service, grade.mechanism, grade.score], [false, null, null, 85], evidence)
  }
}

test('a load that was killed is told, and all is put back', async () => {
  const earlier = await stateOfSystem()
  const kill = async () => process.kill(livingProcess(incidentPidOf(system.home))!, 'SIGKILL')
  await startIncident(place, incidentCalled('half-receipts'), 1)
  await kill()
  await until('it is gone', 5, () => livingProcess(incidentPidOf(system.home)) === null)
  assert.match(
    run('list').stdout,
    /half-receipts .*its load was killed, its fault is still there: npm run incident -- stop/,
  )
  assert.equal(JSON.parse(run('list', '--json').stdout).state, 'killed')
  assert.equal((await doctor('incident'))('incident').status, 'fail')
  const hint = JSON.parse(run('hint', '--json').stdout)
  assert.match(hint.remark, /The load of half-receipts was killed, .*that is put back now/)
  assert.equal(hint.score, 90)
  assert.deepEqual(await until('all is as before', 20, stateOfSystem, (now) => assert.deepEqual(now, earlier)), earlier)
  assert.match(run('list').stdout, /half-receipts .*over by itself: answers are still taken/)

  await startIncident(place, incidentCalled('stuck-checkout'), 1)
  await kill()
  const started = run('start', 'empty-shelf', '--json')
  assert.match(JSON.parse(started.stdout).remark ?? started.stdout, /The load of stuck-checkout was killed/)
  await kill()
  assert.match(run('stop').stdout, /empty-shelf is over/)
  assert.deepEqual(await until('all is as before', 20, stateOfSystem, (now) => assert.deepEqual(now, earlier)), earlier)
})

test('what was killed is put back by the next start', async () => {
  await startIncident(place, incidentCalled('long-aisle'), 1)
  process.kill(livingProcess(incidentPidOf(system.home))!, 'SIGKILL')
  // A definition that is none leaves the flags as they are.
  writeFileSync(flagsFileOf(system.home), '{ "flags": ')
  const said: string[] = []
  await system.stop()
  const { startLocal } = await import('@sightline/local')
  const again = await startLocal({ home: system.home, ports: system.ports, onProgress: (line) => said.push(line) })
  try {
    assert.match(said.join('\n'), /the incident long-aisle, which ran when the system ended, is over/)
    const client = new pg.Client(again.postgres)
    await client.connect()
    const { rows } = await client.query(`select 1 from pg_namespace where nspname = 'pricing'`)
    await client.end()
    assert.deepEqual([rows, existsSync(flagsFileOf(system.home))], [[], false])
  } finally {
    await again.stop()
  }
})
