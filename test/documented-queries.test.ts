/**
 * Every query that docs/traceql.md and docs/logql.md show finds something in what `npm run load` leaves, and the tools of docs/ask.md
 * tell of it, in a terminal and over MCP.
 * A capture of it, opened as a second system, has the same.
 */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { until } from '@sightline/service-kit/poll'
import { askDocumented, blocksIn, documentedQueries } from '../scripts/doctor/documented-queries.ts'
import { useEveryTool } from './ask-tools.ts'
import { captureAndOpen } from './capture-and-open.ts'
import { sharedSystem } from './shared-system.ts'
import type { TestSystem } from './system.ts'

const root = resolve(import.meta.dirname, '..')
const docs = join(root, 'docs')
const run = promisify(execFile)

describe('documented queries', () => {
  let system: TestSystem
  before(async () => {
    system = await sharedSystem()
    const { stdout } = await run(
      process.execPath,
      ['scripts/load.ts', '--count', '150', '--rate', 'max', '--concurrency', '4'],
      {
        cwd: root,
        env: { ...process.env, GATEWAY_URL: system.urls.gateway },
      },
    )
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

  test('npm run bill', async () => {
    const bill = (...args: string[]) => run(process.execPath, ['scripts/bill.ts', ...args], { cwd: root, env: asked() })
    const told = await until('Prometheus has read all of it', 30, async () => {
      const read = JSON.parse((await bill('--json', '--check')).stdout)
      assert.ok(read.requests >= 130, String(read.requests))
      return read
    })
    const { shares, series, over } = told
    assert.deepEqual(over, [])
    const of = (service: string) => shares.find((share: { service: string }) => share.service === service)
    for (const service of ['user-service', 'order-service', 'audit-service']) {
      const { spans, spanBytes, logLines, logBytes } = of(service)
      assert.ok(spans > 1 && spans < 30 && logLines > 0.2 && logLines < 30, JSON.stringify(of(service)))
      // No span is written in less than its ids and times take, and none of ours in a kilobyte.
      assert.ok(spanBytes / spans > 60 && spanBytes / spans < 1000, JSON.stringify(of(service)))
      assert.ok(logBytes / logLines > 60 && logBytes / logLines < 2000, JSON.stringify(of(service)))
      assert.ok(series[service] > 100)
    }
    assert.equal(of('gateway').spans, 1)
    const explodes = await bill('--check', '--values', '3').catch((error) => error)
    assert.equal(explodes.code, 1)
    assert.match(explodes.stdout, /the label http_route has \d+ values, 3 are in the budget: /)
  })

  test('npm run telemetry:check', async () => {
    // What the load leaves, and with the other files of this process whatever they have asked for.
    await until('all that is declared is stored', 60, async () => {
      const check = run(process.execPath, ['scripts/telemetry-check.ts', '--json'], { cwd: root, env: asked() })
      const { findings, read } = JSON.parse((await check.catch((failed) => failed)).stdout)
      assert.deepEqual(findings, [])
      assert.ok(read.spans > 100 && read.lines > 100 && read.series > 1000, JSON.stringify(read))
      return true
    })
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

  test('npm run capture, and npm start -- --open', (t) => captureAndOpen(t, system, asked()))

  test('npm run mcp', (t) => useEveryTool(t, asked()))
})
