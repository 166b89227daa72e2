/** Which labels a parser would find in the newest matching lines, and of what type they seem. */
import { type ApiRequest, type ApiResponse, httpError, json } from '../../http.ts'
import { parseSignedDuration } from '../language/durations.ts'
import { parseBytes } from '../language/sizes.ts'
import { createBudget, type LogEntry, parse, parseFields, select } from '../logql/index.ts'
import type { LokiContext } from './context.ts'
import { readLimit, readWindow, requireQuery } from './params.ts'

interface Field {
  readonly values: Set<string>
  readonly parsers: Set<string>
  /** The keys that lead to it in a line of JSON. */
  jsonPath?: readonly string[]
}

/** `detected_fields`: each with its type, how many values it has, and which parsers find it. */
export function detectedFields(context: LokiContext, { query: params }: ApiRequest): ApiResponse {
  const { fields, limit } = sampleFields(context, params)
  const found = [...fields].slice(0, limit).map(([label, { values, parsers, jsonPath }]) => ({
    label,
    type: typeOf(values),
    cardinality: values.size,
    parsers: parsers.size > 0 ? [...parsers] : null,
    ...(jsonPath && { jsonPath }),
  }))
  return json(200, { ...(found.length > 0 && { fields: found }), limit })
}

/** `detected_field/{name}/values`: the values of one of them. */
export function detectedFieldValues(context: LokiContext, { query: params }: ApiRequest, name: string): ApiResponse {
  const { fields, limit } = sampleFields(context, params)
  return json(200, { values: [...(fields.get(name)?.values ?? [])].slice(0, limit), limit })
}

function sampleFields(context: LokiContext, params: URLSearchParams): { fields: Map<string, Field>; limit: number } {
  const query = parse(requireQuery(params))
  if (query.kind !== 'log') throw httpError(400, 'a log query is wanted here, as in {job="x"}')
  const sample = Number(params.get('line_limit') ?? 100)
  if (!Number.isInteger(sample) || sample <= 0) throw httpError(400, 'line_limit must be a positive whole number')
  const limit = readLimit(params, 1000)
  const entries = select(query, context.logs, {
    range: readWindow(params, context.nowNs()),
    limit: Math.min(sample, 5_000),
    direction: 'backward',
    budget: createBudget(context.timeoutMs),
  })
  return { fields: collectFields(entries), limit }
}

function collectFields(entries: readonly LogEntry[]): Map<string, Field> {
  const fields = new Map<string, Field>()
  const add = (name: string, value: string, parser?: string, jsonPath?: readonly string[]): void => {
    const field = fields.get(name) ?? { values: new Set(), parsers: new Set() }
    field.values.add(value)
    if (parser) field.parsers.add(parser)
    if (jsonPath) field.jsonPath ??= jsonPath
    fields.set(name, field)
  }
  for (const entry of entries) {
    for (const [name, value] of Object.entries(entry.structuredMetadata)) add(name, value)
    const { parser, pairs } = parseFields(entry.line)
    const seen = new Set<string>()
    for (const [name, value, path] of pairs) {
      // Of a name that a line has twice the first counts.
      if (seen.has(name)) continue
      seen.add(name)
      // A parser of the query's own has named it already.
      const extracted = `${name}_extracted`
      const isOther = Object.hasOwn(entry.stream, name) || Object.hasOwn(entry.parsed, extracted)
      add(isOther ? extracted : name, value, parser, path)
    }
  }
  return fields
}

/** The narrowest type that all values have. */
function typeOf(values: ReadonlySet<string>): string {
  const tests: [string, (value: string) => boolean][] = [
    ['int', (value) => /^-?\d+$/.test(value)],
    ['float', (value) => /^-?\d+\.\d+$/.test(value)],
    ['boolean', (value) => /^(true|false)$/.test(value)],
    ['duration', (value) => parseSignedDuration(value, false) !== undefined],
    ['bytes', (value) => /[a-zA-Z]$/.test(value) && parseBytes(value) !== undefined],
  ]
  const all = [...values]
  return tests.find(([, test]) => all.every(test))?.[0] ?? 'string'
}
