/**
 * Each incident of `npm run incident`, one after the other on one system: what it says is there to be found, by the queries that
 * its page names; the right answer passes and plausible wrong ones don't; after stop everything is as it was.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { after, afterEach, before, test } from 'node:test'
import { flagsFileOf, incidentPidOf } from '@sightline/local/incident'
import { livingProcess } from '@sightline/local/process-identity'
import { readSettings, root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { checkEvidence } from '../scripts/incident/evidence.ts'
import { answerIncident, nextHint } from '../scripts/incident/grade.ts'
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
}

const proofs: Record<string, Proof> = {
  'slow-tuesday': {
    evidence: [
      '{ resource.service.name = "audit-service" && name = "record_audit" && duration > 300ms }',
      'max by (job) (max_over_time(http_server_request_duration_seconds_sum{job="audit-service", http_route="/process"}[5m]))',
    ],
    mistaken: 'missing-index',
    vague: ['{ duration > 300ms }', '{service_name="user-service"}', 'http_server_active_requests'],
  },
  'lunch-hour': {
    evidence: [
      '{ resource.service.name = "order-service" && event.exception.type = "TypeError" }',
      '{service_name="order-service"} |= "Cannot read properties"',
    ],
    mistaken: 'bad-answer',
    vague: ['{ status = error }', '{service_name=~".+"}'],
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
      'topk(3, sum by (db_query_summary) (db_client_operation_duration_seconds_count{db_query_summary!=""}))',
    ],
    mistaken: 'missing-index',
    vague: ['{ name =~ "pg.query:.*" }', '{service_name="order-service"}'],
  },
  'empty-shelf': {
    evidence: [
      '{ resource.service.name = "order-service" && span.http.route = "/inventory/{product_id}/reserve" && span.http.response.status_code = 200 }',
      'inventory_reserved{product_id="headphones-001"}',
    ],
    mistaken: 'stock-sold',
    vague: ['{ span.http.response.status_code = 409 }', '{service_name="order-service"} |= "409"'],
  },
  'stuck-checkout': {
    evidence: ['{ name =~ "pg.query:lock_inventory.*" && duration > 250ms }'],
    mistaken: 'missing-index',
    vague: ['{ name =~ "pg.query:.*" }', '{service_name="order-service"}'],
  },
  'half-receipts': {
    evidence: [
      '{ resource.service.name = "audit-service" && status = error }',
      '{service_name="audit-service"} |= "read-only transaction"',
    ],
    mistaken: 'failing-code',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="audit-service"}'],
  },
  'morning-freeze': {
    evidence: [
      'db_client_connection_count{job="order-service", state="used"}',
      '{service_name="order-service"} |= "timeout exceeded when trying to connect"',
    ],
    mistaken: 'lock-contention',
    vague: ['{ status = error }', '{service_name="user-service"}'],
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
    ],
    mistaken: 'retry-storm',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="audit-service"}'],
  },
  avalanche: {
    evidence: [
      '{ resource.service.name = "order-service" && kind = client && name = "POST" } | count() > 3',
      'sum by (job, peer_service, http_response_status_code) (http_client_request_duration_seconds_count{http_response_status_code="429"})',
    ],
    mistaken: 'failing-code',
    vague: ['{ resource.service.name = "user-service" }', '{service_name="user-service"}'],
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
    ],
    mistaken: 'failing-code',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="audit-service"}'],
  },
  'growing-heavy': {
    evidence: ['nodejs_external_memory_bytes{job=~".*-service"}'],
    mistaken: 'traffic-growth',
    vague: ['{ resource.service.name = "order-service" }', 'http_server_active_requests'],
  },
  'everyone-waits': {
    evidence: [
      '{ span.user.id = "2007" && resource.service.name = "user-service" }',
      'sum by (db_query_summary) (db_client_operation_duration_seconds_sum)',
    ],
    mistaken: 'traffic-growth',
    vague: ['{ resource.service.name = "order-service" }', '{service_name="user-service"}'],
  },
  'impossible-timeline': {
    evidence: ['{ resource.service.name = "order-service" && traceDuration > 1m }'],
    mistaken: 'slow-code',
    vague: ['{ traceDuration > 1m }', '{service_name="user-service"}'],
  },
  'gaps-in-the-record': {
    evidence: ['telemetry_dropped_total{reason="queue_full"}'],
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

let system: TestSystem
let place: Place
let owner: pg.Pool
let quiet: string

before(async () => {
  // A fresh event is left alone for 15 s in earnest; here the relay may come sooner, and twice is as good as once.
  system = await startSystem({ env: { ...process.env, OUTBOX_GRACE_MS: '1000' } })
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

for (const { name, seed, hints, cause } of incidents) {
  test(name, async () => {
    const { evidence, mistaken, vague, rate = 12 } = proofs[name]!
    const incident = incidentCalled(name)
    const earlier = await stateOfSystem()
    const note = await startIncident(place, incident, rate)
    for (const text of evidence) {
      await until(`${name}: ${text}`, 30, async () => {
        const { shows, says } = await checkEvidence(place, incident, note, text)
        assert.ok(shows, says)
        return true
      })
    }
    for (const text of vague) {
      const { shows, says } = await checkEvidence(place, incident, note, text)
      assert.ok(!shows, `${text} passes: ${says}`)
    }
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

test('a person and a program are told the same, and exit codes say how it went', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['scripts/incident.ts', ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, ...place.settings.env, NO_COLOR: '1' } as NodeJS.ProcessEnv,
    })
  assert.match(run('list').stdout, /slow-tuesday/)
  assert.equal(run('start').status, 2)
  assert.equal(run('start', 'no-such').status, 2)
  assert.equal(run('hint').status, 1)
  const started = JSON.parse(run('start', 'slow-tuesday', '--json').stdout)
  assert.equal(started.started, 'slow-tuesday')
  assert.doesNotMatch(JSON.stringify(started), /audit|batch|linger/)
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
    'c',
  )
  assert.equal(wrong.status, 1)
  assert.equal(JSON.parse(wrong.stdout).score, 85, wrong.stdout)
  assert.match(run('stop').stdout, /slow-tuesday is over/)
  assert.match(run('stop').stdout, /No incident was running/)
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
