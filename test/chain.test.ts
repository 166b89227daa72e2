/** What one request leaves behind, in a system of real Nginx, PostgreSQL and Prometheus. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { OTLPMetricExporter as GrpcExporter } from '@opentelemetry/exporter-metrics-otlp-grpc'
import { OTLPMetricExporter as HttpExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { provesInclusion } from '../audit-service/merkle.ts'
import { layOut, type Span } from '../scripts/trace/spans.ts'
import { meetExpectations } from './expectations.ts'
import { SHARED_ENV, sharedSystem } from './shared-system.ts'
import type { Answer, TestSystem } from './system.ts'

let system: TestSystem
before(async () => {
  system = await sharedSystem()
})

const john = { user_id: 1001, user_name: 'John Doe', user_email: 'john@example.com', action: 'purchase' }
const services = ['gateway', 'user-service', 'order-service', 'audit-service']

/** The whole tree, so that a span that is lost, new, renamed or hung up elsewhere is noticed. */
const shape = `
gateway SERVER POST /api/v1/process
  user-service SERVER POST /process
    user-service INTERNAL router - /process
      user-service INTERNAL validate_user
        user-service CLIENT pg.query:find_user sightline
        user-service CLIENT pg.query:store_user sightline
      user-service INTERNAL enrich_profile
      user-service CLIENT POST
        order-service SERVER POST /process
          order-service INTERNAL router - /process
            order-service INTERNAL create_order
              order-service INTERNAL validate_order
                order-service CLIENT pg.query:find_products sightline
              order-service CLIENT pg.query:BEGIN sightline
              order-service INTERNAL check_inventory
                order-service CLIENT pg.query:lock_inventory sightline
              order-service INTERNAL reserve_inventory
                order-service CLIENT pg.query:take_inventory sightline
              order-service INTERNAL price_order
              order-service INTERNAL persist_order
                order-service CLIENT pg.query:insert_order sightline
              order-service CLIENT pg.query:COMMIT sightline
            order-service INTERNAL deliver_audit_event
              order-service CLIENT POST
                audit-service SERVER POST /process
                  audit-service INTERNAL router - /process
                    audit-service INTERNAL record_audit
                      audit-service CLIENT pg.query:insert_audit_log sightline
`.trim()

test('one POST leaves one whole trace of exactly this shape', async () => {
  const answer = await order({ ...john, items: [{ product_id: 'laptop-001', quantity: 2 }] })
  const spans = await system.trace(answer.json.trace_id, 15, (found) => assert.equal(outline(found), shape))

  const gateway = only(spans, 'gateway', 'POST /api/v1/process')
  assert.equal(gateway.parentId, '')
  const user = only(spans, 'user-service', 'POST /process')
  assert.ok(gateway.start <= user.start, 'the gateway starts before its child')
  assert.ok(gateway.end >= only(spans, 'user-service', 'router - /process').end, 'the gateway covers the upstream time')
  assertAttributes(gateway, {
    'http.request.method': 'POST',
    'http.route': '/api/v1/process',
    'http.response.status_code': 200,
    'url.path': '/api/v1/process',
    'url.scheme': 'http',
  })
  assertAttributes(user, { 'http.request.method': 'POST', 'http.route': '/process', 'http.response.status_code': 200 })

  const created = only(spans, 'order-service', 'create_order')
  assertAttributes(created, {
    'order.items.count': 1,
    'order.product_ids': ['laptop-001'],
    'order.quantities': [2],
    'order.total': 1999.98,
    'order.id': String(answer.json.order.id),
    'user.id': '1001',
  })
  const names = spans.flatMap(({ events }) => events.map(({ name }) => name))
  for (const event of ['user.stored', 'item.checked', 'item.reserved', 'order.committed', 'audit.recorded']) {
    assert.ok(names.includes(event), `event ${event} among ${names}`)
  }

  for (const span of spans.filter(({ name }) => name.startsWith('pg.query'))) {
    assertAttributes(span, { 'db.system.name': 'postgresql', 'peer.service': 'postgresql' })
    assert.doesNotMatch(JSON.stringify(span, bigints), /John|john@/, 'SQL carries no values')
  }
  for (const span of spans.filter(({ service }) => service !== 'gateway')) {
    assert.equal(span.attributes['request.id'], answer.json.request_id, `request.id on ${span.name}`)
  }
  assert.doesNotMatch(JSON.stringify(spans, bigints), /John Doe|john@example\.com/, 'personal data is masked')
})

