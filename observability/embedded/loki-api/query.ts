/** `query` and `query_range`: evaluates LogQL and writes what it found in Loki's shapes. */
import type { ApiRequest, ApiResponse } from '../http.ts'
import { httpError, json } from '../http.ts'
import { type Budget, createBudget, type Labels, type LogEntry, parse, select } from '../logql/index.ts'
import type { LokiStore } from './index.ts'
import { readDirection, readDuration, readLimit, readWindow, requireQuery } from './params.ts'

export function queryRange(store: LokiStore, { query: params, headers }: ApiRequest): ApiResponse {
  const query = parse(requireQuery(params))
  const window = readWindow(params, store.nowNs())
  const limit = readLimit(params)
  const budget = createBudget(store.timeoutMs)
  const started = performance.now()
  if (query.kind !== 'log') throw httpError(400, 'metric queries are not supported')
  const interval = params.get('interval')
  const entries = select(query, store.logs, {
    range: window,
    limit,
    direction: readDirection(params),
    intervalNs: interval ? readDuration(interval, 'interval') : 0,
    budget,
  })
  const categorize = wantsCategories(headers)
  const data = {
    resultType: 'streams',
    ...(categorize && { encodingFlags: ['categorize-labels'] }),
    result: streamsOf(entries, categorize),
    stats: statsOf(budget, started, entries.length),
  }
  return json(200, { status: 'success', data })
}

function wantsCategories(headers: ApiRequest['headers']): boolean {
  const flags = headers['x-loki-response-encoding-flags'] ?? ''
  return flags.split(',').some((flag) => flag.trim() === 'categorize-labels')
}

type Value = [ns: string, line: string, categories?: { structuredMetadata?: Labels; parsed?: Labels }]

export interface Stream {
  readonly stream: Labels
  readonly values: Value[]
}

/** Entries by label set. Categorised: only the stream's own labels tell sets apart, the rest goes with each line. */
export function streamsOf(entries: readonly LogEntry[], categorize: boolean): Stream[] {
  const streams = new Map<string, Stream>()
  for (const entry of entries) {
    const labels = categorize ? entry.stream : { ...entry.stream, ...entry.structuredMetadata, ...entry.parsed }
    const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
    const key = JSON.stringify(sorted)
    let stream = streams.get(key)
    if (!stream) {
      stream = { stream: Object.fromEntries(sorted), values: [] }
      streams.set(key, stream)
    }
    const value: Value = [String(entry.timeNs), entry.line]
    if (categorize) value.push(categoriesOf(entry))
    stream.values.push(value)
  }
  return [...streams].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stream]) => stream)
}

function categoriesOf({ structuredMetadata, parsed }: LogEntry): NonNullable<Value[2]> {
  return {
    ...(Object.keys(structuredMetadata).length > 0 && { structuredMetadata }),
    ...(Object.keys(parsed).length > 0 && { parsed }),
  }
}

export function statsOf({ stats }: Budget, started: number, entries: number): object {
  const execTime = (performance.now() - started) / 1000
  const perSecond = (amount: number): number => Math.round(amount / Math.max(execTime, 1e-6))
  return {
    summary: {
      bytesProcessedPerSecond: perSecond(stats.bytes),
      linesProcessedPerSecond: perSecond(stats.lines),
      totalBytesProcessed: stats.bytes,
      totalLinesProcessed: stats.lines,
      execTime,
      queueTime: 0,
      subqueries: 0,
      totalEntriesReturned: entries,
      splits: 0,
      shards: 0,
    },
  }
}
