/** What evidence is taken for, which metrics show a fault, and which words of an answer are right: without a system. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Span } from '../trace/spans.ts'
import { cannotShow, counts, judgeSpans, mustStandOut, readEvidence, spansOfSeries, standsOut } from './evidence.ts'
import { gradeParts } from './grade.ts'
import { incidents } from './incidents/index.ts'
import { MECHANISMS, mechanismCalled } from './mechanisms.ts'
import { type AskMetrics, judgeMetric, type Labels, type Series } from './metric-evidence.ts'

const ID = '1f3ed7402bf9e70c8ab7f3a58764e4cf'

test('ids, rows and queries are told from each other', () => {
  for (const text of [ID, ` ${ID.toUpperCase()} `, `trace:${ID}`, `00-${ID}-8ab7f3a58764e4cf-01`])
    assert.deepEqual(readEvidence(text), { kind: 'trace', id: ID }, text)
  for (const text of ['712', 'order:712', 'ORDER: 712'])
    assert.deepEqual(readEvidence(text), { kind: 'order', id: 712 }, text)
  assert.deepEqual(readEvidence('audit:1200'), { kind: 'audit', id: 1200 })
  const languages = (text: string) => {
    const evidence = readEvidence(text)
    return evidence.kind === 'query' ? evidence.languages : evidence
  }
  assert.deepEqual(languages('{ status = error }'), ['TraceQL', 'LogQL'])
  assert.deepEqual(languages('({ status = error }) && { kind = client }'), ['TraceQL', 'LogQL'])
  assert.deepEqual(languages('rate({reason="queue_full"}[1m])'), ['PromQL', 'LogQL'])
  assert.deepEqual(languages('up'), ['PromQL'])
  assert.deepEqual(languages('zzz'), ['PromQL'])
  assert.deepEqual(languages('promql: {job="a"}'), ['PromQL'])
})

test('a trace id is read as Tempo writes it, without its leading zeros', () => {
  assert.deepEqual(readEvidence(ID.slice(1)), { kind: 'trace', id: `0${ID.slice(1)}` })
})

test('what is no id, no row and no query is told why', () => {
  for (const [text, reason] of [
    [ID.slice(17), /"[0-9a-f]{15}" is no trace id: it has 15 characters, a trace id has 32/],
    ['8ab7f3a58764e4cf', /it has 16 characters/],
    ['trace:zzz', /"zzz" is no trace id/],
    ['audit:99999999999999999999', /"9{20}" is no id of a row: audit:712 has a number/],
    ['order:zzz', /"zzz" is no id of a row/],
    ['select * from orders', /SQL is not asked here: .*order:ID or audit:ID/],
    ['promql:', /nothing in it/],
    ['', /nothing in it/],
  ] as const) {
    const evidence = readEvidence(text)
    assert.equal(evidence.kind, 'none', text)
    assert.match(evidence.kind === 'none' ? evidence.says : '', reason)
  }
})

/** The incident began at 100 and it is 200 now; each series has a value at 0, 100 and 200. */
const TIMES = { since: 100, until: 200, isQuiet: () => true }
const dropped = (job: string, signal: string, ...values: number[]): Series =>
  series({ __name__: 'telemetry_dropped_total', reason: 'queue_full', job, signal }, values)
const series = (labels: Labels, values: readonly number[]): Series => ({
  labels,
  values: values.map((value, n) => [(n + 3 - values.length) * 100, value] as const),
})
const result = (labels: Labels, value: number): Series => ({ labels, values: [[200, value]] })
const isAtFault = ({ __name__, job }: Labels) => __name__ === 'telemetry_dropped_total' && job === 'user-service'

/** Answers a query with `results`, and a selector's range with its series. */
const asked =
  (results: readonly Series[], selectors: Record<string, readonly Series[]>): AskMetrics =>
  async (query) => {
    const selector = /^\((.*)\)\[\d+s:\d+s\]$/s.exec(query)?.[1]
    if (selector === undefined) return [...results]
    return [...(selectors[selector] ?? assert.fail(`asked for ${selector}`))]
  }

