/** What happens to audit events when the audit service is away, refuses them, or this process dies. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer as createDoor, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import { type OtlpSink, sample, startOtlpSink, startProcess, type TestProcess } from '@sightline/service-kit/testing'
import pg from 'pg'
import { replay } from './replay.ts'
import { ledger, startOrderService } from './test/order-service.ts'

let cluster: TestCluster
let database: TestDatabase
let sink: OtlpSink
/** The real one, for those tests that need what it records; they share its database, in which each leaves nothing waiting. */
let audit: TestProcess
const quiet = { OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }
const body = { user_id: 1, action: 'purchase' }

before(async () => {
  cluster = await startTestCluster()
  database = await freshDatabase()
  sink = await startOtlpSink()
  const telemetry = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }
  audit = await startProcess('audit-service', database.connection('audit_service'), telemetry)
})

after(async () => {
  await audit?.stop()
  await sink?.close()
  await database?.drop()
  await cluster?.stop()
})

async function freshDatabase(): Promise<TestDatabase> {
  const database = await cluster.createDatabase()
  await database.query('insert into users (id) values (1)')
  return database
}

/** The newest order so far: what a test counts comes after it. */
async function lastOrder(): Promise<number> {
  const [row] = await database.query<{ id: number }>('select coalesce(max(id), 0)::integer as id from orders')
  return row!.id
}

/** How many events the audit service has taken with that outcome. */
async function audited(outcome: string): Promise<number> {
  const { text } = await audit.call('GET', '/metrics')
  return sample(text, `audit_events_total{outcome="${outcome}"}`) ?? 0
}

/** The audit service at an address of its own, where nobody listens before `open`: until then it is away. */
async function awayAudit() {
  const sockets = new Set<Socket>()
  const door = createDoor((socket) => {
    const onward = connect(Number(new URL(audit.url).port), '127.0.0.1')
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy()).pipe(other)
    }
  })
  const open = (port: number) => once(door.listen(port, '127.0.0.1'), 'listening')
  await open(0)
  const { port } = door.address() as { port: number }
  await new Promise((closed) => door.close(closed))
  return {
    url: `http://127.0.0.1:${port}`,
    open: () => open(port),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => door.close(closed))
    },
  }
}

