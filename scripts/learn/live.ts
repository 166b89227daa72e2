/** The running system as the lessons ask it: through the same interfaces as the learner. */
import { join, relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Apis } from '@sightline/local/apis'
import { root } from '@sightline/local/settings'
import { readSettledTrace, readTrace, SETTLE_MS, type Span } from '../trace/spans.ts'

export interface FoundTrace {
  traceId: string
  /** Spans that matched, as `spanID`. */
  spans: string[]
}

export interface Sample {
  labels: Record<string, string>
  value: number
}

export interface Answer {
  status: number
  headers: Headers
  /** null where the body is no JSON. */
  json: Record<string, unknown> | null
}

export interface Live {
  /** Where a service writes its lines, as somebody in the project's folder would type it. */
  logFile(service: string): string
  /** One request through the gateway: a body makes it a POST of JSON. */
  api(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** null when there is none; one that is being received is waited for. */
  trace(traceId: string): Promise<Span[] | null>
  /** Traces of the last hour, newest first. Rejects with a QueryError when the query is refused. */
  search(traceql: string, limit?: number): Promise<FoundTrace[]>
  traceMetric(traceql: string): Promise<Sample[]>
  /** Lines of the last hour, newest first. */
  lines(logql: string): Promise<{ labels: Record<string, string>; line: string }[]>
  lineMetric(logql: string): Promise<Sample[]>
  metric(promql: string): Promise<Sample[]>
  /** Trace ids of the exemplars that the series have had in the last hour. */
  exemplars(promql: string): Promise<string[]>
}

/** A query that the engine refuses; the message is the engine's. */
export class QueryError extends Error {
  override name = 'QueryError'
}

const MOST_LINES = 5000

/** `home` is the state folder. Every method that asks rejects with what fetch says when nothing answers. */
export function liveSystem({ gateway, tempo, loki, prometheus, credentials }: Apis, home: string): Live {
  const hour = () => {
    const now = Date.now() / 1000
    return { start: String(Math.floor(now - 3600)), end: String(Math.ceil(now)) }
  }
  const search = (query: Record<string, string>) => ask<{ traces?: TempoTrace[] }>(`${tempo}/api/search`, query)

  return {
    logFile: (service) => join(isBelow(root, home) ? relative(root, home) : home, 'logs', service, `${service}.log`),
    async api(path, body, headers = {}) {
      const response = await fetch(gateway + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          ...credentials,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = /json/.test(response.headers.get('content-type') ?? '')
      return { status: response.status, headers: response.headers, json: isJson ? JSON.parse(text) : null }
    },
    async trace(traceId) {
      const found = await readSettledTrace(tempo, traceId)
      if (found) return found
      await pause(SETTLE_MS)
      return readTrace(tempo, traceId)
    },
    async search(traceql, limit = 100) {
      const { traces = [] } = await search({ q: traceql, limit: String(limit), spss: '100' })
      return traces.map(({ traceID, spanSets = [] }) => ({
        traceId: traceID.padStart(32, '0'),
        spans: spanSets.flatMap(({ spans }) => spans.map(({ spanID }) => spanID)),
      }))
    },
    async traceMetric(traceql) {
      const { series = [] } = await ask<{ series?: TempoSeries[] }>(`${tempo}/api/metrics/query`, { q: traceql })
      return series.map(({ labels, value }) => ({
        labels: Object.fromEntries(labels.map((label) => [label.key, String(Object.values(label.value)[0])])),
        value,
      }))
    },
    async lines(logql) {
      const query = { query: logql, limit: String(MOST_LINES), ...hour() }
      const { data } = await ask<Result<LokiStream>>(`${loki}/loki/api/v1/query_range`, query)
      if (data.resultType !== 'streams') throw new QueryError('This query gives numbers; lines are asked for.')
      const found = data.result.flatMap(({ stream, values }) =>
        values.map(([time, line]) => ({ time: BigInt(time), labels: stream, line })),
      )
      return found.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
    },
    async lineMetric(logql) {
      const { data } = await ask<Result<Vector>>(`${loki}/loki/api/v1/query`, { query: logql })
      if (data.resultType !== 'vector') throw new QueryError('This query gives lines; numbers are asked for.')
      return data.result.map(toSample)
    },
    async metric(promql) {
      const { data } = await ask<Result<Vector>>(`${prometheus}/api/v1/query`, { query: promql })
      if (data.resultType !== 'vector') throw new QueryError('This query gives no series with one value each.')
      return data.result.map(toSample)
    },
    async exemplars(promql) {
      const query = { query: promql, ...hour() }
      const { data } = await ask<{ data: Exemplars[] }>(`${prometheus}/api/v1/query_exemplars`, query)
      return data.flatMap(({ exemplars }) => exemplars.flatMap(({ labels }) => labels.trace_id ?? []))
    },
  }
}

const isBelow = (folder: string, path: string) => path.startsWith(`${folder}/`)

interface TempoTrace {
  traceID: string
  spanSets?: { spans: { spanID: string }[] }[]
}

interface TempoSeries {
  labels: { key: string; value: Record<string, unknown> }[]
  value: number
}

interface LokiStream {
  stream: Record<string, string>
  values: [string, string][]
}

interface Vector {
  metric: Record<string, string>
  value: [number, string]
}

interface Result<Row> {
  data: { resultType: string; result: Row[] }
}

interface Exemplars {
  exemplars: { labels: Record<string, string> }[]
}

const toSample = ({ metric, value }: Vector): Sample => ({ labels: metric, value: Number(value[1]) })

async function ask<T>(url: string, query: Record<string, string>): Promise<T> {
  const response = await fetch(`${url}?${new URLSearchParams(query)}`)
  const text = await response.text()
  if (response.ok) return JSON.parse(text) as T
  if (response.status >= 500) throw new Error(`${url} answered ${response.status}: ${text}`)
  throw new QueryError(/^\s*\{/.test(text) ? (JSON.parse(text).error ?? text) : text.trim())
}
