/** Answers to the questions of each lesson, found another way than the program that grades them: right ones, and three wrong sets. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '@sightline/service-kit/poll'
import { readTrace, type Span } from '../scripts/trace/spans.ts'
import type { Learner } from './learner.ts'

interface Answers {
  right: string[]
  wrong: string[][]
}

/** What no request has. */
const NOBODYS = 'f'.repeat(31).concat('0')

/** By lesson; each sends what it asks about. */
export const answersTo: Record<string, (learner: Learner) => Promise<Answers>> = {
  async 1(learner) {
    const { trace_id, order } = await send(learner, { user_id: 4242, action: 'purchase' })
    const other = await send(learner, { user_id: 1001, action: 'purchase' })
    await arrived(learner, trace_id)
    await arrived(learner, other.trace_id)
    // And that of the gateway.
    const count = linesInFiles(learner, (line) => line.includes(trace_id)).length + 1
    return {
      right: [trace_id, String(order.id), String(count)],
      wrong: [
        [other.trace_id, String(order.id + 1000), String(count + 2)],
        ['not an id', 'order committed', 'many'],
        [NOBODYS, '0', '0'],
      ],
    }
  },

  async 2(learner) {
    const body = { user_id: 1001, action: 'purchase', items: [{ product_id: 'phone-001', quantity: 999_999 }] }
    await refused(learner, body, 409)
    await until('the line about it', 20, async () => {
      const lines = await learner.live.lines('{service_name="order-service"} |= "999999"')
      return lines.length > 0
    })
    const warnings = linesInFiles(learner, (line) => /"level":"warn".*"service":"order-service"/.test(line)).length
    const errors = linesInFiles(learner, (line) => line.includes('"level":"error"'))
    const { type } = JSON.parse(errors.at(-1)!).error
    return {
      right: [String(warnings), 'insufficient-stock', type],
      wrong: [
        [String(warnings * 2 + 5), '409', 'error'],
        ['none', 'unknown-product', 'insufficient-stock'],
        ['0', 'warn', '504'],
      ],
    }
  },

  async 3(learner) {
    const headers = { 'x-request-id': 'mine-3' }
    const first = await send(learner, { user_id: 1001, action: 'purchase' }, headers)
    const second = await send(learner, { user_id: 1001, action: 'purchase' }, headers)
    const once = await send(learner, { user_id: 1001, action: 'purchase' }, { 'x-request-id': 'once-3' })
    for (const { trace_id } of [first, second, once]) await arrived(learner, trace_id)
    const spans = await spansOf(learner, second.trace_id)
    const carrying = spans.filter(({ attributes }) => attributes['request.id'] === 'mine-3').length
    return {
      right: ['mine-3', second.trace_id, String(carrying)],
      wrong: [
        ['once-3', once.trace_id, '3'],
        [first.trace_id, first.trace_id, '7'],
        ['nobody"s', NOBODYS, '0'],
      ],
    }
  },

  async 4(learner) {
    const ids = { sampled: hex(32), quiet: hex(32), parent: hex(16) }
    const order = { user_id: 1001, action: 'purchase' }
    await send(learner, order, { traceparent: `00-${ids.sampled}-${ids.parent}-01` })
    await send(learner, order, { traceparent: `00-${ids.quiet}-${ids.parent}-00` })
    const usual = await send(learner, order)
    for (const id of [ids.sampled, usual.trace_id]) await arrived(learner, id)
    await until('its lines', 20, async () => (await learner.live.lines(`{job="gateway"} | trace_id="${ids.quiet}"`))[0])
    const spans = await spansOf(learner, ids.sampled)
    const call = spans.find(
      ({ service, kind, name }) => service === 'user-service' && kind === 'CLIENT' && name === 'POST',
    )
    const server = spans.find(({ service, kind }) => service === 'order-service' && kind === 'SERVER')
    return {
      right: [ids.sampled, call!.id, ids.quiet],
      wrong: [
        [usual.trace_id, server!.id, ids.sampled],
        [ids.quiet, ids.parent, NOBODYS],
        [ids.parent, ids.sampled, 'quiet'],
      ],
    }
  },

  async 5(learner) {
    const item = (product_id: string) => ({ product_id, quantity: 1 })
    const two = await send(learner, {
      user_id: 1001,
      action: 'purchase',
      items: [item('phone-001'), item('laptop-001')],
    })
    const large = await send(learner, { user_id: 1001, action: 'purchase', items: [item('laptop-001')] })
    const small = await send(learner, { user_id: 1001, action: 'purchase' })
    for (const { trace_id } of [two, large, small]) await arrived(learner, trace_id)
    const spans = await spansOf(learner, two.trace_id)
    const parent = spans.find(({ name }) => name === 'create_order')!
    const children = spans.filter(({ parentId }) => parentId === parent.id)
    const inOrder = children.sort((a, b) => Number(a.end - a.start - (b.end - b.start)))
    return {
      right: [two.trace_id, inOrder.at(-1)!.name, large.trace_id],
      wrong: [
        [small.trace_id, inOrder[0]!.name, small.trace_id],
        [NOBODYS, 'create_order', NOBODYS],
        ['two', 'pg.query:insert_order sightline', 'check_discount'],
      ],
    }
  },

  async 6(learner) {
    const { prometheus } = learner.addresses
    const series = 'http_server_request_duration_seconds_bucket{job="user-service",http_route="/process"}'
    const query = async (promql: string) => (await ask(learner, promql))[0]!.value
    // What is graded by a later scrape must not have been counted in between: all requests are over, and have been scraped.
    const over = Date.now() / 1000
    await until(
      'a scrape of each service after the last request',
      60,
      () => query('min(timestamp(up{job=~".+-service"}))'),
      (scraped) => assert.ok(scraped > over, `${over - scraped} s before`),
    )
    const orders = await query('sum(orders_created_total)')
    const seconds = await query(`histogram_quantile(0.95, sum by (le) (rate(${series}[15m])))`)
    const hour = new URLSearchParams({
      query: series,
      start: String(Date.now() / 1000 - 3000),
      end: String(Date.now() / 1000),
    })
    const response = await fetch(`${prometheus}/api/v1/query_exemplars?${hour}`)
    const { data } = (await response.json()) as {
      data: { exemplars: { value: string; labels: Record<string, string> }[] }[]
    }
    const slowest = data.flatMap(({ exemplars }) => exemplars).sort((a, b) => Number(b.value) - Number(a.value))[0]!
    return {
      right: [String(orders), `${1000 * seconds} ms`, slowest.labels.trace_id!],
      wrong: [
        [String(orders * 2 + 2), String(seconds), NOBODYS],
        ['0', String(3000 * seconds), slowest.labels.span_id!],
        ['orders_created_total', 'fast', hex(32)],
      ],
    }
  },

  async 7() {
    return {
      right: [
        '{ span.http.response.status_code > 399 && kind = server }',
        '{ name = "create_order" } >> { name =~ "pg.query:.*" }',
        '{ kind = server } | quantile_over_time(duration, 0.95) by (resource.service.name)',
      ],
      wrong: [
        [
          '{ span.http.response.status_code >= 400 }',
          '{ name = "create_order" } > { name =~ "pg.query:.*" }',
          '{ } | rate()',
        ],
        [
          '{ kind = server }',
          '{ span.db.system.name = "postgresql" }',
          '{ kind = server } | quantile_over_time(duration, .95)',
        ],
        [
          '{ kind = server',
          '{ name = "create_order" }',
          '{ kind = server } | quantile_over_time(duration, .5) by(resource.service.name)',
        ],
      ],
    }
  },

  async 8() {
    return {
      right: [
        '{level="warn"} | service_name != "gateway"',
        'sum(count_over_time({job=~".+"}[1h])) by (level, service_name)',
        'quantile_over_time(0.95, {service_name=~".+-service"} | route="/process" | unwrap duration_ms [60m]) by (service_name)',
      ],
      wrong: [
        ['{level="warn"}', 'sum(count_over_time({job=~".+"}[1h]))', '{service_name=~".+"} | route="/process"'],
        ['{service_name=~".+-service"}', 'sum by (level) (count_over_time({job=~".+"}[1h]))', 'vector(1)'],
        [
          '{service_name="order-service", level="warn"}',
          'sum by (service_name, level) (count_over_time({level="warn"}[1h]))',
          'quantile_over_time(0.05, {service_name=~".+"} | route="/process" | unwrap duration_ms [1h]) by (service_name)',
        ],
      ],
    }
  },

  async 9(learner) {
    const sums = await ask(
      learner,
      'sort_desc(sum by (db_query_summary) (increase(db_client_operation_duration_seconds_sum{job="user-service"}[1h])))',
    )
    await learner.run('kill -9 $(head -n 1 .sightline/run/audit-service.pid)')
    const { status, json } = await learner.live.api('/api/v1/process', { user_id: 1001, action: 'purchase' })
    assert.equal(status, 202, JSON.stringify(json))
    const later = String(json!.trace_id)
    await until('its audit row', 60, async () => {
      const { status: code, json: page } = await learner.live.api(`/api/v1/audit?trace_id=${later}`)
      return code === 200 && (page!.items as unknown[]).length === 1
    })
    const usual = await send(learner, { user_id: 1001, action: 'purchase' })
    await arrived(learner, usual.trace_id)
    const verified = await until('an intact chain', 30, async () => {
      const { output } = await learner.run('npm run audit:verify')
      return /^(\d+) rows checked.* 0 not sealed/.exec(output)?.[1]
    })
    return {
      right: [sums[0]!.labels.db_query_summary!, later, verified],
      wrong: [
        [sums.at(-1)!.labels.db_query_summary!, usual.trace_id, String(Number(verified) * 2)],
        ['select', NOBODYS, '0'],
        ['claim_events', 'later', 'intact'],
      ],
    }
  },

  async 10(learner) {
    const [sent] = await ask(learner, 'sum(telemetry_exported_total{signal="traces"})')
    const found = await learner.live.search('{ name = "persist_order" }', 10_000)
    const kept = new Set(found.map(({ traceId }) => traceId))
    const untraced = linesInFiles(learner, (line) => line.includes('"message":"order committed"')).filter(
      (line) => !kept.has(JSON.parse(line).trace_id),
    )
    return {
      right: [String(sent!.value), '0123456789abcdef12f0000012345678', String(untraced.length)],
      wrong: [
        [String(sent!.value * 2), '0123456789abcdef12ff000012345678', String(untraced.length + 2)],
        ['0', '0123456789abcdef12e0000012345678', '0'],
        ['traces', '0.07', 'five'],
      ],
    }
  },
}

