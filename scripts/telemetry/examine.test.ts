import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Emitted, EmittedSpan } from './emitted.ts'
import { examine } from './examine.ts'
import { readRegistry } from './registry.ts'
import { reportText } from './text.ts'

const registry = readRegistry()

const resource = {
  'service.name': 'string',
  'service.namespace': 'string',
  'service.version': 'string',
  'service.instance.id': 'string',
  'deployment.environment.name': 'string',
}
const priced: EmittedSpan = {
  ...{ trace: 't1', service: 'order-service', kind: 'internal', name: 'price_order', resource, events: [] },
  attributes: {
    ...{ 'request.id': 'string', 'order.items.count': 'int', 'order.currency': 'string' },
    // A whole total, and the list of an order without lines.
    ...{ 'order.total': 'int', 'order.line_totals': '[]' },
  },
}
/** What every line of it says of its sender. */
const sender = (service: string) => ({
  ...{ service_name: service, service_namespace: 'sightline', service_version: '0.2.0', service_instance_id: 'i' },
  deployment_environment_name: 'local',
})
const access = { ...sender('gateway'), logger: 'access', request_id: 'r', client_address: '::1' }
const line = { service: 'gateway', fields: { ...access, http_request_method: 'GET' } }
const shed = { __name__: 'http_server_shed_requests_total', job: 'user-service', instance: 'i' }

/** What is found besides all that was never sent. */
function found({ spans = [], lines = [], series = [], types = {} }: Partial<Emitted>): string[] {
  const { findings } = examine(registry, { spans, lines, series, types })
  return findings.flatMap(({ kind, signal, what, where }) =>
    kind === 'unseen' ? [] : `${kind} ${signal} ${what}, ${where}`,
  )
}
const withAttributes = (attributes: Record<string, string>): Partial<Emitted> => ({
  spans: [{ ...priced, attributes: { ...priced.attributes, ...attributes } }],
})

test('what is as declared is no finding', () => {
  assert.deepEqual(found({ spans: [priced] }), [])
})

test('unknown: attributes, spans, events, resources, fields, metrics and labels that nobody has declared', () => {
  assert.deepEqual(found(withAttributes({ 'order.colour': 'string' })), [
    'unknown span order.colour, price_order of order-service',
  ])
  assert.deepEqual(found({ spans: [{ ...priced, name: 'paint_order', attributes: {} }] }), [
    'unknown span paint_order (internal), order-service',
  ])
  // The name of one service is none of another.
  assert.deepEqual(found({ spans: [{ ...priced, service: 'user-service' }] }), [
    'unknown span price_order (internal), user-service',
  ])
  const events = [{ name: 'order.painted', attributes: {} }]
  assert.deepEqual(found({ spans: [{ ...priced, events }] }), ['unknown event order.painted, order-service'])
  assert.deepEqual(found({ spans: [{ ...priced, resource: { ...resource, colour: 'string' } }] }), [
    'unknown resource colour, order-service',
  ])
  assert.deepEqual(
    found({
      lines: [{ ...line, fields: { ...line.fields, colour: 'red' } }],
    }),
    ['unknown log colour, gateway'],
  )
  assert.deepEqual(
    found({
      series: [
        { ...shed, __name__: 'paint_total' },
        { ...shed, colour: 'red' },
      ],
    }),
    ['unknown metric colour, http_server_shed_requests_total', 'unknown metric paint_total, user-service'],
  )
})

test('what others send is theirs', () => {
  const series = [
    { ...shed, __name__: 'shop_sold_total', job: 'shop' },
    { ...shed, __name__: 'nodejs_version_info' },
    { ...shed, __name__: 'up' },
  ]
  assert.deepEqual(found({ series }), [])
})

test('missing: what is required', () => {
  const { 'order.items.count': _, ...attributes } = priced.attributes
  assert.deepEqual(found({ spans: [{ ...priced, attributes }] }), [
    'missing span order.items.count, price_order of order-service',
  ])
  assert.deepEqual(found({ lines: [{ ...line, fields: access }] }), ['missing log http_request_method, gateway'])
  const deliveries = { ...shed, __name__: 'outbox_deliveries_total', job: 'order-service', path: 'relay' }
  assert.deepEqual(found({ series: [deliveries] }), ['missing metric outcome, outbox_deliveries_total'])
})