test('a metric is judged by the series that a result is made of, and not by how the query is spelled', async () => {
  const own = [dropped('user-service', 'traces', 80), dropped('user-service', 'logs', 20)]
  const all = [...own, dropped('order-service', 'traces', 3, 3, 3)]
  const alert = series(
    { __name__: 'ALERTS', alertname: 'ServiceDropsTelemetry', reason: 'queue_full', job: 'user-service' },
    [1],
  )
  const byJob = [result({ job: 'user-service' }, 1), result({ job: 'order-service' }, 0)]
  for (const [query, results, selectors] of [
    ['sum by (job) (rate({reason="queue_full"}[1m]))', byJob, { '{reason="queue_full"}': [...all, alert] }],
    ['sum(rate(telemetry_dropped_total[1m]))', [result({}, 1)], { telemetry_dropped_total: all }],
    [
      'label_replace(telemetry_dropped_total, "who", "$1", "job", "(.*)")',
      [result({ job: 'user-service', who: 'user-service' }, 1)],
      { telemetry_dropped_total: all },
    ],
    [
      'telemetry_dropped_total / on (job) up',
      byJob,
      { telemetry_dropped_total: all, up: [series({ __name__: 'up', job: 'user-service' }, [1, 1, 1])] },
    ],
    // It went up and down before, and now it is where it never was.
    [
      'telemetry_dropped_total',
      [result({ job: 'user-service' }, 10)],
      { telemetry_dropped_total: [dropped('user-service', 'traces', 0, 5, 1, 5, 10)] },
    ],
    // It has been there before, for a moment, and now it stays.
    [
      'telemetry_dropped_total',
      [result({ job: 'user-service' }, 10)],
      { telemetry_dropped_total: [dropped('user-service', 'traces', 0, 10, 1, 0, 0, 2, 10)] },
    ],
  ] as const) {
    const { shows, says } = await judgeMetric(query, isAtFault, TIMES, asked(results, selectors))
    assert.ok(shows, `${query}: ${says}`)
  }
})

test('a query that shows much, something else, or what was so before, shows nothing', async () => {
  const up = series({ __name__: 'up', job: 'user-service' }, [0, 1, 1])
  const memory = series({ __name__: 'process_resident_memory_bytes', job: 'user-service' }, [1, 1e6, 9e6])
  const own = dropped('user-service', 'traces', 80)
  for (const [query, results, selectors, reason] of [
    ['up', [result(up.labels, 1)], { up: [up] }, /does not show the fault/],
    [
      'sum({job="user-service"})',
      [result({}, 9e6)],
      { '{job="user-service"}': [memory, own, up] },
      /only in part: 33 %/,
    ],
    [
      'sum(telemetry_dropped_total)',
      [result({}, 180)],
      { telemetry_dropped_total: [own, dropped('order-service', 'logs', 100)] },
      /only in part: 44 %/,
    ],
    [
      'telemetry_dropped_total',
      [result(own.labels, 80), result({ ...own.labels, job: 'order-service' }, 100)],
      { telemetry_dropped_total: [own, dropped('order-service', 'traces', 100)] },
      /"job":"order-service".* does not show/,
    ],
    [
      'telemetry_dropped_total{job="user-service"}',
      [result(own.labels, 210)],
      { 'telemetry_dropped_total{job="user-service"}': [dropped('user-service', 'traces', 0, 100, 210)] },
      /changed by 100 in as long a time before, and by 110 since/,
    ],
    [
      'telemetry_dropped_total',
      [result(own.labels, 10)],
      { telemetry_dropped_total: [dropped('user-service', 'traces', 0, 9, 1, 5, 6)] },
      /changed by 1 in as long a time before, and by 1 since/,
    ],
    ['zzz', [], { zzz: [] }, /brings nothing: there is no metric zzz, and it is no id/],
    ['sum(zzz)', [], { zzz: [] }, /brings nothing: there is no metric zzz$/],
    ['zzz{a="b"}', [], { 'zzz{a="b"}': [] }, /brings nothing: there is no series zzz\{a="b"\}/],
    ['up > 5', [], { up: [up] }, /brings nothing: what it computes or compares/],
    ['vector(1)', [result({}, 1)], {}, /does not show the fault/],
  ] as const) {
    const { shows, says, brings } = await judgeMetric(query, isAtFault, TIMES, asked(results, selectors))
    assert.ok(!shows, `${query}: ${says}`)
    assert.equal(brings, results.length > 0, query)
    assert.match(says, reason, query)
  }
})

test('what other incidents did before is not how a metric usually is', async () => {
  // Another incident until 50: it is quiet from then on.
  const times = { ...TIMES, isQuiet: (at: number) => at > 50 }
  const own = (...values: [number, number][]): Series => ({ ...dropped('user-service', 'traces'), values })
  const verdict = ({ labels, values }: Series, isQuiet: (at: number) => boolean) =>
    judgeMetric(
      'telemetry_dropped_total',
      isAtFault,
      { ...times, isQuiet },
      asked([result(labels, 10)], { telemetry_dropped_total: [{ labels, values }] }),
    )
  const counter = own([0, 0], [50, 500], [75, 505], [100, 510], [200, 610])
  const gauge = own([0, 10], [25, 10], [40, 10], [75, 1], [100, 2], [150, 10], [200, 10])
  for (const [metric, earlier] of [
    [counter, /changed by 510 in as long a time before, and by 100 since/],
    [gauge, /changed by 8 in as long a time before, and by 8 since/],
  ] as const) {
    const besides = await verdict(metric, times.isQuiet)
    assert.ok(besides.shows, besides.says)
    const without = await verdict(metric, () => true)
    assert.ok(!without.shows)
    assert.match(without.says, earlier)
    // Nothing is known of quiet times, and the query selects nothing but what is at fault.
    assert.ok((await verdict(metric, () => false)).shows)
  }
})

