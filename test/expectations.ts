/**
 * Reads observability/expectations.yaml, sends its requests, and asks each query until its answer is right. The same code
 * for local mode and for the real engines: all it knows of a system is where its APIs are.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { parse } from 'yaml'
import { readTrace } from '../scripts/trace/spans.ts'

/** Base URLs without a slash at the end; the database as postgres://user:password@host:port/name. */
export interface Targets {
  gateway: string
  userService: string
  tempo: string
  loki: string
  prometheus: string
  database: string
}

interface Request {
  to?: 'gateway' | 'user_service'
  /** Method and path. */
  send: string
  headers?: Record<string, string>
  body: unknown
  status: number
}

type Count = number | { at_least: number }

interface Expectation {
  that: string
  traceql?: string
  matches?: Count
  trace?: string
  services?: string[]
  roots?: number
  orphans?: number
  logql?: string
  lines?: Count
  each?: Record<string, string[]>
  promql?: string
  rises_by?: number
  value?: Count
  exemplar?: string
  sql?: string
  rows?: Record<string, unknown>[]
}

interface ExpectationFile {
  deadline_seconds: number
  requests: Record<string, Request>
  expectations: Expectation[]
}

type Check = () => Promise<void>

/** Sends the requests, then runs every expectation as a subtest of `t`. */
export async function meetExpectations(t: TestContext, targets: Targets): Promise<void> {
  const file = parse(readFileSync(join(root, 'observability/expectations.yaml'), 'utf8')) as ExpectationFile
  const metrics = file.expectations.flatMap(({ promql }) => promql ?? [])
  const before = new Map(await Promise.all(metrics.map(async (query) => [query, await sum(targets, query)] as const)))
  const began = Date.now()
  const answers: Record<string, { trace_id: string; request_id: string }> = {}
  for (const [name, request] of Object.entries(file.requests)) answers[name] = await send(targets, name, request)

  const deadline = performance.now() + file.deadline_seconds * 1000
  for (const expectation of file.expectations) {
    const check = checkOf(targets, fill(expectation, answers), before, began)
    await t.test(expectation.that, async () => {
      const seconds = Math.max(0, (deadline - performance.now()) / 1000)
      await until(expectation.that, seconds, async () => {
        await check()
        return true
      })
    })
  }
}

async function send(targets: Targets, name: string, request: Request) {
  const [method, path] = request.send.split(' ')
  const base = request.to === 'user_service' ? targets.userService : targets.gateway
  const requestId = `expect-${name}-${randomBytes(6).toString('hex')}`
  const response = await fetch(base + path, {
    method: method!,
    headers: { 'content-type': 'application/json', 'x-request-id': requestId, ...request.headers },
    body: JSON.stringify(request.body),
  })
  const text = await response.text()
  assert.equal(response.status, request.status, `${name}: ${request.send} at ${base}: ${text}`)
  const traceId = response.headers.get('x-trace-id')
  assert.match(traceId ?? '', /^[0-9a-f]{32}$/, `${name}: X-Trace-Id`)
  return { trace_id: traceId!, request_id: requestId }
}

/** Puts the answers' ids in the place of {{request.field}}. */
function fill(expectation: Expectation, answers: Record<string, Record<string, string>>): Expectation {
  const text = JSON.stringify(expectation).replace(/\{\{(\w+)\.(\w+)\}\}/g, (_, name: string, field: string) => {
    const value = answers[name]?.[field]
    if (value === undefined) throw new Error(`expectations.yaml: there is no {{${name}.${field}}}`)
    return value
  })
  return JSON.parse(text) as Expectation
}