/** An audit service that answers as told; counts what it got. */
async function fakeAudit(answer: (event: { order_id: number }, response: ServerResponse) => void) {
  const got: Array<{ order_id: number; event_id: string }> = []
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const event = JSON.parse(Buffer.concat(chunks).toString())
    got.push(event)
    answer(event, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const close = async () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${port}`, got, [Symbol.asyncDispose]: close }
}

test('order and event commit together: with nobody behind, the answer is 202 and the event waits', async () => {
  await using database = await freshDatabase()
  await using service = await startOrderService(database, { NEXT_SERVICE_URL: 'http://127.0.0.1:1' })
  const answer = await service.call('POST', '/process', body)
  assert.equal(answer.status, 202, answer.text)
  assert.deepEqual(answer.json.audit, { status: 'pending' })
  const [row] = await database.query<{ order_id: string; payload: { order_id: number; action: string } }>(
    'select * from outbox',
  )
  assert.equal(Number(row!.order_id), answer.json.order.id)
  assert.equal(row!.payload.order_id, answer.json.order.id)
  assert.deepEqual(await ledger(database), { orders: 1, audited: 0, waiting: 1, dead: 0, twice: 0 })
  const refused = await service.call('POST', '/process', {
    ...body,
    items: [{ product_id: 'laptop-001', quantity: 51 }],
  })
  assert.equal(refused.status, 409)
  assert.equal((await ledger(database)).waiting, 1, 'no order, no event')
  // Who prefers a receipt is told where the row will be.
  const preferred = await service.call('POST', '/process', body, { prefer: 'receipt' })
  const url = `/api/v1/audit?order_id=${preferred.json.order.id}`
  assert.deepEqual(preferred.json.audit, { status: 'pending', receipt: { state: 'pending', url } })
  assert.deepEqual([preferred.status, preferred.headers.get('preference-applied')], [202, null])
})

test('an outage makes no dead letters, and ends with one audit row per order', async () => {
  const since = await lastOrder()
  await using away = await awayAudit()
  await using service = await startOrderService(database, { NEXT_SERVICE_URL: away.url, OUTBOX_MAX_ATTEMPTS: '2' })
  for (let i = 0; i < 25; i++) assert.equal((await service.call('POST', '/process', body)).status, 202)
  await until('the relay has tried', 10, async () => {
    const { text } = await service.call('GET', '/metrics')
    return (sample(text, 'outbox_deliveries_total{path="relay",outcome="failed"}') ?? 0) > 30
  })
  assert.deepEqual(await ledger(database, since), { orders: 25, audited: 0, waiting: 25, dead: 0, twice: 0 })
  await away.open()
  await until('all delivered', 20, async () => (await ledger(database, since)).waiting === 0)
  assert.deepEqual(await ledger(database, since), { orders: 25, audited: 25, waiting: 0, dead: 0, twice: 0 })
})

test('two relays at once and a delivery in flight: still one row each', async () => {
  const since = await lastOrder()
  const duplicates = await audited('duplicate')
  await using away = await startOrderService(database, {
    NEXT_SERVICE_URL: 'http://127.0.0.1:1',
    OUTBOX_POLL_MS: '60000',
  })
  for (let i = 0; i < 40; i++) await away.call('POST', '/process', body)
  await away.close()
  await database.query('update outbox set next_attempt_at = now()')
  await using _first = await startOrderService(database, { NEXT_SERVICE_URL: audit.url })
  await using _second = await startOrderService(database, { NEXT_SERVICE_URL: audit.url })
  await until('all delivered', 20, async () => (await ledger(database, since)).waiting === 0)
  assert.deepEqual(await ledger(database, since), { orders: 40, audited: 40, waiting: 0, dead: 0, twice: 0 })
  assert.equal(await audited('duplicate'), duplicates, 'a claimed row is left alone')
})

test('a killed process: its event is delivered by the next one when the grace is over', async () => {
  const since = await lastOrder()
  await using hanging = await fakeAudit(() => {})
  const env = { OUTBOX_GRACE_MS: '1000', HOP_TIMEOUT_MS: '5000' }
  await using killed = await startProcess('order-service', database.connection('order_service'), {
    ...quiet,
    ...env,
    NEXT_SERVICE_URL: hanging.url,
  })
  const answer = killed.call('POST', '/process', body).then(
    () => 'answered',
    () => 'lost',
  )
  await until('the event is on its way', 15, () => hanging.got.length >= 1)
  await killed.stop('SIGKILL')
  assert.equal(await answer, 'lost')
  assert.deepEqual(await ledger(database, since), { orders: 1, audited: 0, waiting: 1, dead: 0, twice: 0 })
  await using _next = await startOrderService(database, { ...env, NEXT_SERVICE_URL: audit.url })
  await until('delivered', 20, async () => (await ledger(database, since)).audited === 1)
})

test('an event that is refused again and again becomes a dead letter that is seen, and can be replayed', async () => {
  const since = await lastOrder()
  let poison = true
  await using refusing = await fakeAudit((_, response) => {
    const [status, answer] = poison
      ? [422, { type: '/problems/invalid-request' }]
      : [200, { audit: { id: 1, recorded_at: new Date().toISOString() }, chain: [] }]
    response.writeHead(status as number, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await using service = await startOrderService(database, { NEXT_SERVICE_URL: refusing.url, OUTBOX_MAX_ATTEMPTS: '2' })
  const { status, json } = await service.call('POST', '/process', body)
  assert.equal(status, 202)
  await until('a dead letter', 20, async () => (await ledger(database, since)).dead === 1)
  assert.equal(sample((await service.call('GET', '/metrics')).text, 'outbox_dead_letters'), 1)
  const { items } = (await audit.call('GET', '/audit/dead-letters')).json
  assert.equal(items.length, 1)
  assert.equal(items[0].order_id, json.order.id)
  assert.equal(items[0].attempts, 2)
  assert.match(items[0].last_error, /answered 422/)
  assert.equal('payload' in items[0], false)

  poison = false
  const client = new pg.Client(database.connection('order_service'))
  await client.connect()
  assert.deepEqual(await replay(client, ['00000000-0000-4000-8000-000000000000']), [])
  assert.deepEqual(await replay(client, 'all'), [items[0].event_id])
  await client.end()
  await until('delivered', 10, async () => (await ledger(database, since)).waiting === 0)
  assert.equal(new Set(refusing.got.map((event) => event.event_id)).size, 1)
})

test('a later delivery has a trace of its own, linked to the one of the order, and keeps its request id', async () => {
  await using away = await awayAudit()
  await using order = await startProcess('order-service', database.connection('order_service'), {
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    NEXT_SERVICE_URL: away.url,
  })
  const answer = await order.call('POST', '/process', body, { 'x-request-id': 'later-1' })
  assert.equal(answer.status, 202)
  const traceId = answer.headers.get('x-trace-id')
  await away.open()
  const relayed = await until('the relay span', 15, () =>
    sink.spans.find((span) => span.name === 'relay_audit_event' && span.status !== 'error'),
  )
  const persisted = sink.spans.find((span) => span.name === 'persist_order')!
  assert.notEqual(relayed.traceId, traceId)
  assert.deepEqual(relayed.links, [{ traceId, spanId: persisted.spanId }])
  assert.equal(relayed.attributes['request.id'], 'later-1')
  const recorded = await until('the audit span', 15, () =>
    sink.spans.find((span) => span.name === 'record_audit' && span.traceId === relayed.traceId),
  )
  assert.equal(recorded.attributes['request.id'], 'later-1')
  const [row] = await database.query('select trace_id, request_id from audit_logs where order_id = $1', [
    answer.json.order.id,
  ])
  assert.deepEqual(row, { trace_id: traceId, request_id: 'later-1' })
})
