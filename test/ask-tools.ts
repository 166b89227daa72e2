/** Every tool of `npm run mcp`, asked by an MCP client of a running system that has had orders of every kind, refused ones too. */
import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { until } from '@sightline/service-kit/poll'

/** A row of a tool's answer. */
type Named = Record<string, unknown>

const root = resolve(import.meta.dirname, '..')

/** `env` says where the system is, as for `npm run ask`. */
export async function useEveryTool(t: TestContext, env: Record<string, string>): Promise<void> {
  const client = new Client({ name: 'test', version: '1' })
  const args = ['scripts/bootstrap.mjs', 'mcp']
  await client.connect(new StdioClientTransport({ command: process.execPath, args, cwd: root, env }))
  t.after(() => client.close())
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const { content, isError = false } = await client.callTool({ name, arguments: { format: 'json', ...args } })
    const [{ text } = { text: '' }] = content as { text: string }[]
    assert.ok(Buffer.byteLength(text) <= 8192, name)
    return { text, isError }
  }
  const ask = async (name: string, args?: Record<string, unknown>) => {
    const { text, isError } = await call(name, args)
    assert.equal(isError, false, text)
    return JSON.parse(text)
  }
  const { services, engines } = await ask('running')
  assert.deepEqual(
    services.map(({ service, status }: Named) => [service, status]),
    ['gateway', 'user-service', 'order-service', 'audit-service'].map((service) => [service, 'ok']),
  )
  assert.deepEqual(
    engines.map(({ status }: Named) => status),
    ['ok', 'ok', 'ok'],
  )
  await until('all targets are up', 30, async () => {
    const { targets } = await ask('running')
    return targets.length > 3 && targets.every(({ health }: Named) => health === 'up')
  })
  const { groups } = await ask('errors', { query: '{ kind = internal && status = error }' })
  const { trace, span, began } = groups.find(({ type }: Named) => type === 'insufficient_stock')
  assert.ok(began > 0)
  const { errors, tree } = await ask('trace', { trace })
  assert.ok(errors.some((error: Named) => error.span === span && error.began_here))
  assert.ok(tree.some((row: Named) => row.span === span && /were ordered/.test(String(row.error))))
  const { attributes, events } = await ask('span', { trace, span })
  assert.ok(attributes.some(({ name }: Named) => name === 'item.product_id'))
  assert.ok(events.some(({ name }: Named) => name === 'exception'))
  const { attributes: names } = await ask('attributes', { among: '{ name = "check_inventory" }' })
  assert.ok(names.some(({ attribute }: Named) => attribute === 'span.item.product_id'))
  const { values } = await ask('attributes', { name: 'span.error.type', among: '{ name = "create_order" }' })
  assert.ok(values.some(({ value, spans }: Named) => value === 'insufficient_stock' && Number(spans) > 0))
  const { path_ms, duration_ms, stretches } = await ask('path', { trace })
  assert.ok(path_ms > 0 && path_ms <= duration_ms && stretches.length > 2)
  const { lines } = await ask('trace-logs', { trace })
  assert.ok(lines.some(({ level, line }: Named) => level === 'warn' && /were ordered/.test(String(line))))
  const selection = '{ span.error.type = "insufficient_stock" }'
  const { says } = await ask('compare', { query: selection, among: '{ kind = internal }' })
  assert.match(says, /^\d+ % of the selected spans (have|lack) .*, of the others .* %\.$/)
  // Prometheus may have read it all only once by now.
  await until('the edge on the map', 30, async () => {
    const { edges } = await ask('map', { since: '30m' })
    return edges.some(({ client, server }: Named) => client === 'user-service' && server === 'order-service')
  })
  await until('the objectives', 30, async () => {
    const { objectives } = await ask('slo')
    assert.deepEqual(objectives.map(({ objective }: Named) => objective).sort(), ['availability', 'latency'])
    return true
  })
  await until('a course of every target', 30, async () => {
    const { series } = await ask('metrics', { query: 'up', range: true, since: '1m' })
    return series.length > 3
  })
  const counted = await ask('logs', {
    query: 'sum by (service_name) (count_over_time({service_name="gateway"}[5m]))',
  })
  assert.equal(counted.series[0].series, 'service_name=gateway')
  const [row] = (await ask('audit', { limit: 1 })).rows
  assert.equal((await ask('audit', { of: `audit:${row.id}` })).rows[0].trace_id, row.trace_id)
  assert.equal((await ask('audit', { of: row.trace_id })).rows[0].order_id, row.order_id)
  assert.equal((await ask('incident')).incident, null)

  const refused = await call('traces', { query: '{ nonsense }' })
  assert.ok(refused.isError)
  assert.match(refused.text, /^Tempo refuses: .*line 1, col 3/)
  const { contents } = await client.readResource({ uri: 'sightline://docs/traceql/Hints' })
  assert.match((contents[0] as { text: string }).text, /most_recent=true/)
}