test('each trace counts once, however many spans it has', () => {
  const busy = { brought: 20, showing: 19 }
  const plain = { brought: 3, showing: 0 }
  const few = judgeSpans([busy, busy, busy, busy, plain, plain, plain, plain])
  assert.ok(!few.shows && few.examined)
  assert.match(
    few.says,
    /^in the mean of 8 traces 48 % of the spans .*, and 80 % have to\. .*\(of all, 76 of 92 show it\)$/,
  )
  assert.ok(judgeSpans([busy, busy, busy, busy]).shows)
  assert.match(judgeSpans([busy]).says, /^in the mean of 1 trace 95 %/)
  // A name that is misspelled finds nothing, which is not wrong but not to be looked at.
  assert.deepEqual([judgeSpans([]).shows, judgeSpans([]).examined], [false, false])
})

test('no more traces are looked into once what is left can change nothing', () => {
  const [all, none] = [
    { brought: 3, showing: 3 },
    { brought: 3, showing: 0 },
  ]
  // 16 of 20 are enough.
  assert.ok(!cannotShow([], 20))
  assert.ok(!cannotShow([none, none, none, none], 16))
  assert.ok(cannotShow([none, none, none, none, none], 15))
  assert.ok(!cannotShow([all, none, all], 0) === judgeSpans([all, none, all]).shows)
  assert.ok(!cannotShow([all, all, all, all, none], 0) === judgeSpans([all, all, all, all, none]).shows)
})

test('where a clock is wrong, a trace that shows nothing counts once all of it is there', () => {
  const whole = [
    { id: '1', parentId: '' },
    { id: '2', parentId: '1' },
  ]
  const [plain, showing] = [0, 1].map((showing) => ({ brought: 1, showing }))
  const wrongClock = { lookBackSeconds: 200 }
  assert.ok(counts(wrongClock, plain!, whole))
  assert.ok(!counts(wrongClock, plain!, whole.slice(1)))
  assert.ok(counts(wrongClock, showing!, whole.slice(1)))
  // Others are two seconds old when they are asked for: a hole in them stays.
  assert.ok(counts({}, plain!, whole.slice(1)))
})

test('where most of all spans show the fault, a query has to find more than anything does', () => {
  const of = (showing: number) => [{ brought: 100, showing }]
  for (const [found, any] of [
    [80, 0],
    [80, 60],
    [100, 80],
    [90, 80],
  ] as const)
    assert.ok(standsOut(of(found), of(any)), `${found} beside ${any}`)
  for (const [found, any] of [
    [80, 80],
    [85, 80],
    [95, 95],
  ] as const)
    assert.ok(!standsOut(of(found), of(any)), `${found} beside ${any}`)
})

test('a TraceQL query that measures is judged by the spans of its highest series', () => {
  const label = (key: string, stringValue: string) => ({ key, value: { stringValue } })
  const query = '{ kind = server } | quantile_over_time(duration, .9) by (span.user.id, name, kind)'
  const labels = [label('__name__', 'x'), label('p', '0.9'), label('span.user.id', '2007'), label('kind', 'server')]
  assert.equal(spansOfSeries(query, labels), '{ kind = server } | { span.user.id = "2007" && kind = server }')
  assert.equal(spansOfSeries(query, [label('span.user.id', 'nil')]), '{ kind = server } | { span.user.id = nil }')
  assert.equal(spansOfSeries('{ status = error } | rate()', [label('__name__', 'rate')]), '{ status = error }')
})

test('a right answer is right in other words, and a wrong one is not', () => {
  const { cause } = incidents.find(({ name }) => name === 'long-aisle')!
  const right = { service: 'order-service', operation: 'find_products_priced', mechanism: 'missing-index' }
  for (const words of [
    {},
    { service: 'Order Service' },
    { service: 'order' },
    { operation: 'pg.query:find_products_priced sightline' },
    { operation: 'VALIDATE_ORDER' },
    { mechanism: 'Missing Index' },
    { mechanism: 'seq_scan' },
    { mechanism: 'full table scan' },
  ])
    assert.deepEqual(
      gradeParts(cause, { ...right, ...words }),
      { service: true, operation: true, mechanism: true },
      JSON.stringify(words),
    )
  const wrong = { service: 'audit', operation: 'find_user', mechanism: 'locks' }
  assert.deepEqual(gradeParts(cause, wrong), { service: false, operation: false, mechanism: false })
})

