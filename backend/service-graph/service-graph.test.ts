import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { readTraces } from '../otlp/traces.ts'
import { wantedNames } from '../otlp/wire.ts'
import { type TestSpan, traceBytes } from '../test/otlp.ts'
import { createServiceGraph, GRAPH_ATTRIBUTES, type GraphSpan, graphSpan } from './index.ts'
import { createWaitingRoom } from './waiting-room.ts'

const SERVER = 2
const CLIENT = 3

function staged(spans: readonly TestSpan[]): GraphSpan[] {
  const list: GraphSpan[] = []
  readTraces(traceBytes(spans), (span) => list.push(graphSpan(span)), { wanted: wantedNames(GRAPH_ATTRIBUTES) })
  return list
}

function newGraph() {
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  return { graph: createServiceGraph(registry, { waitMs: 10_000 }), registry }
}

type Metrics = Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>

/** The first one shows new series as 0. */
async function secondReading(registry: Metrics): Promise<string> {
  await registry.metrics()
  return registry.metrics()
}

/** `client -> server (type): total/failed` */
async function edges(registry: Metrics): Promise<string[]> {
  const text = await secondReading(registry)
  const found = new Map<string, [number, number]>()
  for (const [, failed, client, server, type, value] of text.matchAll(
    /traces_service_graph_request(_failed)?_total\{client="([^"]*)",server="([^"]*)",connection_type="([^"]*)"\} (\d+)/g,
  )) {
    const key = `${client} -> ${server} (${type})`
    const counts = found.get(key) ?? [0, 0]
    counts[failed ? 1 : 0] = Number(value)
    found.set(key, counts)
  }
  return [...found].map(([key, [total, failed]]) => `${key}: ${total}/${failed}`).sort()
}

/** One request through our chain. */
const CHAIN: readonly TestSpan[] = [
  { trace: 'a', id: '1', service: 'gateway', kind: SERVER, ms: 50 },
  { trace: 'a', id: '2', parent: '1', service: 'user-service', kind: SERVER, ms: 45 },
  { trace: 'a', id: '3', parent: '2', service: 'user-service', name: 'validate_user' },
  {
    trace: 'a',
    id: '4',
    parent: '3',
    service: 'user-service',
    kind: CLIENT,
    attributes: { 'db.system.name': 'postgresql', 'server.address': 'localhost' },
  },
  {
    trace: 'a',
    id: '5',
    parent: '2',
    service: 'user-service',
    kind: CLIENT,
    status: 2,
    attributes: { 'server.address': '127.0.0.1', 'server.port': 5002 },
  },
  { trace: 'a', id: '6', parent: '5', service: 'order-service', kind: SERVER, status: 2 },
]

const CHAIN_EDGES = [
  'gateway -> user-service (): 1/0',
  'user -> gateway (virtual_node): 1/0',
  'user-service -> order-service (): 1/1',
  'user-service -> postgresql (database): 1/0',
]

test('the chain is drawn with the gateway, the database by its name, and the failed call', async () => {
  const { graph, registry } = newGraph()
  graph.add(staged(CHAIN), 0)
  assert.deepEqual(await edges(registry), CHAIN_EDGES)
})

test('order and lateness of spans change nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...CHAIN], { minLength: CHAIN.length }),
      fc.array(fc.nat(4000), { minLength: 6, maxLength: 6 }),
      async (spans, pauses) => {
        const { graph, registry } = newGraph()
        let now = 1000
        const [first = 0] = pauses
        for (const span of spans) {
          graph.add(staged([span]), now)
          now += Math.min(first, 900)
          graph.expire(now)
        }
        assert.deepEqual(await edges(registry), CHAIN_EDGES)
      },
    ),
    { numRuns: 60 },
  )
})

test('a call to a service that is down is drawn, failed, to the name its address is known by', async () => {
  const { graph, registry } = newGraph()
  graph.add(staged(CHAIN), 0)
  const down = { service: 'user-service', kind: CLIENT, status: 2 }
  graph.add(
    staged([{ ...down, trace: 'b', id: '1', attributes: { 'server.address': '127.0.0.1', 'server.port': 5002 } }]),
    0,
  )
  graph.add(staged([{ ...down, trace: 'c', id: '1', attributes: { 'server.address': 'api.example.org' } }]), 0)
  graph.add(
    staged([{ ...down, trace: 'd', id: '1', attributes: { 'peer.service': 'billing', 'server.address': '10.0.0.1' } }]),
    0,
  )
  graph.add(staged([{ ...down, trace: 'e', id: '1' }]), 0)
  for (const now of [1, 20_000, 40_000]) graph.expire(now)
  assert.deepEqual(await edges(registry), [
    'gateway -> user-service (): 1/0',
    'user -> gateway (virtual_node): 1/0',
    'user-service -> api.example.org (virtual_node): 1/1',
    'user-service -> billing (virtual_node): 1/1',
    'user-service -> order-service (): 2/2',
    'user-service -> postgresql (database): 1/0',
  ])
  assert.match(await registry.metrics(), /traces_service_graph_unpaired_spans_total\{client="user-service"\} 1/)
})

test('a caller from outside with a traceparent of its own is the user', async () => {
  const { graph, registry } = newGraph()
  graph.add(staged(CHAIN), 0)
  graph.add(staged([{ trace: 'f', id: '1', parent: '77', service: 'gateway', kind: SERVER }]), 0)
  for (const now of [1, 20_000, 40_000]) graph.expire(now)
  assert.ok((await edges(registry)).includes('user -> gateway (virtual_node): 2/0'))
})