test('a trace context that comes in is continued, a broken one replaced', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const joined = await order(john, { traceparent: `00-${traceId}-b7ad6b7169203331-01` })
  assert.equal(joined.json.trace_id, traceId)
  const spans = await system.trace(traceId, 15, (found) => void only(found, 'gateway', 'POST /api/v1/process'))
  assert.equal(only(spans, 'gateway', 'POST /api/v1/process').parentId, 'b7ad6b7169203331')
  for (const traceparent of [
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    '00-xyz-1-01',
    `00-${traceId}-b7ad6b7169203331`,
  ]) {
    const fresh = await order(john, { traceparent })
    assert.notEqual(fresh.json.trace_id, traceId)
    assert.doesNotMatch(fresh.json.trace_id, /^0+$/)
  }
})

test('its log lines are found by trace id, from every hop, with the same request id', async () => {
  const answer = await order(john, { 'x-request-id': 'req-e2e-1' })
  assert.equal(answer.headers.get('x-request-id'), 'req-e2e-1')
  const lines = await until(
    'every service has a log line of it',
    15,
    () => system.logs(`{service_name=~".+", service_name!="postgresql"} | trace_id="${answer.json.trace_id}"`),
    (found) =>
      assert.deepEqual([...new Set(found.map(({ labels }) => labels.service_name))].sort(), services.toSorted()),
  )
  for (const { labels, line } of lines) {
    assert.equal(labels.request_id, 'req-e2e-1', line)
    assert.match(labels.span_id ?? '', /^[0-9a-f]{16}$/, line)
    assert.equal(labels.job, labels.service_name)
    assert.ok(labels.level, line)
  }
  assert.doesNotMatch(JSON.stringify(lines), /John Doe|john@example\.com/)
  const spans = await system.trace(answer.json.trace_id, 15, (found) => assert.ok(found.length >= 20))
  assert.ok(spans.every(({ attributes }) => attributes['request.id'] === 'req-e2e-1'))
})

test('npm run trace shows the request that was just made, not what the services did by themselves since', async () => {
  const answer = await order(john)
  const { TEMPO_PORT, LOKI_PORT } = system.ports
  const env = { ...process.env, TEMPO_PORT: String(TEMPO_PORT), LOKI_PORT: String(LOKI_PORT) }
  const script = join(import.meta.dirname, '../scripts/trace.ts')
  await until(
    'the trace is printed',
    30,
    () => promisify(execFile)(process.execPath, [script], { env }),
    ({ stdout }) => assert.match(stdout, new RegExp(`${answer.json.trace_id}.* 4 services`)),
  )
})

test('the audit table has exactly one row for it', async () => {
  const answer = await order(john)
  const { json } = await system.api('GET', `/api/v1/audit?trace_id=${answer.json.trace_id}`)
  assert.equal(json.items.length, 1)
  assert.equal(json.items[0].id, answer.json.audit.id)
  assert.equal(json.items[0].order_id, answer.json.order.id)
  const db = new pg.Client(system.postgres)
  await db.connect()
  try {
    const { rowCount } = await db.query('select * from audit_logs where trace_id = $1', [answer.json.trace_id])
    assert.equal(rowCount, 1)
  } finally {
    await db.end()
  }
})

