/** What can come next at the cursor: words of the language, and names and values that occur in the data. */
import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { newClient } from '../data/http.ts'
import { lokiFields, lokiLabels, lokiLabelValues } from '../data/loki.ts'
import { labelNames, labelValues, metricMetadata } from '../data/prometheus.ts'
import { tempoTags, tempoTagValues } from '../data/tempo.ts'
import type { TimeRange } from '../data/time-range.ts'
import type { QueryLanguage } from './languages.ts'
import { locateLogql, locatePromql, locateTraceql, type Place } from './locate.ts'
import {
  LOGQL_FUNCTIONS,
  LOGQL_STAGES,
  PROMQL_FUNCTIONS,
  PROMQL_KEYWORDS,
  TRACEQL_FUNCTIONS,
  TRACEQL_INTRINSICS,
} from './words.ts'

type Loader = (place: Place, range: TimeRange) => Promise<Completion[]>

/** A new source for each language and range; what was asked once is remembered as long as it lives. */
export function completionFor(language: QueryLanguage, range: TimeRange): CompletionSource {
  const known = new Map<string, Promise<Completion[]>>()
  const locate = { traceql: locateTraceql, logql: locateLogql, promql: locatePromql }[language]
  const load = { traceql: loadTraceql, logql: loadLogql, promql: loadPromql }[language]
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const place = locate(context.state.sliceDoc(0, context.pos))
    if (!place || (!context.explicit && place.typed === '' && place.kind !== 'value')) return null
    const key = `${place.kind}/${place.subject ?? ''}`
    const found = known.get(key) ?? load(place, range)
    known.set(key, found)
    try {
      return {
        from: context.pos - place.typed.length,
        options: await found,
        validFor: place.kind === 'value' ? /^[^"`]*$/ : /^[\w.:]*$/,
      }
    } catch {
      // Without the backend there are no suggestions; the query itself will say what is wrong.
      known.delete(key)
      return null
    }
  }
}

const words = (list: Readonly<Record<string, string>>, type: string): Completion[] =>
  Object.entries(list).map(([label, info]) => ({ label, info, type }))
const names = (list: readonly string[], type: string, detail?: string): Completion[] =>
  list.map((label) => ({ label, type, ...(detail && { detail }) }))

const loadTraceql: Loader = async ({ kind, subject }, range) => {
  if (kind === 'value') {
    const values = await tempoTagValues(newClient(), subject!, range)
    return values.map(({ value, type }) => ({ label: value, type: 'constant', detail: type }))
  }
  if (kind === 'stage') return words(TRACEQL_FUNCTIONS, 'function')
  const scopes = await tempoTags(newClient(), range)
  const attributes = scopes.flatMap(({ name, tags }) =>
    name === 'intrinsic'
      ? []
      : names(
          tags.map((tag) => `${name}.${tag}`),
          'property',
          name,
        ),
  )
  return [...attributes, ...words(TRACEQL_INTRINSICS, 'keyword')]
}

const loadLogql: Loader = async ({ kind, subject }, range) => {
  if (kind === 'value') return names(await lokiLabelValues(newClient(), subject!, range), 'constant')
  if (kind === 'label') return names(await lokiLabels(newClient(), range), 'property')
  if (kind === 'stage') {
    const fields = subject ? await lokiFields(newClient(), subject, range) : []
    return [...words(LOGQL_STAGES, 'keyword'), ...names(fields, 'property', 'field')]
  }
  return words(LOGQL_FUNCTIONS, 'function')
}

const loadPromql: Loader = async ({ kind, subject }, range) => {
  const client = newClient()
  if (kind === 'value') {
    const [label, metric] = subject!.split('\0')
    return names(await labelValues(client, label!, metric || undefined, range), 'constant')
  }
  if (kind === 'label')
    return names(
      (await labelNames(client, subject || undefined)).filter((name) => name !== '__name__'),
      'property',
    )
  const [metrics, infos] = await Promise.all([
    labelValues(client, '__name__', undefined, range),
    metricMetadata(client),
  ])
  const described = metrics.map((label): Completion => {
    const info = infos.get(label) ?? infos.get(label.replace(/_(bucket|sum|count|total)$/, ''))
    return { label, type: 'variable', ...(info && { detail: info.type, info: info.help }) }
  })
  return [...described, ...words(PROMQL_FUNCTIONS, 'function'), ...words(PROMQL_KEYWORDS, 'keyword')]
}