test("span metrics carry Tempo's labels; exemplars name the trace as traceID", async () => {
  const { graph, registry } = newGraph()
  graph.add(staged(CHAIN), 1_700_000_000_000)
  const text = await secondReading(registry)
  const labels = '{service="order-service",span_name="op",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"'
  assert.ok(text.includes(`traces_spanmetrics_calls_total${labels}} 1`))
  assert.match(text, /traces_spanmetrics_size_total\{service="order-service"[^}]*\} \d\d+/)
  assert.ok(text.includes(`traces_spanmetrics_latency_count${labels}} 1`))
  assert.match(
    text,
    new RegExp(
      `traces_spanmetrics_latency_bucket\\{service="gateway"[^}]*le="0.05"\\} 1 # \\{traceID="${'a'.padStart(32, '0')}"\\} 0.05 1700000000`,
    ),
  )
  assert.match(
    text,
    /traces_service_graph_request_server_seconds_sum\{client="gateway",server="user-service",connection_type=""\} 0.045/,
  )
  assert.match(
    text,
    /traces_service_graph_request_client_seconds_sum\{client="gateway",server="user-service",connection_type=""\} 0.05/,
  )
  assert.ok(text.endsWith('# EOF\n'))
})

test('calls are counted apart by the status code that they got', async () => {
  const { graph, registry } = newGraph()
  const answered = (trace: string, status: number): TestSpan[] => [
    { trace, id: '1', service: 'gateway', kind: SERVER, attributes: { 'http.response.status_code': status } },
    {
      trace,
      id: '2',
      parent: '1',
      service: 'user-service',
      kind: SERVER,
      status: status >= 500 ? 2 : 0,
      attributes: { 'http.response.status_code': status },
    },
  ]
  graph.add(staged([...answered('a', 200), ...answered('b', 404), ...answered('c', 404), ...answered('d', 503)]), 0)
  const text = await secondReading(registry)
  const edge = 'client="gateway",server="user-service",connection_type=""'
  for (const [status, total, failed] of [
    [200, 1, 0],
    [404, 2, 0],
    [503, 1, 1],
  ]) {
    assert.ok(text.includes(`request_total{${edge},http_response_status_code="${status}"} ${total}\n`), `${status}`)
    assert.ok(text.includes(`request_failed_total{${edge},http_response_status_code="${status}"} ${failed}\n`))
  }
  assert.match(
    text,
    /spanmetrics_calls_total\{service="gateway"[^}]*STATUS_CODE_UNSET",http_response_status_code="404"\} 2/,
  )
})

test('a series is 0 when it is first read, so that a rate sees how it began', async () => {
  const { graph, registry } = newGraph()
  const calls = async () =>
    /^traces_spanmetrics_calls_total\{service="late".* (\d+)$/m.exec(await registry.metrics())?.[1]
  assert.equal(await calls(), undefined)
  graph.add(staged([{ trace: 'a', id: '1', service: 'late' }]), 0)
  assert.equal(await calls(), '0')
  assert.equal(await calls(), '1')
  graph.add(staged([{ trace: 'b', id: '1', service: 'late' }]), 0)
  assert.equal(await calls(), '2')
})

test('names without end fill one series, not the memory', async () => {
  const { graph, registry } = newGraph()
  for (let i = 0; i < 60; i++) {
    graph.add(
      staged(
        Array.from({ length: 200 }, (_, k) => ({ trace: 'a', id: '1', name: `n${i * 200 + k}`, service: `s${i}` })),
      ),
      0,
    )
  }
  const text = await secondReading(registry)
  assert.ok((text.match(/^traces_spanmetrics_calls_total/gm) ?? []).length < 5100)
  assert.match(text, /calls_total\{service="_other",span_name="_other"[^}]*\} 7\d{3}/)
})

test('a span that says which share was kept stands for those that were not sent', async () => {
  const { graph, registry } = newGraph()
  const shared = { trace: 'a', traceState: 'ot=th:c', ms: 20 }
  graph.add(
    staged([
      { ...shared, id: '1', service: 'a', kind: CLIENT, status: 2 },
      { ...shared, id: '2', parent: '1', service: 'b', kind: SERVER },
      { trace: 'b', id: '1', service: 'b', name: 'alone', ms: 20 },
    ]),
    1,
  )
  assert.deepEqual(await edges(registry), ['a -> b (): 4/4'])
  const text = await secondReading(registry)
  const all = [
    ...text.matchAll(/traces_spanmetrics_(calls_total|latency_count|latency_sum)\{.*span_name="(\w+)".*\} (\S+)/g),
  ]
  assert.deepEqual(
    all.map(([, name, span, value]) => [name, span, Number(value)]),
    [
      ...['op', 'op', 'alone'].map((span) => ['calls_total', span, span === 'op' ? 4 : 1]),
      ...['op', 'op', 'alone'].flatMap((span) => [
        ['latency_sum', span, span === 'op' ? 0.08 : 0.02],
        ['latency_count', span, span === 'op' ? 4 : 1],
      ]),
    ],
  )
})

test('what waits is bounded in number and in time', () => {
  const left: string[] = []
  let dropped = 0
  const room = createWaitingRoom<string>(
    10_000,
    100,
    (value) => left.push(value),
    () => dropped++,
  )
  room.expire(0)
  for (let i = 0; i < 1000; i++) room.put(String(i), String(i), 1)
  assert.ok(room.size() <= 100)
  assert.ok(dropped >= 900)
  assert.equal(room.take('999'), '999')
  assert.equal(room.take('999'), undefined)
  for (const now of [1, 6000, 12_000, 18_000]) room.expire(now)
  assert.equal(room.size(), 0)
  assert.ok(left.length > 0)
})