test('the gateway hands out what proves that it is in the log: proof, growth and tile', async () => {
  // Seal and tree need a second; on a machine with too much to do more than an order has.
  const { json, headers } = await until(
    'an order with its leaf',
    30,
    () => order(john, { prefer: 'receipt, wait=9' }),
    (answer) => assert.equal(answer.json.audit.receipt.state, 'in_tree'),
  )
  const { id, receipt } = json.audit
  const where = `/api/v1/audit/${id}`
  assert.deepEqual([headers.get('preference-applied'), receipt.url], ['receipt', `${where}/proof`])
  const { index, size, root, leaf_hash, hashes } = (await system.api('GET', receipt.url)).json
  assert.deepEqual([receipt.leaf_index, receipt.leaf_hash], [index, leaf_hash])
  const bytes = (text: string) => Buffer.from(text, 'base64')
  assert.ok(provesInclusion(bytes(leaf_hash), index, size, bytes(root), hashes.map(bytes)))
  const growth = (await system.api('GET', `/api/v1/audit/consistency?from=${index + 1}&to=${size}`)).json
  assert.equal(growth.to_root, root)
  const number = String(Math.floor(index / 256)).padStart(3, '0')
  const width = (index % 256) + 1
  const tile = await fetch(`${system.urls.gateway}/api/v1/audit/tile/0/${number}${width < 256 ? `.p/${width}` : ''}`)
  assert.equal(tile.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  assert.deepEqual(Buffer.from(await tile.arrayBuffer()).subarray(-32), bytes(leaf_hash))
  // No key is configured here.
  for (const signed of ['/api/v1/audit/checkpoint', `${where}/receipt`])
    assert.equal((await system.api('GET', signed)).json.type, '/problems/unknown-checkpoint')
})

test('Prometheus counts it, with an exemplar whose trace is there', async () => {
  await order(john)
  await until(
    'Prometheus has counted it',
    20,
    () => system.prometheusQuery('sum by (job) (http_server_request_duration_seconds_count{http_route="/process"})'),
    (found) => assert.ok(found.length >= 3 && found.every(({ value }) => value >= 1), JSON.stringify(found)),
  )
  const now = Date.now() / 1000
  const query = new URLSearchParams({
    query: 'http_server_request_duration_seconds_bucket{http_route="/process"}',
    start: String(now - 300),
    end: String(now + 10),
  })
  const { data } = (await (await fetch(`${system.urls.prometheus}/api/v1/query_exemplars?${query}`)).json()) as {
    data: { exemplars: { labels: { trace_id: string } }[] }[]
  }
  const ids = data.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id))
  assert.ok(ids.length > 0, 'there are exemplars')
  for (const id of new Set(ids)) await system.trace(id, 15, () => undefined)
})

test('metrics of an OpenTelemetry SDK with its defaults are in Prometheus, over HTTP and gRPC, and none of our services sends any', async () => {
  const { OTLP_HTTP_PORT, OTLP_GRPC_PORT } = system.ports
  const exporters = {
    'sdk-http': new HttpExporter({ url: `http://127.0.0.1:${OTLP_HTTP_PORT}/v1/metrics` }),
    'sdk-grpc': new GrpcExporter({ url: `http://127.0.0.1:${OTLP_GRPC_PORT}` }),
  }
  for (const [name, exporter] of Object.entries(exporters)) {
    const provider = new MeterProvider({
      resource: resourceFromAttributes({ 'service.name': name, 'service.instance.id': 'i-1', 'service.version': '3' }),
      readers: [new PeriodicExportingMetricReader({ exporter })],
    })
    const meter = provider.getMeter('shop', '2.0')
    meter.createCounter('shop.sold', { unit: '{item}' }).add(3, { 'product.id': 'p-1' })
    meter.createHistogram('shop.wait', { unit: 'ms' }).record(30)
    await provider.forceFlush()
    await provider.shutdown()
    const common = { instance: 'i-1', job: name, otel_scope_name: 'shop', otel_scope_version: '2.0' }
    assert.deepEqual(await system.prometheusQuery(`shop_sold_total{job="${name}"}`), [
      { metric: { ...common, __name__: 'shop_sold_total', product_id: 'p-1' }, value: 3 },
    ])
    const median = `histogram_quantile(0.5, shop_wait_milliseconds_bucket{job="${name}"})`
    assert.deepEqual(await system.prometheusQuery(median), [{ metric: common, value: 37.5 }])
  }
  const targets = await system.prometheusQuery('target_info')
  assert.deepEqual(targets.map(({ metric }) => [metric.job, metric.service_version]).sort(), [
    ['sdk-grpc', '3'],
    ['sdk-http', '3'],
  ])
})

