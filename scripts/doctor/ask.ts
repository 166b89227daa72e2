/** How the checks ask: JSON over HTTP, one value from Prometheus, rows from PostgreSQL. All reject with a sentence. */
import { withClient } from '@sightline/db/with-client'
import type pg from 'pg'
import type { Patient } from './patient.ts'

export interface Reply<T> {
  status: number
  headers: Headers
  text: string
  json: T
}

/** An answer of any status; `json` is undefined where the body is none. */
export async function ask<T>(url: string, signal: AbortSignal, init: RequestInit = {}): Promise<Reply<T>> {
  const response = await fetch(url, { ...init, signal })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: (isJson ? JSON.parse(text) : undefined) as T,
  }
}

/** A 2xx answer's JSON. */
export async function askJson<T>(url: string, signal: AbortSignal, init: RequestInit = {}): Promise<T> {
  const { status, text, json } = await ask<T>(url, signal, init)
  if (status >= 200 && status < 300 && json !== undefined) return json
  throw new Error(`${url} answered ${status}: ${text.trim().slice(0, 300)}`)
}

export interface Sample {
  labels: Record<string, string>
  value: number
}

/** An instant query's vector, now or at a time in milliseconds since the epoch. */
export async function promql({ urls }: Patient, query: string, signal: AbortSignal, at?: number): Promise<Sample[]> {
  const time: Record<string, string> = at === undefined ? {} : { time: String(at / 1000) }
  const { data } = await askJson<{ data: { result: { metric: Record<string, string>; value: [number, string] }[] } }>(
    `${urls.prometheus}/api/v1/query?${new URLSearchParams({ query, ...time })}`,
    signal,
  )
  return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
}

const CONNECT_MS = 3_000

/** Rows of one statement, in a session of its own. */
export async function rows<Row extends pg.QueryResultRow>({ database }: Patient, sql: string): Promise<Row[]> {
  if (database === undefined) throw new Error('the password of the database is not known')
  const limits = { connectionTimeoutMillis: CONNECT_MS, query_timeout: CONNECT_MS }
  const config = { connectionString: database, application_name: 'doctor', ...limits }
  return withClient(config, async (client) => (await client.query<Row>(sql)).rows)
}
