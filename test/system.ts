/**
 * The system under test: the very same as `npm start`, on free ports and in a folder of its own, and short ways to ask
 * it. `SIGHTLINE_TEST_VERBOSE=1` shows what it does.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, type LocalOptions, type LocalSystem, startLocal } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import { readTrace, type Span } from '../scripts/trace/spans.ts'

export interface TestSystem extends LocalSystem, AsyncDisposable {
  /** One request through the gateway; the body is sent as JSON unless it is a string. */
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** The trace once `complete` accepts it; fails after `seconds`. */
  trace(traceId: string, seconds: number, complete: (spans: Span[]) => void): Promise<Span[]>
  /** Trace ids (32 digits) that a TraceQL query finds now. */
  search(traceql: string, limit?: number): Promise<string[]>
  logs(logql: string): Promise<{ labels: Record<string, string>; line: string }[]>
  prometheusQuery(promql: string): Promise<{ metric: Record<string, string>; value: number }[]>
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A machine that stands still for some seconds must not become a 202 or a 503 where a test wants a 200. */
const PATIENT = { HOP_TIMEOUT_MS: '6000', SHED_DELAY_MS: '0' }

export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  json: any
}

/**
 * No span of the trace is still on its way: all hang below the gateway's, and what is below a span ends before it and is sent no later.
 * Throws otherwise, for `trace` to look again.
 */
export function assertWhole(spans: readonly Span[]): void {
  const ids = new Set(spans.map(({ id }) => id))
  const roots = spans.filter(({ parentId }) => !ids.has(parentId))
  assert.deepEqual(
    roots.map(({ service }) => service),
    ['gateway'],
  )
}

/** Starts a system in a temporary folder; disposing of it stops it and removes the folder. */
export async function startSystem(options: LocalOptions = {}): Promise<TestSystem> {
  const home = await mkdtemp(join(tmpdir(), 'sightline-test-'))
  const starting = startLocal({
    home,
    ports: await freePorts(),
    ...(process.env.SIGHTLINE_TEST_VERBOSE ? { onProgress: (line) => console.log(`  ${line}`) } : {}),
    ...options,
    env: { ...PATIENT, ...(options.env ?? process.env) },
  })
  // A run that is cut short, by Ctrl-C or by its time limit, leaves nothing running.
  const cutShort = () =>
    void starting
      .then((started) => started.stop())
      .then(() => rm(home, { recursive: true, force: true }))
      .finally(() => process.exit(1))
  for (const signal of SIGNALS) process.once(signal, cutShort)
  const system = await starting
  const { gateway, tempo, loki, prometheus } = system.urls

  async function json<T>(url: string): Promise<T> {
    const response = await fetch(url)
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as T
  }

  return {
    ...system,
    async api(method, path, body, headers = {}) {
      const response = await fetch(gateway + path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = /json/.test(response.headers.get('content-type') ?? '')
      return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null }
    },
    trace: (traceId, seconds, complete) =>
      until(`trace ${traceId}`, seconds, () => readTrace(tempo, traceId), complete),
    async search(traceql, limit = 100) {
      const found = await json<{ traces: { traceID: string }[] }>(
        `${tempo}/api/search?${new URLSearchParams({ q: traceql, limit: String(limit) })}`,
      )
      return found.traces.map(({ traceID }) => traceID.padStart(32, '0'))
    },
    async logs(logql) {
      const query = new URLSearchParams({ query: logql, limit: '5000' })
      const { data } = await json<{
        data: { result: { stream: Record<string, string>; values: [string, string][] }[] }
      }>(`${loki}/loki/api/v1/query_range?${query}`)
      return data.result.flatMap(({ stream, values }) => values.map(([, line]) => ({ labels: stream, line })))
    },
    async prometheusQuery(promql) {
      const { data } = await json<{ data: { result: { metric: Record<string, string>; value: [number, string] }[] } }>(
        `${prometheus}/api/v1/query?${new URLSearchParams({ query: promql })}`,
      )
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    async [Symbol.asyncDispose]() {
      await system.stop()
      for (const signal of SIGNALS) process.off(signal, cutShort)
      await rm(home, { recursive: true, force: true })
    },
  }
}