test('type: a text where a number is declared, and a gauge where a counter is', () => {
  assert.deepEqual(found(withAttributes({ 'order.total': 'string', 'order.line_totals': 'string[]' })), [
    'type span order.line_totals, price_order of order-service',
    'type span order.total, price_order of order-service',
  ])
  const fields = { ...sender('order-service'), order_id: 'one', total: '1e-7', duplicate: 'true' }
  assert.deepEqual(found({ lines: [{ service: 'order-service', fields }] }), ['type log order_id, order-service'])
  assert.deepEqual(found({ series: [shed], types: { http_server_shed_requests: 'gauge' } }), [
    'type metric http_server_shed_requests_total, user-service',
  ])
})

test('deprecated: names that the conventions have given up, but for those that are kept', () => {
  assert.deepEqual(found(withAttributes({ 'http.method': 'string' })), [
    'deprecated span http.method, price_order of order-service',
  ])
  const statement = {
    ...{ 'db.system.name': 'string', 'db.namespace': 'string', 'server.address': 'string', 'peer.service': 'string' },
  }
  const span = { ...priced, kind: 'client', name: 'pg.query:find_user sightline', attributes: statement }
  assert.deepEqual(found({ spans: [span] }), [])
  const old = { ...span, attributes: { ...statement, 'db.statement': 'string', 'net.peer.name': 'string' } }
  const { findings } = examine(registry, { spans: [old], lines: [], series: [], types: {} })
  const told = findings.filter(({ kind }) => kind === 'deprecated')
  assert.deepEqual(
    told.map(({ what }) => what),
    ['db.statement', 'net.peer.name'],
  )
  assert.match(told[0]!.remedy, /^Send db\.query\.text in its place; /)
})

test('unseen: what is declared and was never sent, unless a condition excuses it', () => {
  const { 'order.currency': _, ...attributes } = priced.attributes
  const emitted = { spans: [{ ...priced, attributes }], lines: [line], series: [shed], types: {} }
  const { findings, conditional } = examine(registry, emitted)
  const unseen = findings.flatMap(({ kind, signal, what }) => (kind === 'unseen' ? `${signal} ${what}` : []))
  for (const one of ['span order.currency', 'span record_audit', 'event item.priced', 'metric users_upserted_total'])
    assert.ok(unseen.includes(one), one)
  // Nobody was asked who counts them.
  assert.ok(!unseen.some((one) => one.startsWith('metric embedded_')))
  assert.ok(!unseen.includes('span await_leaf'))
  assert.ok(conditional.some(({ what }) => what === 'await_leaf'))
})

test('where traces are left out, nobody can say of what is in them that it was never sent', () => {
  const sampled = {
    __name__: 'embedded_sampled_traces_total',
    job: 'telemetry-backend',
    instance: 'i',
    why: 'left_out',
  }
  const { findings, conditional } = examine(registry, { spans: [priced], lines: [], series: [sampled], types: {} })
  assert.deepEqual(
    findings.filter(({ signal }) => signal === 'span' || signal === 'event'),
    [],
  )
  for (const one of ['record_audit', 'item.priced', 'audit.recorded'])
    assert.ok(
      conditional.some(({ what, when }) => what === one && when.includes('TRACES_SAMPLE')),
      one,
    )
})

test('the report has what to do, and the trace to look at', () => {
  const emitted = { ...withAttributes({ colour: 'string' }), lines: [], series: [], types: {} } as Emitted
  assert.match(
    reportText(examine(registry, emitted), emitted, 15),
    /^Of the last 15 minutes: 1 spans,[^\n]*\n\nSent, and not declared:\n {2}span colour, price_order of order-service: npm run trace -- t1\n {4}Declare it in contracts\/telemetry /,
  )
})
