/** A run goes into a file, the file is opened as a second system, and that one has the same. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { freePorts } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import { openedCapture } from '../scripts/start/open-capture.ts'
import { readTrace, type Span } from '../scripts/trace/spans.ts'
import { assertWhole, type TestSystem } from './system.ts'

/** An object of an API's answer. */
type Named = Record<string, unknown>

const root = resolve(import.meta.dirname, '..')
const run = promisify(execFile)

/** `asked`: the environment by which commands find the system, which has traffic. */
export async function captureAndOpen(t: TestContext, system: TestSystem, asked: NodeJS.ProcessEnv): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sightline-captured-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'run.zip')
  const capture = (...args: string[]) =>
    run(process.execPath, ['scripts/capture.ts', path, ...args], {
      cwd: root,
      env: { ...asked, CONSOLE_URL: system.urls.console },
    })
  const { json: order } = await system.api('POST', '/api/v1/process', { user_id: 1001, action: 'purchase' })
  const trace = await system.trace(order.trace_id, 20, (spans) => {
    assertWhole(spans)
    assert.ok(spans.some(({ name }) => name === 'record_audit'))
  })
  const since = Date.now() / 1000 - 30
  await until(
    'orders are scraped, with exemplars',
    20,
    async () =>
      (await system.prometheusQuery('orders_created_total')).length > 0 &&
      (await exemplarsOf(system.urls.prometheus, since)).size > 0,
  )
  const before = await exemplarsOf(system.urls.prometheus, since)
  const { counts, range, left_out } = JSON.parse((await capture('--last', '75s', '--json')).stdout)
  await assert.rejects(capture('--last', '75s'), /run\.zip exists\. Choose another name, or overwrite it with --force/)

  const giveUp = new AbortController()
  const said: string[] = []
  const opened = await openedCapture(path, {
    ports: await freePorts(),
    env: process.env,
    signal: giveUp.signal,
    onProgress: (line) => void said.push(line),
    onWarning: (line) => void said.push(line),
  })
  t.after(async () => {
    await opened.stop()
    await opened.remove()
    assert.equal(existsSync(opened.home), false)
  })

  const byId = (spans: readonly Span[] | null) => spans?.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  assert.deepEqual(byId(await readTrace(opened.urls.tempo, order.trace_id)), byId(trace))
  assert.ok(counts.traces >= 150 && counts.spans > counts.traces, JSON.stringify(counts))

  const [from, to] = [range.from, range.to].map((time: string) => String(Date.parse(time)))
  const fetchJson = async (url: string) => (await fetch(url)).json() as Promise<Named>
  const both = async (path: (urls: { tempo: string; loki: string; prometheus: string }) => string) => {
    const [there, here] = await Promise.all([fetchJson(path(system.urls)), fetchJson(path(opened.urls))])
    return { there: resultOf(there), here: resultOf(here) }
  }
  const resultOf = ({ data }: Named) => (data as { result?: Named[] }).result ?? (data as unknown as Named[])
  for (const selector of [`{service_name=~".+"} | trace_id="${order.trace_id}"`, '{service_name="shop"}']) {
    const query = new URLSearchParams({ query: selector, start: `${from}000000`, end: `${to}000000`, limit: '5000' })
    const lines = await both(({ loki }) => `${loki}/loki/api/v1/query_range?${query}`)
    assert.ok(lines.there.length > 0, selector)
    assert.deepEqual(lines.here, lines.there)
  }
  for (const expr of [
    'sum by (job, audit_status) (orders_created_total)',
    'http_server_request_duration_seconds_bucket[1m]',
  ]) {
    const query = new URLSearchParams({ query: expr, time: String((Number(to) - 1) / 1000) })
    const samples = await both(({ prometheus }) => `${prometheus}/api/v1/query?${query}`)
    assert.ok(samples.there.length > 0, expr)
    assert.deepEqual(samples.here, samples.there)
  }
  // What was there before the capture is in it, and nothing that is not there: it went on to be scraped meanwhile.
  const captured = await exemplarsOf(opened.urls.prometheus, since)
  const there = await exemplarsOf(system.urls.prometheus, since)
  for (const one of before) assert.ok(captured.has(one), one)
  for (const one of captured) assert.ok(there.has(one), one)

  const row = await fetchJson(`${opened.urls.console}/api/audit/audit?trace_id=${order.trace_id}`)
  const { json: page } = await system.api('GET', `/api/v1/audit?trace_id=${order.trace_id}`)
  const stored = (items: Named[]) => items.map(({ sealed: _, position: _at, proof: _proof, ...more }) => more)
  assert.deepEqual(stored(row.items as Named[]), stored(page.items))
  assert.equal(counts.audit_rows > 0, true)
  assert.ok(!left_out.join().includes('SQL'), left_out.join('\n'))
  const rules = (await fetchJson(`${opened.urls.console}/api/prometheus/api/v1/rules?type=alert`)) as {
    data: { groups: Named[] }
  }
  assert.ok(rules.data.groups.length > 0)
  assert.match(await (await fetch(opened.urls.console)).text(), /<meta name="sightline-capture"/)
}

/** Those since then, in seconds, each with the series that has it. */
async function exemplarsOf(prometheus: string, since: number): Promise<Set<string>> {
  const query = new URLSearchParams({
    query: 'http_server_request_duration_seconds_bucket',
    start: String(since),
    end: String(Date.now() / 1000),
  })
  const answer = await fetch(`${prometheus}/api/v1/query_exemplars?${query}`)
  const { data } = (await answer.json()) as { data: { seriesLabels: Named; exemplars: Named[] }[] }
  return new Set(
    data.flatMap(({ seriesLabels, exemplars }) => exemplars.map((one) => JSON.stringify([seriesLabels, one]))),
  )
}