test('an unknown product: 404, found by {status=error}, the exception on validate_order', async () => {
  const answer = await system.api('POST', '/api/v1/process', {
    ...john,
    items: [{ product_id: 'nothing', quantity: 1 }],
  })
  assert.equal(answer.status, 404, answer.text)
  await assertFailedAt(answer.json.trace_id, 'validate_order', 'unknown_product')
})

test('an order for an unknown product is a line at warn, found in Loki’s API over all services with its trace id', async () => {
  const answer = await system.api('POST', '/api/v1/orders', { product_id: 999, quantity: 1 })
  assert.deepEqual([answer.status, answer.json.type], [404, '/problems/unknown-product'], answer.text)
  const lines = await until(
    'the lines of the request',
    15,
    () => system.logs('{service_name=~".+"} | detected_level=~"error|warn"'),
    (found) => {
      const own = found.filter(({ labels }) => labels.trace_id === answer.json.trace_id)
      assert.deepEqual(new Set(own.map(({ labels }) => labels.service_name)), new Set(['gateway', 'order-service']))
      assert.ok(own.some(({ line }) => line === 'There is no product 999.'))
    },
  )
  assert.ok(lines.every(({ labels }) => ['error', 'warn'].includes(labels.detected_level!)))
})

test('the commands that guides begin with: the page at /, users, stock, an order in a query, each with its trace', async () => {
  const front = await system.api('GET', '/')
  assert.equal(front.json.urls.console, system.urls.console)
  await system.trace(front.headers.get('x-trace-id')!, 15, (spans) => void only(spans, 'gateway', 'GET /'))
  for (const id of [123, 456, 789, 1001]) assert.equal((await system.api('GET', `/api/v1/users/${id}`)).status, 200)

  const product = await system.api('GET', '/api/v1/products/1')
  assert.deepEqual([product.json.id, product.json.available], ['demo-product', true])
  const check = await system.api('POST', '/api/v1/inventory/check', { product_id: 1, quantity: 1_000_000 })
  assert.deepEqual([check.status, check.json.available], [200, false], check.text)
  await system.trace(check.headers.get('x-trace-id')!, 15, (spans) => {
    assertAttributes(only(spans, 'gateway', 'POST /api/v1/inventory/check'), {
      'http.route': '/api/v1/inventory/check',
    })
  })

  const brief = await system.api('POST', '/api/v1/orders?product_id=1&quantity=2')
  assert.equal(brief.status, 201, brief.text)
  const audit = await system.api('GET', `/api/v1/audit?order_id=${brief.json.order.id}`)
  assert.deepEqual([audit.json.items.length, audit.json.items[0].user_id], [1, null])

  const who = 'user_id=123&action=view&user_name=Jane%20Roe&user_email=jane%40example.org'
  const key = { 'idempotency-key': 'query-of-a-guide' }
  const processed = await system.api('POST', `/api/v1/process?${who}`, undefined, key)
  assert.deepEqual([processed.status, processed.json.user.name], [200, 'Jane Roe'], processed.text)
  const again = { user_id: 123, action: 'view', user_name: 'Jane Roe', user_email: 'jane@example.org' }
  assert.equal((await system.api('POST', '/api/v1/process', again, key)).text, processed.text)
  const spans = await system.trace(processed.json.trace_id, 15, (found) => {
    for (const service of ['user-service', 'order-service', 'audit-service']) only(found, service, 'POST /process')
    only(found, 'gateway', 'POST /api/v1/process')
  })
  for (const [service, name] of [
    ['gateway', 'POST /api/v1/process'],
    ['user-service', 'POST /process'],
  ] as const) {
    const { attributes } = only(spans, service, name)
    assert.equal(attributes['url.query'], 'user_id=123&action=view&user_name=***&user_email=***', service)
  }
  assert.doesNotMatch(JSON.stringify(spans, bigints), /Jane|jane@|jane%40/)
  const twice = await system.api('POST', `/api/v1/process?${who}`, { user_id: 123, action: 'view' })
  assert.deepEqual([twice.status, twice.json.errors[0].parameter], [422, 'query'])
})

