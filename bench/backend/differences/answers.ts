/** Asks an engine, and tells in what two answers differ. */
import type { Engine } from '../engines/launch.ts'
import { readAnswer, readQuestion } from './apis.ts'

/**
 * Of LogQL: all lines; the newest few; lines some time apart; series; series at odd times; their values at one time. `slip` and
 * `misspelt` are queries that may be none (TraceQL, LogQL), `tags` and `labels` questions to the other routes.
 */
export type Way = TraceWay | LogWay
export type TraceWay = 'search' | 'metrics' | 'instant' | 'slip' | 'tags'
export type LogWay = 'lines' | 'newest' | 'apart' | 'range' | 'odd' | 'vector' | 'misspelt' | 'labels'

/** Seconds since the epoch. */
export interface Window {
  readonly start: number
  readonly end: number
  readonly step: number
}

/** From the coarse to the fine: two answers differ in the first part that isn't the same. */
export type Answer =
  | { readonly refused: string }
  | typeof ENDED
  | { readonly parts: readonly (readonly [string, Map<string, Value>])[] }
export type Value = string | number

/** The engine ended as a whole. */
export const ENDED = { ended: true } as const

/** Whether a place may differ: what is documented does. Of the two values one may be absent. */
export type Ignore = (part: string, key: string, here: Value | undefined, there: Value | undefined) => boolean

export interface Difference {
  /** What differs and in which direction. */
  readonly what: string
  /** One place where it does, or how the query was refused. */
  readonly example: string
}

const ASK_SECONDS = 60
const MOST = '5000'
const LINES = {
  lines: { limit: MOST, direction: 'forward' },
  newest: { limit: '20', direction: 'backward' },
  apart: { limit: MOST, direction: 'forward', interval: '30s' },
} as const

export async function ask(engine: Engine, way: Way, query: string, window: Window): Promise<Answer> {
  const { url, headers } = request(engine, way, query, window)
  const once = () => fetch(url, { headers, signal: AbortSignal.timeout(ASK_SECONDS * 1000) })
  // An engine may close a connection that is kept alive just when it is used again.
  const response = await once().catch(once)
  const body = await response.text()
  if (!response.ok) return { refused: `${response.status} ${body.trim().slice(0, 300)}` }
  return { parts: read[way](JSON.parse(body)) }
}

function request(engine: Engine, way: Way, query: string, { start, end, step }: Window) {
  const times = { start: String(start), end: String(end) }
  const address = (base: string, path: string, parameters: Record<string, string>) =>
    `${base}${path}?${new URLSearchParams(parameters)}`
  const headers = { 'x-loki-response-encoding-flags': 'categorize-labels' }
  switch (way) {
    case 'search':
      return { url: address(engine.tempo, '/api/search', { q: query, ...times, limit: '1000', spss: '100' }) }
    case 'metrics':
      return {
        url: address(engine.tempo, '/api/metrics/query_range', {
          q: query,
          ...times,
          step: `${step}s`,
          exemplars: '0',
        }),
      }
    case 'instant':
      return { url: address(engine.tempo, '/api/metrics/query', { q: query, ...times }) }
    case 'slip': {
      const metrics = /\|\s*(rate|\w+_over_time|compare)\b/.test(query)
      const path = metrics ? '/api/metrics/query_range' : '/api/search'
      return { url: address(engine.tempo, path, { q: query, ...times, ...(metrics && { step: `${step}s` }) }) }
    }
    case 'misspelt':
      return {
        url: address(engine.loki, '/loki/api/v1/query_range', { query, ...times, step: String(step), limit: '10' }),
      }
    case 'tags':
    case 'labels': {
      const { path, parameters } = readQuestion(query)
      const base = way === 'tags' ? `${engine.tempo}/api/` : `${engine.loki}/loki/api/v1/`
      return { url: `${base}${path}?${new URLSearchParams([...parameters, ...Object.entries(times)])}` }
    }
    case 'lines':
    case 'newest':
    case 'apart':
      return { url: address(engine.loki, '/loki/api/v1/query_range', { query, ...times, ...LINES[way] }), headers }
    case 'range':
      return { url: address(engine.loki, '/loki/api/v1/query_range', { query, ...times, step: String(step) }) }
    case 'odd': {
      const odd = { start: String(start + 7.25), end: String(end - 3.5), step: '37.5' }
      return { url: address(engine.loki, '/loki/api/v1/query_range', { query, ...odd }) }
    }
    case 'vector':
      return { url: address(engine.loki, '/loki/api/v1/query', { query, time: String(end) }) }
  }
}

/** What Tempo says of a root without a service name, too; here that is only said of a root that is not there. */
const NO_ROOT = '<root span not yet received>'

/** biome-ignore-start lint/suspicious/noExplicitAny: what a foreign program answers has no type until it is read here */
type Read = (body: any) => (readonly [string, Map<string, Value>])[]

const search: Read = ({ traces = [] }) => {
  const found = new Map<string, Value>()
  const heads = new Map<string, Value>()
  const spans = new Map<string, Value>()
  const matched = new Map<string, Value>()
  const attributes = new Map<string, Value>()
  for (const trace of traces) {
    const id = trace.traceID.replace(/^0+/, '')
    found.set(id, '')
    heads.set(
      id,
      [
        trace.rootServiceName?.replace(NO_ROOT, ''),
        trace.rootTraceName,
        trace.startTimeUnixNano,
        trace.durationMs ?? 0,
      ].join(' | '),
    )
    for (const set of trace.spanSets ?? []) {
      const key = `${id} ${named(set.attributes)}`
      matched.set(key, set.matched)
      for (const span of set.spans) {
        const own = `${span.name ?? ''} ${span.startTimeUnixNano} ${span.durationNanos}`
        const place = `${key} ${span.spanID.replace(/^0+/, '')}`
        spans.set(place, '')
        attributes.set(place, `${own} ${named(span.attributes)}`)
      }
    }
  }
  return [
    ['traces', found],
    ['spans', spans],
    ['matched', matched],
    ['heads', heads],
    ['attributes', attributes],
  ]
}