/** One try: throws while the answer is not as expected. */
function checkOf(targets: Targets, wanted: Expectation, before: Map<string, number>, began: number): Check {
  const { traceql, trace, logql, promql, exemplar, sql } = wanted
  if (traceql !== undefined && wanted.matches !== undefined) {
    return async () => assertCount(await matchedSpans(targets, traceql), wanted.matches!, traceql)
  }
  if (trace !== undefined) return () => checkTrace(targets, trace, wanted)
  if (logql !== undefined && wanted.lines !== undefined) return () => checkLogs(targets, logql, wanted)
  if (promql !== undefined && wanted.rises_by !== undefined) {
    return async () => {
      const now = await sum(targets, promql)
      // A counter that fell has begun anew, as Prometheus' increase() takes it.
      const risen = now - (now < before.get(promql)! ? 0 : before.get(promql)!)
      assert.ok(risen >= wanted.rises_by!, `${promql}\nrose by ${risen} to ${now}, not by ${wanted.rises_by}`)
    }
  }
  if (promql !== undefined && wanted.value !== undefined) {
    return async () => assertCount(await sum(targets, promql), wanted.value!, promql)
  }
  if (exemplar !== undefined) return () => checkExemplar(targets, exemplar, began)
  if (sql !== undefined && wanted.rows !== undefined) {
    return async () => assert.deepEqual(await rows(targets, sql), wanted.rows, sql)
  }
  throw new Error(`expectations.yaml: "${wanted.that}" has no query, or a query without what it must answer`)
}

function assertCount(actual: number, wanted: Count, query: string): void {
  if (typeof wanted === 'number') assert.equal(actual, wanted, query)
  else assert.ok(actual >= wanted.at_least, `${actual} instead of at least ${wanted.at_least}: ${query}`)
}

/** How many spans a TraceQL query matches, over all traces. */
async function matchedSpans(targets: Targets, query: string): Promise<number> {
  const search = new URLSearchParams({ q: query, limit: '50', spss: '100' })
  const { traces } = await json<{ traces?: { spanSets?: { matched?: number }[] }[] }>(
    `${targets.tempo}/api/search?${search}`,
  )
  return (traces ?? []).flatMap(({ spanSets = [] }) => spanSets).reduce((all, { matched = 0 }) => all + matched, 0)
}

async function checkTrace(targets: Targets, traceId: string, wanted: Expectation): Promise<void> {
  const spans = await readTrace(targets.tempo, traceId)
  assert.ok(spans, `there is no trace ${traceId}`)
  const ids = new Set(spans.map(({ id }) => id))
  assert.deepEqual([...new Set(spans.map(({ service }) => service))].sort(), wanted.services)
  assert.equal(spans.filter(({ parentId }) => parentId === '').length, wanted.roots, 'roots')
  const orphans = spans.filter(({ parentId }) => parentId !== '' && !ids.has(parentId))
  assert.equal(orphans.length, wanted.orphans, `without their parent: ${orphans.map(({ name }) => name).join(', ')}`)
}

async function checkLogs(targets: Targets, query: string, wanted: Expectation): Promise<void> {
  const { data } = await json<{ data: { result: { stream: Record<string, string>; values: unknown[] }[] } }>(
    `${targets.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, limit: '1000' })}`,
  )
  const count = data.result.reduce((all, { values }) => all + values.length, 0)
  assertCount(count, wanted.lines!, query)
  for (const [label, values] of Object.entries(wanted.each ?? {})) {
    assert.deepEqual([...new Set(data.result.map(({ stream }) => stream[label]))].sort(), values, `${label}: ${query}`)
  }
}

/** The sum of an instant query's answer; nothing is 0. Looking back no further than two scrapes passes over what died. */
async function sum(targets: Targets, query: string): Promise<number> {
  const { data } = await json<{ data: { result: { value: [number, string] }[] } }>(
    `${targets.prometheus}/api/v1/query?${new URLSearchParams({ query, lookback_delta: '12s' })}`,
  )
  return data.result.reduce((all, { value }) => all + Number(value[1]), 0)
}

async function checkExemplar(targets: Targets, query: string, began: number): Promise<void> {
  const range = { start: String(began / 1000 - 1), end: String(Date.now() / 1000 + 1) }
  const { data } = await json<{ data: { exemplars: { labels: Record<string, string>; timestamp: number }[] }[] }>(
    `${targets.prometheus}/api/v1/query_exemplars?${new URLSearchParams({ query, ...range })}`,
  )
  const newest = data.flatMap(({ exemplars }) => exemplars).sort((a, b) => b.timestamp - a.timestamp)[0]
  assert.ok(newest, `no exemplar since the requests: ${query}`)
  const traceId = newest.labels.trace_id
  assert.ok(await readTrace(targets.tempo, traceId!), `the exemplar's trace ${traceId} is not to be found`)
}

async function rows(targets: Targets, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: targets.database })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function json<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}