test('too much stock: 409, found by {status=error}, the exception on check_inventory', async () => {
  const items = [{ product_id: 'phone-001', quantity: 1_000_000 }]
  const answer = await system.api('POST', '/api/v1/process', { ...john, items })
  assert.equal(answer.status, 409, answer.text)
  await assertFailedAt(answer.json.trace_id, 'check_inventory', 'insufficient_stock')
})

test('a client that gives up: its order and audit row are there, and nothing says a status that was not sent', async () => {
  const traceId = 'c11e47c11e47c11e47c11e47c11e47ff'
  const db = new pg.Client(system.postgres)
  await db.connect()
  try {
    await db.query('begin; lock table orders in exclusive mode')
    const gone = new AbortController()
    const asking = fetch(`${system.urls.gateway}/api/v1/process`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify(john),
      signal: gone.signal,
    })
    const refused = assert.rejects(asking, { name: 'AbortError' })
    const waiting = "select count(*)::int as n from pg_locks where relation = 'orders'::regclass and not granted"
    await until('the order waits', 15, async () => (await db.query(waiting)).rows[0].n === 1)
    gone.abort()
    await refused
    await until(
      'the gateway has noticed',
      15,
      () => system.logs(`{service_name="gateway"} | trace_id="${traceId}"`),
      (lines) => assert.match(lines[0]?.line ?? '', /^POST \/api\/v1\/process not answered \d+ ms$/),
    )
    await db.query('commit')
    await until('the audit row', 15, async () => {
      const { rows } = await db.query('select id from audit_logs where trace_id = $1', [traceId])
      return rows.length === 1
    })
  } finally {
    await db.end()
  }
  const outcome = ({ service, error, attributes }: Span) =>
    [service, attributes['http.response.status_code'], attributes['error.type'], error] as const
  await system.trace(traceId, 15, (spans) =>
    assert.deepEqual(
      spans
        .filter(({ kind }) => kind === 'SERVER')
        .map(outcome)
        .toSorted(),
      [
        ['audit-service', 200, undefined, false],
        ['gateway', undefined, 'client_closed_request', false],
        ['order-service', 200, undefined, false],
        ['user-service', undefined, 'client_closed_request', false],
      ],
    ),
  )
  await until(
    'Prometheus has counted it, under no status',
    20,
    () => system.prometheusQuery('http_server_request_duration_seconds_count{error_type="client_closed_request"}'),
    (found) => {
      const counted = found.map(({ metric, value }) => [metric.job, metric.http_response_status_code, value])
      assert.deepEqual(counted, [['user-service', undefined, 1]])
    },
  )
})

test('board, map and table tell refusals from failures, and count the same', async () => {
  const before = await counted()
  const refused = [
    { product_id: 'nothing', quantity: 1 },
    { product_id: 'phone-001', quantity: 1_000_000 },
    { product_id: 'phone-001', quantity: -1 },
  ].map((item) => system.api('POST', '/api/v1/process', { ...john, items: [item] }))
  assert.deepEqual(
    (await Promise.all(refused)).map(({ status }) => status),
    [404, 409, 422],
  )
  const { refusals, failures } = before.table
  await agreeOn({ refusals: refusals + 3, failures })
  // OpenTelemetry calls a client span with a 4xx an error: no arrow of the map is red for it.
  assert.deepEqual(await system.prometheusQuery(`${failedCalls} > 0`), [])

  await system.stopComponent('order-service')
  try {
    for (let i = 0; i < 4; i++) assert.ok((await system.api('POST', '/api/v1/process', john)).status >= 500)
  } finally {
    await system.startComponent('order-service')
  }
  await agreeOn({ refusals: refusals + 3, failures: failures + 4 })
  // The call into nothing is drawn half a minute later, when its other end has not come: not waited for.
  const red = await system.prometheusQuery(`sum by (client, server) (${failedCalls}) > 0`)
  assert.deepEqual(
    red
      .map(({ metric }) => `${metric.client} -> ${metric.server}`)
      .filter((edge) => edge !== 'user-service -> order-service')
      .toSorted(),
    ['gateway -> user-service', 'user -> gateway'],
  )
})

