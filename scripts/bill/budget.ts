/** Whether labels stay bounded: each value of a label is a series of its own, for as long as Prometheus keeps it. */
import { getJson, type System } from '../ask/system.ts'

export type Labels = Readonly<Record<string, string>>

/** A label of a metric with more values than it may have. */
export interface Exploded {
  metric: string
  label: string
  values: number
  /** A few of them, for whoever has to guess where they come from. */
  examples: string[]
}

/** Most values of one label of one metric of one program: routes, statements and status codes of the services are below half of that. */
export const MOST_VALUES = 60
/** Buckets are as many as somebody has written down. */
const WRITTEN_DOWN = new Set(['__name__', 'le', 'quantile'])
const EXAMPLES = 3

/** Those over `most`, the worst first. */
export function exploded(series: readonly Labels[], most: number): Exploded[] {
  const values = new Map<string, { metric: string; label: string; seen: Set<string> }>()
  for (const labels of series) {
    const metric = labels.__name__ ?? ''
    for (const [label, value] of Object.entries(labels)) {
      if (WRITTEN_DOWN.has(label)) continue
      // Metrics of spans are made by one program for all services.
      const key = `${labels.service ?? labels.job}\n${metric}\n${label}`
      const known = values.get(key) ?? { metric, label, seen: new Set<string>() }
      values.set(key, known)
      known.seen.add(value)
    }
  }
  return [...values.values()]
    .filter(({ seen }) => seen.size > most)
    .sort((a, b) => b.seen.size - a.seen.size)
    .map(({ metric, label, seen }) => ({ metric, label, values: seen.size, examples: [...seen].slice(0, EXAMPLES) }))
}

/** What other programs say of themselves is theirs to bound. */
const OURS =
  '{__name__=~".+",__name__!~"(alertmanager|cortex|go|loki|mimir|net|otelcol|process|prometheus|promhttp|tempo)_.*"}'

/** All series of the last `minutes` that this system makes. Rejects with an Unanswered when Prometheus does not answer. */
export async function readSeries(system: System, minutes: number): Promise<Labels[]> {
  const end = Date.now() / 1000
  const query = { 'match[]': OURS, start: String(end - minutes * 60), end: String(end) }
  const question = { path: '/api/v1/series', query, narrower: 'fewer --minutes' }
  return (await getJson<{ data: Labels[] }>('Prometheus', system.prometheus, question)).data
}
