/**
 * Every query that docs/traceql.md and docs/logql.md show finds something in what `npm run load` leaves, and the tools of docs/ask.md
 * tell of it, in a terminal and over MCP.
 */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { until } from '@sightline/service-kit/poll'
import { askDocumented, blocksIn, documentedQueries } from '../scripts/doctor/documented-queries.ts'
import { startSystem, type TestSystem } from './system.ts'

/** A row of a tool's answer. */
type Named = Record<string, unknown>

const root = resolve(import.meta.dirname, '..')
const docs = join(root, 'docs')
const run = promisify(execFile)

describe('documented queries', () => {
  let system: TestSystem
  before(async () => {
    system = await startSystem()
    const { stdout } = await run(process.execPath, ['scripts/load.ts', '--count', '150', '--rate', '30'], {
      cwd: root,
      env: { ...process.env, GATEWAY_URL: system.urls.gateway },
    })
    assert.match(stdout, /150 requests .* 0 unexpected/)
    // What the page has a reader push, pushed by the reader's own means.
    const pushes = blocksIn(join(docs, 'logql.md'), 'sh').filter((block) => block.includes('/push'))
    assert.equal(pushes.length, 1)
    await run('/bin/sh', ['-ec', pushes[0]!.replaceAll('localhost:3100', new URL(system.urls.loki).host)])
    await until('the last audit rows are sealed, and told of', 30, async () => {
      const { json } = await system.api('GET', '/api/v1/audit?limit=1')
      return json.items[0]?.sealed && (await system.search('{ name = "seal_audit_rows" }')).length > 0
    })
  })
  after(() => system?.[Symbol.asyncDispose]())

  test('TraceQL', async () => {
    const queries = documentedQueries(docs, 'traceql')
    assert.ok(queries.length > 35)
    for (const query of queries) {
      const found = await askDocumented(system.urls, 'traceql', query)
      assert.ok(found.length > 0, query)
    }
  })

  test('LogQL', async () => {
    const queries = documentedQueries(docs, 'logql')
    assert.ok(queries.length > 30)
    for (const query of queries) {
      const found = await askDocumented(system.urls, 'logql', query)
      assert.ok(found.length > 0, query)
      assert.doesNotMatch(JSON.stringify(found), /TemplateFormatErr/, query)
    }
  })

  const asked = () => ({
    ...(process.env as Record<string, string>),
    GATEWAY_URL: system.urls.gateway,
    TEMPO_URL: system.urls.tempo,
    LOKI_URL: system.urls.loki,
    PROMETHEUS_URL: system.urls.prometheus,
    SIGHTLINE_HOME: system.home,
  })

  test('npm run ask', async (t) => {
    const ask = async (...args: string[]) =>
      (await run(process.execPath, ['scripts/ask.ts', ...args], { cwd: root, env: asked() })).stdout
    const { traces, left_out } = JSON.parse(await ask('traces', '{ status = error }', '--json', '--limit', '2'))
    const { offset, end } = left_out[0].ask_with
    const next = await ask('traces', '{ status = error }', '--limit', '2', '--offset', String(offset), '--end', end)
    for (const { trace } of traces) assert.ok(!next.includes(trace), 'the next page has other traces')
    assert.match(next, /^trace .*\n[0-9a-f]{32} /)
    assert.match(await ask('trace', traces[0].trace), /tree:\n.* gateway: /)

    const args = ['scripts/ask.ts', 'logs', '{service_name="gateway"}', '--follow', '--json']
    const follower = spawn(process.execPath, args, { cwd: root, env: asked(), stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => follower.kill())
    const seen: string[] = []
    createInterface({ input: follower.stdout }).on('line', (line) => seen.push(JSON.parse(line).trace))
    const { headers } = await system.api('GET', '/api/v1/products')
    await until('the line of that request', 20, () => seen.includes(headers.get('x-trace-id')!))
    assert.equal(new Set(seen).size, seen.length, 'each line once')
  })

  test('npm run mcp', async (t) => {
    const client = new Client({ name: 'test', version: '1' })
    const args = ['scripts/bootstrap.mjs', 'mcp']
    await client.connect(new StdioClientTransport({ command: process.execPath, args, cwd: root, env: asked() }))
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
    const { trace, span, began } = groups.find(({ type }: Named) => type === 'insufficient-stock')
    assert.ok(began > 0)
    const { errors, tree } = await ask('trace', { trace })
    assert.ok(errors.some((error: Named) => error.span === span && error.began_here))
    assert.ok(tree.some((row: Named) => row.span === span && /were ordered/.test(String(row.error))))
    const { attributes, events } = await ask('span', { trace, span })
    assert.ok(attributes.some(({ name }: Named) => name === 'item.product_id'))
    assert.ok(events.some(({ name }: Named) => name === 'exception'))
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
  })
})