test('what an answer may say in more than one way, it may', () => {
  const graded = (name: string, service: string, operation: string) => {
    const { cause } = incidents.find((incident) => incident.name === name)!
    const parts = gradeParts(cause, { service, operation, mechanism: cause.mechanism })
    return parts.service && parts.operation
  }
  for (const [name, service, operation] of [
    ['late-letters', 'order-service', 'relay_audit_event'],
    ['late-letters', 'audit-service', 'record_audit'],
    ['impossible-timeline', 'order-service', 'price_order'],
    ['gaps-in-the-record', 'user-service', 'export queue'],
    ['invisible-errors', 'order-service', '/inventory/{product_id}'],
    ['stuck-checkout', 'order', 'pg.query:lock_inventory sightline'],
  ] as const)
    assert.ok(graded(name, service, operation), name)
  assert.ok(!graded('late-letters', 'user-service', 'record_audit'))
  assert.ok(!graded('slow-tuesday', 'order-service', 'record_audit'))
})

test('a refused call that is asked for once more shows the avalanche, and so does what its refusal does', () => {
  const { shows } = incidents.find(({ name }) => name === 'avalanche')!
  const span = (id: string, parentId: string, service: string, kind = 'INTERNAL', status?: number): Span => {
    const http = status === undefined ? {} : { 'http.request.method': 'POST', 'http.response.status_code': status }
    const rest = { name: id, start: 0n, end: 1n, error: false, statusMessage: '', events: [] }
    return { id, parentId, service, kind, attributes: http, ...rest }
  }
  const delivery = span('deliver', '', 'order-service')
  const refused = [
    span('first', 'deliver', 'order-service', 'CLIENT', 429),
    span('refusal', 'first', 'audit-service', 'SERVER', 429),
    span('record_audit', 'refusal', 'audit-service'),
  ]
  const accepted = [
    span('second', 'deliver', 'order-service', 'CLIENT', 200),
    span('receipt', 'second', 'audit-service', 'SERVER', 200),
  ]
  const showing = (trace: Span[]) => trace.filter((one) => shows(one, trace)).map(({ id }) => id)
  assert.deepEqual(showing([delivery, ...refused, ...accepted]), [
    'deliver',
    'first',
    'refusal',
    'record_audit',
    'second',
  ])
  // A refusal alone is what audit-service does; nobody repeats it.
  assert.deepEqual(showing([delivery, ...refused]), [])
  assert.deepEqual(showing([delivery, ...accepted]), [])
})

test('an incident tells what it is in no text but its hints and its cause', () => {
  for (const { title, symptom, cause, level } of incidents) {
    const said = `${title} ${symptom}`.toLowerCase()
    for (const word of [cause.mechanism, ...cause.operations.filter((one) => /[_/.]/.test(one))])
      assert.ok(!said.includes(word.toLowerCase()), `${title} names ${word}`)
    assert.ok(symptom.length > 100 && level > 0, title)
  }
})

test('a route is the same one at the gateway, in its service, and among the labels', () => {
  const { cause } = incidents.find(({ name }) => name === 'empty-shelf')!
  const operation = (text: string) => gradeParts(cause, { service: '', mechanism: '', operation: text }).operation
  for (const text of [
    'POST /api/v1/inventory/{product_id}/reserve',
    'POST /inventory/{product_id}/reserve',
    'router - /inventory/{product_id}/reserve',
    '/inventory/{product_id}/reserve',
    'POST /api/v1/inventory/headphones-001/reserve',
  ])
    assert.ok(operation(text), text)
  for (const text of [
    'GET /inventory/{product_id}/reserve',
    '/inventory/{product_id}/release',
    '/inventory//reserve',
    'POST /inventory',
  ])
    assert.ok(!operation(text), text)
})

test('a word means one mechanism', () => {
  const words = Object.entries(MECHANISMS).flatMap(([name, { also }]) => [name, ...also])
  assert.equal(new Set(words).size, words.length)
  for (const [name, { also }] of Object.entries(MECHANISMS))
    for (const word of [name, ...also]) assert.equal(mechanismCalled(word), name, word)
  assert.equal(mechanismCalled('N+1 queries'), 'n-plus-one')
  assert.equal(mechanismCalled('noisy neighbor'), 'noisy-neighbour')
  assert.equal(mechanismCalled('gremlins'), undefined)
})

test('nothing else is looked into where what was found stands out from whatever comes', () => {
  const of = (...showing: number[]) => showing.map((one) => ({ brought: 100, showing: one }))
  assert.ok(mustStandOut(of(100), [], 20))
  assert.ok(!mustStandOut(of(90), [], 20))
  assert.ok(!mustStandOut(of(80), of(0), 2))
  assert.ok(mustStandOut(of(90), of(0, 0, 0), 7))
  assert.equal(mustStandOut(of(80), of(60), 0), standsOut(of(80), of(60)))
})
