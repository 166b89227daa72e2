/**
 * observability/expectations.yaml: what requests must leave behind, and how each of its queries is asked and judged. For tests
 * and for `npm run doctor`; all it knows of a system is where its APIs are.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { withClient } from '@sightline/db/with-client'
import { root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { parse } from 'yaml'
import { orphansOf, readTrace } from '../trace/spans.ts'

/** Base URLs without a slash at the end; the database as postgres://user:password@host:port/name. */
export interface Targets {
  gateway: string
  userService: string
  tempo: string
  loki: string
  prometheus: string
  database: string
}

export interface Request {
  to?: 'gateway' | 'user_service'
  /** Method and path. */
  send: string
  headers?: Record<string, string>
  body: unknown
  status: number
  /** SQL that the database's owner runs before, in a transaction that is held until a statement has waited for it for a while. */
  behind?: string
}

type Count = number | { at_least: number }

export interface Expectation {
  that: string
  /** A variable: asked where it is set alone. */
  needs?: string
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

export interface ExpectationFile {
  deadline_seconds: number
  requests: Record<string, Request>
  expectations: Expectation[]
}

/** One try: rejects with what was answered instead while the answer is not as expected. */
type Ask = () => Promise<void>

/** What a request was answered: the ids that {{request.field}} stands for. */
export interface Sent {
  trace_id: string
  request_id: string
}

/** The sum of each metric's query before the requests, for what must rise. */
export type Before = ReadonlyMap<string, number>

export const readExpectations = (): ExpectationFile =>
  parse(readFileSync(join(root, 'observability/expectations.yaml'), 'utf8')) as ExpectationFile

export async function sumsBefore(
  targets: Pick<Targets, 'prometheus'>,
  expectations: readonly Expectation[],
): Promise<Before> {
  const queries = expectations.flatMap(({ promql }) => promql ?? [])
  return new Map(await Promise.all(queries.map(async (query) => [query, await sum(targets, query)] as const)))
}

/** Sends one of the file's requests. Rejects when it is not answered as the file says. */
export async function sendRequest(
  targets: Pick<Targets, 'gateway' | 'userService' | 'database'>,
  name: string,
  request: Request,
  headers: Record<string, string> = {},
): Promise<Sent> {
  const [method, path] = request.send.split(' ')
  const base = request.to === 'user_service' ? targets.userService : targets.gateway
  const requestId = `expect-${name}-${randomBytes(6).toString('hex')}`
  const send = () =>
    fetch(base + path, {
      method: method!,
      headers: { 'content-type': 'application/json', 'x-request-id': requestId, ...request.headers, ...headers },
      body: JSON.stringify(request.body),
    })
  const response = await (request.behind === undefined ? send() : sentBehind(targets.database, request.behind, send))
  const text = await response.text()
  if (response.status !== request.status) {
    throw new Error(`${request.send} at ${base} was answered ${response.status}, not ${request.status}: ${text}`)
  }
  const traceId = response.headers.get('x-trace-id') ?? ''
  if (!/^[0-9a-f]{32}$/.test(traceId)) throw new Error(`${request.send}: the answer's X-Trace-Id is "${traceId}"`)
  return { trace_id: traceId, request_id: requestId }
}

/** PostgreSQL's deadlock_timeout, after which it says who waits, and some more. */
const WAITS_FOR = '1.1 s'

/** Holds what `sql` locks until a statement has waited for it for so long. */
function sentBehind(database: string, sql: string, send: () => Promise<Response>): Promise<Response> {
  return withClient({ connectionString: database }, async (client) => {
    await client.query('begin')
    await client.query(sql)
    const answering = send()
    const waits = async () => {
      const { rowCount } = await client.query(
        `select from pg_locks where not granted and waitstart < clock_timestamp() - $1::interval
         and pg_backend_pid() = any(pg_blocking_pids(pid))`,
        [WAITS_FOR],
      )
      return rowCount! > 0
    }
    // One that is answered did not wait, or no longer: what is expected of it will say so.
    await Promise.race([until('a statement waits', 10, waits), answering])
    await client.query('rollback')
    return answering
  })
}

/** What {{browser}} stands for: no answer, but the trace that a browser has begun. */
export const browserTrace = (): Sent => ({ trace_id: randomBytes(16).toString('hex'), request_id: '' })

/** A request or an expectation with the answers' ids in the place of {{request.field}}, and the nanoseconds now in that of {{now}}. */
export function filled<T>(template: T, answers: Record<string, Sent>): T {
  const timed = JSON.stringify(template).replaceAll('{{now}}', `${Date.now()}000000`)
  const text = timed.replace(/\{\{(\w+)\.(\w+)\}\}/g, (_, name: string, field: keyof Sent) => {
    const value = answers[name]?.[field]
    if (value === undefined) throw new Error(`expectations.yaml: there is no {{${name}.${field}}}`)
    return value
  })
  return JSON.parse(text) as T
}

/** How a filled expectation is asked. `began`: milliseconds since the epoch, before the first request. */
export function askFor(targets: Targets, wanted: Expectation, before: Before, began: number): Ask {
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
      if (risen < wanted.rises_by!) throw new Error(`${promql}\nrose by ${risen} to ${now}, not by ${wanted.rises_by}`)
    }
  }
  if (promql !== undefined && wanted.value !== undefined) {
    return async () => assertCount(await sum(targets, promql), wanted.value!, promql)
  }
  if (exemplar !== undefined) return () => checkExemplar(targets, exemplar, began)
  if (sql !== undefined && wanted.rows !== undefined) {
    return async () => expectSame(await rows(targets, sql), wanted.rows, sql)
  }
  throw new Error(`expectations.yaml: "${wanted.that}" has no query, or a query without what it must answer`)
}

