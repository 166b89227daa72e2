/** `index/stats`, `index/volume`, `index/volume_range`: how much there is, by stream or label. */
import { type ApiRequest, type ApiResponse, httpError, json } from '../../http.ts'
import { createBudget, type Labels, parse, type StreamSize, streamSizes, streamSizesPerStep } from '../logql/index.ts'
import type { LokiContext } from './context.ts'
import { readLimit, readStep, readWindow, requireQuery } from './params.ts'
import { formatFloat, seconds, startResponse } from './query.ts'

/** `index/stats`: streams, tables, bytes and lines that a selector matches in the window. */
export function indexStats(context: LokiContext, { query }: ApiRequest): ApiResponse {
  const window = readWindow(query, context.nowNs())
  const sizes = streamSizes(context.logs, readSelector(query), window, createBudget(context.timeoutMs))
  const sum = (of: (size: StreamSize) => number): number => sizes.reduce((total, size) => total + of(size), 0)
  return json(200, {
    streams: sizes.length,
    chunks: sum(({ tables }) => tables),
    bytes: sum(({ bytes }) => bytes),
    entries: sum(({ entries }) => entries),
  })
}

function readSelector(params: URLSearchParams): Parameters<typeof streamSizes>[1] {
  const text = requireQuery(params)
  if (text.trim() === '{}') return []
  const query = parse(text)
  if (query.kind !== 'log') throw httpError(400, 'a stream selector is wanted here, as in {job="x"}')
  return query.selector
}

/** Bytes in the window, largest first. */
export function volume(context: LokiContext, { query }: ApiRequest): ApiResponse {
  const window = readWindow(query, context.nowNs())
  const sizes = streamSizes(context.logs, readSelector(query), window, createBudget(context.timeoutMs))
  const volumes = volumesOf(query)(sizes)
  const at = seconds(window.endNs)
  const result = volumes
    .slice(0, readLimit(query))
    .map(({ metric, bytes }) => ({ metric, value: [at, formatFloat(bytes)] }))
  return startResponse(context).finish('vector', result, result.length)
}

/** The same per step. */
export function volumeRange(context: LokiContext, { query }: ApiRequest): ApiResponse {
  const window = readWindow(query, context.nowNs())
  const stepNs = readStep(query, window)
  const sizes = streamSizesPerStep(
    context.logs,
    readSelector(query),
    { ...window, stepNs },
    createBudget(context.timeoutMs),
  )
  const volumes = volumesOf(query)
  const found = new Map<string, { metric: Labels; total: number; values: [number, string][] }>()
  let startNs = window.startNs
  for (const ofStep of sizes) {
    const at = seconds(startNs)
    startNs += stepNs
    for (const { metric, bytes } of volumes(ofStep)) {
      const key = JSON.stringify(metric)
      const series = found.get(key) ?? { metric, total: 0, values: [] }
      series.total += bytes
      series.values.push([at, formatFloat(bytes)])
      found.set(key, series)
    }
  }
  const result = [...found.values()].sort((a, b) => b.total - a.total).slice(0, readLimit(query))
  return startResponse(context).finish(
    'matrix',
    result.map(({ metric, values }) => ({ metric, values })),
    result.length,
  )
}

interface Volume {
  readonly metric: Labels
  readonly bytes: number
}

/** What the streams come to by the labels that are asked for, largest first. */
function volumesOf(params: URLSearchParams): (sizes: readonly StreamSize[]) => Volume[] {
  const by = params.get('aggregateBy') ?? 'series'
  if (by !== 'series' && by !== 'labels')
    throw httpError(400, `invalid aggregateBy ${JSON.stringify(by)}: series or labels`)
  const targets = (params.get('targetLabels') ?? '').split(',').filter(Boolean)
  const matched = readSelector(params).map((matcher) => matcher.name)
  const wanted = targets.length > 0 ? targets : matched
  return (sizes) => {
    const volumes = new Map<string, { metric: Record<string, string>; bytes: number }>()
    const add = (metric: Record<string, string>, bytes: number): void => {
      const key = JSON.stringify(Object.entries(metric).sort())
      const known = volumes.get(key) ?? { metric, bytes: 0 }
      known.bytes += bytes
      volumes.set(key, known)
    }
    for (const { labels, bytes } of sizes) {
      const all = Object.keys(labels)
      const named = all.filter((name) => targets.length === 0 || targets.includes(name))
      const names = all.filter((name) => wanted.length === 0 || wanted.includes(name))
      // As in Loki a stream without one of the labels that are asked for is of no series.
      if (!targets.every((name) => Object.hasOwn(labels, name))) continue
      if (by === 'labels') for (const name of named) add({ [name]: '' }, bytes)
      else add(Object.fromEntries(names.map((name) => [name, labels[name]!])), bytes)
    }
    return [...volumes.values()].sort((a, b) => b.bytes - a.bytes)
  }
}