interface Counted {
  refusals: number
  failures: number
}

/** As the map asks: console/src/data/service-graph.ts. */
const failedCalls = 'traces_service_graph_request_failed_total{http_response_status_code!~"4.."}'
const refusedCalls = 'traces_service_graph_request_total{http_response_status_code=~"4.."}'

/** What callers got since the start, by the queries of the board and the map, and by the rows of the table of traces. */
async function counted(): Promise<Record<'board' | 'map' | 'table', Counted>> {
  const file = join(import.meta.dirname, '../observability/grafana/dashboards/chain.json')
  const { panels } = JSON.parse(await readFile(file, 'utf8')) as {
    panels: { title: string; targets: { expr: string; legendFormat: string; query: string }[] }[]
  }
  const targetsOf = (title: string) => panels.find((panel) => panel.title === title)!.targets
  const total = async (promql: string) => (await system.prometheusQuery(`sum(${promql})`))[0]?.value ?? 0
  const answers = (legend: string) => {
    const { expr } = targetsOf('Answers').find(({ legendFormat }) => legendFormat.startsWith(legend))!
    return total(expr.replace(/rate\((.*)\[\$__rate_interval\]\)/, '$1'))
  }
  const atGateway = (calls: string) => total(calls.replace('{', '{client="user", server="gateway", '))
  const q = targetsOf('Error traces')[0]!.query.replace('$service', '.+')
  const found = await fetch(`${system.urls.tempo}/api/search?${new URLSearchParams({ q, limit: '1000', spss: '1' })}`)
  const { traces } = (await found.json()) as {
    traces: { spanSet: { spans: { attributes: { key: string; value: { intValue: string } }[] }[] } }[]
  }
  const codes = traces.map(({ spanSet: { spans } }) =>
    Number(spans[0]!.attributes.find(({ key }) => key.endsWith('http.response.status_code'))!.value.intValue),
  )
  return {
    board: { refusals: await answers('4xx'), failures: await answers('5xx') },
    map: { refusals: await atGateway(refusedCalls), failures: await atGateway(failedCalls) },
    table: {
      refusals: codes.filter((code) => code >= 400 && code < 500).length,
      failures: codes.filter((code) => code >= 500).length,
    },
  }
}

/** Waits until all three have these numbers. */
const agreeOn = (expected: Counted) =>
  until('board, map and table agree', 40, counted, (found) =>
    assert.deepEqual(found, { board: expected, map: expected, table: expected }),
  )

// `npm run test:stack` demands the same of the real engines.
test('requests leave behind what observability/expectations.yaml says', async (t) => {
  const { user, password, host, port, database } = system.postgres
  const url = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`
  await meetExpectations(t, { ...system.urls, database: url }, SHARED_ENV)
})

test('a load of orders leaves exactly one audit row and one complete trace each', async () => {
  const count = 400
  const before = await auditRows()
  const ids: string[] = []
  await Promise.all(
    Array.from({ length: 16 }, async (_, worker) => {
      for (let n = worker; n < count; n += 16)
        ids.push((await order({ user_id: 1 + (n % 50), action: 'load' })).json.trace_id)
    }),
  )
  assert.equal((await auditRows()) - before, count)
  for (const id of ids) {
    await system.trace(id, 30, (spans) => {
      assert.deepEqual([...new Set(spans.map(({ service }) => service))].sort(), services.toSorted())
      assert.equal(spans.filter(({ parentId }) => parentId === '').length, 1)
      assert.ok(layOut(spans).every(({ orphan }) => !orphan))
      assert.ok(spans.length >= 23, `${spans.length} spans`)
    })
  }
})

test('no page opens the ports at which Prometheus and Alertmanager themselves listen', async () => {
  const listening = await until(
    'both are read',
    20,
    () => system.prometheusQuery('up{job=~"prometheus|alertmanager"} == 1'),
    (found) => assert.equal(found.length, 2),
  )
  for (const { metric } of listening) {
    // Node has the list of the browsers.
    const opened = await fetch(`http://${metric.instance}`).catch((error: TypeError) => error.cause)
    assert.match(String(opened), /bad port/, metric.job)
  }
  const url = `http://${listening.find(({ metric }) => metric.job === 'prometheus')!.metric.instance}`
  const answer = await ask(`${url}/api/v1/query?query=up`, { origin: 'https://evil.example' })
  assert.deepEqual([answer.statusCode, answer.headers['access-control-allow-origin']], [200, undefined])
})