function assertCount(actual: number, wanted: Count, query: string): void {
  if (typeof wanted === 'number') expectSame(actual, wanted, query)
  else if (actual < wanted.at_least) throw new Error(`${actual} instead of at least ${wanted.at_least}: ${query}`)
}

function expectSame(actual: unknown, wanted: unknown, what: string): void {
  if (isDeepStrictEqual(actual, wanted)) return
  throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}: ${what}`)
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
  if (!spans) throw new Error(`there is no trace ${traceId}`)
  expectSame([...new Set(spans.map(({ service }) => service))].sort(), wanted.services, 'services with spans in it')
  expectSame(spans.filter(({ parentId }) => parentId === '').length, wanted.roots, 'roots')
  const orphans = orphansOf(spans)
  const named = orphans.map(({ service, name }) => `${name} of ${service}`).join(', ')
  expectSame(orphans.length, wanted.orphans, `spans without their parent: ${named}`)
}

async function checkLogs(targets: Targets, query: string, wanted: Expectation): Promise<void> {
  const { data } = await json<{ data: { result: { stream: Record<string, string>; values: unknown[] }[] } }>(
    `${targets.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, limit: '1000' })}`,
  )
  const count = data.result.reduce((all, { values }) => all + values.length, 0)
  assertCount(count, wanted.lines!, query)
  for (const [label, values] of Object.entries(wanted.each ?? {})) {
    expectSame([...new Set(data.result.map(({ stream }) => stream[label]))].sort(), values, `${label} of ${query}`)
  }
}

/** The sum of an instant query's answer; nothing is 0. Looking back no further than two scrapes passes over what died. */
async function sum(targets: Pick<Targets, 'prometheus'>, query: string): Promise<number> {
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
  if (!newest) throw new Error(`no exemplar since the requests: ${query}`)
  const traceId = newest.labels.trace_id!
  if (!(await readTrace(targets.tempo, traceId))) throw new Error(`the exemplar's trace ${traceId} is not to be found`)
}

const rows = (targets: Targets, sql: string): Promise<unknown[]> =>
  withClient({ connectionString: targets.database }, async (client) => (await client.query(sql)).rows)

async function json<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}