interface Ordered {
  trace_id: string
  request_id: string
  order: { id: number }
  audit: { id: number }
}

async function send(learner: Learner, body: object, headers: Record<string, string> = {}): Promise<Ordered> {
  const { status, json } = await learner.live.api('/api/v1/process', body, headers)
  assert.equal(status, 200, JSON.stringify(json))
  return json as unknown as Ordered
}

async function refused(learner: Learner, body: object, expected: number): Promise<string> {
  const { status, json } = await learner.live.api('/api/v1/process', body)
  assert.equal(status, expected, JSON.stringify(json))
  return String(json!.trace_id)
}

/** What Prometheus says to an instant query. */
async function ask(learner: Learner, promql: string): Promise<{ labels: Record<string, string>; value: number }[]> {
  const response = await fetch(`${learner.addresses.prometheus}/api/v1/query?${new URLSearchParams({ query: promql })}`)
  const { data } = (await response.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
}

const hex = (digits: number) =>
  Array.from({ length: digits }, () => '123456789abcdef'[Math.floor(Math.random() * 15)]).join('')

async function spansOf(learner: Learner, traceId: string): Promise<Span[]> {
  return (await readTrace(learner.addresses.tempo, traceId)) ?? []
}

/** Lines and spans of an order that went through all services are there, all of them. */
async function arrived(learner: Learner, traceId: string): Promise<void> {
  await until(`all of ${traceId}`, 20, async () => {
    const lines = await learner.live.lines(`{service_name=~".+"} | trace_id="${traceId}"`)
    const services = new Set((await spansOf(learner, traceId)).map(({ service }) => service))
    return lines.length === 7 && services.size === 4
  })
}

function linesInFiles(learner: Learner, matches: (line: string) => boolean): string[] {
  return ['user-service', 'order-service', 'audit-service'].flatMap((service) => {
    const file = join(learner.folder, '.sightline/logs', service, `${service}.log`)
    return readFileSync(file, 'utf8').split('\n').filter(matches)
  })
}