test('a page of another site reads nothing at any port, and a name that was made to resolve here is none', async () => {
  const {
    gateway,
    userService,
    orderService,
    auditService,
    console: pages,
    tempo,
    loki,
    otlp,
    prometheus,
    alertmanager,
  } = system.urls
  assert.ok(alertmanager, 'there is an Alertmanager')
  const foreign = { origin: 'https://evil.example' }
  for (const url of [
    gateway,
    userService,
    orderService,
    auditService,
    pages,
    tempo,
    loki,
    otlp,
    prometheus,
    alertmanager,
  ]) {
    for (const path of ['/', '/ready', '/metrics', '/health']) {
      assert.equal((await ask(url + path, { host: 'evil.example' })).statusCode, 421, url + path)
      const answer = await ask(url + path, foreign)
      assert.equal(answer.statusCode, 403, url + path)
      assert.equal(answer.headers['access-control-allow-origin'], undefined, url)
    }
  }
})

/** A GET with headers that fetch would choose itself; its body is thrown away. */
function ask(url: string, headers: OutgoingHttpHeaders): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer))
    })
    asked.once('error', reject).end()
  })
}

async function order(body: unknown, headers?: Record<string, string>): Promise<Answer> {
  const answer = await system.api('POST', '/api/v1/process', body, headers)
  assert.equal(answer.status, 200, answer.text)
  return answer
}

async function assertFailedAt(traceId: string, spanName: string, errorType: string): Promise<void> {
  await until(
    'the failed trace is found',
    15,
    () => system.search('{status=error}'),
    (ids) => assert.ok(ids.includes(traceId)),
  )
  // The caller's span of the failed call is an error too, and may be stored first.
  const spans = await system.trace(traceId, 15, (found) => void only(found, 'order-service', spanName))
  const span = only(spans, 'order-service', spanName)
  assert.equal(span.error, true)
  assert.equal(span.attributes['error.type'], errorType)
  const withException = spans.filter(({ events }) => events.some(({ name }) => name === 'exception'))
  assert.deepEqual(
    withException.map(({ name }) => name),
    [spanName],
    'recorded once, where it happened',
  )
}

async function auditRows(): Promise<number> {
  const db = new pg.Client(system.postgres)
  await db.connect()
  try {
    return Number((await db.query('select count(*) from audit_logs')).rows[0].count)
  } finally {
    await db.end()
  }
}

function only(spans: readonly Span[], service: string, name: string): Span {
  const found = spans.filter((span) => span.service === service && span.name === name)
  assert.equal(found.length, 1, `one ${service} ${name} in\n${outline(spans)}`)
  return found[0]!
}

function assertAttributes(span: Span, expected: Record<string, unknown>): void {
  const actual = Object.fromEntries(Object.keys(expected).map((key) => [key, span.attributes[key]]))
  assert.deepEqual(actual, expected, span.name)
}

const outline = (spans: readonly Span[]) =>
  layOut(spans)
    .map((row) => `${'  '.repeat(row.depth)}${row.service} ${row.kind} ${row.name}${row.orphan ? ' ORPHAN' : ''}`)
    .join('\n')

const bigints = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
