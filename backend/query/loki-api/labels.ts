/** `labels`, `label/{name}/values`, `series`, `detected_labels`: what streams there are. */
import { type ApiRequest, type ApiResponse, httpError, json } from '../../http.ts'
import { createBudget, type Labels, type LogTimeRange, parse, streamsIn } from '../logql/index.ts'
import type { LokiContext } from './context.ts'
import { readWindow } from './params.ts'

const SIX_HOURS_NS = 6n * 3_600_000_000_000n

/** `labels`: names of the labels of all streams with lines in the window (six hours unless told), sorted. */
export function labelNames(context: LokiContext, { query }: ApiRequest): ApiResponse {
  const names = new Set<string>()
  for (const labels of streamsOfQuery(context, query)) for (const name of Object.keys(labels)) names.add(name)
  return success([...names].sort())
}

/** `label/{name}/values`: the values of one label, sorted. */
export function labelValues(context: LokiContext, { query }: ApiRequest, name: string): ApiResponse {
  const values = new Set<string>()
  for (const labels of streamsOfQuery(context, query)) if (Object.hasOwn(labels, name)) values.add(labels[name]!)
  return success([...values].sort())
}

/** Loki leaves `data` out when there is none. */
const success = (data: readonly string[]): ApiResponse =>
  json(200, { status: 'success', ...(data.length > 0 && { data }) })

function streamsOfQuery(context: LokiContext, query: URLSearchParams): Iterable<Labels> {
  const window = readWindow(query, context.nowNs(), SIX_HOURS_NS)
  return streamsMatching(context, query.get('query'), window)
}

/** The distinct label sets of streams with lines in the window that a selector (all, when absent) matches. */
export function streamsMatching(context: LokiContext, selector: string | null, window: LogTimeRange): Labels[] {
  const query = selector && selector.trim() !== '{}' ? parse(selector) : undefined
  if (query && query.kind !== 'log') throw httpError(400, 'only label matchers are supported here, as in {job="x"}')
  return streamsIn(context.logs, query?.selector ?? [], window, createBudget(context.timeoutMs))
}

/**
 * `series`: the distinct label sets of streams that any of the selectors `match[]` matches; of all streams without
 * one.
 */
export function series(context: LokiContext, { query }: ApiRequest): ApiResponse {
  const window = readWindow(query, context.nowNs(), SIX_HOURS_NS)
  const selectors = [...query.getAll('match[]'), ...query.getAll('match')]
  if (selectors.length === 0) selectors.push('{}')
  const found = new Map<string, Labels>()
  for (const selector of selectors) {
    for (const labels of streamsMatching(context, selector, window)) {
      found.set(JSON.stringify(Object.entries(labels).sort()), labels)
    }
  }
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, labels]) => labels)
  return json(200, { status: 'success', data: sorted })
}

/** Numbers and UUIDs: nobody groups by such a label. */
const isId = (value: string): boolean =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(value) || /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value)

/** `detected_labels`: each label with how many values it has; as in Loki none whose values are all numbers or ids. */
export function detectedLabels(context: LokiContext, { query }: ApiRequest): ApiResponse {
  const values = new Map<string, Set<string>>()
  for (const labels of streamsOfQuery(context, query)) {
    for (const [name, value] of Object.entries(labels)) {
      const known = values.get(name)
      if (known) known.add(value)
      else values.set(name, new Set([value]))
    }
  }
  const found = [...values]
    .filter(([, set]) => ![...set].every(isId))
    .map(([label, set]) => ({ label, cardinality: set.size }))
  return json(200, found.length > 0 ? { detectedLabels: found.sort((a, b) => (a.label < b.label ? -1 : 1)) } : {})
}