const series: Read = ({ series = [] }) => [
  ['series', new Map(series.map((one: any) => [named(one.labels), '']))],
  [
    'samples',
    new Map(
      series.flatMap((one: any) =>
        (one.samples ?? [{ timestampMs: '', value: one.value }]).map((sample: any): [string, Value] => [
          `${named(one.labels)} @${sample.timestampMs}`,
          sample.value ?? 0,
        ]),
      ),
    ),
  ],
]

const lines: Read = ({ data }) => {
  const all = data.result.flatMap(({ stream, values }: any) =>
    values.map(([time, line, more]: any) => ({ time, line, labels: { stream, ...more } })),
  )
  const by = (told: (entry: any) => Value) => new Map<string, Value>(all.map((entry: any) => [entry.time, told(entry)]))
  return [
    ['lines', by(({ line }) => line)],
    ['labels', by(({ labels }) => JSON.stringify(sorted(labels)))],
  ]
}

const samples: Read = ({ data: { resultType, result } }) => {
  const all = resultType === 'scalar' ? [{ metric: {}, value: result }] : result
  return [
    ['series', new Map(all.map(({ metric }: any) => [JSON.stringify(sorted(metric)), '']))],
    [
      'samples',
      together(
        all.flatMap(({ metric, value, values }: any) =>
          (values ?? [value]).map(([time, sample]: any): [string, number] => [
            `${JSON.stringify(sorted(metric))} @${resultType === 'scalar' ? '' : time}`,
            Number(sample.replace('Inf', 'Infinity')),
          ]),
        ),
      ),
    ],
  ]
}

/** Several samples of the same labels and time are all told, as `1 & 2`: the smallest first. */
function together(samples: readonly (readonly [key: string, value: number])[]): Map<string, Value> {
  const found = new Map<string, number[]>()
  for (const [key, value] of samples) found.set(key, [...(found.get(key) ?? []), value])
  return new Map(
    [...found].map(([key, all]) => [key, all.length === 1 ? all[0]! : all.sort((a, b) => a - b).join(' & ')]),
  )
}

function named(attributes: any[] = []): string {
  const value = (of: any) => JSON.stringify(of?.arrayValue ? of.arrayValue.values : (of ?? null))
  return attributes
    .map(({ key, value: own }) => `${key}=${value(own)}`)
    .sort()
    .join(' ')
}
/** biome-ignore-end lint/suspicious/noExplicitAny: as above */

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      // Texts of errors are each engine's own.
      .filter(([name, own]) => own !== undefined && JSON.stringify(own) !== '{}' && name !== '__error_details__')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, own]) => [name, sorted(own)]),
  )
}

const read: Record<Way, Read> = {
  search,
  metrics: series,
  instant: series,
  lines,
  newest: lines,
  apart: lines,
  range: samples,
  odd: samples,
  vector: samples,
  slip: () => [],
  misspelt: () => [],
  tags: readAnswer,
  labels: readAnswer,
}

/** undefined when both say the same, but for what is ignored. */
export function difference(here: Answer, there: Answer, ignore: Ignore = () => false): Difference | undefined {
  if ('ended' in here || 'ended' in there)
    return { what: 'ended', example: `the process, ${'ended' in here ? 'here' : 'there'}` }
  if ('refused' in here || 'refused' in there) {
    if (!('refused' in here)) return { what: 'refused there', example: (there as { refused: string }).refused }
    if (!('refused' in there)) return { what: 'refused here', example: here.refused }
    return here.refused.startsWith('400') ? undefined : { what: 'not refused with 400', example: here.refused }
  }
  for (const [at, [part, mine]] of here.parts.entries()) {
    const yours = there.parts[at]![1]
    const kept = [...new Set([...mine.keys(), ...yours.keys()])]
      .map((key) => [key, mine.get(key), yours.get(key)] as const)
      .filter(([key, a, b]) => (a === undefined || b === undefined || !same(a, b)) && !ignore(part, key, a, b))
    const onlyHere = kept.filter(([, , b]) => b === undefined)
    const onlyThere = kept.filter(([, a]) => a === undefined)
    const other = kept.filter(([, a, b]) => a !== undefined && b !== undefined)
    const directions = [
      ...(onlyHere.length > 0 ? ['more here'] : []),
      ...(onlyThere.length > 0 ? ['more there'] : []),
      ...(other.length > 0 ? ['not the same'] : []),
    ]
    if (directions.length === 0) continue
    const examples = [
      ...onlyHere.slice(0, 1).map(([key, value]) => `only here: ${key} ${value}`),
      ...onlyThere.slice(0, 1).map(([key, , value]) => `only there: ${key} ${value}`),
      ...other.slice(0, 1).map(([key, a, b]) => `${key}\n      here:  ${a}\n      there: ${b}`),
    ]
    return { what: `${part}: ${directions.join(', ')}`, example: examples.join('\n    ') }
  }
  return undefined
}

/** Sums of floats differ in their last digits with the order of adding. */
function same(a: Value, b: Value): boolean {
  if (a === b || typeof a !== 'number' || typeof b !== 'number') return a === b
  return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1e-6) || (Number.isNaN(a) && Number.isNaN(b))
}
