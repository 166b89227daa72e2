/** A dashboard's variables: their options (from data or from the JSON), chained, and the values in force. */
import type { DataSource } from '../data/datasources.ts'
import { sourceOf } from '../data/datasources.ts'
import { regexOf } from '../data/field-config.ts'
import type { Variable } from '../data/grafana-json.ts'
import type { Client } from '../data/http.ts'
import { builtInVariables, interpolate, type Variables, type VariableValue } from '../data/interpolate.ts'
import { lokiLabelValues } from '../data/loki.ts'
import { instantQuery, labelNames, labelValues } from '../data/prometheus.ts'
import { tempoTagValues } from '../data/tempo.ts'
import type { TimeRange } from '../data/time-range.ts'

/** How Grafana writes that all options are chosen. */
export const ALL = '$__all'

export interface VariableOption {
  readonly text: string
  readonly value: string
}

export interface ResolvedVariable {
  readonly definition: Variable
  readonly options: readonly VariableOption[]
  /** What is chosen, "All" as `$__all`. */
  readonly selected: readonly string[]
  readonly error?: string
}

/**
 * Resolves in the order written, each with the values of those before it. `chosen` (from the URL) wins over the JSON's
 * current value; a value that is no longer an option falls back to the first one.
 */
export async function resolveVariables(
  definitions: readonly Variable[],
  chosen: ReadonlyMap<string, readonly string[]>,
  client: Client,
  range: TimeRange,
): Promise<ResolvedVariable[]> {
  const done: ResolvedVariable[] = []
  for (const definition of definitions) {
    const known = variableValues(done)
    let options: readonly VariableOption[] = []
    let error: string | undefined
    try {
      options = await loadOptions(definition, definitions, known, client, range)
    } catch (cause) {
      if (client.signal?.aborted) throw cause
      error = cause instanceof Error ? cause.message : String(cause)
    }
    done.push({
      definition,
      options,
      selected: selection(definition, options, chosen.get(definition.name)),
      ...(error && { error }),
    })
  }
  return done
}

function selection(
  definition: Variable,
  options: readonly VariableOption[],
  chosen: readonly string[] | undefined,
): readonly string[] {
  const free = definition.type === 'textbox' || definition.type === 'constant'
  const current = [
    definition.current?.value ?? (free && typeof definition.query === 'string' ? definition.query : []),
  ].flat()
  const wanted = chosen ?? current.map(String)
  if (free) return wanted.length ? wanted : ['']
  const allowed = wanted.filter(
    (value) => (value === ALL && definition.includeAll) || options.some((option) => option.value === value),
  )
  if (allowed.length) return definition.multi || allowed.length === 1 ? allowed : [allowed[0]!]
  if (definition.includeAll) return [ALL]
  return options[0] ? [options[0].value] : []
}

/** What goes into queries. */
export function variableValues(resolved: readonly ResolvedVariable[], range?: TimeRange, stepMs = 15_000): Variables {
  const own = resolved.map(({ definition, options, selected }): [string, VariableValue] => {
    const all = selected.includes(ALL)
    const values = all
      ? options.map((option) => option.value)
      : selected.map((value) => (value === '$__auto' || value.startsWith('$__auto') ? '$__interval' : value))
    const multi = Boolean(definition.multi || definition.includeAll)
    const text = all
      ? 'All'
      : selected.map((value) => options.find((option) => option.value === value)?.text ?? value).join(' + ')
    return [
      definition.name,
      { values, text, multi, ...(all && definition.allValue && { verbatim: definition.allValue }) },
    ]
  })
  return new Map([...(range ? builtInVariables(range, stepMs) : []), ...own])
}

async function loadOptions(
  definition: Variable,
  all: readonly Variable[],
  known: Variables,
  client: Client,
  range: TimeRange,
): Promise<VariableOption[]> {
  const query = typeof definition.query === 'string' ? definition.query : (definition.query?.query ?? '')
  if (definition.type === 'custom' || definition.type === 'interval') return splitOptions(query)
  if (definition.type === 'datasource') return [{ text: query, value: query }]
  if (definition.type !== 'query') return []
  const source = sourceOf({ datasource: definition.datasource ?? null }, undefined, all)
  const values = await queryOptions(definition, source, known, client, range)
  return filtered(values, definition)
}

/** `a, b : c` -> options; `text : value` gives each its own. */
function splitOptions(query: string): VariableOption[] {
  return query
    .split(/(?<!\\),/)
    .map((part) => part.trim().replaceAll('\\,', ','))
    .filter(Boolean)
    .map((part) => {
      const [text, value] = part.split(/\s+:\s+/)
      return { text: text!, value: value ?? text! }
    })
}

async function queryOptions(
  definition: Variable,
  source: DataSource,
  known: Variables,
  client: Client,
  range: TimeRange,
): Promise<string[]> {
  const raw = definition.query
  if (source.id === 'tempo' && typeof raw === 'object')
    return (await tempoTagValues(client, raw.label ?? '', range)).map((one) => one.value)
  if (source.id === 'loki') {
    const label = typeof raw === 'object' ? raw.label : /label_values\((?:.*,\s*)?(\w+)\)/.exec(raw ?? '')?.[1]
    return lokiLabelValues(client, label ?? '', range)
  }
  const text = interpolate(
    (typeof raw === 'string' ? raw : raw?.query) ?? definition.definition ?? '',
    known,
    'promql',
  ).trim()
  const values = /^label_values\(\s*(?:(.+?)\s*,\s*)?(\w+)\s*\)$/s.exec(text)
  if (values) return labelValues(client, values[2]!, values[1], range)
  if (/^label_names\(\s*\)$/.test(text)) return labelNames(client)
  const metrics = /^metrics\((.*)\)$/s.exec(text)
  if (metrics)
    return (await labelValues(client, '__name__', undefined, range)).filter((name) =>
      new RegExp(metrics[1]!).test(name),
    )
  const result = /^query_result\((.*)\)$/s.exec(text)
  if (!result) throw new Error(`The query of the variable "${definition.name}" is not supported: ${text}`)
  const filled = interpolate(result[1]!, new Map(builtInVariables(range, 15_000)), 'promql')
  return (await instantQuery(client, filled, range.to)).map(({ labels, values: [value] }) => {
    const { __name__ = '', ...rest } = labels
    return `${__name__}{${Object.entries(rest)
      .map(([name, text]) => `${name}="${text}"`)
      .join(',')}} ${value}`
  })
}

/** The variable's regular expression (its first group, or `text`/`value` groups), then its sort order. */
function filtered(values: readonly string[], { regex, sort = 0 }: Variable): VariableOption[] {
  const pattern = regex ? regexOf(regex) : undefined
  const seen = new Map<string, VariableOption>()
  for (const value of values) {
    // A pattern with the flag g would go on where it ended in the value before.
    if (pattern) pattern.lastIndex = 0
    const match = pattern?.exec(value)
    if (pattern && !match) continue
    const chosen = match?.groups?.value ?? match?.[1] ?? match?.[0] ?? value
    seen.set(chosen, { value: chosen, text: match?.groups?.text ?? chosen })
  }
  const options = [...seen.values()]
  if (sort === 0) return options
  const numeric = sort === 3 || sort === 4
  const sign = sort % 2 === 0 ? -1 : 1
  return options.sort(
    (a, b) => sign * a.text.localeCompare(b.text, undefined, { numeric, sensitivity: sort >= 5 ? 'base' : 'variant' }),
  )
}
